//! The model: m and u probabilities of each comparison's levels, their weights, and a pair's score.
//!
//! Knows levels, weights and term frequencies, as a document; refuses to know how it was trained
//! and where pairs come from. The formulas are those of Fellegi and Sunter (1969) with a third
//! class of pairs: records of one household (or one firm), that share what members of a household
//! share and are not the same entity.
//!
//! Weights are log2 of a Bayes factor, fixed-point: multiples of 2^-20, summed as integers, so that
//! a sum does not depend on its order. The document holds the weights themselves, and a model that
//! is loaded scores as the one that was saved.
//!
//! ```text
//! match weight = prior + sum of (weight + term frequency adjustment) - log2(1 + 2^h)
//! h            = household prior + sum of (household weight + term frequency adjustment)
//! probability  = 2^w / (1 + 2^w)
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::MISSING;
use super::compare::{Comparison, Comparisons, UNKNOWN, level_of};
use super::settings::Thresholds;
use crate::error::{Error, Result};

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
    /// The layout of this document; 1.
    pub version: u32,
    /// The kind of record (`person`, `organisation`).
    pub kind: String,
    /// The comparisons, in the order of `levels` and `weights` in `scored_pairs`.
    pub comparisons: Vec<ComparisonModel>,
    /// The shares of the classes among compared pairs.
    pub classes: Classes,
    /// log2 of the share of the same entity over that of coincidence.
    pub prior_weight: f64,
    /// log2 of the share of households over that of coincidence; absent in a model of two classes.
    pub household_prior_weight: Option<f64>,
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
    /// Different entities that share a home or a firm; 0 in a model of two classes.
    pub household: f64,
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
    /// How often values are, where agreement on a rare one weighs more.
    pub term_frequency: Option<TermFrequency>,
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
    /// log2(m / u), a multiple of 2^-20.
    pub weight: f64,
    /// log2(household / u), a multiple of 2^-20.
    pub household_weight: Option<f64>,
}

/// How often values are. A value is known by a hash, and only where at least `floor` records hold
/// it: what so many share tells of nobody, and what few share is not written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermFrequency {
    /// Records with a value.
    pub records: u64,
    /// The probability that two records drawn at random hold one value.
    pub average: f64,
    /// The fewest records that hold a listed value.
    pub floor: u32,
    /// The frequency given to every value that is not listed: the mean over records of theirs.
    pub unlisted: f64,
    /// Records by value, a value being 128 bits of BLAKE3 as hex, keyed by context.
    pub counts: BTreeMap<String, u32>,
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
    /// Iterations of EM.
    pub iterations: u32,
    /// Whether no probability moved by more than the tolerance at the end.
    pub converged: bool,
}

impl TermFrequency {
    const FLOOR: u32 = 10;
    /// The most that rarity may add or commonness take, in bits.
    const CAP: f64 = 10.0;

    /// Counts the values of a comparison that agree at its strictest level.
    pub(crate) fn of(comparison: &Comparison, average: f64) -> Self {
        let tuples = &comparison.tuples;
        let (mut records, mut rare, mut rare_squares) = (0u64, 0u64, 0u64);
        let mut counts = BTreeMap::new();
        for code in 0..tuples.len() as u32 {
            let count = tuples.counts[code as usize];
            let own = u64::from(count);
            records += own;
            if comparison.own_level[code as usize] != 1 {
                continue;
            }
            if count >= Self::FLOOR {
                counts.insert(tuples.value_hash(code), count);
            } else {
                rare += own;
                rare_squares += own * own;
            }
        }
        let mean = if rare == 0 { 1.0 } else { rare_squares as f64 / rare as f64 };
        let unlisted = if records == 0 { 1.0 } else { mean / records as f64 };
        Self { records, average, floor: Self::FLOOR, unlisted, counts }
    }

    /// What agreement on each value adds to the weight of the strictest level: log2(average / frequency).
    fn adjustments(&self, comparison: &Comparison) -> Vec<Weight> {
        let adjust =
            |frequency: f64| fixed((self.average / frequency).log2().clamp(-Self::CAP, Self::CAP));
        let unlisted = adjust(self.unlisted);
        (0..comparison.tuples.len() as u32)
            .map(|code| {
                // Hashing is spared where the value cannot be listed; a frozen model may list a
                // value that is rare here, so that its own count does not decide.
                if self.counts.is_empty() || comparison.own_level[code as usize] != 1 {
                    return unlisted;
                }
                match self.counts.get(&comparison.tuples.value_hash(code)) {
                    Some(count) => adjust(f64::from(*count) / self.records as f64),
                    None => unlisted,
                }
            })
            .collect()
    }
}

impl LevelModel {
    pub(crate) fn new(name: String, m: f64, u: f64, household: Option<f64>) -> Self {
        let weight = |p: f64| float(fixed((p / u).log2()));
        Self { name, m, u, household, weight: weight(m), household_weight: household.map(weight) }
    }
}

impl Model {
    /// The layout of the document.
    pub const VERSION: u32 = 1;

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
    pub(crate) fn check(&self, kind: &str, comparisons: &Comparisons) -> Result<()> {
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
        Ok(())
    }
}

/// A model over the records at hand: weights by level, and adjustments by code.
pub(crate) struct Scorer<'a> {
    comparisons: &'a Comparisons,
    /// By comparison and level; level 0 weighs nothing.
    weights: Vec<Vec<Weight>>,
    household: Vec<Vec<Weight>>,
    adjustments: Vec<Option<Vec<Weight>>>,
    prior: Weight,
    household_prior: Option<Weight>,
}

impl<'a> Scorer<'a> {
    /// Brings a model to the records.
    pub(crate) fn new(model: &Model, comparisons: &'a Comparisons) -> Self {
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
            .map(|(model, comparison)| Some(model.term_frequency.as_ref()?.adjustments(comparison)))
            .collect();
        Self {
            comparisons,
            weights: by_level(&|level| level.weight),
            household: by_level(&|level| level.household_weight.unwrap_or(0.0)),
            adjustments,
            prior: fixed(model.prior_weight),
            household_prior: model.household_prior_weight.map(fixed),
        }
    }

    fn adjustment(&self, comparison: usize, level: u8, row: u32) -> Weight {
        match &self.adjustments[comparison] {
            Some(by_code) if level == 1 => {
                match self.comparisons.list[comparison].tuples.codes[row as usize] {
                    MISSING => 0,
                    code => by_code[code as usize],
                }
            }
            _ => 0,
        }
    }

    /// The match weight of a pair with these levels, whose left row is `l`. Where it is surely
    /// under `least`, any weight under `least`.
    pub(crate) fn weight(&self, pattern: u64, l: u32, least: Weight) -> Weight {
        let mut total = self.prior;
        let mut household = self.household_prior.unwrap_or(0);
        for comparison in 0..self.weights.len() {
            let level = level_of(pattern, comparison);
            if level == UNKNOWN {
                continue;
            }
            // At the strictest level both rows have one value, so that the left one's code does.
            let adjustment = self.adjustment(comparison, level, l);
            total += self.weights[comparison][level as usize] + adjustment;
            household += self.household[comparison][level as usize] + adjustment;
        }
        if self.household_prior.is_none() || total < least {
            return total;
        }
        // log2(1 + 2^h); past 2^40 the one is lost.
        let exponent = float(household);
        let penalty = if exponent > 40.0 {
            exponent
        } else {
            exponent.exp2().ln_1p() / std::f64::consts::LN_2
        };
        total - fixed(penalty)
    }

    /// The weight of each comparison with its adjustment, in order.
    pub(crate) fn weights(&self, pattern: u64, l: u32) -> impl Iterator<Item = f64> {
        (0..self.weights.len()).map(move |comparison| {
            let level = level_of(pattern, comparison);
            float(self.weights[comparison][level as usize] + self.adjustment(comparison, level, l))
        })
    }
}
