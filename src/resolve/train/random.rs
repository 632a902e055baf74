//! Random pairs: what agreement is by chance.
//!
//! Knows records only as rows to draw; refuses to know classes. Draws come from a fixed seed, task
//! by task, so that they are the same for any number of threads.

use super::Probabilities;
use crate::error::Result;
use crate::random::{SplitMix64, mix};
use crate::resolve::compare::{Comparison, Comparisons, MAX_LEVELS, Scratch, agreement, level_of};
use crate::resolve::kernel::parallel;
use crate::resolve::settings::Training;

/// Pairs of a task of random draws.
const DRAWS: u64 = 1 << 16;

/// Levels among random pairs: by comparison and level, level 0 first; and the number of pairs.
/// Where there are no more pairs than asked for, all of them.
pub(super) fn random_levels(
    comparisons: &Comparisons,
    rows: u32,
    training: &Training,
    skip: &(dyn Fn(u32, u32) -> bool + Sync),
    threads: usize,
) -> Result<(Vec<[u64; MAX_LEVELS + 1]>, u64)> {
    type Tally = (Vec<[u64; MAX_LEVELS + 1]>, u64);
    let all = u64::from(rows) * u64::from(rows).saturating_sub(1) / 2;
    let everything = all <= training.random_pairs;
    let tasks = if everything { u64::from(rows) } else { training.random_pairs.div_ceil(DRAWS) };
    let tallies = parallel(
        tasks as usize,
        threads,
        || (Scratch::default(), Vec::new(), Vec::new()),
        |(scratch, left, right), task| {
            left.clear();
            right.clear();
            let mut draw = |l: u32, r: u32| {
                if l != r && !skip(l, r) {
                    left.push(l);
                    right.push(r);
                }
            };
            if everything {
                (task as u32 + 1..rows).for_each(|r| draw(task as u32, r));
            } else {
                let mut random = SplitMix64::new(mix(training.seed ^ mix(task as u64 + 1)));
                let draws = DRAWS.min(training.random_pairs - task as u64 * DRAWS);
                for _ in 0..draws {
                    let (l, r) = (random.below(u64::from(rows)), random.below(u64::from(rows)));
                    draw(l as u32, r as u32);
                }
            }
            let mut tally: Tally = (vec![[0; MAX_LEVELS + 1]; comparisons.list.len()], 0);
            tally.1 = left.len() as u64;
            for pattern in comparisons.patterns(scratch, left, right) {
                for (place, level) in tally.0.iter_mut().enumerate() {
                    level[level_of(*pattern, place) as usize] += 1;
                }
            }
            tally
        },
    )?;
    let mut sum: Tally = (vec![[0; MAX_LEVELS + 1]; comparisons.list.len()], 0);
    for (levels, pairs) in tallies {
        sum.1 += pairs;
        for (total, own) in sum.0.iter_mut().zip(levels) {
            total.iter_mut().zip(own).for_each(|(total, own)| *total += own);
        }
    }
    Ok(sum)
}

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
    levels: &[[u64; MAX_LEVELS + 1]],
    training: &Training,
) -> Probabilities {
    let of = |comparison: &Comparison, tally: &[u64; MAX_LEVELS + 1]| {
        if let Some(given) = training.given.get(&comparison.name).filter(|own| !own.u.is_empty()) {
            return given.u.clone();
        }
        let size = comparison.levels.len();
        let exact = exact_u(comparison).unwrap_or(0.5).min(0.999);
        let rest: f64 = tally[2..=size].iter().map(|count| *count as f64 + 0.5).sum();
        let looser =
            tally[2..=size].iter().map(|count| (*count as f64 + 0.5) / rest * (1.0 - exact));
        std::iter::once(exact).chain(looser).collect()
    };
    comparisons.list.iter().zip(levels).map(|(comparison, tally)| of(comparison, tally)).collect()
}
