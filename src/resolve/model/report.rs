//! How a model was trained, as its document tells it, and what of that is a warning.
//!
//! Knows what is told; refuses to know how it was found out.

use serde::{Deserialize, Serialize};

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
    /// The sets of classes that were trained, in order; the one of the least criterion is the model,
    /// or where it found look-alikes, one of those after it that has a class of them.
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
