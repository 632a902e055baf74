//! The resolution of one kind of record, from blocking to clusters, in order.
//!
//! Knows the parts and what each hands to the next; refuses to know where records come from, who
//! evaluates expressions and where results go. Pure compute: Arrow in, Arrow out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};

use super::block::{BlockingReport, Blocks};
use super::conditions::PairConditions;
use super::model::{Model, Scorer, probability};
use super::quality::ClusterQuality;
use super::record::{RecordKey, StewardDecision};
use super::settings::Resolve;
use crate::error::Result;
use crate::keyed::HashKey;
use crate::memory;

mod before;
mod grouping;
mod incremental;
mod index;
mod output;
mod part;
mod partition;
mod ready;
mod replay;
mod rows;
mod scoring;
mod table;
mod taken;
mod training;
mod walk;

pub use before::{Before, Earlier, Gone, Unchanged};
pub use incremental::{ChangeCounts, Changes, Extent, resolve_since};
pub use ready::estimate;
pub use replay::{Replayed, replay};
pub use rows::{ResolvedRows, RowPair, resolve_rows};
pub use table::together;

pub(super) use before::text;
pub(super) use ready::{Ready, column, prepare};
pub(super) use scoring::Scored;

use grouping::Names;

/// The rows of one kind, sorted by (source, record_id), which are its key.
pub struct Input<'a> {
    /// The kind of record (`person`, `organisation`).
    pub kind: &'a str,
    /// Its settings.
    pub settings: &'a Resolve,
    /// The source of each row.
    pub source: StringArray,
    /// The record's id in its source.
    pub record_id: StringArray,
    /// Every expression of `Resolve::expressions`, evaluated over the rows, in their order.
    pub expressions: HashMap<String, ArrayRef>,
    /// Whether dictionaries among them are all of [`coded`](super::coded).
    pub coded: bool,
    /// Every condition of `Resolve::conditions`, compiled over the rows; none where there is none.
    pub conditions: Option<Arc<dyn PairConditions>>,
    /// The key under which values are hashed; without it none is, but for common ones in a model.
    pub hash_key: Option<HashKey>,
}

impl Input<'_> {
    /// The row of a record, if it is there: rows are sorted by key.
    pub fn row(&self, key: &RecordKey) -> Option<u32> {
        let (mut low, mut high) = (0, self.source.len());
        while low < high {
            let middle = low.midpoint(high);
            let own = (self.source.value(middle), self.record_id.value(middle));
            match own.cmp(&(key.source.as_str(), key.record_id.as_str())) {
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// How to compute; never what.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads.
    pub threads: usize,
}

/// A union that a guard refused, with the pair that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardReport {
    /// `different`, `rule:NAME`, `duplicate_free:SOURCE`, `weak_bridge`,
    /// `contradiction` or `rival`.
    pub guard: String,
    /// One record of the pair.
    pub l: RecordKey,
    /// The other.
    pub r: RecordKey,
}

/// A pair that joined two clusters, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// One record.
    pub l: RecordKey,
    /// The other.
    pub r: RecordKey,
    /// As in `scored_pairs`.
    pub decided_by: String,
}

/// What resolution found.
pub struct Resolved {
    /// `tables::scored_pairs()`, sorted by key.
    pub pairs: RecordBatch,
    /// The cluster of each row; clusters are numbered by their smallest row.
    pub clusters: Vec<u32>,
    /// How well each cluster of two records or more holds together, in order of clusters.
    pub quality: Vec<ClusterQuality>,
    /// The match probability from which pairs were merged: `thresholds.merge`, or more where a
    /// precision was asked for.
    pub merge_threshold: f64,
    /// Pairs that joined clusters, from the strongest on.
    pub links: Vec<Link>,
    /// The model that scored.
    pub model: Model,
    /// What each blocking rule did, merge rules after them.
    pub blocking: Vec<BlockingReport>,
    /// Distinct pairs that were compared.
    pub pairs_compared: u64,
    /// Unions that a guard refused, from the strongest pair on.
    pub guards: Vec<GuardReport>,
    /// Whether training converged; true where a trained model was given.
    pub converged: bool,
    /// Iterations of EM.
    pub iterations: u32,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// How much of the records was looked at: all of them, or what changed. `links`, `guards` and
    /// `pairs_compared` are of what was looked at; all else is the same.
    pub extent: Extent,
}

/// What is told where a model is older than the key.
const PLAIN_TERMS: &str = "there is a SIMURGH_HASH_KEY, and the model, which was trained without one, \
    lists common values under plain hashes; train it again with --set \
    resolve.KIND.training.retrain=always";

/// Whether a model lists values under plain hashes although there is a key.
fn plain_terms(input: &Input<'_>, model: &Model) -> bool {
    input.hash_key.is_some() && model.plain_terms()
}

/// The step that makes records ready to be compared.
const CODING: &str = "coding columns and blocking";

/// Says at which step a resolution is.
fn working(kind: &str, step: &str) -> memory::Work {
    memory::at(format!("resolve.{kind}, {step}"))
}

/// What a person should know of a model and of blocks.
fn notes(model: &Model, blocks: &Blocks, plain_terms: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if plain_terms {
        warnings.push(PLAIN_TERMS.to_owned());
    }
    if !model.training.converged {
        let moves = model.training.largest_move.as_ref();
        warnings.push(format!(
            "training did not converge in {} iterations; what still moved most was {}",
            model.training.iterations,
            moves.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        ));
    }
    for rule in blocks.rules.iter().filter(|rule| rule.report.bounded_blocks > 0) {
        warnings.push(format!(
            "blocking rule `{}`: {} blocks with {} records are past max_block and were compared in \
             windows only; add refine keys",
            rule.name, rule.report.bounded_blocks, rule.report.bounded_records
        ));
    }
    warnings
}

/// Resolves the records of one kind: blocks, trains where no model is given, scores, clusters.
///
/// # Errors
/// Where the settings ask for what is not there, a given model does not fit them, or the input is
/// not sorted by its key.
pub fn resolve(
    input: &Input<'_>,
    decisions: &[StewardDecision],
    model: Option<Model>,
    options: Options,
) -> Result<Resolved> {
    let work = working(input.kind, CODING);
    let ready = prepare(input, options)?;
    drop(work);
    let work = working(input.kind, "training");
    let trained = model.is_none();
    let (model, held) = match model {
        Some(model) => {
            model.check(input.kind, &ready.comparisons, input.hash_key.as_ref())?;
            (model, None)
        }
        None => ready.trained()?,
    };
    drop(work);
    let work = working(input.kind, "scoring pairs");
    let mut warnings = Vec::new();
    if trained {
        warnings.extend(model.training.warnings());
    }
    warnings.extend(notes(&model, &ready.blocks, !trained && plain_terms(input, &model)));
    let scorer = Scorer::new(&model, &ready.comparisons, trained, input.hash_key.as_ref())?;
    let (mut scored, pairs_compared, merge) = ready.decided(&scorer, held)?;
    let different = ready.overrule(decisions, &scorer, &mut scored, &mut warnings);
    let names = Names { settings: input.settings, decisions };
    drop(work);
    let _work = working(input.kind, "clustering");
    let grouped = ready.group(&scorer, &scored, &different, merge, &names)?;
    ready.comparisons.check()?;
    ready.rules.check()?;
    let _work = working(input.kind, "putting pairs together");
    let pairs = ready.batch(&scored, &scorer, &model.hash()?, &names, &grouped.effects)?;
    Ok(Resolved {
        pairs,
        links: grouped.links,
        guards: grouped.guards,
        clusters: grouped.clusters,
        quality: grouped.quality,
        merge_threshold: probability(merge + 4),
        blocking: ready.blocks.rules.iter().map(|rule| rule.report.clone()).collect(),
        pairs_compared,
        converged: model.training.converged,
        iterations: model.training.iterations,
        model,
        warnings,
        extent: Extent::Everything("nothing was asked of an earlier run"),
    })
}

/// Trains a model whose m is counted from labelled pairs: those that `labels` call the same. u comes
/// from random pairs all the same, which are more than anybody labels, and the prior and the classes
/// beside the same entity from EM. A comparison that no labelled pair knows is trained by EM.
///
/// # Errors
/// As [`resolve`]; where no pair is labelled as the same.
pub fn train_from_labels(
    input: &Input<'_>,
    labels: &[StewardDecision],
    options: Options,
) -> Result<Model> {
    prepare(input, options)?.trained_from_labels(labels)
}

#[cfg(test)]
#[path = "run_tests.rs"]
pub(super) mod tests;
