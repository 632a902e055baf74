//! What agreement is by chance: u of each level, from frequencies and from random pairs.
//!
//! Knows counts; refuses to know classes, and how pairs are drawn.

use super::Probabilities;
use crate::resolve::compare::{Comparison, Comparisons, agreement};
use crate::resolve::sample::Tally;
use crate::resolve::settings::Training;

/// The probability that two records drawn at random agree exactly: from frequencies, since random
/// pairs seldom agree on what is nearly unique. `None` where no two records can be drawn.
fn exact_u(comparison: &Comparison) -> Option<f64> {
    let counts: Vec<u32> = comparison
        .tuples
        .counts
        .iter()
        .zip(&comparison.own_level)
        .map(|(count, level)| if *level == 1 { *count } else { 0 })
        .collect();
    agreement(&counts)
}

/// u of each comparison's levels.
pub(super) fn u_probabilities(
    comparisons: &Comparisons,
    levels: &[Tally],
    training: &Training,
) -> Probabilities {
    let of = |comparison: &Comparison, tally: &Tally| {
        if let Some(given) = training.given.get(&comparison.name).filter(|own| !own.u.is_empty()) {
            return given.u.clone();
        }
        let size = comparison.levels.len();
        if !comparison.agrees_by_value() {
            let sum: f64 = tally[1..=size].iter().map(|count| *count as f64 + 0.5).sum();
            return tally[1..=size].iter().map(|count| (*count as f64 + 0.5) / sum).collect();
        }
        let exact = exact_u(comparison).unwrap_or(0.5).min(0.999);
        let rest: f64 = tally[2..=size].iter().map(|count| *count as f64 + 0.5).sum();
        let looser =
            tally[2..=size].iter().map(|count| (*count as f64 + 0.5) / rest * (1.0 - exact));
        std::iter::once(exact).chain(looser).collect()
    };
    comparisons.list.iter().zip(levels).map(|(comparison, tally)| of(comparison, tally)).collect()
}
