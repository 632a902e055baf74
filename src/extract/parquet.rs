//! Apache Parquet: columns by name, brought to the contract's types by casts that lose nothing.
//!
//! A value that its cast makes null is refused with its row. The sizes that the footer states are
//! held against the source's bound before a page is read, and what is decoded is counted, for a
//! footer may be wrong.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::rows::Rows;
use super::{Input, header};
use crate::contract::{Cell, CellReader};
use crate::error::{Error, Result};

pub(super) fn read(
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let limit = input.source.max_bytes;
    let builder = ParquetRecordBatchReaderBuilder::try_new(input.bytes.clone())
        .map_err(|_| damaged(input))?;
    let stated = builder
        .metadata()
        .row_groups()
        .iter()
        .map(|group| u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add);
    if stated > limit {
        return Err(too_large(input));
    }
    let names: Vec<String> =
        builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let places = header::places(&names, input, warnings)?;
    for (column, place) in input.contract.columns.iter().zip(&places) {
        let from = builder.schema().field(*place).data_type();
        let empty = arrow::array::new_empty_array(from);
        if from.is_nested() || CellReader::of(&empty, column, input.zone_name).is_none() {
            return Err(input
                .data(format!(
                    "column `{}` is stored as {}, which is not {}",
                    column.export_name(),
                    kind(from),
                    column.type_name()
                ))
                .help("mend the export, or change the column's type in the contract"));
        }
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
    let reader =
        builder.with_projection(mask).with_batch_size(8_192).build().map_err(|_| damaged(input))?;
    let (mut number, mut decoded) = (0, 0_u64);
    for batch in reader {
        let batch = batch.map_err(|_| damaged(input))?;
        decoded = decoded.saturating_add(batch.get_array_memory_size() as u64);
        // Decoded columns take more than the encoded pages: the same data may pass at four times.
        if decoded > limit.saturating_mul(4) {
            return Err(too_large(input));
        }
        read_batch(&batch, input, rows, &mut number)?;
    }
    Ok(())
}

fn read_batch(
    batch: &RecordBatch,
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    number: &mut u64,
) -> Result<()> {
    let columns = &input.contract.columns;
    let readers = columns
        .iter()
        .map(|column| {
            batch
                .column_by_name(column.export_name())
                .and_then(|array| CellReader::of(array, column, input.zone_name))
                .ok_or_else(|| damaged(input))
        })
        .collect::<Result<Vec<CellReader>>>()?;
    for row in 0..batch.num_rows() {
        *number += 1;
        let cell = |column: usize| -> Cell<'_> { readers[column].cell(row) };
        rows.row(*number, cell, || raw(batch, row))?;
    }
    Ok(())
}

/// The row as a JSON object of texts: a Parquet row has no text of its own.
fn raw(batch: &RecordBatch, row: usize) -> String {
    let schema = batch.schema();
    let members = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        let value = if array.is_null(row) {
            serde_json::Value::Null
        } else {
            array_value_to_string(array, row).map_or(serde_json::Value::Null, Into::into)
        };
        (field.name().clone(), value)
    });
    serde_json::Value::Object(members.collect()).to_string()
}

/// A type in short: never its fields' names or metadata.
fn kind(data_type: &DataType) -> String {
    if data_type.is_nested() { "a nested type".to_owned() } else { data_type.to_string() }
}

fn damaged(input: &Input<'_>) -> Error {
    input
        .data("is not whole as a Parquet file: it is torn or damaged")
        .help("export the file again; nothing of it was read")
}

fn too_large(input: &Input<'_>) -> Error {
    input
        .data(format!("decodes to more than {} bytes", input.source.max_bytes))
        .help("raise max_bytes of the source if the export is right")
}
