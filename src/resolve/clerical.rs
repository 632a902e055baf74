//! A clerical sample: pairs drawn by strata of match weight, and what a person's verdicts on them
//! say of all pairs.
//!
//! Knows weights, counts and verdicts; refuses to know records. Within a stratum every pair is
//! drawn with the same chance, by a hash of its rows: the sample is the same on every run. Bounds
//! of a share within a stratum are those of Wilson (1927); of a sum over strata they are put
//! together from the squares of the distances to its estimates (MOVER; Zou and Donner 2008).

use std::collections::BinaryHeap;

use crate::random::mix;

/// The quantile of a two-sided interval of 95 percent.
const Z: f64 = 1.959_963_984_540_054;

/// A share, with its interval of 95 percent.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The share.
    pub value: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

/// What is known of one stratum: its pairs, and of those that were judged, how many match.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Stratum {
    /// The least match weight in it.
    pub from: f64,
    /// Pairs in it.
    pub pairs: u64,
    /// Pairs judged.
    pub judged: u64,
    /// Of those, matches.
    pub matches: u64,
}

/// Where strata begin, ascending, the first at minus infinity: at round match weights, and at these
/// further ones.
pub fn strata(further: &[f64]) -> Vec<f64> {
    let mut from = vec![-10.0, -5.0, -2.0, 0.0, 1.0, 2.0, 5.0, 7.0, 10.0, 15.0];
    from.extend(further.iter().filter(|weight| weight.is_finite()));
    from.push(f64::NEG_INFINITY);
    from.sort_by(f64::total_cmp);
    from.dedup();
    from
}

/// The stratum of a weight.
pub fn stratum_of(strata: &[f64], weight: f64) -> usize {
    strata.partition_point(|from| *from <= weight).saturating_sub(1)
}

/// The pairs with the smallest hashes.
type Smallest = BinaryHeap<(u64, u32, u32)>;

/// Pairs of every stratum with the smallest hashes, and how many there are in all.
#[derive(Debug, Clone, Default)]
pub struct Draw {
    strata: Vec<(u64, Smallest)>,
}

impl Draw {
    /// Takes a pair in; of each stratum at most `most` are held.
    pub fn take(&mut self, strata: &[f64], most: usize, seed: u64, pair: (u32, u32, f64)) {
        let (l, r, weight) = pair;
        self.strata.resize_with(strata.len(), Default::default);
        let (count, held) = &mut self.strata[stratum_of(strata, weight)];
        *count += 1;
        let hash = mix(seed ^ mix(u64::from(l) << 32 | u64::from(r)));
        if held.len() < most || held.peek().is_some_and(|last| (hash, l, r) < *last) {
            held.push((hash, l, r));
            if held.len() > most {
                held.pop();
            }
        }
    }

    /// Joins draws over parts of the pairs.
    pub fn join(parts: Vec<Self>, strata: usize, most: usize) -> Self {
        let mut all = Self::default();
        all.strata.resize_with(strata, Default::default);
        for part in parts {
            for ((count, held), (own, other)) in all.strata.iter_mut().zip(part.strata) {
                *count += own;
                held.extend(other);
                while held.len() > most {
                    held.pop();
                }
            }
        }
        all
    }

    /// Pairs in each stratum.
    pub fn counts(&self) -> Vec<u64> {
        self.strata.iter().map(|(count, _)| *count).collect()
    }

    /// The first pairs of each stratum, as many as are asked for.
    pub fn pairs(self, sizes: &[u64]) -> Vec<Vec<(u32, u32)>> {
        let of = |((_, held), size): ((u64, Smallest), &u64)| {
            let drawn = held.into_sorted_vec().into_iter().take(*size as usize);
            drawn.map(|(_, l, r)| (l, r)).collect()
        };
        self.strata.into_iter().zip(sizes).map(of).collect()
    }
}

/// The interval of a share of which `k` of `n` were seen (Wilson 1927).
fn wilson(k: f64, n: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let (p, square) = (k / n, Z * Z);
    let middle = p + square / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    let whole = 1.0 + square / n;
    (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
}

/// Matches within strata: a number, and its bounds. A stratum of which nobody judged a pair may
/// hold none, or only matches; one that was judged whole is known.
fn matches<'a>(strata: impl Iterator<Item = &'a Stratum>) -> Estimate {
    let (mut value, mut low, mut high) = (0.0, 0.0, 0.0);
    for own in strata {
        let all = own.pairs as f64;
        let share = match own.judged {
            0 => 0.5,
            judged => own.matches as f64 / judged as f64,
        };
        let (least, most) = match own.judged == own.pairs {
            true => (share, share),
            false => wilson(own.matches as f64, own.judged as f64),
        };
        value += all * share;
        low += (all * (share - least)).powi(2);
        high += (all * (most - share)).powi(2);
    }
    Estimate { value, low: (value - low.sqrt()).max(0.0), high: value + high.sqrt() }
}

/// Of the pairs at or above a weight, which must begin a stratum, the share that matches; `None`
/// where there are none.
pub fn precision(strata: &[Stratum], weight: f64) -> Option<Estimate> {
    let above = || strata.iter().filter(|own| own.from >= weight);
    let all: u64 = above().map(|own| own.pairs).sum();
    let found = matches(above());
    let share = |number: f64| (number / all as f64).min(1.0);
    (all > 0).then(|| Estimate {
        value: share(found.value),
        low: share(found.low),
        high: share(found.high),
    })
}

/// Of the matches among all compared pairs, the share at or above a weight; its bounds are those of
/// both parts at once, and so a little wide. Matches that no blocking rule brings together are not
/// among them. `None` where no match is known.
pub fn recall(strata: &[Stratum], weight: f64) -> Option<Estimate> {
    let above = matches(strata.iter().filter(|own| own.from >= weight));
    let below = matches(strata.iter().filter(|own| own.from < weight));
    let share = |above: f64, below: f64| match above + below {
        all if all > 0.0 => above / all,
        _ => 1.0,
    };
    (above.value + below.value > 0.0).then(|| Estimate {
        value: share(above.value, below.value),
        low: share(above.low, below.high),
        high: share(above.high, below.low),
    })
}

/// How many pairs of each stratum to judge, `size` in all, so that sums over strata are known best
/// (Neyman 1934), by the share of matches that the model expects. No share is taken for sure, and
/// each stratum has a few.
pub fn allocate(pairs: &[u64], expected: &[f64], size: u64) -> Vec<u64> {
    const FEW: u64 = 5;
    let deviation = |p: f64| {
        let p = p.clamp(0.02, 0.98);
        (p * (1.0 - p)).sqrt()
    };
    let weights: Vec<f64> =
        pairs.iter().zip(expected).map(|(pairs, p)| *pairs as f64 * deviation(*p)).collect();
    let mut sizes: Vec<u64> = pairs.iter().map(|pairs| FEW.min(*pairs)).collect();
    // Of the largest strata so few are judged that the shares below are of pairs still to be had.
    let mut left = size.saturating_sub(sizes.iter().sum());
    while left > 0 {
        let open = |place: &usize| sizes[*place] < pairs[*place];
        let whole: f64 = (0..pairs.len()).filter(open).map(|place| weights[place]).sum();
        let next = (0..pairs.len()).filter(open).max_by(|a, b| {
            let need = |place: usize| weights[place] / whole * size as f64 - sizes[place] as f64;
            need(*a).total_cmp(&need(*b)).then(b.cmp(a))
        });
        let Some(next) = next else { break };
        let need = (weights[next] / whole * size as f64) as u64;
        let more = need.saturating_sub(sizes[next]).clamp(1, left).min(pairs[next] - sizes[next]);
        sizes[next] += more;
        left -= more;
    }
    sizes
}

/// The fewest pairs to judge so that the precision at a weight is expected to be known to within
/// `interval` on either side.
pub fn size_for(
    strata: &[f64],
    pairs: &[u64],
    expected: &[f64],
    weight: f64,
    interval: f64,
) -> u64 {
    let all: u64 = pairs.iter().sum();
    let width = |size: u64| {
        let sizes = allocate(pairs, expected, size);
        let judged = |place: usize| Stratum {
            from: strata[place],
            pairs: pairs[place],
            judged: sizes[place],
            matches: (expected[place] * sizes[place] as f64).round() as u64,
        };
        let judged: Vec<Stratum> = (0..strata.len()).map(judged).collect();
        precision(&judged, weight)
            .map_or(0.0, |own| (own.high - own.value).max(own.value - own.low))
    };
    let (mut low, mut high) = (1, all.max(1));
    while low < high {
        let middle = low.midpoint(high);
        match width(middle) <= interval {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    low
}

/// The least weight that begins a stratum and from which on the precision is at least `target`:
/// surely so (its lower bound), and as far as estimated.
pub fn threshold(strata: &[Stratum], target: f64) -> (Option<f64>, Option<f64>) {
    let least = |of: fn(Estimate) -> f64| {
        let mut found = None;
        // From the strictest down, while the precision holds.
        for own in strata.iter().rev().filter(|own| own.from.is_finite()) {
            match precision(strata, own.from).map(of) {
                Some(value) if value < target => break,
                Some(_) => found = Some(own.from),
                None => {}
            }
        }
        found
    };
    (least(|own| own.low), least(|own| own.value))
}

/// Judged pairs of about one probability, and how often they are the same.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bin {
    /// The least probability in it.
    pub from: f64,
    /// The least probability above it; the last bin holds 1 too.
    pub to: f64,
    /// Pairs judged.
    pub judged: u64,
    /// Of those, the same.
    pub same: u64,
    /// The mean of their match probabilities: the share that the model expects.
    pub expected: f64,
    /// The share that is the same, with its interval of 95 percent.
    pub share: Estimate,
    /// Whether the expected share is within the interval.
    pub fits: bool,
}

/// How a model's probabilities fit what people say.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Calibration {
    /// Pairs judged.
    pub judged: u64,
    /// Of those, the same.
    pub same: u64,
    /// How many the model expects to be the same.
    pub expected: f64,
    /// The mean squared distance of probability and verdict (Brier 1950): 0 is the best.
    pub brier: f64,
    /// By probability, ascending; those in which nobody judged a pair are left out.
    pub bins: Vec<Bin>,
}

/// Where the bins of [`calibration`] begin: narrower at the ends, where a model is sure.
const BINS: &[f64] = &[0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99];

/// Compares match probabilities with verdicts. Pairs may have been chosen by their probability, as
/// those put to review are, and the bins still hold: within one, nothing but the probability chose.
/// Pairs that were chosen otherwise, such as those that a guard refused, must be left out.
pub fn calibration(judged: &[(f64, bool)]) -> Calibration {
    // In one order, so that sums of floats do not depend on that of the file.
    let mut judged = judged.to_vec();
    judged.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let same = |own: &[(f64, bool)]| own.iter().filter(|(_, same)| *same).count() as u64;
    let mean = |own: &[(f64, bool)]| own.iter().map(|(p, _)| p).sum::<f64>() / own.len() as f64;
    let ends = BINS.iter().skip(1).copied().chain([f64::INFINITY]);
    let mut bins = Vec::new();
    for (from, to) in BINS.iter().copied().zip(ends) {
        let own: Vec<(f64, bool)> =
            judged.iter().copied().filter(|(p, _)| *p >= from && *p < to).collect();
        if own.is_empty() {
            continue;
        }
        let (k, n, expected) = (same(&own), own.len() as u64, mean(&own));
        let (low, high) = wilson(k as f64, n as f64);
        bins.push(Bin {
            from,
            to: to.min(1.0),
            judged: n,
            same: k,
            expected,
            share: Estimate { value: k as f64 / n as f64, low, high },
            fits: low <= expected && expected <= high,
        });
    }
    let distance = |(p, same): &(f64, bool)| (p - f64::from(u8::from(*same))).powi(2);
    Calibration {
        judged: judged.len() as u64,
        same: same(&judged),
        expected: judged.iter().map(|(p, _)| p).sum(),
        brier: judged.iter().map(distance).sum::<f64>() / judged.len().max(1) as f64,
        bins,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn probabilities_that_are_right_fit_and_those_that_are_not_do_not() {
        let mut random = SplitMix64::new(11);
        let mut judged = Vec::new();
        for _ in 0..4000 {
            let p = random.uniform();
            judged.push((p, random.uniform() < p));
        }
        let found = calibration(&judged);
        assert_eq!((found.judged, found.bins.len()), (4000, 8));
        assert!(found.bins.iter().filter(|bin| bin.fits).count() >= 7, "{found:#?}");
        assert!((found.expected - found.same as f64).abs() < 120.0);
        // Of a uniform p the expected squared distance is 1/6.
        assert!((found.brier - 1.0 / 6.0).abs() < 0.02, "{}", found.brier);
        let wrong: Vec<(f64, bool)> = judged.iter().map(|(p, same)| (p.sqrt(), *same)).collect();
        let wrong = calibration(&wrong);
        assert!(wrong.bins.iter().filter(|bin| !bin.fits).count() >= 4, "{wrong:#?}");
        judged.reverse();
        assert_eq!(calibration(&judged), found, "whatever the order");
        assert_eq!(calibration(&[(1.0, true)]).bins[0].to, 1.0);
    }

    #[test]
    fn wilson_bounds_are_those_of_the_textbook() {
        // Newcombe 1998, table I: 81 of 263, 0 of 20, 1 of 29.
        let near = |(low, high): (f64, f64), a: f64, b: f64| {
            assert!((low - a).abs() < 5e-5 && (high - b).abs() < 5e-5, "{low} {high}");
        };
        near(wilson(81.0, 263.0), 0.2553, 0.3662);
        near(wilson(0.0, 20.0), 0.0, 0.1611);
        near(wilson(1.0, 29.0), 0.0061, 0.1718);
    }

    /// 400 samples of strata whose matches are known: the interval holds the truth as often as it
    /// says, and is no wider than it must be.
    #[test]
    fn intervals_hold_the_truth_nineteen_times_of_twenty() {
        let pairs = [200_000u64, 4000, 2500, 9000];
        let truth = [0.002, 0.35, 0.93, 0.997];
        let from = [f64::NEG_INFINITY, 0.0, 3.17, 6.63];
        let sizes = allocate(&pairs, &[0.01, 0.5, 0.9, 0.99], 600);
        assert_eq!(sizes.iter().sum::<u64>(), 600);
        let share = |places: std::ops::Range<usize>| -> f64 {
            places.map(|place| pairs[place] as f64 * truth[place]).sum()
        };
        let precise = share(1..4) / 15_500.0;
        let recalled = share(1..4) / share(0..4);
        let (mut held, mut recall_held, mut width) = (0, 0, 0.0);
        let mut random = SplitMix64::new(5);
        for _ in 0..400 {
            let strata: Vec<Stratum> = (0..4)
                .map(|place| Stratum {
                    from: from[place],
                    pairs: pairs[place],
                    judged: sizes[place],
                    matches: (0..sizes[place])
                        .filter(|_| {
                            (random.below(1 << 40) as f64) < truth[place] * (1u64 << 40) as f64
                        })
                        .count() as u64,
                })
                .collect();
            let found = precision(&strata, 0.0).unwrap();
            held += u32::from(found.low <= precise && precise <= found.high);
            width += (found.high - found.low) / 400.0;
            let found = recall(&strata, 0.0).unwrap();
            recall_held += u32::from(found.low <= recalled && recalled <= found.high);
        }
        assert!((368..=400).contains(&held), "{held} of 400");
        assert!(recall_held >= 372, "{recall_held} of 400");
        assert!(width < 0.14, "{width}");
    }

    #[test]
    fn a_sample_is_the_same_however_the_pairs_are_divided() {
        let strata = strata(&[]);
        let pairs: Vec<(u32, u32, f64)> =
            (0..3000u32).map(|n| (n, n + 1, f64::from(n % 40) - 20.0)).collect();
        let drawn = |parts: usize| {
            let draws = pairs.chunks(pairs.len().div_ceil(parts)).map(|part| {
                let mut draw = Draw::default();
                part.iter().for_each(|pair| draw.take(&strata, 10, 7, *pair));
                draw
            });
            let draw = Draw::join(draws.collect(), strata.len(), 10);
            (draw.counts(), draw.pairs(&vec![10; strata.len()]))
        };
        let (counts, one) = drawn(1);
        assert_eq!((counts.clone(), one.clone()), drawn(7));
        assert_eq!(counts.iter().sum::<u64>(), 3000);
        assert!(one.iter().all(|own| own.len() == 10));
    }

    #[test]
    fn sizes_are_what_is_asked_for_and_never_more_than_there_is() {
        let pairs = [100_000u64, 3, 500, 0];
        for size in [10u64, 100, 1000, 100_503, 200_000] {
            let sizes = allocate(&pairs, &[0.001, 0.5, 0.9, 0.9], size);
            assert!(sizes.iter().zip(&pairs).all(|(own, all)| own <= all));
            assert_eq!(sizes.iter().sum::<u64>(), size.clamp(13, 100_503), "{sizes:?}");
        }
        let from = [f64::NEG_INFINITY, 0.0, 5.0, 9.0];
        let size = |interval| size_for(&from, &pairs, &[0.001, 0.5, 0.9, 0.9], 5.0, interval);
        assert!(size(0.02) > size(0.05) && size(0.05) > size(0.1));
    }

    #[test]
    fn the_threshold_is_the_least_that_keeps_the_precision() {
        let own = |from, pairs, judged, matches| Stratum { from, pairs, judged, matches };
        let strata = [
            own(f64::NEG_INFINITY, 1000, 50, 0),
            own(0.0, 100, 100, 50),
            own(3.0, 100, 100, 97),
            own(6.0, 800, 200, 200),
        ];
        // 0.990 from 6.0 on is a bound; the value from 3.0 on is 897 of 900.
        assert_eq!(threshold(&strata, 0.99), (None, Some(3.0)));
        assert_eq!(threshold(&strata, 0.975), (Some(3.0), Some(3.0)));
        let found = precision(&strata, 3.0).unwrap();
        assert!((found.value - 897.0 / 900.0).abs() < 1e-12 && found.low < found.value);
        assert_eq!(stratum_of(&[f64::NEG_INFINITY, 0.0, 3.0], 3.0), 2);
        assert_eq!(stratum_of(&[f64::NEG_INFINITY, 0.0, 3.0], -3.0), 0);
    }
}
