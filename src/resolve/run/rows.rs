//! The same resolution by rows alone: for whoever has the records at hand and asks for no evidence.
//!
//! Knows rows and numbers; refuses to make tables, which take more room than all that is computed.

use super::{Input, Options, notes, prepare, working};
use crate::error::Result;
use crate::resolve::block::BlockingReport;
use crate::resolve::model::{Model, Scorer, float, probability};
use crate::threads::both;

/// A pair at or above the review threshold, or one that a rule merged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowPair {
    /// The smaller row.
    pub l: u32,
    /// The larger row.
    pub r: u32,
    /// As `match_weight` in `scored_pairs`.
    pub weight: f64,
    /// As `match_probability` there.
    pub probability: f64,
}

/// What resolution found.
pub struct ResolvedRows {
    /// Pairs, sorted by rows.
    pub pairs: Vec<RowPair>,
    /// The cluster of each row; clusters are numbered by their smallest row.
    pub clusters: Vec<u32>,
    /// The model that scored.
    pub model: Model,
    /// What each blocking rule did, merge rules after them.
    pub blocking: Vec<BlockingReport>,
    /// Distinct pairs that were compared.
    pub pairs_compared: u64,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// As [`resolve`](super::resolve), with a model of these records and without decisions of stewards.
/// `scored` is given the pairs as soon as they are known, and works beside clustering.
///
/// # Errors
/// As there, and as `scored`.
pub fn resolve_rows(
    input: &Input<'_>,
    options: Options,
    scored: &(dyn Fn(&[RowPair]) -> Result<()> + Sync),
) -> Result<ResolvedRows> {
    let work = working(input.kind, "coding columns and blocking");
    let mut ready = prepare(input, options)?;
    drop(work);
    let work = working(input.kind, "training");
    let (model, held) = ready.trained()?;
    drop(work);
    let work = working(input.kind, "scoring pairs");
    let mut warnings = model.training.warnings();
    warnings.extend(notes(&model, &ready.blocks, false));
    let scorer = Scorer::new(&model, &ready.comparisons, true, input.hash_key.as_ref())?;
    let (decided, pairs_compared, merge) = ready.decided(&scorer, held)?;
    drop(work);
    let _work = working(input.kind, "clustering");
    // Blocks are walked no more: what is clustered takes their room.
    let rules = std::mem::take(&mut ready.blocks.rules);
    let blocking = rules.into_iter().map(|rule| rule.report).collect();
    let pair = |own: &super::Scored| RowPair {
        l: own.l,
        r: own.r,
        weight: float(own.weight),
        probability: probability(own.weight),
    };
    let told = || -> Result<Vec<RowPair>> {
        let pairs: Vec<RowPair> = decided.iter().map(pair).collect();
        scored(&pairs)?;
        Ok(pairs)
    };
    let checked = || ready.comparisons.check().and_then(|()| ready.rules.check());
    checked()?;
    let clusters = || ready.clusters(&scorer, &decided, &[], merge);
    let (pairs, clusters) = both(options.threads, told, clusters)?;
    checked()?;
    Ok(ResolvedRows {
        pairs: pairs?,
        clusters: clusters?.of_row,
        blocking,
        pairs_compared,
        model,
        warnings,
    })
}
