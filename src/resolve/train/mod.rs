//! Training without labels: u from random pairs, m by expectation maximisation over counts of
//! distinct vectors of levels.
//!
//! Knows counts; refuses to know records. Every float is summed in the order of sorted vectors, so
//! that the model is the same for any number of threads and any order of pairs.
//!
//! Pairs that share no blocking key are not compared, but they are there: all pairs of records are
//! the mixture, and its part in the blocks is seen. Coincidence is fixed, at u of random pairs and
//! at the number of all pairs, so that agreement by chance is expected as often as it is, also in
//! blocks that are made of it. EM estimates the other classes (`classes`) and how many pairs they
//! have (`em`). Random pairs hold some pairs of one entity, and of what is nearly unique most
//! agreeing pairs are: after a first run u is freed of what the other classes explain, and a second
//! run follows. More rounds of this were tried and changed nothing.
//!
//! What a rule separates is known not to be one entity: such a pair is of another class, whatever
//! it agrees on. Two birth dates, or two tax ids, so tell how namesakes look where nothing but the
//! name is there. Taking what rules merge for one entity was tried too: those pairs are not like the
//! others, and it made m worse.
//!
//! Every set of classes that the comparisons can tell apart is trained; which of them is the model
//! is chosen (`choose`). Which comparisons depend by chance is told (`dependence`).
//!
//! Training coincidence as well was tried and rejected: where blocks are full of namesakes, the same
//! entity took them in. So was a second class of the same entity for poor records: it took in the
//! households.

mod choose;
mod classes;
mod dependence;
mod em;
mod random;

use std::collections::BTreeMap;

use self::choose::TELLS;
use self::classes::{Class, Hold, START_ELSE, Subject, begin, candidates, start};
use self::em::{Ended, Estimated, Mixture, Vectors};
use self::random::u_probabilities;
use super::compare::{Comparisons, MAX_LEVELS};
use super::model::{
    Classes, ComparisonModel, LargestMove, LevelModel, Model, TermFrequency, TrainingReport, fixed,
    float,
};
use super::sample::sample_levels;
use super::settings::{Resolve, Training};
use crate::error::{Error, Result};
use crate::keyed::HashKey;
use crate::threads::each;

/// The levels of a pair, and whether a rule says that it is not one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Vector {
    /// A level a comparison, as `level_of` reads them.
    pub(crate) levels: u64,
    /// Whether it is known not to be one entity.
    pub(crate) apart: bool,
}

/// Pairs by what is known of them.
pub(crate) type Counts = BTreeMap<Vector, u64>;

/// Probabilities of one class: by comparison, by level from strict to loose.
type Probabilities = Vec<Vec<f64>>;

/// The least probability of a level.
const LEAST: f64 = 1e-9;
/// Fewer pairs than this cannot tell households from coincidence.
const HOUSEHOLD_PAIRS: f64 = 50.0;
/// Compared pairs of which each class has this share, to begin with.
const START_SAME: f64 = 0.3;
const START_OTHER: f64 = 0.1;
/// The same of one entity beside look-alikes.
const START_RARE: f64 = 0.02;
/// Labelled pairs that m before training weighs as much as.
const LABELLED_PRIOR: f64 = 2.0;

/// Levels of labelled pairs of one entity: by comparison and level, level 0 first.
pub(crate) type Labelled = Vec<[u64; MAX_LEVELS + 1]>;

/// What training needs to know of the run.
pub(crate) struct Trainee<'a> {
    /// The kind of record.
    pub(crate) kind: &'a str,
    /// Its settings.
    pub(crate) settings: &'a Resolve,
    /// The number of records.
    pub(crate) rows: u32,
    /// Pairs that can never be of one entity and are not compared.
    pub(crate) skip: Option<&'a (dyn Fn(u32, u32) -> bool + Sync)>,
    /// Pairs of records that are labelled as one entity, where there are any.
    pub(crate) labelled: Option<Labelled>,
    /// The key under which values are hashed, where there is one.
    pub(crate) key: Option<&'a HashKey>,
    /// Compared pairs that a deterministic rule merges.
    pub(crate) merged_by_rules: u64,
    /// Threads for random pairs.
    pub(crate) threads: usize,
}

/// What every candidate is trained from.
struct Material<'a> {
    subject: Subject<'a>,
    training: &'a Training,
    vectors: Vectors,
    /// m before training, or as it is given.
    m: Probabilities,
    given_m: Vec<bool>,
    u: Probabilities,
    /// The same without what the same entity explains, where it is the only class: what all sets of
    /// classes are measured with.
    freed: Probabilities,
    given_u: Vec<bool>,
    /// By comparison, how many of all pairs know it.
    known: Vec<f64>,
    all: f64,
    /// Pairs of one entity, where they are given.
    same: Option<f64>,
}

/// A trained candidate.
struct Trained {
    mixture: Mixture,
    ended: Ended,
    iterations: u32,
    criterion: f64,
}

impl Material<'_> {
    /// Trains one set of classes, from `begun`.
    fn train(&self, classes: &[Class], begun: Start<'_>) -> Trained {
        let alike = begun.alike;
        let compared = self.vectors.pairs();
        let estimated = |class: &Class| {
            if let Some(alike) = alike.filter(|_| *class == Class::Alike) {
                let (own, holds) = (alike.own.clone(), vec![Hold::Free; alike.holds.len()]);
                return Estimated { class: *class, holds, centres: own.clone(), ..alike.clone() };
            }
            let (holds, own) = begin(*class, self.subject, &self.m, &self.given_m, &self.u);
            let given = self.same.filter(|_| *class == Class::Same);
            let share = match class {
                Class::Same if alike.is_some() => START_RARE,
                Class::Same => START_SAME,
                _ => START_OTHER,
            };
            Estimated {
                class: *class,
                size: given.unwrap_or(compared * share + 1.0),
                given_size: given.is_some(),
                holds,
                centres: own.clone(),
                own,
            }
        };
        let mut mixture = Mixture {
            classes: classes.iter().map(estimated).collect(),
            u: self.freed.clone(),
            all: self.all.max(1.0),
        };
        if let Some(pinned) = begun.pinned {
            let same = &mut mixture.classes[0];
            // Else it is as the look-alikes are, of which it was a part.
            for (place, own) in alike.iter().flat_map(|alike| alike.own.iter().enumerate()) {
                if same.holds[place] == Hold::Free {
                    (same.own[place], same.centres[place]) = (own.clone(), own.clone());
                }
            }
            let levels = same.own[pinned].len();
            same.holds[pinned] = Hold::Given;
            same.own[pinned] = (1..levels)
                .map(|_| (1.0 - START_ELSE) / (levels - 1) as f64)
                .chain([START_ELSE])
                .collect();
        }
        let (most, tolerance) = (self.training.max_iterations, self.training.tolerance);
        let first = mixture.run(&self.vectors, most, tolerance);
        let criterion = self.criterion(&mixture);
        mixture.u = self.u.clone();
        mixture.free_coincidence(&self.vectors, &self.known, &self.given_u);
        let ended = mixture.run(&self.vectors, most, tolerance);
        let iterations = first.iterations + ended.iterations;
        Trained { criterion, mixture, ended, iterations }
    }

    /// The Bayesian information criterion of what was trained with u as it is freed.
    fn criterion(&self, mixture: &Mixture) -> f64 {
        2.0 * (mixture.price(&self.vectors) - mixture.likelihood(&self.vectors))
    }
}

/// Where training begins.
#[derive(Clone, Copy, Default)]
struct Start<'a> {
    /// A class of look-alikes that is known already.
    alike: Option<&'a Estimated>,
    /// A comparison in which one entity is held to agree, no level more likely than another.
    pinned: Option<usize>,
}

/// Trains a model on the counts of compared pairs.
pub(crate) fn train(
    trainee: &Trainee<'_>,
    comparisons: &Comparisons,
    counts: &Counts,
) -> Result<Model> {
    let training = &trainee.settings.training;
    check_given(training, comparisons)?;
    let drawn = (training.random_pairs, training.seed);
    let (levels, random_pairs) =
        sample_levels(comparisons, trainee.rows, drawn, trainee.skip, trainee.threads)?;
    let rows = u64::from(trainee.rows);
    let all = (rows * rows.saturating_sub(1) / 2) as f64;
    let given = |place: usize| training.given.get(&comparisons.list[place].name);
    let places = 0..comparisons.list.len();
    let m = |place: usize| -> (Vec<f64>, bool) {
        if let Some(given) = given(place).filter(|given| !given.m.is_empty()) {
            return (given.m.clone(), true);
        }
        let start = start(comparisons.list[place].levels.len());
        match &trainee.labelled {
            Some(labelled) if labelled[place][1..].iter().any(|count| *count > 0) => {
                (of_labels(&labelled[place], &start), true)
            }
            _ => (start, false),
        }
    };
    let (m, given_m) = places.clone().map(m).unzip();
    let mut u = u_probabilities(comparisons, &levels, training);
    if let [only] = &mut u[..] {
        believe_what_tells(only);
    }
    let mut material = Material {
        freed: u.clone(),
        subject: Subject { kind: trainee.kind, list: &comparisons.list },
        training,
        vectors: Vectors::new(counts, comparisons.list.len()),
        m,
        given_m,
        u,
        given_u: places.map(|at| given(at).is_some_and(|given| !given.u.is_empty())).collect(),
        known: levels
            .iter()
            .map(|tally| all * (1.0 - tally[0] as f64 / random_pairs.max(1) as f64))
            .collect(),
        all,
        same: same_pairs(training, all, trainee.merged_by_rules),
    };
    let few = material.vectors.pairs() < HOUSEHOLD_PAIRS;
    let sets = candidates(material.subject);
    let mut alone = material.train(&sets[0], Start::default());
    material.freed.clone_from(&alone.mixture.u);
    alone.criterion = material.criterion(&alone.mixture);
    let sets = if few { &sets[..1] } else { &sets[..] };
    let (trained, mut tried) = material.best(alone, sets, trainee.threads)?;
    let best = material.beside_look_alikes(sets, trained, &mut tried)?;
    let names: Vec<&str> = comparisons.list.iter().map(|own| own.name.as_str()).collect();
    let classes: Vec<&str> = best.mixture.classes.iter().map(|own| name(own.class)).collect();
    let report = TrainingReport {
        records: rows,
        pairs: counts.values().sum(),
        patterns: counts.len() as u64,
        random_pairs,
        labelled_pairs: trainee
            .labelled
            .as_ref()
            .map_or(0, |own| own.iter().map(|levels| levels.iter().sum()).max().unwrap_or(0)),
        iterations: best.iterations,
        converged: best.ended.converged,
        largest_move: largest_move(&best, comparisons),
        candidates: tried,
        dependence: {
            let vectors = &material.vectors;
            let mut all = dependence::dependence(&best.mixture, vectors, &classes, &names);
            all.extend(dependence::by_chance(trainee, comparisons));
            all
        },
    };
    let expected = best.mixture.expected(&material.vectors);
    document(trainee, comparisons, &best.mixture, &expected, report)
}

/// Of one comparison alone EM cannot say which agreement is coincidence: any part of it would do.
/// What so few random pairs reach is taken to be of one entity, as far as u may fall.
fn believe_what_tells(u: &mut [f64]) {
    let (mut reached, mut freed) = (0.0, 0.0);
    let Some((loosest, stricter)) = u.split_last_mut() else { return };
    for own in stricter {
        reached += *own;
        if reached <= TELLS {
            freed += *own * (1.0 - em::LEAST_EXACT);
            *own *= em::LEAST_EXACT;
        }
    }
    *loosest += freed;
}

/// m of labelled pairs; what m is before training stands for a few of them.
fn of_labels(levels: &[u64; MAX_LEVELS + 1], start: &[f64]) -> Vec<f64> {
    let pairs: u64 = levels[1..].iter().sum();
    let sum = pairs as f64 + LABELLED_PRIOR;
    let of =
        |(level, start): (usize, &f64)| (levels[level + 1] as f64 + LABELLED_PRIOR * start) / sum;
    start.iter().enumerate().map(of).collect()
}

/// The number of pairs of one entity where the settings say it.
fn same_pairs(training: &Training, all: f64, merged_by_rules: u64) -> Option<f64> {
    let given = training.prior.map(|prior| prior * all);
    let by_rules = training.rules_recall.filter(|_| merged_by_rules > 0);
    given.or(by_rules.map(|recall| merged_by_rules as f64 / recall)).map(|own| own.max(0.5))
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Same => "same",
        Class::Household => "household",
        Class::Namesake => "namesake",
        Class::Alike => "look-alike",
    }
}

fn largest_move(trained: &Trained, comparisons: &Comparisons) -> Option<LargestMove> {
    let own = trained.ended.last?;
    let place = own.level.map(|(comparison, level)| {
        let comparison = &comparisons.list[comparison];
        (comparison.name.clone(), comparison.levels[level].clone())
    });
    let (comparison, level) = place.unzip();
    let class = name(trained.mixture.classes[own.class].class).to_owned();
    Some(LargestMove { class, comparison, level, by: own.by })
}

fn check_given(training: &Training, comparisons: &Comparisons) -> Result<()> {
    for (name, given) in &training.given {
        let wrong = |what: &str| {
            Err(Error::configuration(format!("training.given.{name}: {what}"))
                .help("m or u or both: one probability over 0 for each level, from strict to loose, that sum to 1"))
        };
        let Some(own) = comparisons.list.iter().find(|own| own.name == *name) else {
            return wrong("there is no such comparison");
        };
        if given.m.is_empty() && given.u.is_empty() {
            return wrong("neither m nor u is given");
        }
        for list in [&given.m, &given.u].into_iter().filter(|list| !list.is_empty()) {
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
) -> Result<Model> {
    let place = |class: Class| mixture.classes.iter().position(|own| own.class == class);
    // Look-alikes and namesakes have one place in the document: both share what they are called.
    let namesake = place(Class::Namesake).or(place(Class::Alike));
    let household = place(Class::Household);
    let level = |comparison: usize, level: usize, name: &String| {
        let of = |class: usize| mixture.probability(class, comparison, level).max(LEAST);
        let u = mixture.u[comparison][level].max(LEAST);
        LevelModel::new(name.clone(), of(0), u, household.map(of), namesake.map(of))
    };
    let models = comparisons.list.iter().enumerate().map(|(place, own)| {
        let levels = own.levels.iter().enumerate();
        let terms = || -> Result<Vec<TermFrequency>> {
            let of = |terms| TermFrequency::of(terms, trainee.key);
            each(own.terms.iter().collect(), trainee.threads, of)?.into_iter().collect()
        };
        Ok(ComparisonModel {
            name: own.name.clone(),
            kind: own.kind.to_owned(),
            columns: own.columns.clone(),
            thresholds: own.thresholds.clone(),
            levels: levels.map(|(at, name)| level(place, at, name)).collect(),
            term_frequency: own.term_frequency.then(terms).transpose()?,
        })
    });
    let odds = |class: usize| float(fixed((mixture.classes[class].size / mixture.all).log2()));
    let whole: f64 = expected.iter().sum();
    let share = |class: usize| if whole > 0.0 { expected[class] / whole } else { 0.0 };
    Ok(Model {
        version: Model::VERSION,
        kind: trainee.kind.to_owned(),
        comparisons: models.collect::<Result<_>>()?,
        classes: Classes {
            same: share(0),
            household: household.map_or(0.0, share),
            namesake: namesake.map_or(0.0, share),
            coincidence: share(mixture.classes.len()),
        },
        prior_weight: odds(0),
        household_prior_weight: household.map(odds),
        namesake_prior_weight: namesake.map(odds),
        thresholds: trainee.settings.thresholds.clone(),
        training,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m_of_labels_is_their_share_with_a_little_of_the_start() {
        let mut levels = [0; MAX_LEVELS + 1];
        (levels[0], levels[1], levels[2]) = (50, 90, 8);
        let m = of_labels(&levels, &start(3));
        assert!((m.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((m[0] - 0.9).abs() < 0.02 && (m[1] - 0.08).abs() < 0.02, "{m:?}");
        assert!(m[2] > 0.0, "a level never seen is possible");
    }
}
