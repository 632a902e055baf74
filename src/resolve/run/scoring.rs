//! Pairs to decisions: scored by the model, decided by thresholds, rules and stewards.
//!
//! Knows pairs, one by one; refuses to know clusters.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::compare::Scratch;
use super::super::kernel::{Chunk, Pair, parallel, walk};
use super::super::model::{Scorer, Weight, fixed, probability};
use super::super::quality::Decided;
use super::super::record::StewardDecision;
use super::super::settings::Verdict;
use super::ready::Ready;
use super::training::Compared;
use crate::error::Result;
use crate::threads::each;

/// What pairs of a pattern weigh at most, by pattern.
pub(super) type Most = FxHashMap<u64, Weight>;

/// A pair to be written.
#[derive(Clone, Copy)]
pub(in crate::resolve) struct Scored {
    pub(in crate::resolve) l: u32,
    pub(in crate::resolve) r: u32,
    pub(super) rule: u16,
    pub(in crate::resolve) pattern: u64,
    pub(in crate::resolve) weight: Weight,
    pub(super) decision: Band,
    pub(super) by: By,
}

/// The decision band of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    Merge,
    Review,
    Separate,
}

impl Band {
    /// As tables name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Review => "review",
            Self::Separate => "separate",
        }
    }

    /// The decision of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        [Self::Merge, Self::Review, Self::Separate].into_iter().find(|own| own.name() == name)
    }
}

/// Who decided a pair: the model, or a rule or a steward at this place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Model,
    Rule(u32),
    Steward(u32),
}

impl Scored {
    pub(super) fn decided(&self) -> Decided {
        let merged = self.decision == Band::Merge;
        let sure = merged && self.by != By::Model;
        let probability = if sure { 1.0 } else { probability(self.weight) };
        Decided { l: self.l, r: self.r, weight: self.weight, probability, merged }
    }
}

/// The weight of a probability, a little under it, so that rounding cannot decide.
pub(super) fn least_weight(probability: f64) -> Weight {
    fixed((probability / (1.0 - probability)).log2().clamp(-1e6, 1e6)) - 4
}

/// Leaves to a person what the model would merge and is below a weight.
pub(super) fn review_below<'a>(merge: Weight, scored: impl IntoIterator<Item = &'a mut Scored>) {
    for pair in scored.into_iter().filter(|pair| pair.by == By::Model) {
        if pair.decision == Band::Merge && pair.weight < merge {
            pair.decision = Band::Review;
        }
    }
}

/// Pairs whose codes are asked for together.
const TOGETHER: usize = 256;

/// Rows whose pairs are sorted together.
const SORTED: usize = if cfg!(test) { 5 } else { 1 << 14 };

/// Parts whose pairs are spread together.
const SPREAD: usize = if cfg!(test) { 2 } else { 64 };

/// Pairs of parts as one list, sorted by rows. No pair is there twice.
fn sorted(parts: &[Vec<Scored>], rows: usize, threads: usize) -> Result<Vec<Scored>> {
    let Some(first) = parts.iter().flatten().next() else { return Ok(Vec::new()) };
    // Of each piece of work, how many pairs it has in each range of rows.
    let range = |pair: &Scored| pair.l as usize / SORTED;
    let pieces: Vec<&[Vec<Scored>]> = parts.chunks(SPREAD).collect();
    let count = |piece: &[Vec<Scored>]| {
        let mut sizes = vec![0; rows / SORTED + 1];
        piece.iter().flatten().for_each(|pair| sizes[range(pair)] += 1);
        sizes
    };
    let sizes: Vec<Vec<usize>> = each(pieces.clone(), threads, count)?;
    // Room for the ranges in turn, and within each for the pieces.
    let mut all = vec![*first; parts.iter().map(Vec::len).sum()];
    let mut rooms: Vec<Vec<&mut [Scored]>> = pieces.iter().map(|_| Vec::new()).collect();
    let mut rest = &mut all[..];
    for range in 0..rows / SORTED + 1 {
        for (sizes, rooms) in sizes.iter().zip(&mut rooms) {
            let (own, others) = rest.split_at_mut(sizes[range]);
            rooms.push(own);
            rest = others;
        }
    }
    each(pieces.into_iter().zip(rooms).collect(), threads, |(piece, mut rooms)| {
        let mut next = vec![0; rooms.len()];
        for pair in piece.iter().flatten() {
            let range = range(pair);
            rooms[range][next[range]] = *pair;
            next[range] += 1;
        }
    })?;
    let (mut ranges, mut rest) = (Vec::new(), &mut all[..]);
    for range in 0..rows / SORTED + 1 {
        let size = sizes.iter().map(|own| own[range]).sum();
        let (own, others) = rest.split_at_mut(size);
        ranges.push(own);
        rest = others;
    }
    each(ranges, threads, |own| own.sort_unstable_by_key(|pair| (pair.l, pair.r)))?;
    Ok(all)
}

impl Ready<'_> {
    /// The weight from which pairs are merged: that of `merge`, or where a precision is asked for,
    /// the least above it from which pairs are right as often as that, by their probabilities.
    pub(super) fn merge_weight(&self, scored: &[Scored]) -> Weight {
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

    pub(super) fn decide(
        &self,
        pair: Pair,
        pattern: u64,
        weight: Weight,
        rule: Option<(usize, Verdict)>,
    ) -> Scored {
        let thresholds = &self.input.settings.thresholds;
        let likely = probability(weight);
        let (decision, by) = match rule {
            Some((place, Verdict::Merge)) => (Band::Merge, By::Rule(place as u32)),
            Some((place, Verdict::Separate)) => (Band::Separate, By::Rule(place as u32)),
            None if likely >= thresholds.merge => (Band::Merge, By::Model),
            None if likely >= thresholds.review => (Band::Review, By::Model),
            None => (Band::Separate, By::Model),
        };
        Scored { l: pair.l, r: pair.r, rule: pair.rule, pattern, weight, decision, by }
    }

    /// What is decided of one pair, however little it weighs.
    pub(super) fn decide_pair(&self, scorer: &Scorer<'_>, pair: Pair) -> Scored {
        let pattern = self.comparisons.pattern(pair.l, pair.r);
        let weight = scorer.weight(pattern, pair.l, pair.r, Weight::MIN);
        self.decide(pair, pattern, weight, self.rules.decide(pair.l, pair.r))
    }

    /// Scores pairs; keeps those at or above review and those that a rule merged. A rule's
    /// `separate` is kept where it overruled the model.
    pub(super) fn score_chunk(
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
            if most >= least || self.merges {
                open.push((Pair { l: *l, r: *r, rule: chunk.rule }, *pattern, most));
            }
        }
        for together in open.chunks_mut(TOGETHER) {
            self.comparisons.touch(together.iter().flat_map(|(pair, ..)| [pair.l, pair.r]));
            for (pair, pattern, weight) in together {
                *weight = scorer.weight(*pattern, pair.l, pair.r, least);
            }
        }
        open.retain(|(.., weight)| *weight >= least || self.merges);
        let (l, r): (Vec<u32>, Vec<u32>) = open.iter().map(|(pair, ..)| (pair.l, pair.r)).unzip();
        for ((pair, pattern, weight), rule) in open.into_iter().zip(self.rules.decide_all(&l, &r)) {
            let scored = self.decide(pair, pattern, weight, rule);
            let merged = scored.by != By::Model && scored.decision == Band::Merge;
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
    pub(super) fn score(
        &self,
        scorer: &Scorer<'_>,
        held: Option<Vec<Compared>>,
    ) -> Result<(Vec<Scored>, u64)> {
        type Part = (Vec<Scored>, u64);
        let parts: Vec<Part> = match held {
            Some(held) => {
                let score = |most: &mut Most, place: usize| {
                    let own: &Compared = &held[place];
                    let mut kept = Vec::new();
                    self.score_chunk(scorer, most, own.chunk(), &own.patterns, &mut kept);
                    (kept, own.l.len() as u64)
                };
                parallel(held.len(), self.threads, Most::default, score)?
            }
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
        let parts: Vec<Vec<Scored>> = parts.into_iter().map(|(kept, _)| kept).collect();
        Ok((sorted(&parts, self.rows, self.threads)?, compared))
    }

    /// Lays the stewards' decisions over the pairs; a later decision of a pair overrules an
    /// earlier one. Gives the pairs kept apart.
    pub(super) fn overrule(
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
                pair.by = By::Steward(*place as u32);
                let same = decisions[*place].same;
                pair.decision = if same { Band::Merge } else { Band::Separate };
                if !decisions[*place].same {
                    different.push((pair.l, pair.r));
                }
            }
        }
        different
    }

    /// Scores every pair, and decides by the threshold that holds for all of them; and how many
    /// pairs there are, and the threshold.
    pub(super) fn decided(
        &self,
        scorer: &Scorer<'_>,
        held: Option<Vec<Compared>>,
    ) -> Result<(Vec<Scored>, u64, Weight)> {
        let (mut scored, pairs_compared) = self.score(scorer, held)?;
        let merge = self.merge_weight(&scored);
        review_below(merge, &mut scored);
        Ok((scored, pairs_compared, merge))
    }
}
