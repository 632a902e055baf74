//! Which of the proposed rules block, and which sources are free of duplicates.

use std::collections::BTreeMap;

use arrow::array::Array;

use super::{Inferred, Work};
use crate::error::{Error, Result};
use crate::infer::{self, Chosen};
use crate::resolve::{
    self, BlockingCandidate, BlockingRule, Input, LinkType, ProposeOptions, Resolve, ResolvedRows,
    RowPair,
};

/// What was chosen, and what came of it.
pub(super) struct Choice {
    pub(super) blocking: Vec<Chosen>,
    pub(super) duplicate_free: Vec<String>,
    pub(super) resolved: ResolvedRows,
}

/// Pairs to compare, at most, for so many rows.
fn budget(rows: usize) -> u64 {
    (rows as u64 * 100).clamp(20_000_000, 400_000_000)
}

/// Chooses blocking rules where they were inferred, and resolves. `scored` is given the pairs of the
/// resolution that holds.
pub(super) fn choose(
    work: &Work<'_>,
    input: &Input<'_>,
    settings: &Resolve,
    inferred: Option<&Inferred>,
    warnings: &mut Vec<String>,
    scored: &(dyn Fn(&[RowPair]) -> Result<()> + Sync),
) -> Result<Choice> {
    let options = resolve::Options { threads: work.request.options.threads };
    let Some(inferred) = inferred else {
        let resolved = resolve::resolve_rows(input, options, scored)?;
        return Ok(Choice {
            blocking: Vec::new(),
            duplicate_free: settings.duplicate_free.clone(),
            resolved,
        });
    };
    let blocking = within_budget(work, input, inferred, warnings)?;
    let mut chosen = Resolve {
        blocking: blocking
            .iter()
            .map(|own| BlockingRule {
                name: own.name.clone(),
                keys: own.keys.clone(),
                refine: own.refine.clone(),
                max_block: own.max_block,
            })
            .collect(),
        ..settings.clone()
    };
    let sources: std::collections::BTreeSet<&str> = input.source.iter().flatten().collect();
    work.progress.say("training and scoring");
    if sources.len() < 2 {
        let resolved = resolve::resolve_rows(&again(input, &chosen), options, scored)?;
        return Ok(Choice { blocking, duplicate_free: chosen.duplicate_free, resolved });
    }
    // Duplicates within sources say whether a source is free of them: looked for even where only
    // links are wanted. This resolution may not be the last.
    chosen.link = LinkType::LinkAndDedupe;
    let mut resolved = resolve::resolve_rows(&again(input, &chosen), options, &|_| Ok(()))?;
    chosen.duplicate_free = duplicate_free(input, &resolved);
    if work.request.link_only {
        chosen.link = LinkType::LinkOnly;
    }
    if work.request.link_only || !chosen.duplicate_free.is_empty() {
        resolved = resolve::resolve_rows(&again(input, &chosen), options, scored)?;
    } else {
        scored(&resolved.pairs)?;
    }
    Ok(Choice { blocking, duplicate_free: chosen.duplicate_free, resolved })
}

/// The same rows under other settings.
fn again<'a>(input: &Input<'a>, settings: &'a Resolve) -> Input<'a> {
    Input {
        kind: input.kind,
        settings,
        source: input.source.clone(),
        record_id: input.record_id.clone(),
        expressions: input.expressions.clone(),
        coded: input.coded,
        conditions: input.conditions.clone(),
        hash_key: input.hash_key.clone(),
    }
}

/// The rules that find most of what is likely one entity within the budget.
fn within_budget(
    work: &Work<'_>,
    input: &Input<'_>,
    inferred: &Inferred,
    warnings: &mut Vec<String>,
) -> Result<Vec<Chosen>> {
    let array = |sql: &String| {
        let array = input.expressions.get(sql).cloned();
        Ok((sql.clone(), array.ok_or_else(|| Error::bug("a key was not evaluated"))?))
    };
    let candidates = inferred.proposal.candidates.iter().map(|own| {
        Ok(BlockingCandidate {
            name: own.name.clone(),
            keys: own.keys.iter().map(array).collect::<Result<_>>()?,
            columns: own.columns.clone(),
        })
    });
    let candidates: Vec<BlockingCandidate> = candidates.collect::<Result<_>>()?;
    let rows = input.source.len();
    let apart = if work.request.link_only { numbered(input) } else { Vec::new() };
    let options = ProposeOptions {
        apart,
        rules: RULES,
        threads: work.request.options.threads,
        ..ProposeOptions::default()
    };
    let proposed = resolve::propose(&candidates, rows, budget(rows), &options)?;
    let mut spent: u64 = proposed.iter().map(|own| own.pairs).sum();
    let mut chosen: Vec<Chosen> = proposed
        .into_iter()
        .map(|own| Chosen {
            name: own.rule.name,
            keys: own.rule.keys,
            refine: own.rule.refine,
            max_block: own.rule.max_block,
            why: own.reason,
        })
        .collect();
    // What costs little is taken too: the evidence sees only what the keys themselves show.
    let reports = resolve::estimate(input)?;
    let mut cheap: Vec<usize> = (0..reports.len()).collect();
    cheap.sort_by_key(|place| (reports[*place].pairs, *place));
    for place in cheap {
        let (own, pairs) = (&inferred.proposal.candidates[place], reports[place].pairs);
        let known = chosen.iter().any(|other| other.keys == own.keys);
        let most = (rows as u64 * CHEAP).max(CHEAP_ANYHOW);
        if known || pairs == 0 || pairs > most || spent + pairs > budget(rows) {
            continue;
        }
        spent += pairs;
        chosen.push(Chosen {
            name: own.name.clone(),
            keys: own.keys.clone(),
            refine: Vec::new(),
            max_block: infer::BOUND,
            why: format!("costs little: {pairs} pairs"),
        });
    }
    if chosen.is_empty() {
        warnings.push("no key is shared by any two records within the budget of pairs".to_owned());
    }
    Ok(chosen)
}

/// Pairs a record, at most, of a rule that is taken because it costs little.
const CHEAP: u64 = 30;

/// Pairs of such a rule, at most, however few the records are: a second's work. The evidence sees
/// columns, and where one column holds all there is, such as a product's title, it sees no match.
const CHEAP_ANYHOW: u64 = 1_000_000;

/// Rules, at most.
const RULES: usize = 12;

/// By row, a number for its source.
fn numbered(input: &Input<'_>) -> Vec<u32> {
    let mut known: BTreeMap<&str, u32> = BTreeMap::new();
    input
        .source
        .iter()
        .flatten()
        .map(|source| {
            let next = known.len() as u32;
            *known.entry(source).or_insert(next)
        })
        .collect()
}

/// The share of a source's records that likely duplicates may take for it to count as free of them.
const HARDLY: f64 = 0.005;
/// The share of records that are linked to other sources, for that to be judged.
const LINKED: f64 = 0.1;

/// The share of a source's linked records that may be likest to a record to which another of the
/// source is likest too, and certainly one with it.
const SHARED: f64 = 0.03;

/// Sources within which hardly any pair is certain, though many are between them; or hardly any of
/// records that are likest to one record of another source. Look-alikes of a source are each likest
/// to a record of their own, duplicates to the same one.
fn duplicate_free(input: &Input<'_>, resolved: &ResolvedRows) -> Vec<String> {
    let source = |row: u32| input.source.value(row as usize);
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for own in input.source.iter().flatten() {
        *rows.entry(own).or_default() += 1;
    }
    let certain = || resolved.pairs.iter().filter(|pair| pair.probability >= 0.99);
    let mut across: BTreeMap<&str, usize> = BTreeMap::new();
    let mut likest: BTreeMap<u32, (f64, u32)> = BTreeMap::new();
    for pair in certain().filter(|pair| source(pair.l) != source(pair.r)) {
        for (own, other) in [(pair.l, pair.r), (pair.r, pair.l)] {
            *across.entry(source(own)).or_default() += 1;
            let known = likest.entry(own).or_insert((pair.weight, other));
            // Of two that are as like, the first.
            if (pair.weight, known.1) > (known.0, other) {
                *known = (pair.weight, other);
            }
        }
    }
    let mut linked: BTreeMap<&str, usize> = BTreeMap::new();
    for own in likest.keys() {
        *linked.entry(source(*own)).or_default() += 1;
    }
    let (mut within, mut shared) = (BTreeMap::new(), BTreeMap::new());
    for pair in certain().filter(|pair| source(pair.l) == source(pair.r)) {
        *within.entry(source(pair.l)).or_default() += 1;
        let other = |row: u32| likest.get(&row).map(|(_, other)| *other);
        if other(pair.l).is_some() && other(pair.l) == other(pair.r) {
            *shared.entry(source(pair.l)).or_default() += 1;
        }
    }
    let of = |map: &BTreeMap<&str, usize>, source: &str| map.get(source).copied().unwrap_or(0);
    rows.into_iter()
        .filter(|(source, rows)| {
            let hardly = of(&within, source) as f64 <= HARDLY * *rows as f64
                || of(&shared, source) as f64 <= SHARED * of(&linked, source) as f64;
            hardly && of(&across, source) as f64 >= LINKED * *rows as f64
        })
        .map(|(source, _)| source.to_owned())
        .collect()
}
