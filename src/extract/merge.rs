//! What a day's export makes of a source's earlier rows: snapshot, delta, append.
//!
//! Pure functions over Arrow. Keys are compared in Arrow's row format, contents by a 128-bit digest
//! of it; where a row came from (`_file`, `_row`) is no content. Refuses to know where the earlier
//! rows were kept.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{Field, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};

use super::rows::{FILE, ROW};
use super::{Extracted, LoadMode, Source, thousands};
use crate::error::{Error, Result};

const BATCH_ROWS: usize = 65_536;

/// A source's rows after a day, and what the day changed.
#[derive(Debug, Clone)]
pub struct Applied {
    /// All rows, sorted by key.
    pub batches: Vec<RecordBatch>,
    /// The batches' schema, also where there is none: that of the day's export.
    pub schema: SchemaRef,
    /// Keys that were not there before.
    pub added: u64,
    /// Keys whose content is another than before.
    pub changed: u64,
    /// Keys that were there before and are no more.
    pub removed: u64,
    /// Keys with the content they had.
    pub unchanged: u64,
}

/// Applies a day's export to the earlier rows of its source.
///
/// - `snapshot`: today's rows are all there are; an earlier key that is absent is removed.
/// - `delta`: today's rows replace earlier ones of their keys or are added; nothing is removed.
/// - `append`: today's new keys are added. A key that was there with the same content is passed
///   over; one with other content replaces it and counts as changed: a system that mends an old
///   line says what is true now, and refusing it would keep the wrong one.
///
/// A day without files leaves the earlier rows as they were. Without a key, a snapshot is today's
/// rows, an append all rows in order, and neither says what changed.
///
/// # Errors
/// Data errors: a snapshot that removes more than `max_removed` of the earlier rows; earlier rows
/// that lack a required column of the contract. A configuration error: a delta without a key.
pub fn apply(
    source_name: &str,
    source: &Source,
    key: &[&str],
    previous: Option<&[RecordBatch]>,
    today: &Extracted,
) -> Result<Applied> {
    let previous = previous
        .unwrap_or_default()
        .iter()
        .filter(|batch| batch.num_rows() > 0)
        .map(|batch| align(batch, &today.schema, source_name))
        .collect::<Result<Vec<_>>>()?;
    if key.is_empty() {
        return without_key(source_name, source, previous, today);
    }
    let earlier = Side::of(&previous, key, &today.schema)?;
    let present = Side::of(&today.batches, key, &today.schema)?;
    let (mut i, mut j) = (0, 0);
    // Which rows stay: (of today, batch, row).
    let mut kept: Vec<(bool, usize, usize)> =
        Vec::with_capacity(earlier.order.len().max(present.order.len()));
    let (mut added, mut changed, mut removed, mut unchanged) = (0, 0, 0, 0);
    // Without files nothing is said about any earlier row.
    let removes = source.load == LoadMode::Snapshot && today.files > 0;
    loop {
        let (before, now) = (earlier.order.get(i), present.order.get(j));
        let order = match (before, now) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(now)) => earlier.key(*before).cmp(present.key(*now)),
        };
        match (order, before, now) {
            (Ordering::Less, Some(&(batch, row)), _) => {
                if removes {
                    removed += 1;
                } else {
                    kept.push((false, batch, row));
                    unchanged += 1;
                }
                i += 1;
            }
            (Ordering::Equal, Some(&before), Some(&(batch, row))) => {
                if earlier.content(before) == present.content((batch, row)) {
                    unchanged += 1;
                    match source.load {
                        LoadMode::Snapshot => kept.push((true, batch, row)),
                        LoadMode::Delta | LoadMode::Append => {
                            kept.push((false, before.0, before.1))
                        }
                    }
                } else {
                    changed += 1;
                    kept.push((true, batch, row));
                }
                i += 1;
                j += 1;
            }
            (_, _, Some(&(batch, row))) => {
                added += 1;
                kept.push((true, batch, row));
                j += 1;
            }
            // No order without a row to order.
            (_, _, None) => break,
        }
    }
    guard(source_name, source, removed, earlier.order.len() as u64)?;
    let batches = interleave(&previous, &today.batches, &kept)?;
    Ok(Applied { batches, schema: today.schema.clone(), added, changed, removed, unchanged })
}

fn without_key(
    source_name: &str,
    source: &Source,
    mut previous: Vec<RecordBatch>,
    today: &Extracted,
) -> Result<Applied> {
    let before: u64 = previous.iter().map(|batch| batch.num_rows() as u64).sum();
    let now = today.rows_accepted;
    let (batches, added, removed, unchanged) = match source.load {
        LoadMode::Delta => {
            return Err(Error::configuration(format!(
                "sources.{source_name}: a delta needs a key, and its contract names none"
            ))
            .help("mark the key in the contract: primaryKey: true"));
        }
        LoadMode::Snapshot if today.files > 0 => {
            let removed = before.saturating_sub(now);
            guard(source_name, source, removed, before)?;
            (today.batches.clone(), now.saturating_sub(before), removed, before.min(now))
        }
        LoadMode::Snapshot | LoadMode::Append => {
            previous.extend(today.batches.iter().cloned());
            (previous, now, 0, before)
        }
    };
    Ok(Applied { batches, schema: today.schema.clone(), added, changed: 0, removed, unchanged })
}

/// Holds the number of removed records against the source's bound.
fn guard(source_name: &str, source: &Source, removed: u64, before: u64) -> Result<()> {
    if !source.max_removed.exceeded(removed, before) {
        return Ok(());
    }
    Err(Error::data(format!(
        "{source_name}: {} of {} earlier records are missing from today's export (limit {})",
        thousands(removed),
        thousands(before),
        source.max_removed
    ))
    .help(format!(
        "check that the export is whole; raise sources.{source_name}.max_removed if it is right"
    )))
}

/// One side's rows: their keys, their contents, and their order by key.
struct Side {
    keys: Vec<Rows>,
    contents: Vec<Vec<[u8; 16]>>,
    /// (batch, row), by key, then by place.
    order: Vec<(usize, usize)>,
}

impl Side {
    fn of(batches: &[RecordBatch], key: &[&str], schema: &SchemaRef) -> Result<Self> {
        let content: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| *name != FILE && *name != ROW && !key.contains(name))
            .collect();
        let key_converter = converter(key, schema)?;
        let content_converter = converter(&content, schema)?;
        let mut side = Self { keys: Vec::new(), contents: Vec::new(), order: Vec::new() };
        for (index, batch) in batches.iter().enumerate() {
            side.keys.push(encode(&key_converter, batch, key)?);
            let digests = if content.is_empty() {
                vec![[0; 16]; batch.num_rows()]
            } else {
                encode(&content_converter, batch, &content)?
                    .iter()
                    .map(|row| digest(row.as_ref()))
                    .collect()
            };
            side.contents.push(digests);
            side.order.extend((0..batch.num_rows()).map(|row| (index, row)));
        }
        let mut order = std::mem::take(&mut side.order);
        // Stable: rows of one key, which a contract rules out, keep their place.
        order.sort_by(|a, b| side.key(*a).cmp(side.key(*b)));
        side.order = order;
        Ok(side)
    }

    fn key(&self, (batch, row): (usize, usize)) -> &[u8] {
        self.keys[batch].row(row).data()
    }

    fn content(&self, (batch, row): (usize, usize)) -> &[u8; 16] {
        &self.contents[batch][row]
    }
}

fn digest(row: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(row).as_bytes()[..16]);
    digest
}

fn field<'a>(schema: &'a SchemaRef, name: &str) -> Result<&'a Field> {
    schema
        .field_with_name(name)
        .map_err(|_| Error::bug(format!("column `{name}` is not in the day's rows")))
}

fn converter(columns: &[&str], schema: &SchemaRef) -> Result<RowConverter> {
    let fields = columns
        .iter()
        .map(|name| Ok(SortField::new(field(schema, name)?.data_type().clone())))
        .collect::<Result<Vec<_>>>()?;
    RowConverter::new(fields).map_err(|_| Error::bug("rows of this type cannot be compared"))
}

fn encode(converter: &RowConverter, batch: &RecordBatch, columns: &[&str]) -> Result<Rows> {
    let arrays = columns
        .iter()
        .map(|name| batch.column_by_name(name).cloned())
        .collect::<Option<Vec<ArrayRef>>>()
        .ok_or_else(|| Error::bug("a batch lacks a column of its schema"))?;
    converter.convert_columns(&arrays).map_err(|_| Error::bug("rows cannot be encoded"))
}

/// An earlier batch in today's schema: columns by name, a new one null, one of another type cast.
fn align(batch: &RecordBatch, schema: &SchemaRef, source_name: &str) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let wrong = |what: &str| {
                Error::data(format!(
                    "{source_name}: the earlier rows {what} column `{}` of the contract",
                    field.name()
                ))
                .help("the contract changed: make the column optional, or begin a new warehouse")
            };
            let array = match batch.column_by_name(field.name()) {
                Some(array) if array.data_type() == field.data_type() => array.clone(),
                Some(array) => {
                    let cast = cast(array, field.data_type())
                        .map_err(|_| wrong("have another type for"))?;
                    if cast.null_count() != array.null_count() {
                        return Err(wrong("do not fit the type of"));
                    }
                    cast
                }
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            if !field.is_nullable() && array.null_count() > 0 {
                return Err(wrong("lack the required"));
            }
            Ok(array)
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|_| Error::bug(format!("{source_name}: earlier rows do not fit the schema")))
}

fn interleave(
    previous: &[RecordBatch],
    today: &[RecordBatch],
    kept: &[(bool, usize, usize)],
) -> Result<Vec<RecordBatch>> {
    let batches: Vec<&RecordBatch> = previous.iter().chain(today).collect();
    kept.chunks(BATCH_ROWS)
        .map(|chunk| {
            let indices: Vec<(usize, usize)> = chunk
                .iter()
                .map(|(of_today, batch, row)| {
                    (if *of_today { previous.len() + batch } else { *batch }, *row)
                })
                .collect();
            interleave_record_batch(&batches, &indices)
                .map_err(|_| Error::bug("merged rows do not fit one schema"))
        })
        .collect()
}
