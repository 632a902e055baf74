//! Records of files, in the order of their keys.
//!
//! Knows columns and rows; refuses to know what columns mean. Work is done column by column, each on
//! a thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt32Array, new_null_array,
};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::files::Table;
use crate::error::{Error, Result};
use crate::tables;
use crate::threads::{self, all, each};

/// A batch of this schema, each column made on a thread of one of `parts`, which is dropped then: a
/// batch and what it is made of are never there as wholes at once.
fn made<T: Send>(
    schema: &SchemaRef,
    parts: Vec<T>,
    column: impl Fn(T) -> Result<ArrayRef> + Sync,
) -> Result<RecordBatch> {
    let columns = each(parts, threads::count(), column)?;
    RecordBatch::try_new(Arc::clone(schema), columns.into_iter().collect::<Result<_>>()?)
        .map_err(|_| Error::bug("columns of records do not fit"))
}

/// Batches of one schema as one.
pub(super) fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    match batches.len() {
        0 => return Ok(RecordBatch::new_empty(Arc::clone(schema))),
        1 => return Ok(batches[0].clone()),
        _ => {}
    }
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    for batch in batches {
        parts.iter_mut().zip(batch.columns()).for_each(|(own, column)| own.push(column.clone()));
    }
    made(schema, parts, |parts| {
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).map_err(|_| Error::bug("batches of different schemas"))
    })
}

/// The rows of files as records of kind `record`: every column as it is, by its own name. A column
/// of the name of one that every record has is left out.
pub(super) fn as_they_are(files: &[Table]) -> Result<RecordBatch> {
    let mut attributes: Vec<&str> = Vec::new();
    for (export, _) in files.iter().flat_map(|table| &table.file.columns) {
        let own = export.as_str();
        if !tables::RECORD_COLUMNS.contains(&own) && !attributes.contains(&own) {
            attributes.push(own);
        }
    }
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let mut fields = vec![text("source", false), text("record_id", false), text("kind", false)];
    fields.extend(attributes.iter().map(|name| text(name, true)));
    fields.push(Field::new("updated_at", tables::timestamp(), true));
    let schema = Arc::new(Schema::new(fields));
    let parts = files.iter().map(|table| part(table, &attributes, &schema));
    joined(&schema, parts.collect::<Result<_>>()?)
}

fn part(table: &Table, attributes: &[&str], schema: &SchemaRef) -> Result<RecordBatch> {
    let (file, rows) = (&table.file, table.rows.num_rows());
    let same = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
    };
    let own = |plain: &str| {
        let column = table.rows.column_by_name(plain).cloned();
        column.ok_or_else(|| Error::bug(format!("{}: a column is lost", file.name)))
    };
    made(schema, (0..schema.fields().len()).collect(), |place| match place {
        0 => file.parts.as_ref().map_or_else(|| Ok(same(&file.name)), |(column, _)| own(column)),
        1 => match &file.id {
            Some(id) => own(id),
            None => arrow::compute::cast(&own("_row")?, &DataType::Utf8)
                .map_err(|_| Error::bug("row numbers are no text")),
        },
        2 => Ok(same("record")),
        place => match attributes.get(place - 3) {
            Some(name) => match file.columns.iter().find(|(export, _)| export == name) {
                Some((_, plain)) => own(plain),
                None => Ok(new_null_array(&DataType::Utf8, rows)),
            },
            None => {
                let never = TimestampMicrosecondArray::from_value(0, rows);
                Ok(Arc::new(never.with_timezone("UTC")))
            }
        },
    })
}

fn text<'a>(records: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    let column = records.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| Error::bug(format!("records have no text `{name}`")))
}

/// Records of one kind, sorted by (source, record_id).
pub(super) fn sorted(mut records: RecordBatch, kind: &str) -> Result<RecordBatch> {
    let kinds = text(&records, "kind")?;
    let of_kind = |row: usize| kinds.is_valid(row) && kinds.value(row) == kind;
    if !(0..records.num_rows()).all(of_kind) {
        let own = BooleanArray::from_iter((0..records.num_rows()).map(|row| Some(of_kind(row))));
        let (schema, columns, _) = records.into_parts();
        records = made(&schema, columns, |column| {
            filter(&column, &own).map_err(|_| Error::bug("records without a kind"))
        })?;
    }
    let Some(rows) = order(text(&records, "source")?, text(&records, "record_id")?)? else {
        return Ok(records);
    };
    let rows = UInt32Array::from(rows);
    let (schema, columns, _) = records.into_parts();
    made(&schema, columns, |column| {
        take(&column, &rows, None).map_err(|_| Error::bug("records cannot be sorted"))
    })
}

/// The first eight bytes of a text: texts are in the order of these numbers, but for equal ones.
fn prefix(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

/// Rows by (source, record_id); `None` where they are so already.
fn order(source: &StringArray, record_id: &StringArray) -> Result<Option<Vec<u32>>> {
    let key = |row: usize| (source.value(row), record_id.value(row));
    if all(1..source.len(), threads::count(), |row| key(row - 1) <= key(row))? {
        return Ok(None);
    }
    let mut last = "";
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for name in source.iter().flatten() {
        // Sources come in runs.
        if name != last || names.is_empty() {
            names.insert(name);
            last = name;
        }
    }
    let names: Vec<&str> = names.into_iter().collect();
    let rank = |row: usize| names.binary_search(&source.value(row)).unwrap_or(names.len()) as u32;
    let mut rows: Vec<(u32, u32, u64)> = (0..source.len())
        .map(|row| (rank(row), row as u32, prefix(record_id.value(row))))
        .collect();
    threads::sort_by(&mut rows, threads::count(), |left, right| {
        let ((source_l, l, prefix_l), (source_r, r, prefix_r)) = (left, right);
        let texts = || record_id.value(*l as usize).cmp(record_id.value(*r as usize));
        source_l.cmp(source_r).then(prefix_l.cmp(prefix_r)).then_with(texts).then(l.cmp(r))
    })?;
    Ok(Some(rows.into_iter().map(|(_, row, _)| row).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_in_the_order_of_their_keys(
            keys in prop::collection::vec(("[ab]", "[a-c0é]{0,10}"), 0..40),
        ) {
            let text = |of: &dyn Fn(&(String, String)) -> String| {
                StringArray::from_iter_values(keys.iter().map(of))
            };
            let (source, id) = (text(&|key| key.0.clone()), text(&|key| key.1.clone()));
            let rows = order(&source, &id).unwrap().unwrap_or_else(|| (0..keys.len() as u32).collect());
            let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
            expected.sort_by_key(|row| &keys[*row as usize]);
            prop_assert_eq!(rows, expected);
        }
    }

    #[test]
    fn only_records_of_the_kind_are_kept() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("source", Arc::new(StringArray::from(vec!["s"; 4]))),
            ("record_id", Arc::new(StringArray::from(vec!["3", "2", "10", "1"]))),
            ("kind", Arc::new(StringArray::from(vec!["a", "b", "a", "a"]))),
        ];
        let records = RecordBatch::try_from_iter(columns).unwrap();
        let found = sorted(records, "a").unwrap();
        let ids: Vec<&str> = text(&found, "record_id").unwrap().iter().flatten().collect();
        assert_eq!(ids, ["1", "10", "3"]);
    }
}
