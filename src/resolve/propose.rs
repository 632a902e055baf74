//! Blocking rules proposed from the data: which keys bring together the pairs that are likely one
//! entity, within a budget of pairs to compare.
//!
//! Knows keys as arrays with the SQL that gives them; refuses to know who chose the keys, and any
//! label. Keys are taken alone and several together. Of each such candidate the pairs of rows
//! drawn by a hash are judged by [`Evidence`]; then candidates are chosen greedily, each time the
//! one that finds the most likely matches that none before it finds, for each pair that it costs
//! (maximal coverage under a budget; Nemhauser, Wolsey, Fisher 1978; for blocking Bilenko, Kamath,
//! Mooney 2006), and one that later ones have made superfluous is dropped again.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use rustc_hash::FxHashMap;

use super::block::{Blocks, RuleKeys};
use super::choose::{Combination, Match, choose};
use super::columns::{Columns, Keys, MISSING};
use super::evidence::Evidence;
use super::kernel::walk;
use super::settings::BlockingRule;
use crate::error::Result;
use crate::random::mix;

/// A key that might block, or several that must all agree.
pub struct BlockingCandidate {
    /// The name that its rule will have.
    pub name: String,
    /// SQL of each key, and its array over the rows; a list stands for each of its elements.
    pub keys: Vec<(String, ArrayRef)>,
    /// What each key is made of, such as `email` for the e-mail's user: keys of one column are
    /// forms of it, and never taken together.
    pub columns: Vec<String>,
}

/// How rules are proposed.
#[derive(Debug, Clone)]
pub struct ProposeOptions {
    /// Keys taken together, at most.
    pub together: usize,
    /// Rules proposed, at most.
    pub rules: usize,
    /// The bound of a rule's blocks; a match in a larger one does not count as found.
    pub max_block: u32,
    /// The seed of every draw.
    pub seed: u64,
    /// By row a number for its source, if rows of one source are never compared; else empty.
    pub apart: Vec<u32>,
    /// Threads that count pairs.
    pub threads: usize,
}

impl Default for ProposeOptions {
    fn default() -> Self {
        Self { together: 3, rules: 8, max_block: 500, seed: 42, apart: Vec::new(), threads: 1 }
    }
}

/// A rule that is worth its pairs.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The rule.
    pub rule: BlockingRule,
    /// Pairs within its blocks.
    pub pairs: u64,
    /// Those that no rule before it gives.
    pub new_pairs: u64,
    /// Matches that it finds, estimated.
    pub matches: f64,
    /// Those that no rule before it finds.
    pub new_matches: f64,
    /// Why it is proposed, in a sentence.
    pub reason: String,
}

/// Pairs that are judged, at most, about.
const JUDGED: u64 = 1_500_000;
/// Candidates that are looked at, at most.
const CANDIDATES: usize = 400;
/// Pairs less likely than this are no match.
const LIKELY: f64 = 0.1;
/// Records that share a candidate's keys.
struct Groups {
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Groups {
    fn new(keys: &[&Keys], rows: usize) -> Self {
        let (starts, rows) = super::block::group(keys, rows);
        Self { starts, rows }
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|bounds| &self.rows[bounds[0]..bounds[1]])
    }
}

struct Proposer<'a> {
    rows: usize,
    keys: Vec<Keys>,
    sql: Vec<&'a str>,
    arrays: Vec<&'a ArrayRef>,
    columns: Vec<usize>,
    options: &'a ProposeOptions,
}

/// Proposes blocking rules: those of `candidates`, and of their single keys taken together, that
/// find most of what is likely one entity with `budget` pairs in all. Keys whose own blocks are
/// past the budget still speak of how likely a pair is. The proposal is the same on every run.
///
/// # Errors
/// Where a key has no text form.
pub fn propose(
    candidates: &[BlockingCandidate],
    rows: usize,
    budget: u64,
    options: &ProposeOptions,
) -> Result<Vec<Proposed>> {
    let mut proposer = Proposer {
        rows,
        keys: Vec::new(),
        sql: Vec::new(),
        arrays: Vec::new(),
        columns: Vec::new(),
        options,
    };
    let given = proposer.take_in(candidates)?;
    let forms = proposer.columns.iter().copied().zip(&proposer.keys).collect();
    let evidence = Evidence::learn(forms, rows, options.seed);
    let combinations = proposer.combine(given, budget);
    let matches = proposer.matches(&combinations, &evidence);
    let chosen = choose(&combinations, &matches, budget, options.rules);
    proposer.report(&combinations, &chosen, &matches, &evidence)
}

impl<'a> Proposer<'a> {
    /// Codes every key once; gives the candidates by place of their keys.
    fn take_in(&mut self, candidates: &'a [BlockingCandidate]) -> Result<Vec<Combination>> {
        let mut columns: Vec<&str> = Vec::new();
        let mut given = Vec::new();
        for candidate in candidates {
            let mut places = Vec::new();
            for ((sql, array), column) in candidate.keys.iter().zip(&candidate.columns) {
                if let Some(place) = self.sql.iter().position(|known| known == sql) {
                    places.push(place);
                    continue;
                }
                let number = columns.iter().position(|known| known == column);
                self.columns.push(number.unwrap_or_else(|| {
                    columns.push(column);
                    columns.len() - 1
                }));
                self.keys.push(Keys::encode(array, sql)?);
                self.arrays.push(array);
                self.sql.push(sql);
                places.push(self.sql.len() - 1);
            }
            given.push(Combination { name: candidate.name.clone(), keys: places, pairs: 0 });
        }
        Ok(given)
    }

    fn groups(&self, combination: &Combination) -> Groups {
        let keys: Vec<&Keys> = combination.keys.iter().map(|place| &self.keys[*place]).collect();
        Groups::new(&keys, self.rows)
    }

    /// Pairs within groups, each group past the bound walked in windows.
    fn pairs(&self, groups: &Groups) -> u64 {
        let bound = u64::from(self.options.max_block);
        let apart = &self.options.apart;
        let mut by_source: FxHashMap<u32, u64> = FxHashMap::default();
        let of = |group: &[u32]| {
            let size = group.len() as u64;
            if size > bound {
                return (size - bound) * (bound - 1) + bound * (bound - 1) / 2;
            }
            let mut pairs = size * size.saturating_sub(1) / 2;
            if !apart.is_empty() {
                by_source.clear();
                for row in group.iter().filter(|row| apart[**row as usize] != MISSING) {
                    *by_source.entry(apart[*row as usize]).or_default() += 1;
                }
                pairs -= by_source.values().map(|n| n * (n - 1) / 2).sum::<u64>();
            }
            pairs
        };
        groups.iter().map(of).sum()
    }

    /// The candidates within the budget. A key that costs much is taken together with others.
    fn combine(&self, given: Vec<Combination>, budget: u64) -> Vec<Combination> {
        let dear = budget / 16;
        let mut all: Vec<Combination> = Vec::new();
        let mut known: Vec<Vec<usize>> = Vec::new();
        let mut layer = given;
        let singles: Vec<(String, usize)> = layer
            .iter()
            .filter(|own| own.keys.len() == 1)
            .map(|own| (own.name.clone(), own.keys[0]))
            .collect();
        for size in 1..=self.options.together.max(1) {
            let mut next = Vec::new();
            for mut own in layer {
                let mut places = own.keys.clone();
                places.sort_unstable();
                if known.len() >= CANDIDATES || known.contains(&places) {
                    continue;
                }
                own.pairs = self.pairs(&self.groups(&own));
                if own.pairs > dear && own.keys.len() == size {
                    for (name, key) in &singles {
                        let column = self.columns[*key];
                        if own.keys.iter().all(|place| self.columns[*place] != column) {
                            let name = format!("{} + {name}", own.name);
                            let keys = own.keys.iter().copied().chain([*key]).collect();
                            next.push(Combination { name, keys, pairs: 0 });
                        }
                    }
                }
                known.push(places);
                if own.pairs > 0 && own.pairs <= budget {
                    all.push(own);
                }
            }
            layer = next;
        }
        all
    }

    fn skip(&self, l: u32, r: u32) -> bool {
        let apart = &self.options.apart;
        !apart.is_empty() && apart[l as usize] != MISSING && apart[l as usize] == apart[r as usize]
    }

    /// Likely matches, drawn: of each candidate the pairs of the rows that a hash draws, as many as
    /// make its share of what is judged.
    fn matches(&self, combinations: &[Combination], evidence: &Evidence<'_>) -> Vec<Match> {
        let bound = self.options.max_block as usize;
        let quota = (JUDGED / combinations.len().max(1) as u64).max(4096);
        let share = |own: &Combination| (quota as f64 / own.pairs as f64).min(1.0);
        let hash = |row: u32| {
            let mixed = mix(self.options.seed ^ mix(u64::from(row) + 1));
            (mixed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut drawn = Vec::new();
        for own in combinations {
            let share = share(own);
            let groups = self.groups(own);
            for group in groups.iter().filter(|group| group.len() <= bound) {
                for (place, l) in group.iter().enumerate() {
                    if group.len() > 1 && hash(*l) < share {
                        let others = group[place + 1..].iter();
                        drawn.extend(others.filter(|r| !self.skip(*l, **r)).map(|r| (*l, *r)));
                    }
                }
            }
            if drawn.len() as u64 > JUDGED {
                drawn.sort_unstable();
                drawn.dedup();
            }
        }
        drawn.sort_unstable();
        drawn.dedup();
        let mut matches: Vec<Match> = drawn
            .into_iter()
            .map(|(l, r)| Match {
                l,
                r,
                value: evidence.probability(l, r),
                chance: 0.0,
                of: Vec::new(),
            })
            .filter(|own| own.value >= LIKELY)
            .collect();
        for (place, own) in combinations.iter().enumerate() {
            let holders = Holders::new(&self.groups(own), self.rows, bound);
            for found in &mut matches {
                if holders.hold(found.l, found.r) {
                    found.of.push(place as u32);
                    // Rows are drawn by one hash: the largest share of its candidates is its chance.
                    found.chance = found.chance.max(share(own));
                }
            }
        }
        matches.iter_mut().for_each(|own| own.value /= own.chance);
        matches
    }

    /// Keys by which blocks past the bound are divided: those of other columns that matches agree on
    /// most, and that tell most rows apart.
    fn refine(&self, own: &Combination, evidence: &Evidence<'_>) -> Vec<usize> {
        let bound = self.options.max_block as usize;
        if self.groups(own).iter().all(|group| group.len() <= bound) {
            return Vec::new();
        }
        let taken = |column: usize| own.keys.iter().any(|key| self.columns[*key] == column);
        let mut keys: Vec<usize> = Vec::new();
        for (key, codes) in self.keys.iter().enumerate() {
            let column = self.columns[key];
            let known = (0..self.rows).filter(|row| !codes.of(*row).is_empty()).count();
            let scalar = matches!(codes, Keys::One(_));
            let first = keys.iter().all(|other| self.columns[*other] != column);
            if scalar && first && !taken(column) && known * 2 > self.rows {
                keys.push(key);
            }
        }
        keys.sort_by(|a, b| {
            let m = |key: &usize| evidence.m(self.columns[*key]);
            m(b).total_cmp(&m(a)).then(a.cmp(b))
        });
        keys.truncate(2);
        keys
    }

    fn report(
        &self,
        combinations: &[Combination],
        chosen: &[usize],
        matches: &[Match],
        evidence: &Evidence<'_>,
    ) -> Result<Vec<Proposed>> {
        let mut proposed = Vec::new();
        let mut found = vec![false; matches.len()];
        for place in chosen {
            let own = &combinations[*place];
            let refine = self.refine(own, evidence);
            let (mut all, mut new) = (0.0, 0.0);
            for (own, found) in matches.iter().zip(&mut found) {
                if own.of.binary_search(&(*place as u32)).is_ok() {
                    all += own.value;
                    new += if *found { 0.0 } else { own.value };
                    *found = true;
                }
            }
            let text = |keys: &[usize]| keys.iter().map(|key| self.sql[*key].to_owned()).collect();
            proposed.push(Proposed {
                rule: BlockingRule {
                    name: own.name.clone(),
                    keys: text(&own.keys),
                    refine: text(&refine),
                    max_block: self.options.max_block,
                },
                pairs: own.pairs,
                new_pairs: 0,
                matches: all,
                new_matches: new,
                reason: String::new(),
            });
        }
        let new_pairs = self.new_pairs(&self.blocks(&proposed)?)?;
        for (proposed, new_pairs) in proposed.iter_mut().zip(new_pairs) {
            proposed.new_pairs = new_pairs;
            proposed.reason = format!(
                "finds about {:.0} likely matches, {:.0} of them no rule before it, at {:.1} new \
                 pairs for each of these",
                proposed.matches,
                proposed.new_matches,
                new_pairs as f64 / proposed.new_matches.max(1.0)
            );
        }
        Ok(proposed)
    }

    /// The blocks of the rules that are proposed.
    fn blocks(&self, proposed: &[Proposed]) -> Result<Blocks> {
        let named = self.sql.iter().zip(&self.arrays);
        let arrays: HashMap<String, ArrayRef> =
            named.map(|(sql, array)| ((*sql).to_owned(), ArrayRef::clone(array))).collect();
        let rules: Vec<RuleKeys<'_>> = proposed
            .iter()
            .map(|own| RuleKeys {
                name: &own.rule.name,
                keys: &own.rule.keys,
                refine: &own.rule.refine,
                max_block: own.rule.max_block,
            })
            .collect();
        let threads = self.options.threads;
        let columns = Columns::new(&arrays, &self.sql, false, threads)?;
        Blocks::new(&rules, &columns, self.rows, threads)
    }

    /// By rule, pairs that no rule before it gives.
    fn new_pairs(&self, blocks: &Blocks) -> Result<Vec<u64>> {
        let count = blocks.rules.len();
        let parts = walk(
            blocks,
            self.options.threads,
            |l, r| !self.skip(l, r),
            || (),
            |(), counts: &mut Vec<u64>, chunk| {
                counts.resize(count, 0);
                counts[usize::from(chunk.rule)] += chunk.l.len() as u64;
            },
        )?;
        let mut sum = vec![0; count];
        for counts in parts {
            sum.iter_mut().zip(counts).for_each(|(sum, own)| *sum += own);
        }
        Ok(sum)
    }
}

/// The groups of each row that are not past the bound, ascending.
struct Holders {
    starts: Vec<usize>,
    groups: Vec<u32>,
}

impl Holders {
    fn new(groups: &Groups, rows: usize, bound: usize) -> Self {
        let mut starts = vec![0usize; rows + 1];
        let within = || groups.iter().enumerate().filter(|(_, rows)| rows.len() <= bound);
        for row in within().flat_map(|(_, rows)| rows) {
            starts[*row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let (mut next, mut of) = (starts.clone(), vec![0; starts[rows]]);
        for (group, rows) in within() {
            for row in rows {
                of[next[*row as usize]] = group as u32;
                next[*row as usize] += 1;
            }
        }
        Self { starts, groups: of }
    }

    fn of(&self, row: u32) -> &[u32] {
        &self.groups[self.starts[row as usize]..self.starts[row as usize + 1]]
    }

    fn hold(&self, l: u32, r: u32) -> bool {
        self.of(l).iter().any(|group| self.of(r).binary_search(group).is_ok())
    }
}

#[cfg(test)]
#[path = "propose_tests.rs"]
mod tests;
