//! Apache Parquet: columns by name, brought to the contract's types by casts that lose nothing.
//!
//! A value that its cast makes null is refused with its row. The sizes that the footer states are
//! held against the source's bound before a page is read, and what is decoded is counted, for a
//! footer may be wrong.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, UInt32Type};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, Encoding};
use parquet::file::metadata::ColumnChunkMetaData;

use super::rows::{BATCH_ROWS, Rows};
use super::{Input, header, isolate};
use crate::contract::{Cell, CellReader, Column};
use crate::error::{Error, Result};
use crate::threads::{self, largest_first};

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
    // In the order of the file, as rows are shown that are refused.
    let mut read = places.clone();
    read.sort_unstable();
    read.dedup();
    let threads = threads::count();
    let coded = |place: usize| input.coded && stored_as_dictionary(&builder, place);
    let reader = metadata(&builder, coded).map_err(|_| damaged(input))?;
    let fields: Vec<_> = read.iter().map(|at| Arc::clone(&reader.schema().fields()[*at])).collect();
    let schema = Arc::new(Schema::new(fields));
    let (mut number, decoded) = (0, AtomicU64::new(0));
    // Some row groups at once; of each every column by itself.
    for groups in rounds(&reader, threads) {
        let tasks: Vec<(usize, usize)> = groups
            .clone()
            .flat_map(|group| read.iter().map(move |place| (group, *place)))
            .collect();
        let size = |(group, place): &(usize, usize)| {
            reader.metadata().row_group(*group).columns().get(*place).map(stated_bytes)
        };
        let columns = largest_first(tasks, threads, size, |task| {
            // A decoder may panic on malformed bytes.
            isolate::isolated(|| column(input, &reader, task, &places, &decoded))
                .unwrap_or_else(|| Err(damaged(input)))
        })?;
        let mut columns = columns.into_iter();
        for _ in groups {
            let mut parts = Vec::with_capacity(read.len());
            for own in columns.by_ref().take(read.len()) {
                parts.push(own?.into_iter());
            }
            while let Some(part) = parts[0].next() {
                let others = parts[1..].iter_mut().filter_map(Iterator::next);
                let all: Vec<Part> = std::iter::once(part).chain(others).collect();
                read_parts(all, &schema, input, rows, &mut number)?;
            }
        }
    }
    Ok(())
}

/// Rows of one column of the file.
struct Part {
    array: ArrayRef,
    /// By the contract's columns that read it.
    cells: Vec<(usize, Cells)>,
}

/// A column's cells.
enum Cells {
    /// All of them, of which none can be refused or changed: texts, or a dictionary of them.
    Whole(ArrayRef),
    /// To be looked at one by one.
    Single(CellReader),
}

impl Cells {
    /// `None` if the types have nothing to do with each other.
    fn of(array: &ArrayRef, column: &Column, input: &Input<'_>) -> Option<Self> {
        if let Some(own) = array.as_dictionary_opt::<UInt32Type>().filter(|_| input.coded)
            && own.values().data_type() == &DataType::Utf8
        {
            let values = CellReader::of(own.values(), column, input.zone_name)?;
            if values.whole(column).is_some() && !(column.required && own.null_count() > 0) {
                return Some(Self::Whole(Arc::clone(array)));
            }
        }
        let reader = CellReader::of(array, column, input.zone_name)?;
        Some(match reader.whole(column) {
            Some(whole) => Self::Whole(Arc::new(whole.clone())),
            None => Self::Single(reader),
        })
    }

    /// The same, one by one.
    fn single(self, column: &Column, input: &Input<'_>) -> Option<CellReader> {
        match self {
            Self::Whole(array) => CellReader::of(&array, column, input.zone_name),
            Self::Single(reader) => Some(reader),
        }
    }
}

/// What a column of a row group takes when it is decoded, as the file says.
fn stated_bytes(column: &ColumnChunkMetaData) -> u64 {
    u64::try_from(column.uncompressed_size()).unwrap_or_default()
}

/// Bytes of row groups that are read at once, as the file states them: with few pieces of work one
/// thread waits for the last.
const ROUND_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 128 << 20 };

/// Row groups that are read at once: one for each thread, or as many as are small enough.
fn rounds(reader: &ArrowReaderMetadata, threads: usize) -> Vec<Range<usize>> {
    let mut rounds: Vec<Range<usize>> = Vec::new();
    let mut room = 0;
    for (number, group) in reader.metadata().row_groups().iter().enumerate() {
        let bytes = group.columns().iter().map(stated_bytes).fold(0, u64::saturating_add);
        match rounds.last_mut().filter(|own| bytes <= room || own.len() < threads) {
            Some(round) => round.end = number + 1,
            None => {
                rounds.push(number..number + 1);
                room = ROUND_BYTES;
            }
        }
        room = room.saturating_sub(bytes);
    }
    rounds
}

/// Whether a column of texts is a dictionary in every row group, and all its pages are of numbers.
fn stored_as_dictionary(builder: &ParquetRecordBatchReaderBuilder<Bytes>, place: usize) -> bool {
    let schema = builder.parquet_schema();
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == place);
    let Some(leaf) = leaf else { return false };
    let numbers = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];
    let of_numbers = |column: &ColumnChunkMetaData| {
        let all = match column.page_encoding_stats_mask() {
            Some(pages) => numbers.iter().any(|own| pages.is_only(*own)),
            // Who does not say it (Polars) encodes all pages alike. Were it otherwise, the decoder
            // would number the texts, which takes longer and is as right.
            None => column.encodings().any(|own| numbers.contains(&own)),
        };
        column.dictionary_page_offset().is_some() && all
    };
    schema.column(leaf).converted_type() == ConvertedType::UTF8
        && builder.metadata().row_groups().iter().all(|own| of_numbers(own.column(leaf)))
}

/// What readers share. Text is read as the contract has it at once, however long the file says that
/// it may be, or as a dictionary where that stays `coded`; where the file's own types do not allow
/// that, it is cast.
fn metadata(
    builder: &ParquetRecordBatchReaderBuilder<Bytes>,
    coded: impl Fn(usize) -> bool,
) -> parquet::errors::Result<ArrowReaderMetadata> {
    let short = |(place, field): (usize, &Arc<Field>)| {
        let text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        let own = match field.data_type() {
            _ if text && coded(place) => {
                DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
            }
            DataType::LargeUtf8 => DataType::Utf8,
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(own))
    };
    let fields: Fields = builder.schema().fields().iter().enumerate().map(short).collect();
    let schema = Schema::new_with_metadata(fields, builder.schema().metadata().clone());
    let with = |options| ArrowReaderMetadata::try_new(builder.metadata().clone(), options);
    with(ArrowReaderOptions::new().with_schema(Arc::new(schema)))
        .or_else(|_| with(ArrowReaderOptions::new()))
}

/// One column of one row group, in parts of a batch's rows; `places` are those of the contract's
/// columns, `decoded` counts the bytes of all.
fn column(
    input: &Input<'_>,
    reader: &ArrowReaderMetadata,
    (group, place): (usize, usize),
    places: &[usize],
    decoded: &AtomicU64,
) -> Result<Vec<Part>> {
    let builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(input.bytes.clone(), reader.clone());
    let mask = ProjectionMask::roots(builder.parquet_schema(), [place]);
    let batches = builder
        .with_row_groups(vec![group])
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|_| damaged(input))?;
    let mut parts: Vec<Part> = Vec::new();
    for batch in batches {
        let array = Arc::clone(batch.map_err(|_| damaged(input))?.column(0));
        let bytes = new_bytes(&array, parts.last().map(|part| &part.array)) as u64;
        let whole = decoded.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        // Decoded columns take more than the encoded pages: the same data may pass at four times.
        if whole > input.source.max_bytes.saturating_mul(4) {
            return Err(too_large(input));
        }
        let mut cells = Vec::new();
        for (number, column) in input.contract.columns.iter().enumerate() {
            if places[number] == place {
                let own = Cells::of(&array, column, input).ok_or_else(|| damaged(input))?;
                cells.push((number, own));
            }
        }
        parts.push(Part { array, cells });
    }
    Ok(parts)
}

/// What an array takes beside the one before it: a dictionary that both have is there once.
pub(super) fn new_bytes(array: &ArrayRef, before: Option<&ArrayRef>) -> usize {
    let values = |own: &ArrayRef| own.as_any_dictionary_opt().map(|own| Arc::clone(own.values()));
    let again = match (values(array), before.and_then(values)) {
        (Some(own), Some(before)) if own.to_data().ptr_eq(&before.to_data()) => {
            own.get_array_memory_size()
        }
        _ => 0,
    };
    array.get_array_memory_size().saturating_sub(again)
}

/// Takes in rows of which each column of the file is at hand.
fn read_parts(
    parts: Vec<Part>,
    schema: &SchemaRef,
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    number: &mut u64,
) -> Result<()> {
    let (mut arrays, mut all) = (Vec::new(), Vec::new());
    for part in parts {
        arrays.push(part.array);
        all.extend(part.cells);
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), arrays).map_err(|_| damaged(input))?;
    if all.len() != input.contract.columns.len() {
        return Err(damaged(input));
    }
    all.sort_by_key(|(column, _)| *column);
    let whole = |(_, own): &(usize, Cells)| match own {
        Cells::Whole(array) => Some(Arc::clone(array)),
        Cells::Single(_) => None,
    };
    if let Some(texts) = all.iter().map(whole).collect::<Option<Vec<_>>>()
        && rows.columns(*number + 1, texts)?
    {
        *number += batch.num_rows() as u64;
        return Ok(());
    }
    let columns = input.contract.columns.iter();
    let readers = all.into_iter().zip(columns).map(|((_, own), column)| own.single(column, input));
    let readers = readers.collect::<Option<Vec<CellReader>>>().ok_or_else(|| damaged(input))?;
    for row in 0..batch.num_rows() {
        *number += 1;
        let cell = |column: usize| -> Cell<'_> { readers[column].cell(row) };
        rows.row(*number, cell, || raw(&batch, row))?;
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
