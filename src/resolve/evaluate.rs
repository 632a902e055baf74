//! How good a partition is, against the truth.
//!
//! Knows two labellings of the same records; refuses to know how either was made.

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

#[cfg(test)]
mod tests {
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
}
