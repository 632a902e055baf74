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
//!
//! How a model was trained, as its document tells it, is in `report`; what it says of a pair, in
//! `scorer`.

mod report;
mod scorer;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::columns::MISSING;
use super::compare::{Comparisons, Terms};
use super::settings::Thresholds;
use crate::error::{Error, Result};
use crate::keyed::{self, HashKey};
use crate::threads::{self, map};

pub use report::{Candidate, Dependence, LargestMove, TrainingReport};
pub(crate) use scorer::{Best, Scorer};

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
    ///
    /// # Errors
    /// Where a thread failed.
    pub(crate) fn of(terms: &Terms, key: Option<&HashKey>) -> Result<Self> {
        let listed = map(terms.counts.len(), threads::count(), |term| {
            let count = terms.counts[term];
            (count >= Self::FLOOR).then(|| (terms.hash(term as u32, key), count))
        })?;
        let counts = listed.into_iter().flatten().collect();
        let records: u64 = terms.counts.iter().map(|count| u64::from(*count)).sum();
        // How many values so many records hold: a float sum in the order of numbers.
        let mut alike: FxHashMap<u32, u64> = FxHashMap::default();
        for count in &terms.counts {
            *alike.entry(*count).or_default() += 1;
        }
        let alike: BTreeMap<u32, u64> = alike.into_iter().collect();
        let mean = |least: u32, most: u32| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for (count, values) in alike.range(least..=most) {
                let held = f64::from(*count) * *values as f64;
                sum += held * frequency(*count, records);
                weight += held;
            }
            if weight > 0.0 { sum / weight } else { frequency(least, records) }
        };
        Ok(Self {
            records,
            average: mean(1, u32::MAX),
            floor: Self::FLOOR,
            unlisted: mean(1, Self::FLOOR - 1),
            counts,
            key: key.map(|key| key.id().to_owned()),
        })
    }

    /// What agreement on the part adds for each code of the comparison: log2(average / frequency).
    /// A frozen model may list a value that is rare here, so that only of a model of these very
    /// records (`own`) the count decides.
    fn adjustments(&self, terms: &Terms, own: bool, key: Option<&HashKey>) -> Result<Vec<i32>> {
        let key = key.filter(|_| self.key.is_some());
        let adjust = |frequency: f64| {
            fixed((self.average / frequency).log2()).clamp(-Self::CAP, Self::CAP) as i32
        };
        let unlisted = adjust(self.unlisted);
        let listed = |term: usize, count: u32| match own {
            true => (count >= self.floor).then_some(count),
            false => self.counts.get(&terms.hash(term as u32, key)).copied(),
        };
        let by_term = map(terms.counts.len(), threads::count(), |term| {
            match listed(term, terms.counts[term]) {
                Some(count) => adjust(frequency(count, self.records)),
                None => unlisted,
            }
        })?;
        let of = |code: usize| match terms.codes[code] {
            MISSING => 0,
            term => by_term[term as usize],
        };
        map(terms.codes.len(), threads::count(), of)
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
