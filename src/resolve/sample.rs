//! Levels among records drawn at random: what agreement is by chance.
//!
//! Knows rows and codes; refuses to know classes. One sample of records is drawn by a fixed seed,
//! and all pairs of it are compared, one comparison at a time, over the records that have a value:
//! a few thousand values stay in a processor's cache, where as many pairs drawn each for itself
//! would miss it twice for every value.
//!
//! **Standard errors.** The share of a level among all pairs of a simple random sample of n records
//! is an unbiased U-statistic of degree two. Its variance is 4 v1 / n + 2 v2 / n^2 and less, with
//! v1 the variance over records of the probability to agree with another record, and v2 about
//! u (1 - u) (Hoeffding 1948). It depends on n alone and not on how pairs are compared, so that a
//! program that counts as many pairs of one sample has the same standard error, at best. Ours are
//! smaller on two counts: the strictest level is known from the frequencies of all records and has
//! none, and the looser ones, of which only the ratios are taken from the sample, are scaled to
//! what it leaves, which takes out the part of their variance that the strictest level explains.

use rustc_hash::FxHashSet;

use super::columns::MISSING;
use super::compare::{Comparator, Comparisons, MAX_LEVELS};
use super::kernel::parallel;
use crate::error::Result;
use crate::random::SplitMix64;

/// Pairs by the level of one comparison, level 0 first.
pub(crate) type Tally = [u64; MAX_LEVELS + 1];

/// Left records of a task.
const LEFTS: usize = 64;

/// The smallest number of records that have so many pairs.
fn records(pairs: u64) -> u64 {
    let near = ((8.0 * pairs as f64 + 1.0).sqrt() / 2.0) as u64;
    (near.saturating_sub(2)..).find(|n| n * n.saturating_sub(1) / 2 >= pairs).unwrap_or(near)
}

/// So many of `rows`, ascending; all where there are no more.
fn draw(rows: u32, records: u64, seed: u64) -> Vec<u32> {
    if u64::from(rows) <= records {
        return (0..rows).collect();
    }
    let mut random = SplitMix64::new(seed);
    let mut drawn = FxHashSet::default();
    while (drawn.len() as u64) < records {
        drawn.insert(random.below(u64::from(rows)) as u32);
    }
    let mut drawn: Vec<u32> = drawn.into_iter().collect();
    drawn.sort_unstable();
    drawn
}

/// The records of a sample that have a value, and what compares their values: by codes, or by places
/// where it was prepared for these alone.
struct Known<'a> {
    rows: &'a [u32],
    codes: &'a [u32],
    comparator: &'a dyn Comparator,
}

/// The pairs at each level of one comparison, of these lefts with all records after them.
fn count(
    known: &Known<'_>,
    lefts: std::ops::Range<usize>,
    skip: Option<&(dyn Fn(u32, u32) -> bool + Sync)>,
    scratch: &mut (Vec<u32>, Vec<u32>, Vec<u8>),
) -> Tally {
    let Known { rows, codes, comparator } = known;
    let (left, right, levels) = scratch;
    let mut tally = [0; MAX_LEVELS + 1];
    for place in lefts {
        right.clear();
        let others = place + 1..codes.len();
        match skip {
            None => right.extend_from_slice(&codes[others]),
            Some(skip) => {
                let others = others.filter(|other| !skip(rows[place], rows[*other]));
                right.extend(others.map(|other| codes[other]));
            }
        }
        left.clear();
        left.resize(right.len(), codes[place]);
        levels.resize(right.len(), 0);
        comparator.levels(left, right, levels);
        for level in &levels[..right.len()] {
            tally[usize::from(*level)] += 1;
        }
    }
    tally
}

/// Levels among all pairs of a sample of records that has at least `pairs` of them, by comparison;
/// and how many pairs there are. Those that `skip` names are not counted.
pub(crate) fn sample_levels(
    comparisons: &Comparisons,
    rows: u32,
    (pairs, seed): (u64, u64),
    skip: Option<&(dyn Fn(u32, u32) -> bool + Sync)>,
    threads: usize,
) -> Result<(Vec<Tally>, u64)> {
    let sample = draw(rows, records(pairs), seed);
    let size = sample.len();
    // Of each comparison the records that have a value, and their codes.
    let with_values: Vec<(Vec<u32>, Vec<u32>)> = comparisons
        .list
        .iter()
        .map(|own| {
            let code = |row: &u32| own.codes.of(*row);
            sample.iter().map(|row| (*row, code(row))).filter(|(_, code)| *code != MISSING).unzip()
        })
        .collect();
    let prepared: Vec<Option<Box<dyn Comparator + '_>>> = comparisons
        .list
        .iter()
        .zip(&with_values)
        .map(|(own, (_, codes))| own.comparator().among(codes))
        .collect();
    let places: Vec<u32> = (0..size as u32).collect();
    let known: Vec<Known<'_>> = comparisons
        .list
        .iter()
        .zip(&with_values)
        .zip(&prepared)
        .map(|((own, (rows, codes)), prepared)| match prepared {
            Some(own) => Known { rows, codes: &places[..codes.len()], comparator: &**own },
            None => Known { rows, codes, comparator: own.comparator() },
        })
        .collect();
    let tasks: Vec<(usize, usize)> = known
        .iter()
        .enumerate()
        .flat_map(|(place, own)| (0..own.codes.len()).step_by(LEFTS).map(move |left| (place, left)))
        .collect();
    let counted = parallel(
        tasks.len(),
        threads,
        || (Vec::new(), Vec::new(), Vec::new()),
        |scratch, task| {
            let (place, left) = tasks[task];
            let lefts = left..(left + LEFTS).min(known[place].codes.len());
            count(&known[place], lefts, skip, scratch)
        },
    )?;
    let all = (size as u64) * (size as u64).saturating_sub(1) / 2;
    let kept = match skip {
        None => all,
        Some(skip) => {
            let one = |place: usize| {
                let others = sample[place + 1..].iter();
                others.filter(|other| !skip(sample[place], **other)).count() as u64
            };
            parallel(size, threads, || (), |(), place| one(place))?.into_iter().sum()
        }
    };
    let mut tallies = vec![[0; MAX_LEVELS + 1]; comparisons.list.len()];
    for ((place, _), own) in tasks.iter().zip(counted) {
        tallies[*place].iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    }
    for tally in &mut tallies {
        let known: u64 = tally.iter().sum();
        tally[0] += kept - known;
    }
    Ok((tallies, kept))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::compare::{Comparison, level_of};
    use crate::resolve::settings::ComparisonSettings;

    fn comparisons(texts: &[Option<String>]) -> Comparisons {
        let array: ArrayRef = Arc::new(texts.iter().map(Option::as_deref).collect::<StringArray>());
        let one = |kind: &str| {
            let settings = ComparisonSettings {
                name: kind.to_owned(),
                kind: kind.to_owned(),
                columns: vec!["x".to_owned()],
                levels: Vec::new(),
                term_frequency: false,
            };
            Comparison::new(&settings, &[&array]).unwrap()
        };
        Comparisons::new(vec![one("jaro_winkler"), one("exact")], 2).unwrap()
    }

    proptest! {
        /// The oracle looks at every pair of rows.
        #[test]
        fn a_sample_of_all_records_counts_every_pair_once(
            texts in prop::collection::vec(prop::option::of("[a-c]{1,4}"), 2..40), seed in 0u64..9,
        ) {
            let comparisons = comparisons(&texts);
            let rows = texts.len() as u32;
            let odd = |l: u32, r: u32| (l + r).is_multiple_of(3);
            for skip in [None, Some(&odd as &(dyn Fn(u32, u32) -> bool + Sync))] {
                let mut expected = vec![[0; MAX_LEVELS + 1]; 2];
                let mut pairs = 0;
                for l in 0..rows {
                    for r in (l + 1..rows).filter(|r| skip.is_none_or(|skip| !skip(l, *r))) {
                        pairs += 1;
                        for (place, tally) in expected.iter_mut().enumerate() {
                            tally[usize::from(level_of(comparisons.pattern(l, r), place))] += 1;
                        }
                    }
                }
                let found = sample_levels(&comparisons, rows, (5000, seed), skip, 2).unwrap();
                prop_assert_eq!(&found, &(expected, pairs));
            }
            let few = sample_levels(&comparisons, rows, (3, seed), None, 1).unwrap();
            prop_assert_eq!(few.1, u64::from(rows.min(3) * (rows.min(3) - 1) / 2));
            prop_assert_eq!(&few, &sample_levels(&comparisons, rows, (3, seed), None, 3).unwrap());
        }
    }

    #[test]
    fn so_many_records_have_so_many_pairs() {
        for (pairs, expected) in [(0, 0), (1, 2), (3, 3), (4, 4), (10_000_000, 4473)] {
            assert_eq!(records(pairs), expected, "{pairs}");
        }
    }
}
