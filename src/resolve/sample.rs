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

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::columns::MISSING;
use super::compare::{Comparator, Comparisons, Crowd, MAX_LEVELS, UNKNOWN};
use crate::error::Result;
use crate::random::SplitMix64;
use crate::threads::{parallel, ranges};

/// Pairs by the level of one comparison, level 0 first.
pub(crate) type Tally = [u64; MAX_LEVELS + 1];

/// Records of a task.
const PLACES: usize = 64;

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

/// The records of a sample that have a value.
struct Known<'a> {
    rows: &'a [u32],
    codes: &'a [u32],
    comparator: &'a dyn Comparator,
    /// Their values, where they were looked at beforehand.
    crowd: Option<Box<dyn Crowd + 'a>>,
    /// The loosest level, which most pairs are at.
    loosest: u8,
}

/// Which pairs of rows are not counted.
type Skip<'a> = Option<&'a (dyn Fn(u32, u32) -> bool + Sync)>;

/// What a thread needs to count, used again.
#[derive(Default)]
struct Scratch {
    left: Vec<u32>,
    right: Vec<u32>,
    levels: Vec<u8>,
    found: Vec<(u32, u8)>,
}

impl Known<'_> {
    /// The pairs at each level of these records with all before them.
    fn count(&self, places: Range<usize>, skip: Skip<'_>, scratch: &mut Scratch) -> Tally {
        let Scratch { left, right, levels, found } = scratch;
        let mut tally = [0; MAX_LEVELS + 1];
        for place in places {
            let kept = |other: u32| {
                skip.is_none_or(|skip| !skip(self.rows[other as usize], self.rows[place]))
            };
            let pairs = match skip {
                None => place,
                Some(_) => (0..place as u32).filter(|other| kept(*other)).count(),
            };
            found.clear();
            match &self.crowd {
                Some(crowd) => {
                    crowd.before(place, found);
                    found.retain(|(other, _)| kept(*other));
                }
                None => {
                    right.clear();
                    let others = (0..).zip(&self.codes[..place]);
                    right.extend(others.filter(|(at, _)| kept(*at)).map(|(_, code)| *code));
                    left.clear();
                    left.resize(right.len(), self.codes[place]);
                    levels.resize(right.len(), UNKNOWN);
                    self.comparator.levels(left, right, levels);
                    let all = (0..).zip(levels.iter().copied());
                    found.extend(all.filter(|(_, level)| *level != self.loosest));
                }
            }
            found.iter().for_each(|(_, level)| tally[usize::from(*level)] += 1);
            tally[usize::from(self.loosest)] += (pairs - found.len()) as u64;
        }
        tally
    }
}

/// Levels among all pairs of a sample of records that has at least `pairs` of them, by comparison;
/// and how many pairs there are. Those that `skip` names are not counted.
pub(crate) fn sample_levels(
    comparisons: &Comparisons,
    rows: u32,
    (pairs, seed): (u64, u64),
    skip: Skip<'_>,
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
    let known: Vec<Known<'_>> = comparisons
        .list
        .iter()
        .zip(&with_values)
        .map(|(own, (rows, codes))| Known {
            rows,
            codes,
            comparator: own.comparator(),
            crowd: own.comparator().among(codes),
            loosest: own.levels.len() as u8,
        })
        .collect();
    let parts = |own: &Known<'_>| ranges(own.codes.len(), PLACES);
    let tasks: Vec<(usize, Range<usize>)> = known
        .iter()
        .enumerate()
        .flat_map(|(place, own)| parts(own).into_iter().rev().map(move |part| (place, part)))
        .collect();
    let counted = parallel(tasks.len(), threads, Scratch::default, |scratch, task| {
        let (place, part) = &tasks[task];
        known[*place].count(part.clone(), skip, scratch)
    })?;
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
    use crate::resolve::compare::level_of;
    use crate::resolve::compare::testing::comparison;

    fn comparisons(texts: &[Option<String>]) -> Comparisons {
        let array: ArrayRef = Arc::new(texts.iter().map(Option::as_deref).collect::<StringArray>());
        let one = |kind: &str| comparison(kind, &[], &[&array]);
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
