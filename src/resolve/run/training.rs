//! The pairs that a model is trained on: compared, counted by their levels, and held where there is
//! room.
//!
//! Knows pairs and rows; refuses to know how a model is made of counts.

use rustc_hash::FxHashMap;

use super::super::compare::{MAX_LEVELS, Scratch, level_of};
use super::super::kernel::{Chunk, parallel, walk};
use super::super::model::Model;
use super::super::record::StewardDecision;
use super::super::settings::Verdict;
use super::super::train::{Counts, Labelled, Trainee, Vector, train};
use super::ready::Ready;
use crate::error::{Error, Result};
use crate::memory;
use crate::random::mix;

/// Pairs that are held with their levels, at most, so that none is compared twice: 16 bytes each.
/// Where there are more, training compares a fixed share of them that stands for all, and scoring
/// compares each again.
pub(super) const HELD_PAIRS: u64 = 1 << 25;

/// Bytes of a held pair, and of what its columns are larger than they need to be.
const HELD_BYTES: u64 = 24;

/// Pairs that such a share holds, about.
const TRAINING_PAIRS: u64 = 1 << 22;

/// Pairs of one task that were compared.
#[derive(Default)]
pub(in crate::resolve) struct Compared {
    pub(super) rule: u16,
    pub(super) l: Vec<u32>,
    pub(super) r: Vec<u32>,
    pub(super) patterns: Vec<u64>,
}

/// Pairs by what is known of them, as they are counted.
type Vectors = FxHashMap<Vector, u64>;

impl Compared {
    pub(super) fn chunk(&self) -> Chunk<'_> {
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

impl Ready<'_> {
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
    pub(super) fn share(&self) -> Result<Counts> {
        self.counted(self.blocks.pairs().div_ceil(TRAINING_PAIRS).max(1))
    }

    /// Counts the levels of one in `share` pairs; which ones depends on nothing but rows.
    pub(super) fn counted(&self, share: u64) -> Result<Counts> {
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
    pub(in crate::resolve) fn trained(&self) -> Result<(Model, Option<Vec<Compared>>)> {
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

    /// Trains with m counted from labelled pairs: see
    /// [`train_from_labels`](super::train_from_labels).
    pub(in crate::resolve) fn trained_from_labels(
        &self,
        labels: &[StewardDecision],
    ) -> Result<Model> {
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
    pub(super) fn train(&self, counts: &Counts, labelled: Option<Labelled>) -> Result<Model> {
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
}
