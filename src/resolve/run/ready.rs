//! Records made ready: columns coded, blocks laid out, comparisons and rules over the rows.
//!
//! Knows settings and expressions; refuses to know models and what becomes of a pair.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef};

use super::super::block::{BlockingReport, Blocks, RuleKeys, Since};
use super::super::columns::{Columns, MISSING};
use super::super::compare::{Comparison, Comparisons, MAX_COMPARISONS};
use super::super::conditions::compiled;
use super::super::record::RecordKey;
use super::super::rules::Rules;
use super::super::settings::{ComparisonSettings, LinkType, Verdict};
use super::{Input, Options};
use crate::error::{Error, Result};
use crate::memory;
use crate::threads::{self, all};

pub(in crate::resolve) struct Ready<'a> {
    pub(in crate::resolve) input: &'a Input<'a>,
    pub(in crate::resolve) rows: usize,
    pub(in crate::resolve) comparisons: Arc<Comparisons>,
    pub(in crate::resolve) blocks: Blocks,
    pub(in crate::resolve) rules: Rules,
    /// By row, a number for a duplicate-free source.
    pub(super) sources: Vec<u32>,
    /// Where only some links are asked for: by row, a number for its source.
    pub(super) every_source: Vec<u32>,
    pub(in crate::resolve) threads: usize,
    /// Whether a deterministic rule may merge what the model would not.
    pub(super) merges: bool,
    /// Pairs that guards asked for and that were not kept.
    pub(super) compared_again: AtomicU64,
}

pub(in crate::resolve) fn column<'a>(
    input: &'a Input<'a>,
    expression: &str,
) -> Result<&'a ArrayRef> {
    let array = input.expressions.get(expression).ok_or_else(|| {
        Error::bug(format!("the expression `{expression}` was not evaluated over the records"))
    })?;
    if array.len() != input.source.len() {
        return Err(Error::bug(format!("the expression `{expression}` has rows of its own")));
    }
    Ok(array)
}

/// Checks the order on which every result rests.
pub(super) fn check_sorted(input: &Input<'_>) -> Result<usize> {
    let rows = input.source.len();
    let key = |row: usize| (input.source.value(row), input.record_id.value(row));
    let whole = input.record_id.len() == rows
        && input.source.null_count() + input.record_id.null_count() == 0
        && all(1..rows, threads::count(), |row| key(row - 1) < key(row))?;
    if !whole || rows >= MISSING as usize {
        return Err(Error::bug(
            "records to resolve are not sorted by (source, record_id), or not unique",
        ));
    }
    Ok(rows)
}

/// Expressions that blocking and comparisons read.
fn columns<'a>(input: &'a Input<'a>, compare: bool, threads: usize) -> Result<Columns<'a>> {
    let settings = input.settings;
    let compared = settings.comparisons.iter().filter(|_| compare).flat_map(|own| &own.columns);
    let mut all = settings.blocking_expressions();
    all.extend(compared.map(String::as_str));
    for sql in &all {
        column(input, sql)?;
    }
    Columns::new(&input.expressions, &all, input.coded, threads)
}

pub(super) fn blocks(
    input: &Input<'_>,
    columns: &Columns<'_>,
    rows: usize,
    since: Option<&Since<'_>>,
    threads: usize,
) -> Result<Blocks> {
    let asked = input.settings.blocking.iter().map(|rule| RuleKeys {
        name: &rule.name,
        keys: &rule.keys,
        refine: &rule.refine,
        max_block: rule.max_block,
    });
    let merging = input.settings.rules.iter().filter(|rule| rule.then == Verdict::Merge);
    let implied = merging.filter(|rule| !rule.same.is_empty()).map(|rule| RuleKeys {
        name: &rule.name,
        keys: &rule.same,
        refine: &[],
        max_block: MERGE_BLOCK,
    });
    Blocks::since(&asked.chain(implied).collect::<Vec<_>>(), columns, rows, since, threads)
}

/// The bound of the blocks that a merge rule makes: windows chain what is past it.
const MERGE_BLOCK: u32 = 500;

/// What blocking would give, without comparing a pair: for `plan`.
///
/// # Errors
/// Where an expression is missing or has no text form.
pub fn estimate(input: &Input<'_>) -> Result<Vec<BlockingReport>> {
    let rows = check_sorted(input)?;
    let columns = columns(input, false, 1)?;
    Ok(blocks(input, &columns, rows, None, 1)?.rules.into_iter().map(|rule| rule.report).collect())
}

pub(in crate::resolve) fn prepare<'a>(input: &'a Input<'a>, options: Options) -> Result<Ready<'a>> {
    let rows = check_sorted(input)?;
    let settings = input.settings;
    if settings.comparisons.is_empty() || settings.comparisons.len() > MAX_COMPARISONS {
        return Err(Error::configuration(format!(
            "resolve.{}: between 1 and {MAX_COMPARISONS} comparisons are needed",
            input.kind
        )));
    }
    let threads = options.threads;
    // A code a row for each column, and a place in the blocks of each rule, at the least.
    let places = input.expressions.len() + 2 * (settings.blocking.len() + settings.rules.len());
    memory::need(4 * rows as u64 * places as u64)?;
    let columns = columns(input, true, threads)?;
    let blocks = blocks(input, &columns, rows, None, threads)?;
    let conditions = input.conditions.as_ref();
    let of_conditions = |own: &ComparisonSettings| -> Result<Comparison> {
        let arrays: Vec<&ArrayRef> =
            own.columns.iter().map(|sql| column(input, sql)).collect::<Result<_>>()?;
        Comparison::of_conditions(own, &arrays, compiled(conditions)?)
    };
    let list = Comparison::all(&settings.comparisons, columns, threads, &of_conditions)?;
    let place = |source: &str| settings.duplicate_free.iter().position(|own| own == source);
    let sources = if settings.duplicate_free.is_empty() {
        Vec::new()
    } else {
        let number = |row| place(input.source.value(row)).map_or(MISSING, |place| place as u32);
        (0..rows).map(number).collect()
    };
    // Rows are sorted by source.
    let mut every_source = Vec::new();
    if settings.link != LinkType::LinkAndDedupe {
        let mut number = 0;
        for row in 0..rows {
            let other = row > 0 && input.source.value(row) != input.source.value(row - 1);
            number += u32::from(other);
            every_source.push(number);
        }
    }
    let comparisons = Arc::new(Comparisons::new(list, threads)?);
    Ok(Ready {
        input,
        rows,
        blocks,
        rules: Rules::new(&settings.rules, rows, &comparisons, conditions, |sql| {
            column(input, sql)
        })?,
        comparisons,
        sources,
        every_source,
        threads,
        merges: settings.rules.iter().any(|rule| rule.then == Verdict::Merge),
        compared_again: AtomicU64::new(0),
    })
}

impl Ready<'_> {
    /// Two records of a source that holds each entity once are never compared, nor are those whose
    /// link is not asked for.
    pub(in crate::resolve) fn skip(&self, l: u32, r: u32) -> bool {
        let one_source = || self.every_source[l as usize] == self.every_source[r as usize];
        match self.input.settings.link {
            LinkType::DedupeOnly if !one_source() => return true,
            LinkType::LinkOnly if one_source() => return true,
            _ => {}
        }
        !self.sources.is_empty()
            && self.sources[l as usize] != MISSING
            && self.sources[l as usize] == self.sources[r as usize]
    }

    /// Whether any two records may be such.
    pub(super) fn skips(&self) -> bool {
        self.input.settings.link != LinkType::LinkAndDedupe || !self.sources.is_empty()
    }

    pub(in crate::resolve) fn row(&self, key: &RecordKey) -> Option<u32> {
        self.input.row(key)
    }

    pub(in crate::resolve) fn key(&self, row: u32) -> RecordKey {
        let row = row as usize;
        RecordKey::new(self.input.source.value(row), self.input.record_id.value(row))
    }
}
