//! Resolution of what changed since an earlier run: the same pairs, weights and clusters as a
//! resolution from nothing under the same model, at the cost of the change.
//!
//! Knows what an earlier run left and which records changed; refuses to know tables' places and
//! which run it was. It rests on these facts:
//! - Under a frozen model, the weight of a pair and the rule that decides it are of its two records
//!   alone. So a pair of two unchanged records is as it was, if it is still brought together.
//! - Which pairs are brought together changes for unchanged records only where a block is, or was,
//!   past its bound (`block::Since`).
//! - What becomes of the records of one component of merged pairs depends on that component alone
//!   (`cluster`): its pairs, in the order of weights and rows. So a component is clustered again
//!   only where a record of it changed, or a pair within it.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::super::block::{Blocks, Since};
use super::super::columns::Columns;
use super::super::compare::Scratch;
use super::super::kernel::{Chunk, Pair, parallel};
use super::super::model::{Model, Scorer, Weight, probability};
use super::super::pairs::Effects;
use super::super::record::StewardDecision;
use super::before::Before;
use super::grouping::Names;
use super::index::Index;
use super::output::{Both, effects_of, output};
use super::part::Part;
use super::partition::{partition, touched};
use super::ready::{Ready, blocks, check_sorted, prepare};
use super::scoring::{By, Most, Scored, least_weight, review_below};
use super::taken::{Known, Taken};
use super::training::HELD_PAIRS;
use super::walk::{Walked, pairs_to_compare};
use super::{CODING, Input, Options, Resolved, notes, plain_terms, resolve, working};
use crate::error::{Error, Result};

/// How much of the records a resolution looked at.
#[derive(Debug, Clone)]
pub enum Extent {
    /// Every pair, and why.
    Everything(&'static str),
    /// What changed since the run before.
    Changes(Changes),
}

/// What an incremental resolution did.
#[derive(Debug, Clone)]
pub struct Changes {
    /// In counts.
    pub counts: ChangeCounts,
    /// Rows of the earlier `scored_pairs` that are not there now as they were.
    pub before: RecordBatch,
    /// Rows of `scored_pairs` that were not there as they are.
    pub now: RecordBatch,
    /// By row, the number of the golden id under which a record stays, in order of
    /// `entity_members`; `u32::MAX` for one that was clustered again.
    pub entities: Vec<u32>,
}

/// What an incremental resolution did, in counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Records that are new or say another thing.
    pub records_changed: u64,
    /// Records that changed or are gone, as they were.
    pub records_gone: u64,
    /// Scored pairs that were taken over.
    pub pairs_taken_over: u64,
    /// Pairs that were compared.
    pub pairs_walked: u64,
    /// Blocks past their bound that were walked again whole.
    pub blocks_again: u64,
    /// Records that were clustered again.
    pub records_clustered: u64,
}

/// Resolves the records of one kind, of which an earlier run knows most. The same as
/// [`resolve`](super::resolve) under this model; where it would be no cheaper, it is that.
///
/// # Errors
/// As [`resolve`](super::resolve); where what the earlier run left is not of its schemas.
pub fn resolve_since(
    input: &Input<'_>,
    before: &Before<'_>,
    decisions: &[StewardDecision],
    model: Model,
    options: Options,
) -> Result<Resolved> {
    let why = match changes(input, before, decisions, &model, options)? {
        Found::Same(resolved) => return Ok(Resolved { model, ..*resolved }),
        Found::TooMuch(why) => why,
    };
    let resolved = resolve(input, decisions, Some(model), options)?;
    Ok(Resolved { extent: Extent::Everything(why), ..resolved })
}

enum Found {
    /// What a resolution from nothing would find.
    Same(Box<Resolved>),
    /// Why it is to be asked.
    TooMuch(&'static str),
}

/// The blocks of the records at hand, that know what they were.
fn blocks_since(
    input: &Input<'_>,
    before: &Before<'_>,
    rows: usize,
    threads: usize,
) -> Result<Blocks> {
    let mut arrays: HashMap<String, ArrayRef> = HashMap::new();
    let all = input.settings.blocking_expressions();
    for sql in &all {
        let lost = || Error::bug(format!("`{sql}` was not evaluated over records as they were"));
        let now = super::column(input, sql)?;
        let gone = before.gone.expressions.get(*sql).ok_or_else(lost)?;
        let both = concat(&[now.as_ref(), gone.as_ref()]).map_err(|_| lost())?;
        arrays.insert((*sql).to_owned(), both);
    }
    let columns = Columns::new(&arrays, &all, false, threads)?;
    let since = Since { gone: before.gone.source.len(), changed: &before.changed };
    blocks(input, &columns, rows, Some(&since), threads)
}

fn changes(
    input: &Input<'_>,
    before: &Before<'_>,
    decisions: &[StewardDecision],
    model: &Model,
    options: Options,
) -> Result<Found> {
    let rows = check_sorted(input)?;
    let threads = options.threads;
    if before.changed.len() != rows {
        return Err(Error::bug("what changed is told of other records than those at hand"));
    }
    let changed = before.changed.iter().filter(|changed| **changed).count();
    let gone = before.gone.source.len();
    if (changed + gone) * 2 > rows {
        return Ok(Found::TooMuch("more than half of the records changed"));
    }
    // With a precision asked for, the threshold is of all pairs.
    let of_all = input.settings.thresholds.precision.is_some();
    let work = working(input.kind, CODING);
    let blocks = blocks_since(input, before, rows, threads)?;
    drop(work);
    let work = working(input.kind, "scoring pairs");
    let Some(mut walked) = pairs_to_compare(&blocks, &before.changed, HELD_PAIRS, threads)? else {
        return Ok(Found::TooMuch("blocks past their bound changed, and hold most pairs"));
    };
    let now = &before.now;
    let decided = decided(now, decisions);
    let known = Known {
        gone: &Index::new(&before.gone.source, &before.gone.record_id),
        changed: &before.changed,
        blocks: &blocks,
        rules: input.settings.rules.iter().map(|rule| rule.name.as_str()).collect(),
        decided: &decided,
    };
    let mut taken = Taken::read(before, &known, threads)?;
    walked.extend(taken.again.iter().map(|pair| Walked {
        rule: pair.rule,
        l: vec![pair.l],
        r: vec![pair.r],
    }));

    // The records that are compared are few: they alone are made ready.
    let ends = walked.iter().flat_map(|own| own.l.iter().chain(&own.r)).copied();
    // Decisions name records that are not of a pair, where the other is of no record at hand.
    let named = decisions.iter().flat_map(|own| [&own.a, &own.b]);
    let of_stewards = named.filter_map(|key| now.row(&key.source, &key.record_id));
    let near = Part::new(ends.chain(of_stewards).collect(), rows);
    drop(work);
    let work = working(input.kind, CODING);
    let near_input = near.input(input)?;
    let ready = prepare(&near_input, options)?;
    drop(work);
    let work = working(input.kind, "scoring pairs");
    model.check(input.kind, &ready.comparisons, input.hash_key.as_ref())?;
    let scorer = Scorer::new(model, &ready.comparisons, false, input.hash_key.as_ref())?;
    let (mut fresh, pairs_walked) = score(&ready, &near, &scorer, &walked)?;
    let merge = merge_weight(&ready, &taken, &fresh);
    if of_all {
        // What was decided of pairs that are taken over was by another threshold.
        for (pair, _) in taken.pairs.iter_mut().flatten().filter(|(pair, _)| pair.by == By::Model) {
            let of_rows = Pair { l: pair.l, r: pair.r, rule: pair.rule };
            *pair = ready.decide(of_rows, pair.pattern, pair.weight, None);
        }
        review_below(merge, taken.pairs.iter_mut().flatten().map(|(pair, _)| pair));
    }
    review_below(merge, &mut fresh);
    decide_others(&ready, &near, &scorer, &blocks, &decided, &mut fresh);
    let mut warnings = notes(model, &blocks, plain_terms(input, model));
    let different = ready.overrule(decisions, &scorer, &mut fresh, &mut warnings);
    let names = Names { settings: input.settings, decisions };
    // What clusters make of these pairs is told when there are clusters.
    let nothing = Effects::new(std::iter::empty(), std::iter::empty());
    let batch = ready.batch(&fresh, &scorer, &model.hash()?, &names, &nothing)?;
    ready.comparisons.check()?;
    ready.rules.check()?;

    drop(work);
    let work = working(input.kind, "clustering");
    let fresh =
        fresh.into_iter().map(|pair| Scored { l: near.row(pair.l), r: near.row(pair.r), ..pair });
    let both = Both { taken: &taken, fresh: fresh.collect() };
    let different = different.iter().map(|(l, r)| (near.row(*l), near.row(*r)));
    let different: Vec<(u32, u32)> = different.collect();
    let touched = if of_all {
        (0..rows as u32).collect()
    } else {
        let of_stewards = decided.iter().flat_map(|(l, r)| [*l, *r]);
        touched(&before.changed, of_stewards, &both)
    };
    let far = Part::new(touched, rows);
    drop(work);
    let work = working(input.kind, CODING);
    let far_input = far.input(input)?;
    let ready = prepare(&far_input, options)?;
    drop(work);
    let work = working(input.kind, "clustering");
    let scorer = Scorer::new(model, &ready.comparisons, false, input.hash_key.as_ref())?;
    let within = both.within(&far);
    let different: Vec<(u32, u32)> =
        different.iter().filter_map(|(l, r)| far.pair(*l, *r)).collect();
    let grouped = ready.group(&scorer, &within, &different, merge, &names)?;
    ready.comparisons.check()?;
    ready.rules.check()?;
    let Some((clusters, quality, entities)) = partition(before, &far, &grouped)? else {
        return Ok(Found::TooMuch("the run before left entities that its records do not explain"));
    };

    drop(work);
    let _work = working(input.kind, "putting pairs together");
    let effects = effects_of(before.pairs, &both, &far, &grouped)?;
    let out = output(before.pairs, &both, &batch, &blocks, &effects)?;
    let counts = ChangeCounts {
        records_changed: changed as u64,
        records_gone: gone as u64,
        pairs_taken_over: taken.iter().count() as u64,
        pairs_walked,
        blocks_again: blocks.rules.iter().map(|rule| rule.again().count() as u64).sum(),
        records_clustered: far.len() as u64,
    };
    Ok(Found::Same(Box::new(Resolved {
        pairs: out.pairs,
        clusters,
        quality,
        merge_threshold: probability(merge + 4),
        links: grouped.links,
        guards: grouped.guards,
        blocking: blocks.rules.iter().map(|rule| rule.report.clone()).collect(),
        pairs_compared: pairs_walked,
        converged: model.training.converged,
        iterations: model.training.iterations,
        model: model.clone(),
        warnings,
        extent: Extent::Changes(Changes { counts, before: out.before, now: out.now, entities }),
    })))
}

/// The pairs on which a steward decided, of records at hand.
fn decided(now: &Index<'_>, decisions: &[StewardDecision]) -> FxHashSet<(u32, u32)> {
    let pair = |own: &StewardDecision| {
        let a = now.row(&own.a.source, &own.a.record_id)?;
        let b = now.row(&own.b.source, &own.b.record_id)?;
        (a != b).then_some((a.min(b), a.max(b)))
    };
    decisions.iter().filter_map(pair).collect()
}

/// Scores pairs; what is kept comes by places in the part, sorted. Gives how many were compared.
fn score(
    ready: &Ready<'_>,
    near: &Part,
    scorer: &Scorer<'_>,
    walked: &[Walked],
) -> Result<(Vec<Scored>, u64)> {
    let state = || (Scratch::default(), Most::default());
    let parts = parallel(walked.len(), ready.threads, state, |(scratch, most), place| {
        let own = &walked[place];
        let pairs = own.l.iter().zip(&own.r).map(|(l, r)| (near.place(*l), near.place(*r)));
        let (l, r): (Vec<u32>, Vec<u32>) = pairs.filter(|(l, r)| !ready.skip(*l, *r)).unzip();
        let mut kept = Vec::new();
        let patterns = ready.comparisons.patterns(scratch, &l, &r);
        let chunk = Chunk { rule: own.rule, l: &l, r: &r };
        ready.score_chunk(scorer, most, chunk, patterns, &mut kept);
        (kept, l.len() as u64)
    })?;
    let compared = parts.iter().map(|(_, compared)| compared).sum();
    let mut kept: Vec<Scored> = parts.into_iter().flat_map(|(kept, _)| kept).collect();
    kept.sort_unstable_by_key(|pair| (pair.l, pair.r));
    Ok((kept, compared))
}

/// The weight from which pairs are merged, of all of them.
fn merge_weight(ready: &Ready<'_>, taken: &Taken, fresh: &[Scored]) -> Weight {
    let thresholds = &ready.input.settings.thresholds;
    if thresholds.precision.is_none() {
        return least_weight(thresholds.merge);
    }
    let all: Vec<Scored> = taken.iter().map(|(pair, _)| pair).chain(fresh).copied().collect();
    ready.merge_weight(&all)
}

/// Adds the pairs on which a steward decided and that are too poor to be kept, or that no rule
/// brings together.
fn decide_others(
    ready: &Ready<'_>,
    near: &Part,
    scorer: &Scorer<'_>,
    blocks: &Blocks,
    decided: &FxHashSet<(u32, u32)>,
    fresh: &mut Vec<Scored>,
) {
    let there: FxHashSet<(u32, u32)> = fresh.iter().map(|pair| (pair.l, pair.r)).collect();
    for (l, r) in decided {
        let rule = blocks.first_rule(*l, *r).unwrap_or(u16::MAX);
        let (l, r) = (near.place(*l), near.place(*r));
        if !there.contains(&(l, r)) {
            fresh.push(ready.decide_pair(scorer, Pair { l, r, rule }));
        }
    }
    fresh.sort_unstable_by_key(|pair| (pair.l, pair.r));
}

#[cfg(test)]
#[path = "incremental_tests.rs"]
mod tests;
