//! Decided pairs as the table `scored_pairs`.
//!
//! Knows the table's columns; refuses to know how a pair was decided.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Float64Builder, ListBuilder, RecordBatch, StringArray, UInt8Builder,
    UInt32Array,
};
use arrow::compute::{interleave_record_batch, take};
use arrow::datatypes::{DataType, Field};

use super::super::compare::level_of;
use super::super::log::keys;
use super::super::model::{Scorer, float, probability};
use super::super::pairs::{Effects, evidence};
use super::grouping::Names;
use super::ready::Ready;
use super::scoring::{By, Scored};
use crate::error::{Error, Result};
use crate::tables;

impl Ready<'_> {
    pub(super) fn batch(
        &self,
        scored: &[Scored],
        scorer: &Scorer<'_>,
        hash: &str,
        names: &Names<'_>,
        effects: &Effects,
    ) -> Result<RecordBatch> {
        let key = |array: &StringArray, row: &dyn Fn(&Scored) -> u32| -> Result<ArrayRef> {
            let rows = UInt32Array::from_iter_values(scored.iter().map(row));
            take(array, &rows, None).map_err(|_| Error::bug("a pair names a row that is not there"))
        };
        let item = |kind| Arc::new(Field::new("item", kind, false));
        let mut levels = ListBuilder::new(UInt8Builder::new()).with_field(item(DataType::UInt8));
        let mut weights =
            ListBuilder::new(Float64Builder::new()).with_field(item(DataType::Float64));
        for pair in scored {
            let count = self.comparisons.list.len();
            (0..count).for_each(|at| levels.values().append_value(level_of(pair.pattern, at)));
            levels.append(true);
            scorer
                .weights(pair.pattern, pair.l, pair.r)
                .for_each(|weight| weights.values().append_value(weight));
            weights.append(true);
        }
        let number = |of: &dyn Fn(&Scored) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(scored.iter().map(of)))
        };
        let (source, record_id) = (&self.input.source, &self.input.record_id);
        let mut columns: Vec<ArrayRef> = vec![
            key(source, &|pair| pair.l)?,
            key(record_id, &|pair| pair.l)?,
            key(source, &|pair| pair.r)?,
            key(record_id, &|pair| pair.r)?,
            number(&|pair| float(pair.weight)),
            number(&|pair| probability(pair.weight)),
            Arc::new(levels.finish()),
            Arc::new(weights.finish()),
            texts(scored, |pair| match self.blocks.rules.get(usize::from(pair.rule)) {
                Some(rule) => Cow::Borrowed(&rule.name),
                None => Cow::Borrowed("decision"),
            }),
            texts(scored, |pair| Cow::Borrowed(pair.decision.name())),
            texts(scored, |pair| match pair.by {
                By::Model => Cow::Borrowed("model"),
                by => Cow::Owned(names.by(by)),
            }),
            texts(scored, |_| Cow::Borrowed(hash)),
        ];
        columns.extend(evidence(self, scored, scorer, effects)?);
        RecordBatch::try_new(tables::scored_pairs(), columns)
            .map_err(|_| Error::bug("scored pairs do not fit their table"))
    }
}

pub(super) fn texts<'a, 'b>(
    scored: impl IntoIterator<Item = &'b Scored>,
    of: impl Fn(&Scored) -> Cow<'a, str>,
) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(scored.into_iter().map(of)))
}

/// `scored_pairs` of several kinds as one, sorted by key. Each is sorted, and no pair is in two.
///
/// # Errors
/// More text than one batch holds.
pub fn together(mut kinds: Vec<RecordBatch>) -> Result<RecordBatch> {
    kinds.retain(|own| own.num_rows() > 0);
    if kinds.len() < 2 {
        return Ok(kinds.pop().unwrap_or_else(|| RecordBatch::new_empty(tables::scored_pairs())));
    }
    let kinds: Vec<&RecordBatch> = kinds.iter().collect();
    let keys: Vec<Vec<&StringArray>> = kinds.iter().map(|own| keys(own)).collect();
    let mut rows = Vec::with_capacity(kinds.iter().map(|own| own.num_rows()).sum());
    let mut next = vec![0; kinds.len()];
    let key = |kind: usize, row: usize| keys[kind].iter().map(move |key| key.value(row));
    while let Some(least) = (0..kinds.len())
        .filter(|kind| next[*kind] < kinds[*kind].num_rows())
        .min_by(|a, b| key(*a, next[*a]).cmp(key(*b, next[*b])))
    {
        rows.push((least, next[least]));
        next[least] += 1;
    }
    interleave_record_batch(&kinds, &rows)
        .map_err(|error| Error::data(format!("scored_pairs: too much for one table: {error}")))
}
