//! Expectation maximisation over counts of level vectors.
//!
//! Knows vectors, classes and their probabilities; refuses to know records and settings. Pairs of a
//! class are a Poisson number, levels within a class are independent, and each estimated
//! distribution has a Dirichlet prior of a few pairs around the values with which it began, so that
//! a level that was never seen keeps a probability.
//!
//! EM (Dempster, Laird and Rubin 1977; for linkage Winkler 1988) is slow where classes overlap, so
//! steps are extrapolated by the squared iterative method (SQUAREM; Varadhan and Roland 2008, their
//! third step length), over logarithms: of two steps a longer one is made, and where it would lower
//! what EM raises, the two steps stand.

use super::Probabilities;
use super::classes::{Class, Hold};
use crate::resolve::compare::{MAX_LEVELS, UNKNOWN, level_of};
use crate::resolve::train::{Counts, Vector};

/// Pairs that the starting values weigh as much as.
const PRIOR_PAIRS: f64 = 4.0;

/// Places of a level table: level 0 and all others.
const PLACES: usize = MAX_LEVELS + 1;

/// Counted vectors, level by level.
pub(super) struct Vectors {
    comparisons: usize,
    /// Vector after vector, one level a comparison.
    levels: Vec<u8>,
    counts: Vec<f64>,
    /// By vector, whether its pairs are known not to be one entity.
    apart: Vec<bool>,
}

impl Vectors {
    /// The vectors in order.
    pub(super) fn new(counts: &Counts, comparisons: usize) -> Self {
        let levels = |own: &Vector| {
            let levels = own.levels;
            (0..comparisons).map(move |at| level_of(levels, at))
        };
        Self {
            comparisons,
            levels: counts.keys().flat_map(levels).collect(),
            counts: counts.values().map(|own| *own as f64).collect(),
            apart: counts.keys().map(|own| own.apart).collect(),
        }
    }

    /// Each vector with how many pairs have it, and whether they are known not to be one entity.
    fn iter(&self) -> impl Iterator<Item = (&[u8], f64, bool)> {
        let counted = self.counts.iter().zip(&self.apart);
        let vectors = self.levels.chunks_exact(self.comparisons);
        vectors.zip(counted).map(|(vector, (count, apart))| (vector, *count, *apart))
    }

    /// The number of pairs.
    pub(super) fn pairs(&self) -> f64 {
        self.counts.iter().sum()
    }
}

/// A class with its probabilities.
#[derive(Clone)]
pub(super) struct Estimated {
    /// Which it is.
    pub(super) class: Class,
    /// Its number of pairs.
    pub(super) size: f64,
    /// Whether the size is given.
    pub(super) given_size: bool,
    /// By comparison, what the class says of it.
    pub(super) holds: Vec<Hold>,
    /// By comparison and level, what is estimated.
    pub(super) own: Probabilities,
    /// What the priors are centred on.
    pub(super) centres: Probabilities,
}

impl Estimated {
    fn trains(&self, comparison: usize) -> bool {
        matches!(self.holds[comparison], Hold::Free | Hold::HalfByChance | Hold::HalfKin(_))
    }
}

/// The largest move of the last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Move {
    /// By how much.
    pub(super) by: f64,
    /// The class, by its place.
    pub(super) class: usize,
    /// The comparison and level; `None`: the number of its pairs, relative to all.
    pub(super) level: Option<(usize, usize)>,
}

/// How a run of EM ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ended {
    /// Steps taken.
    pub(super) iterations: u32,
    /// Whether nothing moved by more than the tolerance.
    pub(super) converged: bool,
    /// The largest move of the last step.
    pub(super) last: Option<Move>,
}

/// A mixture of classes over level vectors: those that are estimated, the same entity first, and
/// coincidence, which is fixed.
#[derive(Clone)]
pub(super) struct Mixture {
    /// The estimated classes.
    pub(super) classes: Vec<Estimated>,
    /// Coincidence: by comparison and level.
    pub(super) u: Probabilities,
    /// The number of pairs that agree by chance: all pairs.
    pub(super) all: f64,
}

/// What each class makes of a vector.
struct Tables {
    sizes: Vec<f64>,
    /// By class and comparison, probabilities by level with 1 for a missing value.
    levels: Vec<Vec<[f64; PLACES]>>,
}

impl Tables {
    /// Expected pairs of a vector in each class, up to a factor; and their sum. None is of the
    /// first class, the same entity, where that is known.
    fn joint(&self, vector: &[u8], apart: bool, out: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        let classes = self.sizes.iter().zip(&self.levels).enumerate();
        for ((class, (size, levels)), out) in classes.zip(out) {
            let mut value = if apart && class == 0 { 0.0 } else { *size };
            for (own, level) in levels.iter().zip(vector) {
                value *= own[usize::from(*level) & (PLACES - 1)];
            }
            *out = value;
            sum += value;
        }
        sum
    }
}

impl Mixture {
    /// The probability of a level in a class.
    pub(super) fn probability(&self, class: usize, comparison: usize, level: usize) -> f64 {
        let class = &self.classes[class];
        let (own, chance) = (class.own[comparison][level], &self.u[comparison]);
        match class.holds[comparison] {
            Hold::Free | Hold::Given => own,
            held @ (Hold::HalfByChance | Hold::HalfKin(_)) => {
                0.5 * (own + by_chance(held, chance, level))
            }
            Hold::ByChance => chance[level],
            Hold::AsSame => self.classes[0].own[comparison][level],
        }
    }

    fn tables(&self) -> Tables {
        let table = |of: &dyn Fn(usize, usize) -> f64| -> Vec<[f64; PLACES]> {
            let row = |(comparison, own): (usize, &Vec<f64>)| {
                let mut row = [1.0; PLACES];
                (0..own.len()).for_each(|level| row[level + 1] = of(comparison, level));
                row
            };
            self.u.iter().enumerate().map(row).collect()
        };
        let classes = (0..self.classes.len()).map(|at| table(&|c, l| self.probability(at, c, l)));
        let sizes = self.classes.iter().map(|own| own.size).chain([self.all]).collect();
        Tables { sizes, levels: classes.chain([table(&|c, l| self.u[c][l])]).collect() }
    }

    /// Hands each vector with its count and its probability in each class, coincidence last.
    pub(super) fn posterior(&self, vectors: &Vectors, mut take: impl FnMut(&[u8], f64, &[f64])) {
        let tables = self.tables();
        let mut joint = vec![0.0; self.classes.len() + 1];
        for (vector, count, apart) in vectors.iter() {
            let sum = tables.joint(vector, apart, &mut joint);
            joint.iter_mut().for_each(|own| *own /= sum);
            take(vector, count, &joint);
        }
    }

    /// Expected pairs of each class among compared pairs, coincidence last.
    pub(super) fn expected(&self, vectors: &Vectors) -> Vec<f64> {
        let mut sums = vec![0.0; self.classes.len() + 1];
        self.posterior(vectors, |_, count, own| {
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += count * own);
        });
        sums
    }

    /// The logarithm of the likelihood, up to a constant.
    pub(super) fn likelihood(&self, vectors: &Vectors) -> f64 {
        let tables = self.tables();
        let mut joint = vec![0.0; self.classes.len() + 1];
        let logs = vectors.iter().map(|(vector, count, apart)| {
            let sum = tables.joint(vector, apart, &mut joint);
            count * sum.max(f64::MIN_POSITIVE).ln()
        });
        logs.sum::<f64>() - self.classes.iter().map(|own| own.size).sum::<f64>()
    }

    /// The logarithm of the priors.
    fn prior(&self) -> f64 {
        let of = |own: &Estimated| {
            let size = if own.given_size { 0.0 } else { own.size.ln() };
            let levels = (0..self.u.len()).filter(|at| own.trains(*at)).map(|at| {
                let both = own.centres[at].iter().zip(&own.own[at]);
                both.map(|(c, p)| PRIOR_PAIRS * c * p.ln()).sum::<f64>()
            });
            size + levels.sum::<f64>()
        };
        self.classes.iter().map(of).sum()
    }

    /// What numbers that are estimated cost: half the logarithm of the pairs each. A level at which
    /// the class has not one pair is no number.
    pub(super) fn price(&self, vectors: &Vectors) -> f64 {
        let classes = self.classes.len();
        let mut pairs = vec![vec![[0.0; PLACES]; self.u.len()]; classes];
        self.posterior(vectors, |vector, count, own| {
            for (pairs, share) in pairs.iter_mut().zip(own) {
                for (pairs, level) in pairs.iter_mut().zip(vector) {
                    pairs[usize::from(*level) & (PLACES - 1)] += count * share;
                }
            }
        });
        let of = |(own, pairs): (&Estimated, &Vec<[f64; PLACES]>)| {
            let free = |at: usize| {
                let levels = pairs[at][1..].iter().filter(|own| **own >= 1.0);
                levels.count().saturating_sub(1)
            };
            let trained = (0..self.u.len()).filter(|at| own.trains(*at));
            usize::from(!own.given_size) + trained.map(free).sum::<usize>()
        };
        let numbers: usize = self.classes.iter().zip(&pairs).map(of).sum();
        0.5 * numbers as f64 * vectors.pairs().max(1.0).ln()
    }

    /// One step of EM. Gives the largest move, and what the step began from: the logarithm of
    /// likelihood and priors.
    fn step(&mut self, vectors: &Vectors) -> (Move, f64) {
        let tables = self.tables();
        let classes = self.classes.len();
        let mut joint = vec![0.0; classes + 1];
        let mut sizes = vec![1.0; classes];
        let mut sums = vec![vec![[0.0; PLACES]; self.u.len()]; classes];
        let mut objective = self.prior() - self.classes.iter().map(|own| own.size).sum::<f64>();
        for (vector, count, apart) in vectors.iter() {
            let sum = tables.joint(vector, apart, &mut joint).max(f64::MIN_POSITIVE);
            objective += count * sum.ln();
            for class in 0..classes {
                let expected = count * joint[class] / sum;
                sizes[class] += expected;
                for (own, level) in sums[class].iter_mut().zip(vector) {
                    own[usize::from(*level) & (PLACES - 1)] += expected;
                }
            }
        }
        // What is estimated as one is counted as one.
        if let Some((same, others)) = sums.split_first_mut() {
            for (class, counted) in self.classes[1..].iter().zip(others) {
                for (held, (to, own)) in class.holds.iter().zip(same.iter_mut().zip(counted)) {
                    if *held == Hold::AsSame {
                        to.iter_mut().zip(own).for_each(|(to, own)| *to += *own);
                    }
                }
            }
        }
        let whole: f64 = sizes.iter().sum();
        let mut last = Move { by: 0.0, class: 0, level: None };
        for (class, own) in self.classes.iter_mut().enumerate() {
            for (comparison, counted) in sums[class].iter().enumerate() {
                if !own.trains(comparison) {
                    continue;
                }
                let held = own.holds[comparison];
                let (centre, u) = (&own.centres[comparison], &self.u[comparison]);
                let old = own.own[comparison].clone();
                let new = normalised((0..old.len()).map(|level| {
                    // Of pairs at the level, those that are not there by chance.
                    let share = match held {
                        Hold::Free => 1.0,
                        _ => old[level] / (old[level] + by_chance(held, u, level)),
                    };
                    PRIOR_PAIRS * centre[level] + counted[level + 1] * share
                }));
                for (level, (old, new)) in old.iter().zip(&new).enumerate() {
                    let by = (old - new).abs();
                    if by > last.by {
                        last = Move { by, class, level: Some((comparison, level)) };
                    }
                }
                own.own[comparison] = new;
            }
            if !own.given_size {
                let by = (own.size - sizes[class]).abs() / whole;
                if by > last.by {
                    last = Move { by, class, level: None };
                }
                own.size = sizes[class];
            }
        }
        (last, objective)
    }

    /// What is estimated, as logarithms, in one row.
    fn logarithms(&self) -> Vec<f64> {
        let mut row = Vec::new();
        for own in &self.classes {
            if !own.given_size {
                row.push(own.size.ln());
            }
            for at in (0..self.u.len()).filter(|at| own.trains(*at)) {
                row.extend(own.own[at].iter().map(|p| p.ln()));
            }
        }
        row
    }

    /// Takes the row of [`Mixture::logarithms`] back.
    fn take(&mut self, row: &[f64]) {
        let mut values = row.iter().map(|value| value.clamp(-700.0, 700.0).exp());
        for own in &mut self.classes {
            if !own.given_size {
                own.size = values.next().unwrap_or(own.size);
            }
            for at in 0..own.holds.len() {
                if own.trains(at) {
                    let levels = own.own[at].len();
                    own.own[at] = normalised(values.by_ref().take(levels));
                }
            }
        }
    }

    /// Iterations until nothing moves by more than the tolerance. What EM raises never falls.
    pub(super) fn run(&mut self, vectors: &Vectors, most: u32, tolerance: f64) -> Ended {
        let mut ended = Ended { iterations: 0, converged: vectors.counts.is_empty(), last: None };
        while !ended.converged && ended.iterations < most {
            let start = self.logarithms();
            let first = self.step(vectors).0;
            let once = self.logarithms();
            let (second, objective) = self.step(vectors);
            ended.iterations += 2;
            ended.last = Some(second);
            if first.by.max(second.by) <= tolerance {
                ended.converged = true;
                break;
            }
            let twice = self.clone();
            let ends = self.logarithms();
            let (mut moved, mut bent) = (0.0, 0.0);
            for ((start, once), ends) in start.iter().zip(&once).zip(&ends) {
                moved += (once - start).powi(2);
                bent += (ends - 2.0 * once + start).powi(2);
            }
            let length = (moved / bent).sqrt();
            if !length.is_finite() || length <= 1.0 {
                continue;
            }
            let long: Vec<f64> = start
                .iter()
                .zip(&once)
                .zip(&ends)
                .map(|((start, once), ends)| {
                    let (moved, bent) = (once - start, ends - 2.0 * once + start);
                    start + 2.0 * length * moved + length * length * bent
                })
                .collect();
            self.take(&long);
            let (_, reached) = self.step(vectors);
            ended.iterations += 1;
            if !reached.is_finite() || reached < objective {
                *self = twice;
            }
        }
        ended
    }

    /// Takes out of u what the classes but coincidence explain of each level; no more than all but a
    /// small share, so that a level never seems impossible by chance. `known` is, by comparison, the
    /// number of all pairs that know it; what is given stays.
    pub(super) fn free_coincidence(&mut self, vectors: &Vectors, known: &[f64], given: &[bool]) {
        let last = self.classes.len();
        let mut explained = vec![[0.0; PLACES]; self.u.len()];
        self.posterior(vectors, |vector, count, own| {
            for (levels, level) in explained.iter_mut().zip(vector) {
                levels[usize::from(*level) & (PLACES - 1)] += count * (1.0 - own[last]);
            }
        });
        for (comparison, explained) in explained.iter().enumerate() {
            if given[comparison] {
                continue;
            }
            let pairs = known[comparison].max(1.0);
            let rest = self.u[comparison].iter().enumerate().map(|(level, u)| {
                let least = u * if level == 0 { LEAST_EXACT } else { LEAST_LOOSE };
                (u - explained[level + 1] / pairs).max(least).max(0.5 / pairs)
            });
            self.u[comparison] = normalised(rest);
        }
    }
}

/// What coincidence makes of a level where half of a class is as it has it.
fn by_chance(held: Hold, u: &[f64], level: usize) -> f64 {
    match held {
        Hold::HalfKin(loosest) if level > loosest => 0.0,
        Hold::HalfKin(loosest) => u[level] / u[..=loosest].iter().sum::<f64>(),
        _ => u[level],
    }
}

/// The least share of u that is left where other classes explain agreement.
pub(super) const LEAST_EXACT: f64 = 1.0 / 64.0;
/// The same of looser levels, whose u is an estimate from fewer pairs.
const LEAST_LOOSE: f64 = 1.0 / 4.0;

fn normalised(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    values
}

/// Whether a level says something.
pub(super) fn known(level: u8) -> bool {
    level != UNKNOWN
}

#[cfg(test)]
#[path = "em_tests.rs"]
mod tests;
