//! Training without labels: u from random pairs, m by expectation maximisation over counts of
//! distinct vectors of levels.
//!
//! Knows counts; refuses to know records. Every float is summed in the order of sorted vectors, so
//! that the model is the same for any number of threads and any order of pairs.
//!
//! Pairs that share no blocking key are not compared, but they are there: all pairs of records are
//! the mixture, and its part in the blocks is seen. Coincidence is fixed, at u of random pairs and
//! at the number of all pairs, so that agreement by chance is expected as often as it is, also in
//! blocks that are made of it. EM (Dempster, Laird, Rubin 1977; for linkage Winkler 1988) estimates
//! the other classes and how many pairs they have:
//!
//! - the same entity; to begin with, such a pair agrees at the strictest level most of the time,
//!   each looser one half as often;
//! - a household, which begins halfway, geometrically, between that and coincidence;
//! - namesakes, where term frequencies say what values are common: they begin as the same entity on
//!   those, and near coincidence on all else.
//!
//! A Dirichlet prior of a few pairs' weight around the starting values keeps a probability for a
//! level that was never seen. Random pairs hold some pairs of one entity, and of what is nearly
//! unique most agreeing pairs are: after a first run u is freed of what the other classes explain,
//! and a second run follows. More rounds of this were tried and changed nothing.
//!
//! With few pairs or few comparisons there are two classes. Training coincidence as well was tried
//! and rejected: where blocks are full of namesakes, the same entity took them in.

use std::collections::BTreeMap;

use super::compare::{Comparison, Comparisons, MAX_LEVELS, Scratch, UNKNOWN, agreement, level_of};
use super::kernel::parallel;
use super::model::{
    Classes, ComparisonModel, LevelModel, Model, TermFrequency, TrainingReport, fixed, float,
};
use super::settings::{Resolve, Training};
use crate::error::{Error, Result};

/// Pairs by their levels.
pub(crate) type Counts = BTreeMap<u64, u64>;

/// Probabilities of one class: by comparison, by level from strict to loose.
type Probabilities = Vec<Vec<f64>>;

/// The share of pairs of one entity that agree on nothing of a comparison, to begin with.
const START_ELSE: f64 = 0.05;
/// Pairs that the starting values weigh as much as.
const PRIOR_PAIRS: f64 = 4.0;
/// The least probability of a level.
const LEAST: f64 = 1e-9;
/// Fewer pairs than this cannot tell households from coincidence.
const HOUSEHOLD_PAIRS: u64 = 50;
/// Pairs of a task of random draws.
const DRAWS: u64 = 1 << 16;

/// The generator of Steele, Lea and Flood (2014): one 64-bit state, every seed good.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number under `bound`, near enough uniform for bounds far under 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// The mixing function of `SplitMix64`.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Levels among random pairs: by comparison and level, level 0 first; and the number of pairs.
/// Where there are no more pairs than asked for, all of them.
fn random_levels(
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
fn u_probabilities(
    comparisons: &Comparisons,
    levels: &[[u64; MAX_LEVELS + 1]],
    training: &Training,
) -> Probabilities {
    let of = |comparison: &Comparison, tally: &[u64; MAX_LEVELS + 1]| {
        if let Some(given) = training.given.get(&comparison.name) {
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

/// m before training.
fn start(levels: usize) -> Vec<f64> {
    let halves: Vec<f64> = (0..levels - 1).map(|level| 0.5f64.powi(level as i32)).collect();
    let sum: f64 = halves.iter().sum();
    halves.iter().map(|half| half / sum * (1.0 - START_ELSE)).chain([START_ELSE]).collect()
}

fn normalised(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|value| value / sum).collect()
}

/// A class of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Same,
    Household,
    Namesake,
}

/// A mixture of classes over level vectors: those that are estimated, the same entity first, and
/// last coincidence, which is fixed.
struct Mixture {
    classes: Vec<Class>,
    /// Pairs of each class, coincidence last.
    sizes: Vec<f64>,
    probabilities: Vec<Probabilities>,
    /// What the Dirichlet priors of the classes that are estimated are centred on.
    centres: Vec<Probabilities>,
    /// Comparisons whose m and u are given, not trained.
    given: Vec<bool>,
}

/// Compared pairs of which each class has this share, to begin with.
const START_SAME: f64 = 0.3;
const START_OTHER: f64 = 0.1;

impl Mixture {
    fn new(
        u: Probabilities,
        training: &Training,
        comparisons: &Comparisons,
        (compared, all): (f64, f64),
        classes: &[Class],
    ) -> Self {
        let given = |comparison: &Comparison| training.given.get(&comparison.name);
        let same: Probabilities = comparisons
            .list
            .iter()
            .map(|own| given(own).map_or_else(|| start(own.levels.len()), |given| given.m.clone()))
            .collect();
        let between = |m: &[f64], u: &[f64], share: f64| {
            normalised(m.iter().zip(u).map(|(m, u)| m.powf(share) * u.powf(1.0 - share)).collect())
        };
        let begin = |class: &Class| -> Probabilities {
            let own = comparisons.list.iter().zip(same.iter().zip(&u));
            own.map(|(own, (m, u))| match class {
                Class::Same => m.clone(),
                Class::Household => between(m, u, 0.5),
                Class::Namesake if own.term_frequency => m.clone(),
                Class::Namesake => between(m, u, 0.25),
            })
            .collect()
        };
        let centres: Vec<Probabilities> = classes.iter().map(begin).collect();
        let size = |class: &Class| {
            compared * if *class == Class::Same { START_SAME } else { START_OTHER } + 1.0
        };
        let sizes = classes.iter().map(size).chain([all.max(1.0)]).collect();
        let mut probabilities = centres.clone();
        probabilities.push(u);
        let given = comparisons.list.iter().map(|own| given(own).is_some()).collect();
        Self { classes: classes.to_vec(), sizes, probabilities, centres, given }
    }

    /// The expected number of pairs of a vector in each class, up to a factor.
    fn joint(&self, pattern: u64, out: &mut [f64]) {
        for (class, value) in out.iter_mut().enumerate() {
            *value = self.sizes[class];
            for (comparison, levels) in self.probabilities[class].iter().enumerate() {
                let level = level_of(pattern, comparison);
                if level != UNKNOWN {
                    *value *= levels[level as usize - 1];
                }
            }
        }
    }

    /// Whether a comparison's probabilities are trained for a class.
    fn trains(&self, class: usize, comparison: usize) -> bool {
        self.classes[class] != Class::Same || !self.given[comparison]
    }

    #[cfg(test)]
    /// The log of the likelihood and of the priors, what EM raises.
    fn objective(&self, counts: &Counts) -> f64 {
        let mut joint = vec![0.0; self.sizes.len()];
        let likelihood: f64 = counts
            .iter()
            .map(|(pattern, count)| {
                self.joint(*pattern, &mut joint);
                *count as f64 * joint.iter().sum::<f64>().ln()
            })
            .sum();
        let estimated = &self.sizes[..self.classes.len()];
        let mut prior: f64 = estimated.iter().map(|size| size.ln() - size).sum();
        for (class, (centre, own)) in self.centres.iter().zip(&self.probabilities).enumerate() {
            for (comparison, (centre, own)) in centre.iter().zip(own).enumerate() {
                if self.trains(class, comparison) {
                    prior +=
                        centre.iter().zip(own).map(|(c, p)| PRIOR_PAIRS * c * p.ln()).sum::<f64>();
                }
            }
        }
        likelihood + prior
    }

    /// One step of EM; the largest move of a probability or of a size, relative to all.
    fn step(&mut self, counts: &Counts) -> f64 {
        let classes = self.classes.len();
        let mut joint = vec![0.0; classes + 1];
        let mut sizes = vec![1.0; classes];
        let mut sums: Vec<Probabilities> = self
            .centres
            .iter()
            .map(|own| own.iter().map(|c| c.iter().map(|c| c * PRIOR_PAIRS).collect()).collect())
            .collect();
        for (pattern, count) in counts {
            self.joint(*pattern, &mut joint);
            let all: f64 = joint.iter().sum();
            for (class, sums) in sums.iter_mut().enumerate() {
                let expected = *count as f64 * joint[class] / all;
                sizes[class] += expected;
                for (comparison, levels) in sums.iter_mut().enumerate() {
                    let level = level_of(*pattern, comparison);
                    if level != UNKNOWN {
                        levels[level as usize - 1] += expected;
                    }
                }
            }
        }
        let mut moved = 0.0f64;
        for (class, class_sums) in sums.into_iter().enumerate() {
            for (comparison, levels) in class_sums.into_iter().enumerate() {
                if !self.trains(class, comparison) {
                    continue;
                }
                let new = normalised(levels);
                let old = &mut self.probabilities[class][comparison];
                for (old, new) in old.iter_mut().zip(new) {
                    moved = moved.max((*old - new).abs());
                    *old = new;
                }
            }
        }
        let whole: f64 = sizes.iter().sum();
        for (old, new) in self.sizes.iter_mut().zip(sizes) {
            moved = moved.max((*old - new).abs() / whole);
            *old = new;
        }
        moved
    }

    /// Expected pairs of each class among compared pairs, coincidence last.
    fn expected(&self, counts: &Counts) -> Vec<f64> {
        let mut joint = vec![0.0; self.sizes.len()];
        let mut sums = vec![0.0; self.sizes.len()];
        for (pattern, count) in counts {
            self.joint(*pattern, &mut joint);
            let all: f64 = joint.iter().sum();
            for (sum, own) in sums.iter_mut().zip(&joint) {
                *sum += *count as f64 * own / all;
            }
        }
        sums
    }

    /// Takes out of u what the classes but coincidence explain of each level; no more than all but a
    /// small share, so that a level never seems impossible by chance.
    fn free_coincidence(&mut self, counts: &Counts, u: &Probabilities, known: &[f64]) {
        let last = self.classes.len();
        let mut joint = vec![0.0; last + 1];
        let mut explained: Probabilities =
            self.probabilities[last].iter().map(|own| vec![0.0; own.len()]).collect();
        for (pattern, count) in counts {
            self.joint(*pattern, &mut joint);
            let all: f64 = joint.iter().sum();
            let other = *count as f64 * (1.0 - joint[last] / all);
            for (comparison, levels) in explained.iter_mut().enumerate() {
                let level = level_of(*pattern, comparison);
                if level != UNKNOWN {
                    levels[level as usize - 1] += other;
                }
            }
        }
        for (comparison, explained) in explained.iter().enumerate() {
            if self.given[comparison] {
                continue;
            }
            let pairs = known[comparison].max(1.0);
            let rest =
                u[comparison].iter().zip(explained).enumerate().map(|(level, (u, explained))| {
                    let least = u * if level == 0 { LEAST_EXACT } else { LEAST_LOOSE };
                    (u - explained / pairs).max(least).max(0.5 / pairs)
                });
            self.probabilities[last][comparison] = normalised(rest.collect());
        }
    }

    /// Iterations of EM until nothing moves, and whether that came about.
    fn run(&mut self, counts: &Counts, training: &Training) -> (u32, bool) {
        if counts.is_empty() {
            return (0, true);
        }
        for iteration in 1..=training.max_iterations {
            if self.step(counts) <= training.tolerance {
                return (iteration, true);
            }
        }
        (training.max_iterations, false)
    }

    /// How far a class is from coincidence: the sum of Kullback-Leibler divergences, in bits.
    fn distance(&self, class: usize) -> f64 {
        let coincidence = &self.probabilities[self.classes.len()];
        let own = &self.probabilities[class];
        let bits = |(p, u): (&f64, &f64)| p * (p / u).log2();
        own.iter().zip(coincidence).map(|(own, u)| own.iter().zip(u).map(bits).sum::<f64>()).sum()
    }

    /// Of the same entity and a household, the one farther from coincidence is the same entity.
    fn settle_names(&mut self) {
        if self.classes.get(1) == Some(&Class::Household)
            && !self.given.iter().any(|given| *given)
            && self.distance(1) > self.distance(0)
        {
            self.sizes.swap(0, 1);
            self.probabilities.swap(0, 1);
        }
    }
}

/// The least share of u that is left where other classes explain agreement.
const LEAST_EXACT: f64 = 1.0 / 64.0;
/// The same of looser levels, whose u is an estimate from fewer pairs.
const LEAST_LOOSE: f64 = 1.0 / 4.0;

/// What training needs to know of the run.
pub(crate) struct Trainee<'a> {
    /// The kind of record.
    pub(crate) kind: &'a str,
    /// Its settings.
    pub(crate) settings: &'a Resolve,
    /// The number of records.
    pub(crate) rows: u32,
    /// Pairs that can never be of one entity and are not compared.
    pub(crate) skip: &'a (dyn Fn(u32, u32) -> bool + Sync),
    /// Threads for random pairs.
    pub(crate) threads: usize,
}

/// Trains a model on the counts of compared pairs.
pub(crate) fn train(
    trainee: &Trainee<'_>,
    comparisons: &Comparisons,
    counts: &Counts,
) -> Result<Model> {
    let training = &trainee.settings.training;
    check_given(training, comparisons)?;
    let (levels, random_pairs) =
        random_levels(comparisons, trainee.rows, training, trainee.skip, trainee.threads)?;
    let u = u_probabilities(comparisons, &levels, training);
    let pairs: u64 = counts.values().sum();
    let rows = u64::from(trainee.rows);
    let all = (rows * rows.saturating_sub(1) / 2) as f64;
    let mut classes = vec![Class::Same];
    if pairs >= HOUSEHOLD_PAIRS && comparisons.list.len() >= 3 {
        classes.push(Class::Household);
        if comparisons.list.iter().any(|own| own.term_frequency) {
            classes.push(Class::Namesake);
        }
    }
    let sizes = (pairs as f64, all);
    let mut mixture = Mixture::new(u.clone(), training, comparisons, sizes, &classes);
    let (first, _) = mixture.run(counts, training);
    mixture.settle_names();
    let known: Vec<f64> = levels
        .iter()
        .map(|tally| all * (1.0 - tally[0] as f64 / random_pairs.max(1) as f64))
        .collect();
    mixture.free_coincidence(counts, &u, &known);
    let (second, converged) = mixture.run(counts, training);
    mixture.settle_names();
    let report = TrainingReport {
        records: u64::from(trainee.rows),
        pairs,
        patterns: counts.len() as u64,
        random_pairs,
        iterations: first + second,
        converged,
    };
    Ok(document(trainee, comparisons, &mixture, &mixture.expected(counts), report))
}

fn check_given(training: &Training, comparisons: &Comparisons) -> Result<()> {
    for (name, given) in &training.given {
        let wrong = |what: &str| {
            Err(Error::configuration(format!("training.given.{name}: {what}"))
                .help("m and u: one probability over 0 for each level, from strict to loose, that sum to 1"))
        };
        let Some(own) = comparisons.list.iter().find(|own| own.name == *name) else {
            return wrong("there is no such comparison");
        };
        for list in [&given.m, &given.u] {
            let sum: f64 = list.iter().sum();
            let probable = list.iter().all(|p| *p > 0.0 && *p <= 1.0) && (sum - 1.0).abs() < 1e-6;
            if list.len() != own.levels.len() || !probable {
                return wrong(&format!("the comparison has {} levels", own.levels.len()));
            }
        }
    }
    Ok(())
}

fn document(
    trainee: &Trainee<'_>,
    comparisons: &Comparisons,
    mixture: &Mixture,
    expected: &[f64],
    training: TrainingReport,
) -> Model {
    let coincidence = mixture.classes.len();
    let place = |class: Class| mixture.classes.iter().position(|own| *own == class);
    let (household, namesake) = (place(Class::Household), place(Class::Namesake));
    let level = |comparison: usize, level: usize, name: &String| {
        let of = |class: usize| mixture.probabilities[class][comparison][level].max(LEAST);
        LevelModel::new(name.clone(), of(0), of(coincidence), household.map(of), namesake.map(of))
    };
    let models = comparisons.list.iter().enumerate().map(|(place, own)| ComparisonModel {
        name: own.name.clone(),
        kind: own.kind.to_owned(),
        columns: own.columns.clone(),
        thresholds: own.thresholds.clone(),
        levels: own.levels.iter().enumerate().map(|(at, name)| level(place, at, name)).collect(),
        term_frequency: own
            .term_frequency
            .then(|| own.terms.iter().map(TermFrequency::of).collect()),
    });
    let odds =
        |class: usize| float(fixed((mixture.sizes[class] / mixture.sizes[coincidence]).log2()));
    let whole: f64 = expected.iter().sum();
    let share = |class: usize| if whole > 0.0 { expected[class] / whole } else { 0.0 };
    Model {
        version: Model::VERSION,
        kind: trainee.kind.to_owned(),
        comparisons: models.collect(),
        classes: Classes {
            same: share(0),
            household: household.map_or(0.0, share),
            namesake: namesake.map_or(0.0, share),
            coincidence: share(coincidence),
        },
        prior_weight: odds(0),
        household_prior_weight: household.map(odds),
        namesake_prior_weight: namesake.map(odds),
        thresholds: trainee.settings.thresholds,
        training,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::settings::ComparisonSettings;

    fn comparisons(count: usize) -> Comparisons {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let own = |place: usize| {
            let settings = ComparisonSettings {
                name: format!("c{place}"),
                kind: "jaro_winkler".to_owned(),
                columns: vec!["x".to_owned()],
                levels: Vec::new(),
                term_frequency: false,
            };
            Comparison::new(&settings, &[&array]).unwrap()
        };
        Comparisons { list: (0..count).map(own).collect() }
    }

    fn pattern(levels: &[u8]) -> u64 {
        levels.iter().enumerate().map(|(place, level)| u64::from(*level) << (4 * place)).sum()
    }

    proptest! {
        #[test]
        fn no_step_lowers_the_objective(
            pairs in prop::collection::vec((prop::collection::vec(0u8..5, 3), 1u64..50), 1..40),
            household in any::<bool>(),
        ) {
            let counts: Counts = pairs.iter().map(|(levels, count)| (pattern(levels), *count)).collect();
            let comparisons = comparisons(3);
            let u = vec![vec![0.01, 0.04, 0.1, 0.85]; 3];
            let classes = [Class::Same, Class::Household, Class::Namesake];
            let classes = if household { &classes[..] } else { &classes[..1] };
            let sizes = (1000.0, 5000.0);
            let start = u.clone();
            let mut mixture = Mixture::new(u, &Training::default(), &comparisons, sizes, classes);
            let mut last = mixture.objective(&counts);
            for step in 0..40 {
                if step == 20 {
                    mixture.free_coincidence(&counts, &start, &[5000.0; 3]);
                    last = mixture.objective(&counts);
                }
                mixture.step(&counts);
                let now = mixture.objective(&counts);
                prop_assert!(now >= last - 1e-9 * last.abs(), "{last} to {now}");
                last = now;
            }
        }
    }

    /// Pairs are drawn from known probabilities; EM finds them again.
    #[test]
    fn probabilities_that_made_the_pairs_are_found_again() {
        let comparisons = comparisons(4);
        let (m, u) = ([0.8, 0.1, 0.06, 0.04], [0.01, 0.04, 0.15, 0.8]);
        let mut random = SplitMix64::new(7);
        let mut uniform = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let mut counts = Counts::new();
        for _ in 0..200_000 {
            let of = if uniform() < 0.3 { m } else { u };
            let levels: Vec<u8> = (0..4)
                .map(|_| {
                    let (drawn, mut sum, mut level) = (uniform(), of[0], 1);
                    while drawn > sum && level < 4 {
                        sum += of[level];
                        level += 1;
                    }
                    level as u8
                })
                .collect();
            *counts.entry(pattern(&levels)).or_default() += 1;
        }
        let sizes = (200_000.0, 140_000.0);
        let (u, classes) = (vec![u.to_vec(); 4], [Class::Same]);
        let mut mixture = Mixture::new(u, &Training::default(), &comparisons, sizes, &classes);
        while mixture.step(&counts) > 1e-9 {}
        assert!((mixture.sizes[0] - 60_000.0).abs() < 1000.0, "{:?}", mixture.sizes);
        for own in &mixture.probabilities[0] {
            for (found, made) in own.iter().zip(m) {
                assert!((found - made).abs() < 0.01, "{own:?}");
            }
        }
    }

    #[test]
    fn random_numbers_are_those_of_the_published_generator() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
