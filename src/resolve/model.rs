//! The model: m and u probabilities of each comparison's levels, their weights, and a pair's score.
//!
//! Knows levels, weights and term frequencies, as a document; refuses to know how it was trained
//! and where pairs come from. The formulas are those of Fellegi and Sunter (1969) with two more
//! classes of pairs that are not the same entity: records of one household (or one firm), that
//! share what members of a household share, and namesakes, that share a name by chance and what is
//! made of a name, such as the user of an e-mail address.
//!
//! Weights are log2 of a Bayes factor, fixed-point: multiples of 2^-20, summed as integers, so that
//! a sum does not depend on its order. The document holds the weights themselves, and a model that
//! is loaded scores as the one that was saved.
//!
//! ```text
//! match weight = prior + sum of (weight + term frequency adjustment) - log2(1 + 2^h + 2^n)
//! h            = household prior + sum of (household weight + term frequency adjustment)
//! n            = namesake prior + sum of namesake weights
//! probability  = 2^w / (1 + 2^w)
//! ```
//!
//! Namesakes meet by chance, on a common name oftener than on a rare one, as coincidence does: no
//! adjustment lies between the two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::MISSING;
use super::compare::{Comparisons, Terms, UNKNOWN, level_of};
use super::settings::Thresholds;
use crate::error::{Error, Result};
use crate::keyed::{self, HashKey};

/// One, in fixed point.
const ONE: f64 = (1u64 << 20) as f64;

/// A weight in fixed point: multiples of 2^-20.
pub(crate) type Weight = i64;

/// A weight to the nearest multiple of 2^-20.
pub(crate) fn fixed(weight: f64) -> Weight {
    (weight * ONE).round() as Weight
}

/// A fixed-point weight as a float, exactly.
pub(crate) fn float(weight: Weight) -> f64 {
    weight as f64 / ONE
}

/// The probability of a match weight.
pub(crate) fn probability(weight: Weight) -> f64 {
    1.0 / (1.0 + (-float(weight)).exp2())
}

/// A trained model of one kind of record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The layout of this document; 2.
    pub version: u32,
    /// The kind of record (`person`, `organisation`).
    pub kind: String,
    /// The comparisons, in the order of `levels` and `weights` in `scored_pairs`.
    pub comparisons: Vec<ComparisonModel>,
    /// The expected shares of the classes among compared pairs.
    pub classes: Classes,
    /// log2 of the number of pairs of one entity over that of all pairs of records.
    pub prior_weight: f64,
    /// The same of households; absent in a model without that class.
    pub household_prior_weight: Option<f64>,
    /// The same of namesakes; absent in a model without that class.
    pub namesake_prior_weight: Option<f64>,
    /// The thresholds in force at training, for the reader; those of the settings decide.
    pub thresholds: Thresholds,
    /// How it was trained.
    pub training: TrainingReport,
}

/// The shares of the classes among compared pairs; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    /// The same entity.
    pub same: f64,
    /// Different entities that share a home or a firm; 0 in a model without that class.
    pub household: f64,
    /// Different entities that share a name or are called alike; 0 in a model without that class.
    pub namesake: f64,
    /// Different entities that agree by chance.
    pub coincidence: f64,
}

/// One comparison's part of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonModel {
    /// The comparison's name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// SQL of its columns.
    pub columns: Vec<String>,
    /// The thresholds of its levels, where it takes any.
    pub thresholds: Vec<f64>,
    /// Its levels from strict to loose. Level 0, a missing value, has weight 0 and is not listed.
    pub levels: Vec<LevelModel>,
    /// How often values are, part by part, where agreement on a rare one weighs more.
    pub term_frequency: Option<Vec<TermFrequency>>,
}

/// One level of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelModel {
    /// The level's name.
    pub name: String,
    /// Its probability among pairs of one entity.
    pub m: f64,
    /// Its probability among pairs that agree by chance.
    pub u: f64,
    /// Its probability among pairs of one household.
    pub household: Option<f64>,
    /// Its probability among pairs of namesakes or look-alikes.
    pub namesake: Option<f64>,
    /// log2(m / u), a multiple of 2^-20.
    pub weight: f64,
    /// log2(household / u), a multiple of 2^-20.
    pub household_weight: Option<f64>,
    /// log2(namesake / u), a multiple of 2^-20.
    pub namesake_weight: Option<f64>,
}

/// How often the values of one part are, such as the family names of a name, in the form by which
/// they agree: a name by its skeleton. A value is known by a hash, and only where at least `floor`
/// records hold it: what so many share tells of nobody, and what few share is not written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermFrequency {
    /// Records with a value.
    pub records: u64,
    /// The mean over records of the frequency of their value.
    pub average: f64,
    /// The fewest records that hold a listed value.
    pub floor: u32,
    /// The frequency given to every value that is not listed: the mean over records of theirs.
    pub unlisted: f64,
    /// Records by value, a value being 128 bits as hex of HMAC-SHA256 where `key` names a key, else
    /// of BLAKE3: whoever holds the file can then try whether a value is common.
    pub counts: BTreeMap<String, u32>,
    /// Which key the values are hashed under, as `HashKey::id` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingReport {
    /// Records.
    pub records: u64,
    /// Pairs that EM counted.
    pub pairs: u64,
    /// Distinct vectors of levels among them.
    pub patterns: u64,
    /// Random pairs from which u was counted.
    pub random_pairs: u64,
    /// Labelled pairs of one entity from which m was counted; 0 in training without labels.
    pub labelled_pairs: u64,
    /// Iterations of EM.
    pub iterations: u32,
    /// Whether no probability moved by more than the tolerance at the end.
    pub converged: bool,
    /// What moved most in the last iteration.
    pub largest_move: Option<LargestMove>,
    /// The sets of classes that were trained; the one of the least criterion is the model.
    pub candidates: Vec<Candidate>,
    /// What dependence is left between comparisons, class by class.
    pub dependence: Vec<Dependence>,
}

/// The largest move of EM's last iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargestMove {
    /// The class: `same`, `household` or `namesake`.
    pub class: String,
    /// The comparison; absent where it is the number of the class's pairs that moved.
    pub comparison: Option<String>,
    /// Its level.
    pub level: Option<String>,
    /// By how much: a probability, or a share of all pairs that the classes have.
    pub by: f64,
}

/// A set of classes that was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The classes beside coincidence.
    pub classes: Vec<String>,
    /// The Bayesian information criterion: the price of its numbers less twice the logarithm of the
    /// likelihood.
    pub criterion: f64,
    /// Iterations of EM.
    pub iterations: u32,
    /// Whether it converged.
    pub converged: bool,
}

/// How two comparisons depend on each other within a class, over the pairs that know both, weighted
/// by their probability in the class. The model takes them for independent. Of coincidence: over
/// random pairs that agree on nothing else; the shares are those at any level but the loosest, and
/// `bits` is by how much a pair that agrees on both weighs too much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependence {
    /// The class: `same`, `household`, `namesake` or `coincidence`.
    pub class: String,
    /// One comparison.
    pub left: String,
    /// The other.
    pub right: String,
    /// Expected pairs of the class that know both.
    pub pairs: u64,
    /// The share of them at the strictest level of both.
    pub observed: f64,
    /// The share that there would be if the two were independent.
    pub expected: f64,
    /// The mutual information of the two levels, in bits: about what the match weight of a pair is
    /// wrong by, on average, for having both.
    pub bits: f64,
}

impl TrainingReport {
    /// What a person should know of how the model was trained.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let by_chance = self.dependence.iter().filter(|own| own.class == "coincidence");
        let told = |own: &Dependence| {
            format!(
                "comparisons `{}` and `{}` agree together by chance {:.0} times as often as they \
                 should: a pair that agrees on both weighs about {:.1} bits too much; make one \
                 comparison of them, such as type address of a street and its city, or leave one out",
                own.left,
                own.right,
                own.bits.exp2(),
                own.bits
            )
        };
        by_chance.map(told).collect()
    }
}

impl std::fmt::Display for LargestMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.comparison, &self.level) {
            (Some(comparison), Some(level)) => {
                write!(f, "{}: {comparison}, {level}", self.class)?;
            }
            _ => write!(f, "{}: the number of its pairs", self.class)?,
        }
        write!(f, ", by {:.1e}", self.by)
    }
}

/// How often others than the two records of a pair hold a value that so many of all hold; half a
/// record stands for none.
fn frequency(count: u32, records: u64) -> f64 {
    (f64::from(count) - 2.0).max(0.5) / records.max(1) as f64
}

impl TermFrequency {
    const FLOOR: u32 = 4;
    /// The most that rarity may add or commonness take, in bits.
    const CAP: Weight = 10 << 20;

    /// Counts the values of one part of a comparison.
    pub(crate) fn of(terms: &Terms, key: Option<&HashKey>) -> Self {
        let mut counts = BTreeMap::new();
        for (term, count) in terms.counts.iter().enumerate() {
            if *count >= Self::FLOOR {
                counts.insert(terms.hash(term as u32, key), *count);
            }
        }
        let records: u64 = terms.counts.iter().map(|count| u64::from(*count)).sum();
        // How many values so many records hold: a float sum in the order of numbers.
        let mut alike: BTreeMap<u32, u64> = BTreeMap::new();
        for count in &terms.counts {
            *alike.entry(*count).or_default() += 1;
        }
        let mean = |least: u32, most: u32| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for (count, values) in alike.range(least..=most) {
                let held = f64::from(*count) * *values as f64;
                sum += held * frequency(*count, records);
                weight += held;
            }
            if weight > 0.0 { sum / weight } else { frequency(least, records) }
        };
        Self {
            records,
            average: mean(1, u32::MAX),
            floor: Self::FLOOR,
            unlisted: mean(1, Self::FLOOR - 1),
            counts,
            key: key.map(|key| key.id().to_owned()),
        }
    }

    /// What agreement on the part adds for each code of the comparison: log2(average / frequency).
    /// A frozen model may list a value that is rare here, so that only of a model of these very
    /// records (`own`) the count decides.
    fn adjustments(&self, terms: &Terms, own: bool, key: Option<&HashKey>) -> Vec<Weight> {
        let key = key.filter(|_| self.key.is_some());
        let adjust =
            |frequency: f64| fixed((self.average / frequency).log2()).clamp(-Self::CAP, Self::CAP);
        let unlisted = adjust(self.unlisted);
        let listed = |term: usize, count: u32| match own {
            true => (count >= self.floor).then_some(count),
            false => self.counts.get(&terms.hash(term as u32, key)).copied(),
        };
        let by_term: Vec<Weight> = terms
            .counts
            .iter()
            .enumerate()
            .map(|(term, count)| match listed(term, *count) {
                Some(count) => adjust(frequency(count, self.records)),
                None => unlisted,
            })
            .collect();
        let of = |term: &u32| if *term == MISSING { 0 } else { by_term[*term as usize] };
        terms.codes.iter().map(of).collect()
    }
}

impl LevelModel {
    /// A level of these probabilities.
    pub(crate) fn new(
        name: String,
        m: f64,
        u: f64,
        household: Option<f64>,
        namesake: Option<f64>,
    ) -> Self {
        let weight = |p: f64| float(fixed((p / u).log2()));
        Self {
            name,
            m,
            u,
            household,
            namesake,
            weight: weight(m),
            household_weight: household.map(weight),
            namesake_weight: namesake.map(weight),
        }
    }
}

impl ComparisonModel {
    /// The level of this name.
    pub fn level(&self, name: &str) -> Option<&LevelModel> {
        self.levels.iter().find(|level| level.name == name)
    }
}

impl Model {
    /// The comparison of this name.
    pub fn comparison(&self, name: &str) -> Option<&ComparisonModel> {
        self.comparisons.iter().find(|own| own.name == name)
    }

    /// The layout of the document.
    pub const VERSION: u32 = 2;

    /// The document, its keys in a fixed order.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|error| Error::bug("a model could not be written as JSON").because(error))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Where it is no model of this layout.
    pub fn from_json(text: &str) -> Result<Self> {
        let model: Self = serde_json::from_str(text).map_err(|error| {
            Error::configuration("the model file is not a model").because(error)
        })?;
        if model.version != Self::VERSION {
            return Err(Error::configuration(format!(
                "the model file has layout {}, this program reads {}",
                model.version,
                Self::VERSION
            ))
            .help("train the model again"));
        }
        Ok(model)
    }

    /// BLAKE3 of the document without white space, as hex.
    pub fn hash(&self) -> Result<String> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::bug("a model could not be written as JSON").because(error))?;
        Ok(blake3::hash(&text).to_hex().to_string())
    }

    /// Whether the model is of these comparisons, level by level.
    pub(crate) fn check(
        &self,
        kind: &str,
        comparisons: &Comparisons,
        key: Option<&HashKey>,
    ) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::configuration(format!("the model does not fit the pipeline: {what}"))
                .help("train it again, or set the comparisons as they were"))
        };
        if self.kind != kind {
            return wrong(format!("it is of kind `{}`, not `{kind}`", self.kind));
        }
        if self.comparisons.len() != comparisons.list.len() {
            return wrong(format!("it has {} comparisons", self.comparisons.len()));
        }
        for (own, asked) in self.comparisons.iter().zip(&comparisons.list) {
            let levels = own.levels.iter().map(|level| &level.name);
            if own.name != asked.name
                || own.kind != asked.kind
                || own.columns != asked.columns
                || own.thresholds != asked.thresholds
                || own.term_frequency.is_some() != asked.term_frequency
                || !levels.eq(&asked.levels)
            {
                return wrong(format!("comparison `{}` differs", asked.name));
            }
        }
        let other = |own: &TermFrequency| match (&own.key, key) {
            (None, _) => false,
            (Some(own), key) => key.is_none_or(|key| key.id() != own),
        };
        if self.term_frequencies().any(other) {
            return Err(Error::configuration(format!(
                "the model's term frequencies are hashed under another key than {} holds",
                keyed::VARIABLE
            ))
            .help("set the key that it was trained under, or train it again"));
        }
        Ok(())
    }

    fn term_frequencies(&self) -> impl Iterator<Item = &TermFrequency> {
        self.comparisons.iter().flat_map(|own| own.term_frequency.iter().flatten())
    }

    /// Whether a value of its term frequencies is under a plain hash.
    pub(crate) fn plain_terms(&self) -> bool {
        self.term_frequencies().any(|own| own.key.is_none() && !own.counts.is_empty())
    }
}

/// Pairs of another class than the same entity and coincidence.
struct Other {
    prior: Weight,
    /// By comparison and level; level 0 weighs nothing.
    weights: Vec<Vec<Weight>>,
    /// Whether rare agreement weighs more here than in coincidence.
    adjusted: bool,
}

/// What a comparison says of a pair, ordered by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Best {
    weight: Weight,
    level: u8,
    adjustment: Weight,
}

/// A model over the records at hand: weights by level, and adjustments by code.
pub(crate) struct Scorer<'a> {
    comparisons: &'a Comparisons,
    /// By comparison and level; level 0 weighs nothing.
    weights: Vec<Vec<Weight>>,
    others: Vec<Other>,
    /// By comparison, part and code.
    adjustments: Vec<Vec<Vec<Weight>>>,
    prior: Weight,
}

impl<'a> Scorer<'a> {
    /// Brings a model to the records; `own` where it was trained on these very records.
    pub(crate) fn new(
        model: &Model,
        comparisons: &'a Comparisons,
        own: bool,
        key: Option<&HashKey>,
    ) -> Self {
        let by_level = |weight: &dyn Fn(&LevelModel) -> f64| {
            let of = |comparison: &ComparisonModel| {
                std::iter::once(0)
                    .chain(comparison.levels.iter().map(|level| fixed(weight(level))))
                    .collect()
            };
            model.comparisons.iter().map(of).collect()
        };
        let adjustments = model
            .comparisons
            .iter()
            .zip(&comparisons.list)
            .map(|(model, comparison)| {
                let parts = model.term_frequency.iter().flatten().zip(&comparison.terms);
                parts.map(|(part, terms)| part.adjustments(terms, own, key)).collect()
            })
            .collect();
        let household = model.household_prior_weight.map(|prior| Other {
            prior: fixed(prior),
            weights: by_level(&|level| level.household_weight.unwrap_or(0.0)),
            adjusted: true,
        });
        let namesake = model.namesake_prior_weight.map(|prior| Other {
            prior: fixed(prior),
            weights: by_level(&|level| level.namesake_weight.unwrap_or(0.0)),
            adjusted: false,
        });
        Self {
            comparisons,
            weights: by_level(&|level| level.weight),
            others: household.into_iter().chain(namesake).collect(),
            adjustments,
            prior: fixed(model.prior_weight),
        }
    }

    /// What the values add on which a pair agrees at this level; of two values that are one at a
    /// looser level, the commoner one decides.
    fn adjustment(&self, comparison: usize, level: u8, l: u32, r: u32) -> Weight {
        let parts = &self.adjustments[comparison];
        if parts.is_empty() {
            return 0;
        }
        let own = &self.comparisons.list[comparison];
        let (l, r) = (own.tuples.codes[l as usize], own.tuples.codes[r as usize]);
        if l == MISSING || r == MISSING {
            return 0;
        }
        let agreed = own.agreed(level);
        let of = |(_, by_code): (usize, &Vec<Weight>)| by_code[l as usize].min(by_code[r as usize]);
        let sum: Weight =
            parts.iter().enumerate().filter(|(part, _)| agreed >> part & 1 == 1).map(of).sum();
        sum.clamp(-TermFrequency::CAP, TermFrequency::CAP)
    }

    /// The match weight of a pair with these levels. Where it is surely under `least`, any weight
    /// under `least`.
    pub(crate) fn weight(&self, pattern: u64, l: u32, r: u32, least: Weight) -> Weight {
        let (mut total, mut adjusted) = (self.prior, 0);
        for comparison in 0..self.weights.len() {
            let level = level_of(pattern, comparison);
            if level != UNKNOWN {
                total += self.weights[comparison][level as usize];
                adjusted += self.adjustment(comparison, level, l, r);
            }
        }
        total += adjusted;
        if self.others.is_empty() || total < least {
            return total;
        }
        total - self.penalty(adjusted, |comparison| level_of(pattern, comparison))
    }

    /// What a pair with these levels weighs at most, whatever its values are.
    pub(crate) fn most(&self, pattern: u64) -> Weight {
        let own = |comparison: usize| {
            let level = level_of(pattern, comparison);
            let agreed = level != UNKNOWN && self.comparisons.list[comparison].agreed(level) != 0;
            let adjusted = agreed && !self.adjustments[comparison].is_empty();
            self.weights[comparison][level as usize] + if adjusted { TermFrequency::CAP } else { 0 }
        };
        self.prior + (0..self.weights.len()).map(own).sum::<Weight>()
    }

    /// What the classes take that are neither the same entity nor coincidence:
    /// log2(1 + 2^h + 2^n).
    fn penalty(&self, adjusted: Weight, level: impl Fn(usize) -> u8) -> Weight {
        let exponent = |other: &Other| {
            let weights = other.weights.iter().enumerate();
            let sum: Weight = weights.map(|(place, own)| own[level(place) as usize]).sum();
            float(other.prior + sum + if other.adjusted { adjusted } else { 0 })
        };
        let largest = self.others.iter().map(exponent).fold(0.0, f64::max);
        fixed(if largest > 40.0 {
            // The one is lost.
            let sum: f64 = self.others.iter().map(|own| (exponent(own) - largest).exp2()).sum();
            largest + sum.log2()
        } else {
            let sum: f64 = self.others.iter().map(|own| exponent(own).exp2()).sum();
            sum.ln_1p() / std::f64::consts::LN_2
        })
    }

    /// Whether agreement on a comparison speaks against one entity, as that on the source does where
    /// each source has most entities once.
    pub(crate) fn against(&self, comparison: usize) -> bool {
        let weights = &self.weights[comparison];
        weights.len() > 2 && weights[1] < weights[weights.len() - 1]
    }

    /// How one comparison speaks of a pair; `None` where it is silent.
    pub(crate) fn best(&self, pattern: u64, comparison: usize, l: u32, r: u32) -> Option<Best> {
        let level = level_of(pattern, comparison);
        if level == UNKNOWN {
            return None;
        }
        let adjustment = self.adjustment(comparison, level, l, r);
        let weight = self.weights[comparison][level as usize] + adjustment;
        Some(Best { weight, level, adjustment })
    }

    /// The match weight of two groups, of which each comparison says this.
    pub(crate) fn weight_of(&self, best: &[Option<Best>]) -> Weight {
        let total: Weight = best.iter().flatten().map(|own| own.weight).sum();
        let adjusted = best.iter().flatten().map(|own| own.adjustment).sum();
        let level = |place: usize| best[place].map_or(UNKNOWN, |own| own.level);
        self.prior + total - self.penalty(adjusted, level)
    }

    /// log2 of the prior odds.
    pub(crate) fn prior(&self) -> Weight {
        self.prior
    }

    /// What the values add to each comparison's weight, in order: the term-frequency part of it.
    pub(crate) fn term_weights(&self, pattern: u64, l: u32, r: u32) -> impl Iterator<Item = f64> {
        (0..self.weights.len()).map(move |comparison| match level_of(pattern, comparison) {
            UNKNOWN => 0.0,
            level => float(self.adjustment(comparison, level, l, r)),
        })
    }

    /// The weight of each comparison with its adjustment, in order.
    pub(crate) fn weights(&self, pattern: u64, l: u32, r: u32) -> impl Iterator<Item = f64> {
        (0..self.weights.len()).map(move |comparison| {
            let level = level_of(pattern, comparison);
            let adjustment =
                if level == UNKNOWN { 0 } else { self.adjustment(comparison, level, l, r) };
            float(self.weights[comparison][level as usize] + adjustment)
        })
    }
}
