//! What dependence is left between comparisons within a class.
//!
//! Knows posteriors of level vectors; refuses to know what to do about it. The model multiplies the
//! levels of a class as if they were independent. For each pair of comparisons this says how far
//! that is from the truth, over pairs that know both, weighted by their probability in the class.

use super::Probabilities;
use super::em::{Mixture, Vectors, known};
use crate::resolve::compare::MAX_LEVELS;
use crate::resolve::model::Dependence;

/// The fewest pairs of which dependence can be told.
const PAIRS: f64 = 20.0;

/// Dependence in each estimated class, named by `classes`, between the comparisons of these names.
/// Coincidence is left out: blocking selects its pairs by what they agree on.
pub(super) fn dependence(
    mixture: &Mixture,
    vectors: &Vectors,
    classes: &[&str],
    names: &[&str],
) -> Vec<Dependence> {
    let pairs: Vec<(usize, usize)> = (0..names.len())
        .flat_map(|left| (left + 1..names.len()).map(move |right| (left, right)))
        .collect();
    let table = || vec![vec![0.0; MAX_LEVELS + 1]; MAX_LEVELS + 1];
    let mut counts: Vec<Vec<Probabilities>> =
        classes.iter().map(|_| pairs.iter().map(|_| table()).collect()).collect();
    mixture.posterior(vectors, |vector, count, own| {
        for (tables, own) in counts.iter_mut().zip(own) {
            for ((left, right), table) in pairs.iter().zip(tables) {
                if known(vector[*left]) && known(vector[*right]) {
                    table[usize::from(vector[*left])][usize::from(vector[*right])] += count * own;
                }
            }
        }
    });
    let mut found = Vec::new();
    for (class, tables) in classes.iter().zip(&counts) {
        for ((left, right), table) in pairs.iter().zip(tables) {
            let (left, right) = (names[*left], names[*right]);
            found.extend(of(class, left, right, table));
        }
    }
    found
}

fn of(class: &str, left: &str, right: &str, table: &Probabilities) -> Option<Dependence> {
    let pairs: f64 = table.iter().flatten().sum();
    if pairs < PAIRS {
        return None;
    }
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum::<f64>() / pairs).collect();
    let columns: Vec<f64> = (0..=MAX_LEVELS)
        .map(|level| table.iter().map(|row| row[level]).sum::<f64>() / pairs)
        .collect();
    let mut bits = 0.0;
    for (row, own) in table.iter().zip(&rows) {
        for (both, column) in row.iter().zip(&columns) {
            let both = both / pairs;
            if both > 0.0 {
                bits += both * (both / (own * column)).log2();
            }
        }
    }
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    Some(Dependence {
        class: class.to_owned(),
        left: left.to_owned(),
        right: right.to_owned(),
        pairs: pairs.round() as u64,
        observed: rounded(table[1][1] / pairs),
        expected: rounded(rows[1] * columns[1]),
        bits: rounded(bits.max(0.0)),
    })
}
