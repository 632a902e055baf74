//! What a model says of a pair of the records at hand.
//!
//! Knows a model and the levels of a pair; refuses to know where pairs come from.

use super::super::columns::MISSING;
use super::super::compare::{Comparison, Comparisons, UNKNOWN, level_of};
use super::{ComparisonModel, LevelModel, Model, TermFrequency, Weight, fixed, float};
use crate::error::Result;
use crate::keyed::HashKey;

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
    /// By comparison, part and code: weights, which are small enough.
    adjustments: Vec<Vec<Vec<i32>>>,
    /// By comparison and level, the parts on which a pair agrees that adjust its weight, the first
    /// in the lowest bit.
    agreed: Vec<Vec<u8>>,
    prior: Weight,
}

impl<'a> Scorer<'a> {
    /// Brings a model to the records; `own` where it was trained on these very records.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(crate) fn new(
        model: &Model,
        comparisons: &'a Comparisons,
        own: bool,
        key: Option<&HashKey>,
    ) -> Result<Self> {
        let by_level = |weight: &dyn Fn(&LevelModel) -> f64| {
            let of = |comparison: &ComparisonModel| {
                std::iter::once(0)
                    .chain(comparison.levels.iter().map(|level| fixed(weight(level))))
                    .collect()
            };
            model.comparisons.iter().map(of).collect()
        };
        let adjustments: Vec<Vec<Vec<i32>>> = model
            .comparisons
            .iter()
            .zip(&comparisons.list)
            .map(|(model, comparison)| {
                let parts = model.term_frequency.iter().flatten().zip(&comparison.terms);
                parts.map(|(part, terms)| part.adjustments(terms, own, key)).collect()
            })
            .collect::<Result<_>>()?;
        let agreed = |(parts, comparison): (&Vec<Vec<i32>>, &Comparison)| {
            let parts = parts.len();
            let of = |level| comparison.agreed(level) & ((1u16 << parts) - 1) as u8;
            let levels = 1..=comparison.levels.len() as u8;
            std::iter::once(0).chain(levels.map(of)).collect()
        };
        let agreed = adjustments.iter().zip(&comparisons.list).map(agreed).collect();
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
        Ok(Self {
            comparisons,
            weights: by_level(&|level| level.weight),
            others: household.into_iter().chain(namesake).collect(),
            adjustments,
            agreed,
            prior: fixed(model.prior_weight),
        })
    }

    /// What the values add on which a pair agrees at this level; of two values that are one at a
    /// looser level, the commoner one decides.
    fn adjustment(&self, comparison: usize, level: u8, l: u32, r: u32) -> Weight {
        let (parts, agreed) =
            (&self.adjustments[comparison], self.agreed[comparison][level as usize]);
        if agreed == 0 {
            return 0;
        }
        let own = &self.comparisons.list[comparison];
        let (l, r) = (own.codes.of(l), own.codes.of(r));
        if l == MISSING || r == MISSING {
            return 0;
        }
        let of = |(_, by_code): (usize, &Vec<i32>)| {
            Weight::from(by_code[l as usize].min(by_code[r as usize]))
        };
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
            let level = level_of(pattern, comparison) as usize;
            let adjusted = self.agreed[comparison][level] != 0;
            self.weights[comparison][level] + if adjusted { TermFrequency::CAP } else { 0 }
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
