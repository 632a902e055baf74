//! The match log: what a run added to, changed in and removed from `scored_pairs`.
//!
//! Knows two tables of pairs; refuses to know why they differ.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray};
use arrow::compute::interleave;
use arrow::row::{RowConverter, SortField};

use crate::error::{Error, Result};
use crate::tables;

/// The columns that are a pair's key.
const KEYS: usize = 4;

/// The columns of a pair's key.
pub(super) fn keys(batch: &RecordBatch) -> Vec<&StringArray> {
    (0..KEYS).map(|column| batch.column(column).as_string::<i32>()).collect()
}

/// Whether rows are in the order of their keys, and none is there twice.
fn is_sorted(keys: &[&StringArray], rows: usize) -> bool {
    let key = |row: usize| keys.iter().map(move |column| column.value(row));
    (1..rows).all(|row| key(row - 1).lt(key(row)))
}

/// The run that a log is of.
#[derive(Debug, Clone, Copy)]
pub struct LogRun<'a> {
    /// The run.
    pub run_id: &'a str,
    /// Its logical date, in days since 1970-01-01.
    pub logical_date: i32,
    /// The hash of its configuration.
    pub configuration: &'a str,
}

/// Compares the pairs of the run before with those of this one, both as `tables::scored_pairs()`
/// sorted by key. Gives `tables::match_log()`, sorted by key: rows as they are now, and removed
/// ones as they were. A pair is changed where any column but its key is.
///
/// # Errors
/// Tables that are not sorted, or of another schema.
pub fn match_log(
    previous: Option<&RecordBatch>,
    now: &RecordBatch,
    run: &LogRun<'_>,
) -> Result<RecordBatch> {
    let bug = |_| Error::bug("the match log could not be made of two tables of scored pairs");
    let nothing = RecordBatch::new_empty(tables::scored_pairs());
    let old = previous.unwrap_or(&nothing);
    let fields = now.columns()[KEYS..].iter().map(|c| SortField::new(c.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).map_err(bug)?;
    let old_values = converter.convert_columns(&old.columns()[KEYS..]).map_err(bug)?;
    let new_values = converter.convert_columns(&now.columns()[KEYS..]).map_err(bug)?;
    let (old_keys, new_keys) = (keys(old), keys(now));
    if !is_sorted(&old_keys, old.num_rows()) || !is_sorted(&new_keys, now.num_rows()) {
        return Err(Error::bug("scored pairs to be compared are not sorted by their key"));
    }
    let (mut l, mut r) = (0, 0);
    let mut rows: Vec<(usize, usize)> = Vec::new();
    let mut changes: Vec<&str> = Vec::new();
    while l < old.num_rows() || r < now.num_rows() {
        let order = if l == old.num_rows() {
            Ordering::Greater
        } else if r == now.num_rows() {
            Ordering::Less
        } else {
            let own = old_keys.iter().map(|column| column.value(l));
            own.cmp(new_keys.iter().map(|column| column.value(r)))
        };
        match order {
            Ordering::Less => {
                rows.push((0, l));
                changes.push("removed");
                l += 1;
            }
            Ordering::Greater => {
                rows.push((1, r));
                changes.push("added");
                r += 1;
            }
            Ordering::Equal => {
                if old_values.row(l) != new_values.row(r) {
                    rows.push((1, r));
                    changes.push("changed");
                }
                l += 1;
                r += 1;
            }
        }
    }
    let mut columns: Vec<ArrayRef> = (0..now.num_columns())
        .map(|column| {
            let both: [&dyn Array; 2] = [old.column(column), now.column(column)];
            interleave(&both, &rows).map_err(bug)
        })
        .collect::<Result<_>>()?;
    columns.push(Arc::new(StringArray::from(vec![run.run_id; rows.len()])));
    columns.push(Arc::new(StringArray::from(changes)));
    columns.push(Arc::new(Date32Array::from(vec![run.logical_date; rows.len()])));
    columns.push(Arc::new(StringArray::from(vec![run.configuration; rows.len()])));
    RecordBatch::try_new(tables::match_log(), columns).map_err(bug)
}
