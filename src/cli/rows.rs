//! Rows of published tables as JSON, for commands that show some of them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::pipeline::PublishedTables;

/// Published tables that SQL may read.
pub(super) struct Rows<'a> {
    published: &'a PublishedTables,
    readable: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// Makes these tables readable.
    pub(super) async fn of(published: &'a PublishedTables, tables: &[&str]) -> Result<Self> {
        Ok(Self { published, readable: published.register(tables).await? })
    }

    /// The rows that SQL gives, of which `table` is one; none where that has no row, and so no file.
    pub(super) async fn of_table(&self, table: &str, sql: &str) -> Result<Vec<Map<String, Value>>> {
        if !self.readable.contains(&table) {
            return Ok(Vec::new());
        }
        Ok(self.published.query(sql, table).await?.iter().flat_map(objects).collect())
    }
}

/// A text as SQL writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column of a row, nothing for null.
pub(super) fn text(row: &Map<String, Value>, column: &str) -> String {
    row.get(column).map(plain).unwrap_or_default()
}

/// A value as people read it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rows as JSON: numbers, truth values and lists as such, all else as Arrow writes it.
fn objects(batch: &RecordBatch) -> Vec<Map<String, Value>> {
    let schema = batch.schema();
    let columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
    (0..batch.num_rows())
        .map(|row| {
            columns.iter().map(|(field, array)| (field.name().clone(), value(array, row))).collect()
        })
        .collect()
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    if let Some(truth) = array.as_boolean_opt() {
        return truth.value(row).into();
    }
    if let Some(list) = array.as_list_opt::<i32>() {
        let own = list.value(row);
        return (0..own.len()).map(|place| value(&own, place)).collect();
    }
    if array.data_type() == &DataType::Float64 {
        return array.as_primitive::<Float64Type>().value(row).into();
    }
    let written = ArrayFormatter::try_new(array, &FormatOptions::default())
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default();
    match array.data_type().is_integer() {
        true => written.parse::<i64>().map_or(Value::String(written), Value::from),
        false => Value::String(written),
    }
}
