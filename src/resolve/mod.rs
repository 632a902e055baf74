//! Records to entities: which records are the same person or organisation, and under which id.
//!
//! Knows columns of records and settings; refuses to know files, tables' places, SQL and threads'
//! owners: expressions come evaluated, results go out as Arrow.
//!
//! | file | knows |
//! |---|---|
//! | `settings` | what a pipeline says |
//! | `coded`, `columns` | columns coded as they are read; dictionary codes |
//! | `block` | (key, record) groups, and which of them emits a pair |
//! | `kernel` | the walk over pairs, on threads |
//! | `compare/` | levels of agreement, a file a comparison |
//! | `conditions` | SQL conditions on pairs, compiled elsewhere |
//! | `similarity`, `fold` | texts: how alike, and in one spelling |
//! | `sample` | levels among random records |
//! | `train/`, `model` | m and u by EM; weights, scores, the model's document |
//! | `rules`, `cluster` | deterministic rules; union-find and its guards |
//! | `quality` | how well a cluster holds together |
//! | `run` | all of these, in order, for one kind |
//! | `run/` | each of its steps; the same of what changed since an earlier run, and without tables |
//! | `identify`, `redirect`, `staying` | golden ids through time |
//! | `decisions` | what stewards decided, and what contradicts it
//! | `pairs` | the evidence of a scored pair, as columns
//! | `log` | what changed between two runs' pairs |
//! | `propose`, `evidence`, `choose` | blocking rules from the data; a quick model to judge them by |
//! | `inspect` | the same blocking, training and scoring, looked at pair by pair |
//! | `near` | the records that share a blocking key with some
//! | `difference` | what lies between two models |
//! | `clerical` | pairs for a person to judge, and what the verdicts say of all |
//! | `doubt` | pairs that a person's verdict would tell most about
//! | `evaluate` | precision and recall against a truth |

mod block;
mod choose;
mod clerical;
mod cluster;
mod coded;
mod columns;
mod compare;
mod conditions;
mod decisions;
mod difference;
mod doubt;
mod evaluate;
mod evidence;
mod fold;
mod identify;
mod inspect;
mod kernel;
mod log;
mod model;
mod near;
mod pairs;
mod propose;
mod quality;
mod record;
mod redirect;
mod rules;
mod run;
mod sample;
mod settings;
mod similarity;
#[cfg(test)]
mod speed_tests;
mod staying;
mod train;

pub use block::BlockingReport;
pub use clerical::{
    Bin, Calibration, Draw, Estimate, Stratum, allocate, calibration, precision, recall, size_for,
    strata, stratum_of, threshold,
};
pub use coded::coded;
pub use compare::{COMPARISONS, ComparisonKind};
pub use conditions::PairConditions;
pub use decisions::{Contradiction, Decision, Decisions, NewDecision, contradiction, standing};
pub use difference::{LevelMove, ModelDifference};
pub use doubt::{Doubt, Doubtful, doubtful};
pub use evaluate::{CurvePoint, Evaluation, Score, WeightCounts, curve, evaluate};
pub use identify::{Identified, IdentifyRun, Previous, identify};
pub use inspect::{
    Block, Blocking, Inspector, KeyLook, PairBlocking, Part, RuleBlocking, Scoring, Unlinkable,
    Waterfall,
};
pub use log::{LogRun, match_log};
pub use model::{
    Candidate, Classes, ComparisonModel, Dependence, LargestMove, LevelModel, Model, TermFrequency,
    TrainingReport,
};
pub use near::near;
pub use propose::{BlockingCandidate, ProposeOptions, Proposed, propose};
pub use quality::ClusterQuality;
pub use record::{RecordKey, StewardDecision};
pub use run::{
    Before, ChangeCounts, Changes, Earlier, Extent, Gone, GuardReport, Input, Link, Options,
    Replayed, Resolved, ResolvedRows, RowPair, Unchanged, estimate, replay, resolve, resolve_rows,
    resolve_since, together, train_from_labels,
};
pub use settings::*;
pub use staying::{Staying, identify_since};
