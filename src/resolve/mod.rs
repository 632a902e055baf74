//! Records to entities: which records are the same person or organisation, and under which id.
//!
//! Knows columns of records and settings; refuses to know files, tables' places, SQL and threads'
//! owners: expressions come evaluated, results go out as Arrow.
//!
//! | file | knows |
//! |---|---|
//! | `settings` | what a pipeline says |
//! | `columns` | dictionary codes |
//! | `block` | (key, record) groups, and which of them emits a pair |
//! | `kernel` | the walk over pairs, on threads |
//! | `compare/` | levels of agreement, a file a comparison |
//! | `conditions` | SQL conditions on pairs, compiled elsewhere |
//! | `similarity`, `fold` | texts: how alike, and in one spelling |
//! | `train/`, `model` | m and u by EM; weights, scores, the model's document |
//! | `rules`, `cluster` | deterministic rules; union-find and its guards |
//! | `quality` | how well a cluster holds together |
//! | `run` | all of these, in order, for one kind |
//! | `identify`, `redirect` | golden ids through time |
//! | `log` | what changed between two runs' pairs |
//! | `evaluate` | precision and recall against a truth |

mod block;
mod cluster;
mod columns;
mod compare;
mod conditions;
mod evaluate;
mod fold;
mod identify;
mod kernel;
mod log;
mod model;
mod quality;
mod record;
mod redirect;
mod rules;
mod run;
mod settings;
mod similarity;
mod train;

pub use block::BlockingReport;
pub use compare::{COMPARISONS, ComparisonKind};
pub use conditions::PairConditions;
pub use evaluate::{Evaluation, Score, evaluate};
pub use identify::{Identified, IdentifyRun, Previous, identify};
pub use log::match_log;
pub use model::{
    Candidate, Classes, ComparisonModel, Dependence, LargestMove, LevelModel, Model, TermFrequency,
    TrainingReport,
};
pub use quality::ClusterQuality;
pub use record::{RecordKey, StewardDecision};
pub use run::{GuardReport, Input, Link, Options, Resolved, estimate, resolve, train_from_labels};
pub use settings::*;
