//! The resolution of one kind of record, from blocking to clusters, in order.
//!
//! Knows the parts and what each hands to the next; refuses to know where records come from, who
//! evaluates expressions and where results go. Pure compute: Arrow in, Arrow out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{
    Array, ArrayRef, Float64Array, Float64Builder, ListBuilder, RecordBatch, StringArray,
    UInt8Builder, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use rustc_hash::{FxHashMap, FxHashSet};

use super::block::{BlockingReport, Blocks, RuleKeys, Since};
use super::cluster::{Clusters, Edge, Guards, Refusal, Strength, cluster};
use super::columns::{Columns, MISSING};
use super::compare::{Comparison, Comparisons, MAX_COMPARISONS, MAX_LEVELS, Scratch, level_of};
use super::conditions::{PairConditions, compiled};
use super::kernel::{Chunk, Pair, parallel, walk};
use super::model::{Best, Model, Scorer, Weight, fixed, float, probability};
use super::pairs::{Effects, evidence};
use super::quality::{ClusterQuality, Decided, quality};
use super::record::{RecordKey, StewardDecision};
use super::rules::Rules;
use super::settings::{ComparisonSettings, LinkType, Resolve, Verdict};
use super::train::{Counts, Labelled, Trainee, Vector, train};
use crate::error::{Error, Result};
use crate::keyed::HashKey;
use crate::memory;
use crate::random::mix;
use crate::tables;

mod incremental;
mod output;
mod part;
mod partition;
mod replay;
mod rows;
mod taken;
mod walk;

pub use incremental::{Before, ChangeCounts, Changes, Extent, Gone, Unchanged, resolve_since};
pub use replay::{Replayed, replay};
pub use rows::{ResolvedRows, RowPair, resolve_rows};

/// The rows of one kind, sorted by (source, record_id), which are its key.
pub struct Input<'a> {
    /// The kind of record (`person`, `organisation`).
    pub kind: &'a str,
    /// Its settings.
    pub settings: &'a Resolve,
    /// The source of each row.
    pub source: StringArray,
    /// The record's id in its source.
    pub record_id: StringArray,
    /// Every expression of `Resolve::expressions`, evaluated over the rows, in their order.
    pub expressions: HashMap<String, ArrayRef>,
    /// Every condition of `Resolve::conditions`, compiled over the rows; none where there is none.
    pub conditions: Option<Arc<dyn PairConditions>>,
    /// The key under which values are hashed; without it none is, but for common ones in a model.
    pub hash_key: Option<HashKey>,
}

impl Input<'_> {
    /// The row of a record, if it is there: rows are sorted by key.
    pub fn row(&self, key: &RecordKey) -> Option<u32> {
        let (mut low, mut high) = (0, self.source.len());
        while low < high {
            let middle = low.midpoint(high);
            let own = (self.source.value(middle), self.record_id.value(middle));
            match own.cmp(&(key.source.as_str(), key.record_id.as_str())) {
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// How to compute; never what.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads.
    pub threads: usize,
}

/// A union that a guard refused, with the pair that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardReport {
    /// `different`, `rule:NAME`, `duplicate_free:SOURCE`, `weak_bridge`,
    /// `contradiction` or `rival`.
    pub guard: String,
    /// One record of the pair.
    pub l: RecordKey,
    /// The other.
    pub r: RecordKey,
}

/// A pair that joined two clusters, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// One record.
    pub l: RecordKey,
    /// The other.
    pub r: RecordKey,
    /// As in `scored_pairs`.
    pub decided_by: String,
}

/// What resolution found.
pub struct Resolved {
    /// `tables::scored_pairs()`, sorted by key.
    pub pairs: RecordBatch,
    /// The cluster of each row; clusters are numbered by their smallest row.
    pub clusters: Vec<u32>,
    /// How well each cluster of two records or more holds together, in order of clusters.
    pub quality: Vec<ClusterQuality>,
    /// The match probability from which pairs were merged: `thresholds.merge`, or more where a
    /// precision was asked for.
    pub merge_threshold: f64,
    /// Pairs that joined clusters, from the strongest on.
    pub links: Vec<Link>,
    /// The model that scored.
    pub model: Model,
    /// What each blocking rule did, merge rules after them.
    pub blocking: Vec<BlockingReport>,
    /// Distinct pairs that were compared.
    pub pairs_compared: u64,
    /// Unions that a guard refused, from the strongest pair on.
    pub guards: Vec<GuardReport>,
    /// Whether training converged; true where a trained model was given.
    pub converged: bool,
    /// Iterations of EM.
    pub iterations: u32,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// How much of the records was looked at: all of them, or what changed. `links`, `guards` and
    /// `pairs_compared` are of what was looked at; all else is the same.
    pub extent: Extent,
}

/// Pairs that are held with their levels, at most, so that none is compared twice: 16 bytes each.
/// Where there are more, training compares a fixed share of them that stands for all, and scoring
/// compares each again.
const HELD_PAIRS: u64 = 1 << 25;

/// Bytes of a held pair, and of what its columns are larger than they need to be.
const HELD_BYTES: u64 = 24;

/// Pairs that such a share holds, about.
const TRAINING_PAIRS: u64 = 1 << 22;

/// Rows of a group that speak for it, at most.
const GROUP_ROWS: usize = 24;

pub(super) struct Ready<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) rows: usize,
    pub(super) comparisons: Arc<Comparisons>,
    pub(super) blocks: Blocks,
    pub(super) rules: Rules,
    /// By row, a number for a duplicate-free source.
    sources: Vec<u32>,
    /// Where only some links are asked for: by row, a number for its source.
    every_source: Vec<u32>,
    pub(super) threads: usize,
    /// Whether a deterministic rule may merge what the model would not.
    merges: bool,
    /// Pairs that guards asked for and that were not kept.
    compared_again: AtomicU64,
}

/// What pairs of a pattern weigh at most, by pattern.
type Most = FxHashMap<u64, Weight>;

/// Pairs of one task that were compared.
#[derive(Default)]
pub(super) struct Compared {
    rule: u16,
    l: Vec<u32>,
    r: Vec<u32>,
    patterns: Vec<u64>,
}

/// Pairs by what is known of them, as they are counted.
type Vectors = FxHashMap<Vector, u64>;

impl Compared {
    fn chunk(&self) -> Chunk<'_> {
        Chunk { rule: self.rule, l: &self.l, r: &self.r }
    }
}

fn sum(parts: Vec<Vectors>) -> Counts {
    let mut counts = Counts::new();
    for (vector, count) in parts.into_iter().flatten() {
        *counts.entry(vector).or_default() += count;
    }
    counts
}

/// A pair to be written.
#[derive(Clone, Copy)]
pub(super) struct Scored {
    pub(super) l: u32,
    pub(super) r: u32,
    rule: u16,
    pub(super) pattern: u64,
    pub(super) weight: Weight,
    decision: &'static str,
    by: By,
}

/// Scored pairs, sorted by rows, and where those of each left row begin.
struct Known<'a> {
    scored: &'a [Scored],
    starts: Vec<u32>,
}

impl<'a> Known<'a> {
    fn new(scored: &'a [Scored], rows: usize) -> Self {
        let mut starts = vec![0; rows + 1];
        for pair in scored {
            starts[pair.l as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        Self { scored, starts }
    }

    /// What was found of two rows, where it was kept.
    fn pair(&self, l: u32, r: u32) -> Option<&'a Scored> {
        let (l, r) = (l.min(r), l.max(r));
        let own = self.starts[l as usize] as usize..self.starts[l as usize + 1] as usize;
        self.scored[own].iter().find(|pair| pair.r == r)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Model,
    Rule(usize),
    Steward(usize),
}

impl Scored {
    fn decided(&self) -> Decided {
        let merged = self.decision == "merge";
        let sure = merged && self.by != By::Model;
        let probability = if sure { 1.0 } else { probability(self.weight) };
        Decided { l: self.l, r: self.r, weight: self.weight, probability, merged }
    }
}

/// The weight of a probability, a little under it, so that rounding cannot decide.
fn least_weight(probability: f64) -> Weight {
    fixed((probability / (1.0 - probability)).log2().clamp(-1e6, 1e6)) - 4
}

pub(super) fn column<'a>(input: &'a Input<'a>, expression: &str) -> Result<&'a ArrayRef> {
    let array = input.expressions.get(expression).ok_or_else(|| {
        Error::bug(format!("the expression `{expression}` was not evaluated over the records"))
    })?;
    if array.len() != input.source.len() {
        return Err(Error::bug(format!("the expression `{expression}` has rows of its own")));
    }
    Ok(array)
}

/// Checks the order on which every result rests.
fn check_sorted(input: &Input<'_>) -> Result<usize> {
    let rows = input.source.len();
    let key = |row: usize| (input.source.value(row), input.record_id.value(row));
    let whole = input.record_id.len() == rows
        && input.source.null_count() + input.record_id.null_count() == 0
        && (1..rows).all(|row| key(row - 1) < key(row));
    if !whole || rows >= MISSING as usize {
        return Err(Error::bug(
            "records to resolve are not sorted by (source, record_id), or not unique",
        ));
    }
    Ok(rows)
}

/// Expressions that blocking and comparisons read.
fn columns<'a>(input: &'a Input<'a>, compare: bool, threads: usize) -> Result<Columns<'a>> {
    let settings = input.settings;
    let compared = settings.comparisons.iter().filter(|_| compare).flat_map(|own| &own.columns);
    let mut all = settings.blocking_expressions();
    all.extend(compared.map(String::as_str));
    for sql in &all {
        column(input, sql)?;
    }
    Columns::new(&input.expressions, &all, threads)
}

fn blocks(
    input: &Input<'_>,
    columns: &Columns<'_>,
    rows: usize,
    since: Option<&Since<'_>>,
    threads: usize,
) -> Result<Blocks> {
    let asked = input.settings.blocking.iter().map(|rule| RuleKeys {
        name: &rule.name,
        keys: &rule.keys,
        refine: &rule.refine,
        max_block: rule.max_block,
    });
    let merging = input.settings.rules.iter().filter(|rule| rule.then == Verdict::Merge);
    let implied = merging.filter(|rule| !rule.same.is_empty()).map(|rule| RuleKeys {
        name: &rule.name,
        keys: &rule.same,
        refine: &[],
        max_block: MERGE_BLOCK,
    });
    Blocks::since(&asked.chain(implied).collect::<Vec<_>>(), columns, rows, since, threads)
}

/// The bound of the blocks that a merge rule makes: windows chain what is past it.
const MERGE_BLOCK: u32 = 500;

/// What blocking would give, without comparing a pair: for `plan`.
///
/// # Errors
/// Where an expression is missing or has no text form.
pub fn estimate(input: &Input<'_>) -> Result<Vec<BlockingReport>> {
    let rows = check_sorted(input)?;
    let columns = columns(input, false, 1)?;
    Ok(blocks(input, &columns, rows, None, 1)?.rules.into_iter().map(|rule| rule.report).collect())
}

pub(super) fn prepare<'a>(input: &'a Input<'a>, options: Options) -> Result<Ready<'a>> {
    let rows = check_sorted(input)?;
    let settings = input.settings;
    if settings.comparisons.is_empty() || settings.comparisons.len() > MAX_COMPARISONS {
        return Err(Error::configuration(format!(
            "resolve.{}: between 1 and {MAX_COMPARISONS} comparisons are needed",
            input.kind
        )));
    }
    let threads = options.threads;
    // A code a row for each column, and a place in the blocks of each rule, at the least.
    let places = input.expressions.len() + 2 * (settings.blocking.len() + settings.rules.len());
    memory::need(4 * rows as u64 * places as u64)?;
    let columns = columns(input, true, threads)?;
    let blocks = blocks(input, &columns, rows, None, threads)?;
    let conditions = input.conditions.as_ref();
    let of_conditions = |own: &ComparisonSettings| -> Result<Comparison> {
        let arrays: Vec<&ArrayRef> =
            own.columns.iter().map(|sql| column(input, sql)).collect::<Result<_>>()?;
        Comparison::of_conditions(own, &arrays, compiled(conditions)?)
    };
    let list = Comparison::all(&settings.comparisons, &columns, threads, &of_conditions)?;
    drop(columns);
    let place = |source: &str| settings.duplicate_free.iter().position(|own| own == source);
    let sources = if settings.duplicate_free.is_empty() {
        Vec::new()
    } else {
        let number = |row| place(input.source.value(row)).map_or(MISSING, |place| place as u32);
        (0..rows).map(number).collect()
    };
    // Rows are sorted by source.
    let mut every_source = Vec::new();
    if settings.link != LinkType::LinkAndDedupe {
        let mut number = 0;
        for row in 0..rows {
            let other = row > 0 && input.source.value(row) != input.source.value(row - 1);
            number += u32::from(other);
            every_source.push(number);
        }
    }
    let comparisons = Arc::new(Comparisons { list });
    Ok(Ready {
        input,
        rows,
        blocks,
        rules: Rules::new(&settings.rules, rows, &comparisons, conditions, |sql| {
            column(input, sql)
        })?,
        comparisons,
        sources,
        every_source,
        threads,
        merges: settings.rules.iter().any(|rule| rule.then == Verdict::Merge),
        compared_again: AtomicU64::new(0),
    })
}

impl Ready<'_> {
    /// Two records of a source that holds each entity once are never compared, nor are those whose
    /// link is not asked for.
    pub(super) fn skip(&self, l: u32, r: u32) -> bool {
        let one_source = || self.every_source[l as usize] == self.every_source[r as usize];
        match self.input.settings.link {
            LinkType::DedupeOnly if !one_source() => return true,
            LinkType::LinkOnly if one_source() => return true,
            _ => {}
        }
        !self.sources.is_empty()
            && self.sources[l as usize] != MISSING
            && self.sources[l as usize] == self.sources[r as usize]
    }

    /// Whether any two records may be such.
    fn skips(&self) -> bool {
        self.input.settings.link != LinkType::LinkAndDedupe || !self.sources.is_empty()
    }

    /// Compares every pair, and holds what was found.
    fn compare(&self) -> Result<Vec<Compared>> {
        walk(
            &self.blocks,
            self.threads,
            |l, r| !self.skip(l, r),
            Scratch::default,
            |scratch, out: &mut Compared, chunk| {
                out.rule = chunk.rule;
                out.l.extend_from_slice(chunk.l);
                out.r.extend_from_slice(chunk.r);
                out.patterns
                    .extend_from_slice(self.comparisons.patterns(scratch, chunk.l, chunk.r));
            },
        )
    }

    /// Adds what is known of these pairs to the counts.
    fn count(&self, chunk: Chunk<'_>, patterns: &[u64], counts: &mut Vectors) {
        let apart = self.rules.separated(chunk.l, chunk.r);
        for (place, levels) in patterns.iter().enumerate() {
            let apart = apart.as_ref().is_some_and(|apart| apart[place]);
            *counts.entry(Vector { levels: *levels, apart }).or_default() += 1;
        }
    }

    /// Counts the levels of a share of pairs that stands for all.
    fn share(&self) -> Result<Counts> {
        self.counted(self.blocks.pairs().div_ceil(TRAINING_PAIRS).max(1))
    }

    /// Counts the levels of one in `share` pairs; which ones depends on nothing but rows.
    fn counted(&self, share: u64) -> Result<Counts> {
        let drawn = |l: u32, r: u32| mix(u64::from(l) << 32 | u64::from(r)).is_multiple_of(share);
        let parts = walk(
            &self.blocks,
            self.threads,
            |l, r| drawn(l, r) && !self.skip(l, r),
            Scratch::default,
            |scratch, counts: &mut Vectors, chunk| {
                let patterns = self.comparisons.patterns(scratch, chunk.l, chunk.r);
                self.count(chunk, patterns, counts);
            },
        )?;
        Ok(sum(parts))
    }

    /// Trains; gives the pairs that were compared where they can be held.
    pub(super) fn trained(&self) -> Result<(Model, Option<Vec<Compared>>)> {
        if self.blocks.pairs() > HELD_PAIRS {
            return Ok((self.train(&self.share()?, None)?, None));
        }
        // Without room for them, pairs are counted now and compared again when they are scored: the
        // counts, and so the model, are the same.
        if !memory::has_room(self.blocks.pairs() * HELD_BYTES) {
            return Ok((self.train(&self.counted(1)?, None)?, None));
        }
        let held = self.compare()?;
        let counts = parallel(
            held.len(),
            self.threads,
            || (),
            |(), place| {
                let mut counts = Vectors::default();
                self.count(held[place].chunk(), &held[place].patterns, &mut counts);
                counts
            },
        )?;
        self.comparisons.check()?;
        Ok((self.train(&sum(counts), None)?, Some(held)))
    }

    /// Trains with m counted from labelled pairs: see [`train_from_labels`].
    pub(super) fn trained_from_labels(&self, labels: &[StewardDecision]) -> Result<Model> {
        let labelled = self.labelled(labels);
        if labelled.iter().all(|levels| levels[1..].iter().all(|count| *count == 0)) {
            return Err(Error::data("no labelled pair of one entity is among the records")
                .help("m is counted from pairs that are the same: label some"));
        }
        let model = self.train(&self.share()?, Some(labelled))?;
        self.comparisons.check()?;
        Ok(model)
    }

    /// Trains on these counts; `labelled` are pairs of one entity, where m is to be counted.
    fn train(&self, counts: &Counts, labelled: Option<Labelled>) -> Result<Model> {
        let skip = |l, r| self.skip(l, r);
        let trainee = Trainee {
            kind: self.input.kind,
            settings: self.input.settings,
            rows: self.rows as u32,
            skip: if self.skips() { Some(&skip) } else { None },
            labelled,
            key: self.input.hash_key.as_ref(),
            merged_by_rules: self.merged_by_rules()?,
            threads: self.threads,
        };
        train(&trainee, &self.comparisons, counts)
    }

    /// Pairs that a merge rule decides, where the prior is asked of them.
    fn merged_by_rules(&self) -> Result<u64> {
        if self.input.settings.training.rules_recall.is_none() {
            return Ok(0);
        }
        let parts = walk(
            &self.blocks,
            self.threads,
            |l, r| !self.skip(l, r),
            || (),
            |(), count: &mut u64, chunk| {
                let decided = self.rules.decide_all(chunk.l, chunk.r);
                let merged = decided.iter().flatten().filter(|(_, then)| *then == Verdict::Merge);
                *count += merged.count() as u64;
            },
        )?;
        Ok(parts.into_iter().sum())
    }

    /// Levels of the pairs that are labelled as one entity, and are among the records.
    fn labelled(&self, labels: &[StewardDecision]) -> Labelled {
        let mut levels = vec![[0; MAX_LEVELS + 1]; self.comparisons.list.len()];
        for label in labels.iter().filter(|label| label.same) {
            if let (Some(l), Some(r)) = (self.row(&label.a), self.row(&label.b)) {
                let pattern = self.comparisons.pattern(l, r);
                for (place, own) in levels.iter_mut().enumerate() {
                    own[usize::from(level_of(pattern, place))] += 1;
                }
            }
        }
        levels
    }

    /// The weight from which pairs are merged: that of `merge`, or where a precision is asked for,
    /// the least above it from which pairs are right as often as that, by their probabilities.
    fn merge_weight(&self, scored: &[Scored]) -> Weight {
        let thresholds = &self.input.settings.thresholds;
        let merge = least_weight(thresholds.merge);
        let Some(precision) = thresholds.precision else { return merge };
        let own = scored.iter().filter(|pair| pair.by == By::Model && pair.weight >= merge);
        let mut weights: Vec<Weight> = own.map(|pair| pair.weight).collect();
        weights.sort_unstable_by_key(|weight| std::cmp::Reverse(*weight));
        let (mut least, mut sum) = (weights.first().map_or(merge, |first| first + 1), 0.0);
        for (count, weight) in weights.iter().enumerate() {
            sum += probability(*weight);
            let last = weights.get(count + 1) != Some(weight);
            if last && sum >= precision * (count + 1) as f64 {
                least = *weight;
            }
        }
        if weights.last() == Some(&least) { merge } else { least }
    }

    fn decide(
        &self,
        pair: Pair,
        pattern: u64,
        weight: Weight,
        rule: Option<(usize, Verdict)>,
    ) -> Scored {
        let thresholds = &self.input.settings.thresholds;
        let likely = probability(weight);
        let (decision, by) = match rule {
            Some((place, Verdict::Merge)) => ("merge", By::Rule(place)),
            Some((place, Verdict::Separate)) => ("separate", By::Rule(place)),
            None if likely >= thresholds.merge => ("merge", By::Model),
            None if likely >= thresholds.review => ("review", By::Model),
            None => ("separate", By::Model),
        };
        Scored { l: pair.l, r: pair.r, rule: pair.rule, pattern, weight, decision, by }
    }

    /// What is decided of one pair, however little it weighs.
    fn decide_pair(&self, scorer: &Scorer<'_>, pair: Pair) -> Scored {
        let pattern = self.comparisons.pattern(pair.l, pair.r);
        let weight = scorer.weight(pattern, pair.l, pair.r, Weight::MIN);
        self.decide(pair, pattern, weight, self.rules.decide(pair.l, pair.r))
    }

    /// Scores pairs; keeps those at or above review and those that a rule merged. A rule's
    /// `separate` is kept where it overruled the model.
    fn score_chunk(
        &self,
        scorer: &Scorer<'_>,
        most: &mut Most,
        chunk: Chunk<'_>,
        patterns: &[u64],
        kept: &mut Vec<Scored>,
    ) {
        let review = self.input.settings.thresholds.review;
        let least = least_weight(review);
        let mut open: Vec<(Pair, u64, Weight)> = Vec::new();
        for ((l, r), pattern) in chunk.l.iter().zip(chunk.r).zip(patterns) {
            // What a pattern can weigh at most says of most pairs that they are not to be kept.
            let most = *most.entry(*pattern).or_insert_with(|| scorer.most(*pattern));
            if most < least && !self.merges {
                continue;
            }
            let pair = Pair { l: *l, r: *r, rule: chunk.rule };
            let weight = scorer.weight(*pattern, pair.l, pair.r, least);
            if weight >= least || self.merges {
                open.push((pair, *pattern, weight));
            }
        }
        let (l, r): (Vec<u32>, Vec<u32>) = open.iter().map(|(pair, ..)| (pair.l, pair.r)).unzip();
        for ((pair, pattern, weight), rule) in open.into_iter().zip(self.rules.decide_all(&l, &r)) {
            let scored = self.decide(pair, pattern, weight, rule);
            let merged = scored.by != By::Model && scored.decision == "merge";
            if merged || probability(weight) >= review {
                // The short cut of `weight` may have been taken where a rule decides.
                let weight = match weight < least {
                    true => scorer.weight(pattern, pair.l, pair.r, Weight::MIN),
                    false => weight,
                };
                kept.push(Scored { weight, ..scored });
            }
        }
    }

    /// Scores every pair, those that are held as they are; and how many there are.
    fn score(
        &self,
        scorer: &Scorer<'_>,
        held: Option<Vec<Compared>>,
    ) -> Result<(Vec<Scored>, u64)> {
        type Part = (Vec<Scored>, u64);
        let parts: Vec<Part> = match held {
            Some(held) => parallel(held.len(), self.threads, Most::default, |most, place| {
                let own = &held[place];
                let mut kept = Vec::new();
                self.score_chunk(scorer, most, own.chunk(), &own.patterns, &mut kept);
                (kept, own.l.len() as u64)
            })?,
            None => walk(
                &self.blocks,
                self.threads,
                |l, r| !self.skip(l, r),
                || (Scratch::default(), Most::default()),
                |(scratch, most), (kept, compared): &mut Part, chunk| {
                    *compared += chunk.l.len() as u64;
                    let patterns = self.comparisons.patterns(scratch, chunk.l, chunk.r);
                    self.score_chunk(scorer, most, chunk, patterns, kept);
                },
            )?,
        };
        let compared = parts.iter().map(|(_, compared)| compared).sum();
        let mut kept: Vec<Scored> = parts.into_iter().flat_map(|(kept, _)| kept).collect();
        kept.sort_unstable_by_key(|pair| (pair.l, pair.r));
        Ok((kept, compared))
    }

    fn compare_again(&self, l: u32, r: u32) -> u64 {
        self.compared_again.fetch_add(1, Ordering::Relaxed);
        self.comparisons.pattern(l, r)
    }

    /// How well two groups match as wholes: of each comparison the pair that agrees best speaks, as
    /// if each group were one record that holds all its values; where agreement speaks against one
    /// entity, the pair that speaks against it most.
    fn group_weight(
        &self,
        scorer: &Scorer<'_>,
        known: &Known<'_>,
        left: &[u32],
        right: &[u32],
    ) -> Weight {
        if let ([l], [r]) = (left, right) {
            return known.pair(*l, *r).map_or_else(
                || scorer.weight(self.compare_again(*l, *r), *l, *r, Weight::MIN),
                |pair| pair.weight,
            );
        }
        let list = &self.comparisons.list;
        let mut best: Vec<Option<Best>> = vec![None; list.len()];
        // Where both groups have a whole name, an initial or half a name speaks for neither: it
        // would match a brother's as well.
        let any = |rows: &[u32], place: usize| {
            rows.iter().take(GROUP_ROWS).any(|row| list[place].is_whole_name(*row))
        };
        let whole: Vec<bool> =
            (0..list.len()).map(|place| any(left, place) && any(right, place)).collect();
        let against: Vec<bool> = (0..list.len()).map(|place| scorer.against(place)).collect();
        for l in left.iter().take(GROUP_ROWS) {
            for r in right.iter().take(GROUP_ROWS) {
                let pattern = known
                    .pair(*l, *r)
                    .map_or_else(|| self.compare_again(*l, *r), |pair| pair.pattern);
                for (place, best) in best.iter_mut().enumerate() {
                    let names = |row: u32| list[place].is_whole_name(row);
                    if whole[place] && !(names(*l) && names(*r)) {
                        continue;
                    }
                    let own = scorer.best(pattern, place, *l, *r);
                    let speaks = match against[place] {
                        true => own.is_some() && best.is_none_or(|best| own < Some(best)),
                        false => own > *best,
                    };
                    if speaks {
                        *best = own;
                    }
                }
            }
        }
        scorer.weight_of(&best)
    }

    pub(super) fn row(&self, key: &RecordKey) -> Option<u32> {
        self.input.row(key)
    }

    pub(super) fn key(&self, row: u32) -> RecordKey {
        let row = row as usize;
        RecordKey::new(self.input.source.value(row), self.input.record_id.value(row))
    }

    /// Lays the stewards' decisions over the pairs; a later decision of a pair overrules an
    /// earlier one. Gives the pairs kept apart.
    fn overrule(
        &self,
        decisions: &[StewardDecision],
        scorer: &Scorer<'_>,
        scored: &mut Vec<Scored>,
        warnings: &mut Vec<String>,
    ) -> Vec<(u32, u32)> {
        if decisions.is_empty() {
            return Vec::new();
        }
        let mut decided: FxHashMap<(u32, u32), usize> = FxHashMap::default();
        let mut unknown = 0;
        for (place, decision) in decisions.iter().enumerate() {
            match (self.row(&decision.a), self.row(&decision.b)) {
                (Some(a), Some(b)) if a != b => {
                    decided.insert((a.min(b), a.max(b)), place);
                }
                // Both may be of another kind.
                (None, None) => {}
                _ => unknown += 1,
            }
        }
        if unknown > 0 {
            warnings.push(format!(
                "{unknown} decisions are of a record of kind `{}` and one that is not of it",
                self.input.kind
            ));
        }
        let there: FxHashSet<(u32, u32)> = scored.iter().map(|pair| (pair.l, pair.r)).collect();
        for (l, r) in decided.keys().filter(|pair| !there.contains(pair)) {
            let rule = self.blocks.first_rule(*l, *r).unwrap_or(u16::MAX);
            scored.push(self.decide_pair(scorer, Pair { l: *l, r: *r, rule }));
        }
        scored.sort_unstable_by_key(|pair| (pair.l, pair.r));
        let mut different = Vec::new();
        for pair in scored.iter_mut() {
            if let Some(place) = decided.get(&(pair.l, pair.r)) {
                pair.by = By::Steward(*place);
                pair.decision = if decisions[*place].same { "merge" } else { "separate" };
                if !decisions[*place].same {
                    different.push((pair.l, pair.r));
                }
            }
        }
        different
    }

    /// Scores every pair, and decides by the threshold that holds for all of them; and how many
    /// pairs there are, and the threshold.
    fn decided(
        &self,
        scorer: &Scorer<'_>,
        held: Option<Vec<Compared>>,
    ) -> Result<(Vec<Scored>, u64, Weight)> {
        let (mut scored, pairs_compared) = self.score(scorer, held)?;
        let merge = self.merge_weight(&scored);
        for pair in scored.iter_mut().filter(|pair| pair.by == By::Model) {
            if pair.decision == "merge" && pair.weight < merge {
                pair.decision = "review";
            }
        }
        Ok((scored, pairs_compared, merge))
    }

    /// Clusters by the pairs that were merged.
    fn clusters(
        &self,
        scorer: &Scorer<'_>,
        scored: &[Scored],
        different: &[(u32, u32)],
        merge: Weight,
    ) -> Result<Clusters> {
        let edges = scored.iter().filter(|pair| pair.decision == "merge").map(|pair| Edge {
            l: pair.l,
            r: pair.r,
            strength: match pair.by {
                By::Model => Strength::Model(pair.weight),
                By::Rule(_) => Strength::Rule,
                By::Steward(_) => Strength::Steward,
            },
        });
        let known = Known::new(scored, self.rows);
        let guards = Guards {
            rules: &self.rules,
            different,
            sources: &self.sources,
            weight: &|l, r| self.group_weight(scorer, &known, l, r),
            merge,
        };
        cluster(self.rows, edges.collect(), &guards, self.threads)
    }

    /// The same, with what is said of each cluster.
    fn group(
        &self,
        scorer: &Scorer<'_>,
        scored: &[Scored],
        different: &[(u32, u32)],
        merge: Weight,
        names: &Names<'_>,
    ) -> Result<Grouped> {
        let clusters = self.clusters(scorer, scored, different, merge)?;
        let joined: Vec<(u32, u32)> = clusters.joined.iter().map(|edge| (edge.l, edge.r)).collect();
        let decided: Vec<Decided> = scored.iter().map(Scored::decided).collect();
        let quality = quality(&clusters.of_row, &joined, &decided);
        let decided_by = |edge: &Edge| {
            let place = scored.binary_search_by_key(&(edge.l, edge.r), |pair| (pair.l, pair.r));
            place.map_or_else(|_| "model".to_owned(), |place| names.by(scored[place].by))
        };
        let link = |edge: &Edge| Link {
            l: self.key(edge.l),
            r: self.key(edge.r),
            decided_by: decided_by(edge),
        };
        let guard = |(edge, refusal): &(Edge, Refusal)| GuardReport {
            guard: names.guard(*refusal),
            l: self.key(edge.l),
            r: self.key(edge.r),
        };
        let refused = clusters.refused.iter();
        let effects = Effects::new(
            joined.iter().copied(),
            refused.map(|(edge, why)| ((edge.l, edge.r), names.guard(*why))),
        );
        Ok(Grouped {
            effects,
            links: clusters.joined.iter().map(link).collect(),
            guards: clusters.refused.iter().map(guard).collect(),
            clusters: clusters.of_row,
            quality,
        })
    }

    fn batch(
        &self,
        scored: &[Scored],
        scorer: &Scorer<'_>,
        hash: &str,
        names: &Names<'_>,
        effects: &Effects,
    ) -> Result<RecordBatch> {
        let key = |array: &StringArray, row: &dyn Fn(&Scored) -> u32| -> Result<ArrayRef> {
            let rows = UInt32Array::from_iter_values(scored.iter().map(row));
            take(array, &rows, None).map_err(|_| Error::bug("a pair names a row that is not there"))
        };
        let item = |kind| Arc::new(Field::new("item", kind, false));
        let mut levels = ListBuilder::new(UInt8Builder::new()).with_field(item(DataType::UInt8));
        let mut weights =
            ListBuilder::new(Float64Builder::new()).with_field(item(DataType::Float64));
        for pair in scored {
            let count = self.comparisons.list.len();
            (0..count).for_each(|at| levels.values().append_value(level_of(pair.pattern, at)));
            levels.append(true);
            scorer
                .weights(pair.pattern, pair.l, pair.r)
                .for_each(|weight| weights.values().append_value(weight));
            weights.append(true);
        }
        let number = |of: &dyn Fn(&Scored) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(scored.iter().map(of)))
        };
        let (source, record_id) = (&self.input.source, &self.input.record_id);
        let mut columns: Vec<ArrayRef> = vec![
            key(source, &|pair| pair.l)?,
            key(record_id, &|pair| pair.l)?,
            key(source, &|pair| pair.r)?,
            key(record_id, &|pair| pair.r)?,
            number(&|pair| float(pair.weight)),
            number(&|pair| probability(pair.weight)),
            Arc::new(levels.finish()),
            Arc::new(weights.finish()),
            texts(scored, |pair| match self.blocks.rules.get(usize::from(pair.rule)) {
                Some(rule) => Cow::Borrowed(&rule.name),
                None => Cow::Borrowed("decision"),
            }),
            texts(scored, |pair| Cow::Borrowed(pair.decision)),
            texts(scored, |pair| match pair.by {
                By::Model => Cow::Borrowed("model"),
                by => Cow::Owned(names.by(by)),
            }),
            texts(scored, |_| Cow::Borrowed(hash)),
        ];
        columns.extend(evidence(self, scored, scorer, effects)?);
        RecordBatch::try_new(tables::scored_pairs(), columns)
            .map_err(|_| Error::bug("scored pairs do not fit their table"))
    }
}

fn texts<'a>(scored: &[Scored], of: impl Fn(&Scored) -> Cow<'a, str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(scored.iter().map(of)))
}

/// What is told where a model is older than the key.
const PLAIN_TERMS: &str = "there is a SIMURGH_HASH_KEY, and the model, which was trained without one, \
    lists common values under plain hashes; train it again with --set \
    resolve.KIND.training.retrain=always";

/// Whether a model lists values under plain hashes although there is a key.
fn plain_terms(input: &Input<'_>, model: &Model) -> bool {
    input.hash_key.is_some() && model.plain_terms()
}

/// What came of merged pairs.
struct Grouped {
    clusters: Vec<u32>,
    quality: Vec<ClusterQuality>,
    links: Vec<Link>,
    guards: Vec<GuardReport>,
    effects: Effects,
}

/// Names of rules and stewards.
struct Names<'a> {
    settings: &'a Resolve,
    decisions: &'a [StewardDecision],
}

impl Names<'_> {
    fn by(&self, by: By) -> String {
        match by {
            By::Model => "model".to_owned(),
            By::Rule(place) => format!("rule:{}", self.settings.rules[place].name),
            By::Steward(place) => format!("steward:{}", self.decisions[place].by),
        }
    }

    fn guard(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Different => "different".to_owned(),
            Refusal::Rule(place) => self.by(By::Rule(place)),
            Refusal::DuplicateFree(place) => {
                format!("duplicate_free:{}", self.settings.duplicate_free[place as usize])
            }
            Refusal::WeakBridge => "weak_bridge".to_owned(),
            Refusal::Contradiction => "contradiction".to_owned(),
            Refusal::Rival => "rival".to_owned(),
        }
    }
}

/// Says at which step a resolution is.
fn working(kind: &str, step: &str) -> memory::Work {
    memory::at(format!("resolve.{kind}, {step}"))
}

/// What a person should know of a model and of blocks.
fn notes(model: &Model, blocks: &Blocks, plain_terms: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if plain_terms {
        warnings.push(PLAIN_TERMS.to_owned());
    }
    if !model.training.converged {
        let moves = model.training.largest_move.as_ref();
        warnings.push(format!(
            "training did not converge in {} iterations; what still moved most was {}",
            model.training.iterations,
            moves.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        ));
    }
    for rule in blocks.rules.iter().filter(|rule| rule.report.bounded_blocks > 0) {
        warnings.push(format!(
            "blocking rule `{}`: {} blocks with {} records are past max_block and were compared in \
             windows only; add refine keys",
            rule.name, rule.report.bounded_blocks, rule.report.bounded_records
        ));
    }
    warnings
}

/// Resolves the records of one kind: blocks, trains where no model is given, scores, clusters.
///
/// # Errors
/// Where the settings ask for what is not there, a given model does not fit them, or the input is
/// not sorted by its key.
pub fn resolve(
    input: &Input<'_>,
    decisions: &[StewardDecision],
    model: Option<Model>,
    options: Options,
) -> Result<Resolved> {
    let work = working(input.kind, "coding columns and blocking");
    let ready = prepare(input, options)?;
    drop(work);
    let work = working(input.kind, "training");
    let trained = model.is_none();
    let (model, held) = match model {
        Some(model) => {
            model.check(input.kind, &ready.comparisons, input.hash_key.as_ref())?;
            (model, None)
        }
        None => ready.trained()?,
    };
    drop(work);
    let work = working(input.kind, "scoring pairs");
    let mut warnings = Vec::new();
    if trained {
        warnings.extend(model.training.warnings());
    }
    warnings.extend(notes(&model, &ready.blocks, !trained && plain_terms(input, &model)));
    let scorer = Scorer::new(&model, &ready.comparisons, trained, input.hash_key.as_ref());
    let (mut scored, pairs_compared, merge) = ready.decided(&scorer, held)?;
    let different = ready.overrule(decisions, &scorer, &mut scored, &mut warnings);
    let names = Names { settings: input.settings, decisions };
    drop(work);
    let _work = working(input.kind, "clustering");
    let grouped = ready.group(&scorer, &scored, &different, merge, &names)?;
    ready.comparisons.check()?;
    ready.rules.check()?;
    let _work = working(input.kind, "putting pairs together");
    let pairs = ready.batch(&scored, &scorer, &model.hash()?, &names, &grouped.effects)?;
    Ok(Resolved {
        pairs,
        links: grouped.links,
        guards: grouped.guards,
        clusters: grouped.clusters,
        quality: grouped.quality,
        merge_threshold: probability(merge + 4),
        blocking: ready.blocks.rules.iter().map(|rule| rule.report.clone()).collect(),
        pairs_compared,
        converged: model.training.converged,
        iterations: model.training.iterations,
        model,
        warnings,
        extent: Extent::Everything("nothing was asked of an earlier run"),
    })
}

/// Trains a model whose m is counted from labelled pairs: those that `labels` call the same. u comes
/// from random pairs all the same, which are more than anybody labels, and the prior and the classes
/// beside the same entity from EM. A comparison that no labelled pair knows is trained by EM.
///
/// # Errors
/// As [`resolve`]; where no pair is labelled as the same.
pub fn train_from_labels(
    input: &Input<'_>,
    labels: &[StewardDecision],
    options: Options,
) -> Result<Model> {
    prepare(input, options)?.trained_from_labels(labels)
}

#[cfg(test)]
#[path = "run_tests.rs"]
pub(super) mod tests;
