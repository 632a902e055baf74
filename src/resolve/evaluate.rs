//! How good a partition is, against the truth.
//!
//! Knows two labellings of the same records; refuses to know how either was made.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;

/// Precision, recall and their harmonic mean, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Of what was found, the share that is right; 1 where nothing was found.
    pub precision: f64,
    /// Of what there is, the share that was found; 1 where there is nothing.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Score {
    fn new(right: f64, found: f64, there: f64) -> Self {
        let share = |of: f64| if of == 0.0 { 1.0 } else { right / of };
        Self::of(share(found), share(there))
    }

    fn of(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
        Self { precision, recall, f1 }
    }
}

/// What `evaluate` found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evaluation {
    /// Records looked at.
    pub records: u64,
    /// Golden ids among them.
    pub found: u64,
    /// True entities among them.
    pub entities: u64,
    /// Over pairs of records.
    pub pairwise: Score,
    /// Over whole clusters: right is a cluster that is an entity exactly.
    pub clusters: Score,
    /// Over records: the mean share of a record's cluster that is its entity, and the reverse
    /// (B-cubed; Bagga and Baldwin 1998).
    pub b_cubed: Score,
}

fn numbered<'a>(labels: impl Iterator<Item = &'a str>) -> (Vec<usize>, Vec<u64>) {
    let mut known: FxHashMap<&str, usize> = FxHashMap::default();
    let mut sizes = Vec::new();
    let numbers = labels
        .map(|label| {
            let next = sizes.len();
            let number = *known.entry(label).or_insert(next);
            if number == next {
                sizes.push(0);
            }
            sizes[number] += 1;
            number
        })
        .collect();
    (numbers, sizes)
}

/// Compares, record by record, the golden id that was given with the true entity.
pub fn evaluate<'a>(records: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Evaluation {
    let (found, found_sizes) = numbered(records.clone().map(|(golden, _)| golden));
    let (truth, true_sizes) = numbered(records.map(|(_, entity)| entity));
    let mut common: FxHashMap<(usize, usize), u64> = FxHashMap::default();
    for cell in found.iter().copied().zip(truth.iter().copied()) {
        *common.entry(cell).or_default() += 1;
    }
    // Sorted, so that the float sums are the same on every run.
    let mut cells: Vec<_> = common.into_iter().collect();
    cells.sort_unstable();
    let pairs = |size: u64| (size * size.saturating_sub(1) / 2) as f64;
    let all_pairs = |sizes: &[u64]| sizes.iter().map(|size| pairs(*size)).sum();
    let right_pairs = cells.iter().map(|(_, size)| pairs(*size)).sum();
    let exact = cells
        .iter()
        .filter(|((f, t), size)| found_sizes[*f] == *size && true_sizes[*t] == *size)
        .count();
    let squares = |sizes: &[u64], side: fn(&(usize, usize)) -> usize| -> f64 {
        cells.iter().map(|(cell, size)| (size * size) as f64 / sizes[side(cell)] as f64).sum()
    };
    let count = found.len().max(1) as f64;
    Evaluation {
        records: found.len() as u64,
        found: found_sizes.len() as u64,
        entities: true_sizes.len() as u64,
        pairwise: Score::new(right_pairs, all_pairs(&found_sizes), all_pairs(&true_sizes)),
        clusters: Score::new(exact as f64, found_sizes.len() as f64, true_sizes.len() as f64),
        b_cubed: Score::of(
            squares(&found_sizes, |cell| cell.0) / count,
            squares(&true_sizes, |cell| cell.1) / count,
        ),
    }
}

/// Match weights at which a curve has points: whole bits between these.
const CURVE: (i32, i32) = (-10, 40);

/// Compared pairs that are matches and those that are not, by whole bits of match weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightCounts {
    bins: BTreeMap<i32, (u64, u64)>,
}

impl WeightCounts {
    /// Counts a pair.
    pub fn count(&mut self, weight: f64, is_match: bool) {
        let bin = (weight.floor() as i32).clamp(CURVE.0 - 1, CURVE.1);
        let (matches, others) = self.bins.entry(bin).or_default();
        *(if is_match { matches } else { others }) += 1;
    }

    /// Adds the counts of other pairs.
    pub fn add(&mut self, other: &Self) {
        for (bin, (matches, others)) in &other.bins {
            let own = self.bins.entry(*bin).or_default();
            own.0 += matches;
            own.1 += others;
        }
    }
}

/// How good pairs are that are merged from a match weight on, each pair by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The match weight.
    pub match_weight: f64,
    /// Its match probability.
    pub match_probability: f64,
    /// Pairs at or above it.
    pub pairs: u64,
    /// Their precision, and the recall of all known matches, compared or not.
    #[serde(flatten)]
    pub score: Score,
}

/// Precision and recall over thresholds, where anything changes; `known` matches there are in all.
pub fn curve(counts: &WeightCounts, known: u64) -> Vec<CurvePoint> {
    let (mut matches, mut others) = (0, 0);
    let mut points: Vec<CurvePoint> = Vec::new();
    for weight in (CURVE.0..=CURVE.1).rev() {
        let Some((m, o)) = counts.bins.get(&weight) else { continue };
        (matches, others) = (matches + m, others + o);
        points.push(CurvePoint {
            match_weight: f64::from(weight),
            match_probability: 1.0 / (1.0 + f64::from(-weight).exp2()),
            pairs: matches + others,
            score: Score::new(matches as f64, (matches + others) as f64, known as f64),
        });
    }
    points.reverse();
    points
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_partition_with_one_wrong_record_scores_by_hand() {
        let records = [("g1", "a"), ("g1", "a"), ("g1", "b"), ("g2", "b"), ("g3", "c")];
        let scores = evaluate(records.iter().copied());
        assert_eq!((scores.records, scores.found, scores.entities), (5, 3, 3));
        let near = |score: Score, precision: f64, recall: f64| {
            assert!((score.precision - precision).abs() < 1e-12, "{score:?}");
            assert!((score.recall - recall).abs() < 1e-12, "{score:?}");
        };
        near(scores.pairwise, 1.0 / 3.0, 0.5);
        near(scores.clusters, 1.0 / 3.0, 1.0 / 3.0);
        near(
            scores.b_cubed,
            (4.0 / 3.0 + 1.0 / 3.0 + 1.0 + 1.0) / 5.0,
            (2.0 + 0.5 + 0.5 + 1.0) / 5.0,
        );
    }

    #[test]
    fn truth_itself_is_perfect() {
        let scores = evaluate([("x", "1"), ("x", "1"), ("y", "2")].into_iter());
        assert_eq!((scores.pairwise.f1, scores.clusters.f1, scores.b_cubed.f1), (1.0, 1.0, 1.0));
    }

    proptest! {
        /// The oracle looks at every pair at every threshold.
        #[test]
        fn a_curve_is_that_of_every_pair_looked_at(
            pairs in prop::collection::vec((-200i32..900, any::<bool>()), 0..60),
            missed in 0u64..5,
        ) {
            let pairs: Vec<(f64, bool)> =
                pairs.into_iter().map(|(weight, own)| (f64::from(weight) / 16.0, own)).collect();
            let mut parts = [WeightCounts::default(), WeightCounts::default()];
            for (place, (weight, own)) in pairs.iter().enumerate() {
                parts[place % 2].count(*weight, *own);
            }
            let [mut counts, other] = parts;
            counts.add(&other);
            let known = pairs.iter().filter(|(_, own)| *own).count() as u64 + missed;
            for point in curve(&counts, known) {
                let above = || pairs.iter().filter(|(weight, _)| *weight >= point.match_weight);
                let right = above().filter(|(_, own)| *own).count() as f64;
                prop_assert_eq!(point.pairs, above().count() as u64);
                prop_assert_eq!(point.score, Score::new(right, above().count() as f64, known as f64));
            }
        }

        /// Pairwise and B-cubed scores against their definitions over pairs and over records.
        #[test]
        fn partitions_score_as_every_pair_of_records_tells(
            labels in prop::collection::vec((0u8..5, 0u8..5), 1..30),
        ) {
            let text: Vec<(String, String)> =
                labels.iter().map(|(g, t)| (g.to_string(), t.to_string())).collect();
            let scores = evaluate(text.iter().map(|(g, t)| (g.as_str(), t.as_str())));
            let (mut right, mut found, mut there) = (0.0, 0.0, 0.0);
            let (mut precision, mut recall) = (0.0, 0.0);
            for (place, l) in labels.iter().enumerate() {
                let [mut both, mut cluster, mut entity] = [0.0; 3];
                for (other, r) in labels.iter().enumerate() {
                    let (same, true_same) = (l.0 == r.0, l.1 == r.1);
                    both += f64::from(u8::from(same && true_same));
                    cluster += f64::from(u8::from(same));
                    entity += f64::from(u8::from(true_same));
                    if other > place {
                        right += f64::from(u8::from(same && true_same));
                        found += f64::from(u8::from(same));
                        there += f64::from(u8::from(true_same));
                    }
                }
                precision += both / cluster / labels.len() as f64;
                recall += both / entity / labels.len() as f64;
            }
            prop_assert_eq!(scores.pairwise, Score::new(right, found, there));
            prop_assert!((scores.b_cubed.precision - precision).abs() < 1e-9);
            prop_assert!((scores.b_cubed.recall - recall).abs() < 1e-9);
        }
    }
}
