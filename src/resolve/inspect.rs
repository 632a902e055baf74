//! Resolution, looked at: what each blocking rule gives, what a pair's score is made of, which
//! records can match nothing.
//!
//! Knows the same blocks, comparisons and scorer as a run; refuses to know who looks and how it is
//! shown. Values of records are never given, but for a block's key to whoever asks for it.

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use serde::Serialize;

use super::block::{BlockingReport, group};
use super::columns::{Dictionary, Keys};
use super::compare::{Scratch, UNKNOWN, level_of};
use super::kernel::{Chunk, walk};
use super::model::{Model, Scorer, Weight, fixed, float, probability};
use super::record::{RecordKey, StewardDecision};
use super::run::{Input, Options, Ready, column, prepare};
use super::settings::{LinkType, Verdict};
use crate::error::Result;

/// What a pair's match weight is made of: the prior, each comparison, and what other classes than
/// coincidence take. They add up to the match weight exactly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waterfall {
    /// log2 of the prior odds.
    pub prior: f64,
    /// What each comparison adds.
    pub parts: Vec<Part>,
    /// What households and namesakes take, 0 or less.
    pub other_classes: f64,
    /// The sum.
    pub match_weight: f64,
    /// The match probability.
    pub match_probability: f64,
    /// The first blocking rule that brings the pair together, if one does.
    pub blocking_rule: Option<String>,
    /// The deterministic rule that decides the pair, and whether it merges, if one does.
    pub rule: Option<(String, bool)>,
}

/// One comparison of a pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The comparison's name.
    pub comparison: String,
    /// The level, `None` where a value is missing.
    pub level: Option<String>,
    /// Its weight, with the adjustment for rare and common values.
    pub weight: f64,
    /// The part of it that rare and common values make.
    pub term_frequency: f64,
}

/// Whether one blocking rule brings a pair together, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PairBlocking {
    /// The rule.
    pub rule: String,
    /// Whether it does.
    pub together: bool,
    /// Its keys, each with what the pair has of it.
    pub keys: Vec<KeyLook>,
    /// Where all keys are shared and the rule does not bring the pair together: what parts it.
    pub parted: Option<String>,
}

/// What a pair has of one blocking key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyLook {
    /// The key's SQL.
    pub key: String,
    /// `same`, `different`, `unknown of a`, `unknown of b` or `unknown of both`.
    pub state: &'static str,
}

/// A block of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Records that share the rule's keys.
    pub records: u64,
    /// Parts after division by the refine keys; 1 where it is whole.
    pub parts: u64,
    /// Records in parts still past the bound, that are compared in windows.
    pub in_windows: u64,
    /// The values of the keys, only where they were asked for.
    pub values: Option<Vec<String>>,
}

/// What one blocking rule gives.
#[derive(Debug, Clone, Serialize)]
pub struct RuleBlocking {
    /// As every run reports it.
    #[serde(flatten)]
    pub report: BlockingReport,
    /// Pairs that a run takes from it: no rule before it gives them.
    pub new_pairs: u64,
    /// Pairs that no other rule gives.
    pub only_pairs: u64,
    /// The largest blocks.
    pub largest: Vec<Block>,
    /// Known matches that it brings together.
    pub matches: Option<u64>,
    /// Known matches that no other rule brings together.
    pub only_matches: Option<u64>,
}

/// What the blocking rules of one kind give.
#[derive(Debug, Clone, Serialize)]
pub struct Blocking {
    /// The rules in order, merge rules after them.
    pub rules: Vec<RuleBlocking>,
    /// Distinct pairs that are compared.
    pub pairs: u64,
    /// Known matches that any rule brings together.
    pub matches: Option<u64>,
    /// Records without a key for any rule.
    pub no_key: u64,
}

/// Records that can match nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unlinkable {
    /// Rows without a key for any blocking rule.
    pub no_key: Vec<u32>,
    /// Rows that know too little: not even a record that agrees on everything would be merged.
    pub too_little_known: Vec<u32>,
}

/// One kind's records, ready to be looked at.
pub struct Inspector<'a> {
    ready: Ready<'a>,
}

/// A model brought to the records.
pub struct Scoring<'a> {
    ready: &'a Ready<'a>,
    model: &'a Model,
    scorer: Scorer<'a>,
}

impl<'a> Inspector<'a> {
    /// Prepares the records of one kind, as a run does.
    ///
    /// # Errors
    /// As [`super::resolve`].
    pub fn new(input: &'a Input<'a>, options: Options) -> Result<Self> {
        Ok(Self { ready: prepare(input, options)? })
    }

    /// Records.
    pub fn rows(&self) -> usize {
        self.ready.rows
    }

    /// The row of a record, if it is there.
    pub fn row(&self, key: &RecordKey) -> Option<u32> {
        self.ready.row(key)
    }

    /// The record of a row.
    pub fn key(&self, row: u32) -> RecordKey {
        self.ready.key(row)
    }

    /// Trains a model, as a run does.
    ///
    /// # Errors
    /// As [`super::resolve`].
    pub fn train(&self) -> Result<Model> {
        Ok(self.ready.trained()?.0)
    }

    /// Trains a model whose m is counted from labelled pairs.
    ///
    /// # Errors
    /// As [`super::train_from_labels`].
    pub fn train_from_labels(&self, labels: &[StewardDecision]) -> Result<Model> {
        self.ready.trained_from_labels(labels)
    }

    /// Brings a model to the records.
    ///
    /// # Errors
    /// Where it is not a model of these comparisons.
    pub fn scoring<'b>(&'b self, model: &'b Model) -> Result<Scoring<'b>> {
        let input = self.ready.input;
        model.check(input.kind, &self.ready.comparisons, input.hash_key.as_ref())?;
        let scorer = Scorer::new(model, &self.ready.comparisons, false, input.hash_key.as_ref())?;
        Ok(Scoring { ready: &self.ready, model, scorer })
    }

    /// What each blocking rule gives, with the `largest` largest blocks of each, and of the known
    /// `matches` (pairs of rows) those that it brings together.
    ///
    /// # Errors
    /// Where a key has no text form.
    pub fn blocking(
        &self,
        matches: Option<&[(u32, u32)]>,
        largest: usize,
        values: bool,
    ) -> Result<Blocking> {
        let blocks = &self.ready.blocks;
        let rules = &blocks.rules;
        let tally = walk(
            &self.ready.blocks,
            self.ready.threads,
            |l, r| !self.ready.skip(l, r),
            || (),
            |(), counts: &mut Vec<(u64, u64)>, chunk| {
                counts.resize(rules.len(), (0, 0));
                let own = usize::from(chunk.rule);
                for (l, r) in chunk.l.iter().zip(chunk.r) {
                    let mut others = (0..rules.len()).filter(|place| *place != own);
                    counts[own].0 += 1;
                    counts[own].1 += u64::from(others.all(|other| !blocks.holds(other, *l, *r)));
                }
            },
        )?;
        let mut found: Vec<(u64, u64)> = vec![(0, 0); rules.len()];
        let mut any = 0;
        for (l, r) in matches.unwrap_or_default() {
            let (l, r) = (*l.min(r), *l.max(r));
            if self.ready.skip(l, r) {
                continue;
            }
            let holding: Vec<usize> =
                (0..rules.len()).filter(|place| blocks.holds(*place, l, r)).collect();
            any += u64::from(!holding.is_empty());
            holding.iter().for_each(|place| found[*place].0 += 1);
            if let [only] = holding[..] {
                found[only].1 += 1;
            }
        }
        let mut looked = Vec::new();
        for (place, (own, keys)) in rules.iter().zip(self.keys()?).enumerate() {
            let sum = |of: fn(&(u64, u64)) -> u64| {
                tally.iter().filter_map(|part| part.get(place)).map(of).sum()
            };
            looked.push(RuleBlocking {
                report: own.report.clone(),
                new_pairs: sum(|own| own.0),
                only_pairs: sum(|own| own.1),
                largest: keys.largest(self.ready.rows, largest, values)?,
                matches: matches.map(|_| found[place].0),
                only_matches: matches.map(|_| found[place].1),
            });
        }
        Ok(Blocking {
            pairs: looked.iter().map(|own| own.new_pairs).sum(),
            rules: looked,
            matches: matches.map(|_| any),
            no_key: self.no_key()?.len() as u64,
        })
    }

    /// Why two records are not compared, whatever they say: the settings rule it out.
    pub fn skipped(&self, l: u32, r: u32) -> Option<String> {
        let settings = self.ready.input.settings;
        if !self.ready.skip(l, r) {
            return None;
        }
        let source = self.key(l).source;
        Some(match (source == self.key(r).source, settings.link) {
            (true, LinkType::LinkOnly) => {
                format!("both are of `{source}`, and link_only compares two sources only")
            }
            (true, _) => format!("both are of `{source}`, which is duplicate_free"),
            (false, _) => "they are of two sources, and dedupe_only compares one only".to_owned(),
        })
    }

    /// Of each blocking rule, merge rules after them, whether it brings a pair together.
    ///
    /// # Errors
    /// Where a key has no text form.
    pub fn pair_blocking(&self, a: u32, b: u32) -> Result<Vec<PairBlocking>> {
        let settings = self.ready.input.settings;
        let asked = settings.blocking.iter().map(|rule| (&rule.keys[..], &rule.refine[..]));
        let merging = settings.rules.iter().filter(|rule| rule.then == Verdict::Merge);
        let implied = merging.filter(|rule| !rule.same.is_empty());
        let implied = implied.map(|rule| (&rule.same[..], &[][..]));
        let blocks = &self.ready.blocks;
        let mut looked = Vec::new();
        for (place, ((keys, refine), arrays)) in asked.chain(implied).zip(self.keys()?).enumerate()
        {
            let states: Vec<KeyLook> = keys
                .iter()
                .zip(&arrays.keys)
                .map(|(key, codes)| KeyLook { key: key.clone(), state: state(codes, a, b) })
                .collect();
            let together = blocks.holds(place, a.min(b), a.max(b));
            let shared = states.iter().all(|own| own.state == "same");
            let parted = (shared && !together).then(|| {
                let differs = |(_, codes): &(&String, &Vec<u32>)| {
                    codes[a as usize] != codes[b as usize]
                };
                let bound = arrays.bound;
                match refine.iter().zip(&arrays.refine).find(differs) {
                    Some((key, _)) => format!(
                        "their block has more than max_block, {bound} records, and is divided by `{key}`, in which they differ"
                    ),
                    None => format!(
                        "their block has more than max_block, {bound} records, and is compared in windows of so many, and they are farther apart in it"
                    ),
                }
            });
            let rule = blocks.rules[place].name.clone();
            looked.push(PairBlocking { rule, together, keys: states, parted });
        }
        Ok(looked)
    }

    /// Rows without a key for any blocking rule.
    fn no_key(&self) -> Result<Vec<u32>> {
        let rules = self.keys()?;
        let blocked = |row: usize| {
            rules.iter().any(|rule| rule.keys.iter().all(|keys| !keys.of(row).is_empty()))
        };
        Ok((0..self.ready.rows).filter(|row| !blocked(*row)).map(|row| row as u32).collect())
    }

    /// The keys of every rule, in the order of the rules.
    fn keys(&self) -> Result<Vec<RuleArrays<'_>>> {
        let input = self.ready.input;
        let blocking = input.settings.blocking.iter();
        let asked = blocking.map(|rule| (&rule.keys, &rule.refine[..], rule.max_block));
        let merging = input.settings.rules.iter().filter(|rule| rule.then == Verdict::Merge);
        let implied = merging.filter(|rule| !rule.same.is_empty());
        // The bound of a merge rule's blocks is the default one.
        let implied = implied.map(|rule| (&rule.same, &[][..], 500));
        asked
            .chain(implied)
            .map(|(keys, refine, max_block)| {
                let arrays: Vec<&ArrayRef> =
                    keys.iter().map(|sql| column(input, sql)).collect::<Result<_>>()?;
                let codes = arrays.iter().zip(keys).map(|(array, sql)| Keys::encode(array, sql));
                let refine =
                    refine.iter().map(|sql| Ok(Dictionary::plain(column(input, sql)?, sql)?.codes));
                Ok(RuleArrays {
                    keys: codes.collect::<Result<_>>()?,
                    refine: refine.collect::<Result<_>>()?,
                    arrays,
                    bound: max_block.max(2) as usize,
                })
            })
            .collect()
    }
}

/// What two rows have of a key.
fn state(codes: &Keys, a: u32, b: u32) -> &'static str {
    let (a, b) = (codes.of(a as usize), codes.of(b as usize));
    match (a.is_empty(), b.is_empty()) {
        (true, true) => "unknown of both",
        (true, false) => "unknown of a",
        (false, true) => "unknown of b",
        (false, false) if a.iter().any(|code| b.contains(code)) => "same",
        (false, false) => "different",
    }
}

/// A rule's keys over the rows.
struct RuleArrays<'a> {
    arrays: Vec<&'a ArrayRef>,
    keys: Vec<Keys>,
    refine: Vec<Vec<u32>>,
    bound: usize,
}

impl RuleArrays<'_> {
    /// The largest blocks, before division.
    fn largest(&self, rows: usize, count: usize, values: bool) -> Result<Vec<Block>> {
        let (starts, members) = group(&self.keys.iter().collect::<Vec<_>>(), rows);
        let mut blocks: Vec<&[u32]> = starts
            .windows(2)
            .map(|bounds| &members[bounds[0]..bounds[1]])
            .filter(|block| block.len() > 1)
            .collect();
        // Stable: of one size, by the first record.
        blocks.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
        blocks.truncate(count);
        let looked = blocks.into_iter().map(|block| {
            let mut sizes = Vec::new();
            self.parts(block, 0, &mut sizes);
            let shown = |array: &&ArrayRef| match array.is_null(block[0] as usize) {
                true => String::new(),
                false => array_value_to_string(array, block[0] as usize).unwrap_or_default(),
            };
            Block {
                records: block.len() as u64,
                parts: sizes.len() as u64,
                in_windows: sizes.iter().filter(|own| **own > self.bound).map(|o| *o as u64).sum(),
                values: values.then(|| self.arrays.iter().map(shown).collect()),
            }
        });
        Ok(looked.collect())
    }

    /// Sizes of the parts of a block, divided as a run divides it.
    fn parts(&self, block: &[u32], depth: usize, sizes: &mut Vec<usize>) {
        match self.refine.get(depth) {
            Some(codes) if block.len() > self.bound => {
                let mut sorted = block.to_vec();
                sorted.sort_by_key(|row| (codes[*row as usize], *row));
                for part in sorted.chunk_by(|a, b| codes[*a as usize] == codes[*b as usize]) {
                    self.parts(part, depth + 1, sizes);
                }
            }
            _ => sizes.push(block.len()),
        }
    }
}

impl Scoring<'_> {
    /// What a pair's score is made of.
    pub fn waterfall(&self, l: u32, r: u32) -> Waterfall {
        let (l, r) = (l.min(r), l.max(r));
        let pattern = self.ready.comparisons.pattern(l, r);
        let weight = self.scorer.weight(pattern, l, r, Weight::MIN);
        let weights = self.scorer.weights(pattern, l, r);
        let weights = weights.zip(self.scorer.term_weights(pattern, l, r));
        let parts: Vec<Part> = self
            .ready
            .comparisons
            .list
            .iter()
            .zip(weights)
            .enumerate()
            .map(|(place, (own, (weight, term_frequency)))| Part {
                comparison: own.name.clone(),
                level: match level_of(pattern, place) {
                    UNKNOWN => None,
                    level => own.levels.get(usize::from(level) - 1).cloned(),
                },
                weight,
                term_frequency,
            })
            .collect();
        let sum: Weight = parts.iter().map(|part| fixed(part.weight)).sum();
        let rules = &self.ready.input.settings.rules;
        Waterfall {
            prior: float(fixed(self.model.prior_weight)),
            parts,
            other_classes: float(weight - sum - fixed(self.model.prior_weight)),
            match_weight: float(weight),
            match_probability: probability(weight),
            blocking_rule: self
                .ready
                .blocks
                .first_rule(l, r)
                .map(|rule| self.ready.blocks.rules[usize::from(rule)].name.clone()),
            rule: self
                .ready
                .rules
                .decide(l, r)
                .map(|(place, verdict)| (rules[place].name.clone(), verdict == Verdict::Merge)),
        }
    }

    /// The match weight of a pair.
    pub fn weight(&self, l: u32, r: u32) -> f64 {
        let pattern = self.ready.comparisons.pattern(l, r);
        float(self.scorer.weight(pattern, l, r, Weight::MIN))
    }

    /// Whether a blocking rule brings a pair together and it is compared.
    pub fn compared(&self, l: u32, r: u32) -> bool {
        !self.ready.skip(l, r) && self.ready.blocks.first_rule(l, r).is_some()
    }

    /// Scores every pair that blocking gives, once; the tallies come in an order that does not
    /// depend on threads.
    ///
    /// # Errors
    /// Where a comparison cannot be evaluated.
    pub fn each<T: Default + Send>(
        &self,
        visit: impl Fn(&mut T, u32, u32, f64) + Sync,
    ) -> Result<Vec<T>> {
        let found = walk(
            &self.ready.blocks,
            self.ready.threads,
            |l, r| !self.ready.skip(l, r),
            Scratch::default,
            |scratch, tally: &mut T, chunk: Chunk<'_>| {
                let patterns = self.ready.comparisons.patterns(scratch, chunk.l, chunk.r);
                for ((l, r), pattern) in chunk.l.iter().zip(chunk.r).zip(patterns) {
                    let weight = self.scorer.weight(*pattern, *l, *r, Weight::MIN);
                    visit(tally, *l, *r, float(weight));
                }
            },
        )?;
        self.ready.comparisons.check()?;
        Ok(found)
    }

    /// Records that can match nothing: no blocking rule finds a key in them, or a record that
    /// agreed with them on everything would stay under `probability`.
    ///
    /// # Errors
    /// Where a key has no text form.
    pub fn unlinkable(&self, inspector: &Inspector<'_>, least: f64) -> Result<Unlinkable> {
        let no_key = inspector.no_key()?;
        let known = |row: &u32| {
            let pattern = self.ready.comparisons.pattern(*row, *row);
            let weight = self.scorer.weight(pattern, *row, *row, Weight::MIN);
            let merges = |rule: &&super::settings::Rule| rule.then == Verdict::Merge;
            // A rule that merges needs no score.
            let ruled = || {
                self.ready.input.settings.rules.iter().any(|rule| merges(&rule))
                    && matches!(self.ready.rules.decide(*row, *row), Some((_, Verdict::Merge)))
            };
            probability(weight) >= least || ruled()
        };
        let rows = 0..self.ready.rows as u32;
        let too_little_known =
            rows.filter(|row| no_key.binary_search(row).is_err() && !known(row)).collect();
        Ok(Unlinkable { no_key, too_little_known })
    }
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
