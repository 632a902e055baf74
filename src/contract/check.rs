//! A finished table held against its contract: what it breaks, counted, never shown.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::row::{RowConverter, SortField};
use rustc_hash::FxHashSet;

use super::{CellReader, Contract, Rule, Zone};
use crate::error::{Error, Result};

/// One rule that a table breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The column; the columns of the key joined by `, `; empty for a rule of the whole table.
    pub column: String,
    /// How many rows break it (for a missing column and for row counts: how many rows there are).
    pub count: u64,
}

/// Holds a table, in batches of one schema, against its contract. Integer, timestamp and decimal
/// columns may be of another width than the contract's: values are compared, not storage. Columns
/// that the contract does not name are passed over.
///
/// Gives what is broken, by column in the contract's order, then the key, then the number of rows.
///
/// # Errors
/// A bug, if Arrow cannot encode a key.
pub fn check(batches: &[RecordBatch], contract: &Contract) -> Result<Vec<Violation>> {
    let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let mut violations = Vec::new();
    for column in &contract.columns {
        let mut counts: Vec<(Rule, u64)> = Vec::new();
        let mut add = |rule: Rule, count: u64| match counts.iter_mut().find(|(r, _)| *r == rule) {
            Some((_, sum)) => *sum += count,
            None => counts.push((rule, count)),
        };
        for batch in batches {
            let Some(array) = batch.column_by_name(&column.name) else {
                add(Rule::Shape, batch.num_rows() as u64);
                continue;
            };
            let Some(cells) = CellReader::of(array, column, "UTC") else {
                add(Rule::Type, batch.num_rows() as u64);
                continue;
            };
            for row in 0..batch.num_rows() {
                if let Err(rule) = column.accept(cells.cell(row), &Zone::Utc) {
                    add(rule, 1);
                }
            }
        }
        counts.sort_unstable();
        violations.extend(counts.into_iter().map(|(rule, count)| Violation {
            rule,
            column: column.name.clone(),
            count,
        }));
        if column.unique && column.key_position.is_none() {
            violations.extend(duplicates(batches, &[&column.name])?);
        }
    }
    let key = contract.key();
    if !key.is_empty() {
        violations.extend(duplicates(batches, &key)?);
    }
    if contract.min_rows.is_some_and(|least| rows < least)
        || contract.max_rows.is_some_and(|most| rows > most)
    {
        violations.push(Violation { rule: Rule::RowCount, column: String::new(), count: rows });
    }
    Ok(violations)
}

/// Rows whose values in `columns` were there before; rows with a null among them are not compared.
fn duplicates(batches: &[RecordBatch], columns: &[&str]) -> Result<Option<Violation>> {
    let arrays_of = |batch: &RecordBatch| -> Option<Vec<ArrayRef>> {
        columns.iter().map(|name| batch.column_by_name(name).cloned()).collect()
    };
    let Some(first) = batches.first().and_then(arrays_of) else { return Ok(None) };
    let bug = |_| Error::bug(format!("key ({}): cannot be encoded", columns.join(", ")));
    let fields = first.iter().map(|array| SortField::new(array.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(bug)?;
    let mut seen: FxHashSet<[u8; 16]> = FxHashSet::default();
    let mut count = 0;
    for batch in batches {
        let Some(arrays) = arrays_of(batch) else { continue };
        let rows = converter.convert_columns(&arrays).map_err(bug)?;
        for (index, row) in rows.iter().enumerate() {
            if arrays.iter().any(|array| array.is_null(index)) {
                continue;
            }
            count += u64::from(!seen.insert(digest(row.as_ref())));
        }
    }
    let violation = Violation { rule: Rule::Unique, column: columns.join(", "), count };
    Ok((count > 0).then_some(violation))
}

/// 128 bits of BLAKE3: two keys of one table share them with a probability below 2^-64 for any
/// table that fits a machine, and a set of them is a quarter of a set of the keys.
fn digest(key: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
    digest
}
