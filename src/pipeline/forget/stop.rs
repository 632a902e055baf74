//! Those who were forgotten stay out: what is read of an export is held against keyed hashes.
//!
//! `erasures/hashes/<id>.json` holds, for each person who was forgotten, hashes of record addresses and of
//! values under `SIMURGH_HASH_KEY`: they say who is meant only to who knows both key and value. A
//! row of theirs is quarantined by the rule `forgotten`, without its text; a value of theirs in
//! another's row is left out. Rows read stay rows accepted and rows quarantined.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, UInt64Type};
use serde::{Deserialize, Serialize};

use super::person::{People, parts, plain, tells};
use crate::engine::{Engine, Store};
use crate::error::{Error, Result};
use crate::extract::{Extracted, Refused, Source};
use crate::keyed::{HashKey, VARIABLE};

/// The folder of erasures' hashes, in the warehouse.
pub(super) const FOLDER: &str = "erasures/hashes";

/// The rule by which a row is refused.
const RULE: &str = "forgotten";

/// What one erasure leaves behind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Erasure {
    /// Which key hashed it.
    pub key: String,
    /// Keyed hashes of the addresses of records.
    pub records: Vec<String>,
    /// Keyed hashes of values that nobody else had.
    pub values: Vec<String>,
    /// Keyed hashes of the records' ids, by which rows that are refused for another reason are known.
    pub ids: Vec<String>,
}

impl Erasure {
    pub(super) fn of(people: &People, key: &HashKey) -> Self {
        let mut records: Vec<String> =
            people.records.iter().map(|own| record(key, &own.source, &own.record_id)).collect();
        let mut values: Vec<String> =
            people.values.iter().map(|own| key.hash("forgotten value", own.as_bytes())).collect();
        let mut ids: Vec<String> =
            people.ids.iter().map(|own| key.hash("forgotten id", own.as_bytes())).collect();
        records.sort_unstable();
        values.sort_unstable();
        ids.sort_unstable();
        Self { key: key.id().to_owned(), records, values, ids }
    }
}

fn record(key: &HashKey, source: &str, record_id: &str) -> String {
    key.hash("forgotten record", format!("{source}\0{record_id}").as_bytes())
}

/// Everybody who was forgotten.
pub(in crate::pipeline) struct Stop {
    key: HashKey,
    records: HashSet<String>,
    values: HashSet<String>,
    ids: HashSet<String>,
}

/// A hash of all erasures, for a run's identity; none where there is none.
pub(in crate::pipeline) async fn fingerprint(warehouse: &Store) -> Result<Option<String>> {
    let listed = warehouse.list(FOLDER).await?;
    if listed.is_empty() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    for file in listed {
        hasher.update(&warehouse.get(&file.path).await?);
    }
    Ok(Some(hasher.finalize().to_hex().to_string()))
}

impl Stop {
    /// Reads the erasures of a warehouse; none where nobody was forgotten.
    ///
    /// # Errors
    /// Configuration: the key is not that of the erasures.
    pub(in crate::pipeline) async fn read(warehouse: &Store) -> Result<Option<Self>> {
        let listed = warehouse.list(FOLDER).await?;
        if listed.is_empty() {
            return Ok(None);
        }
        let key = HashKey::of_process()?.ok_or_else(|| {
            Error::configuration(format!("people were forgotten in this warehouse, and {VARIABLE} is not set"))
                .help("set it to the key that `simurgh forget` had: without it they would be read in again")
        })?;
        let (records, values, ids) = Default::default();
        let mut stop = Self { key, records, values, ids };
        for file in listed {
            let damaged = || {
                Error::data(format!("{}: damaged", warehouse.url_of(&file.path)))
                    .help("restore the file from a copy: it says who must not be read in again")
            };
            let erasure: Erasure =
                serde_json::from_slice(&warehouse.get(&file.path).await?).map_err(|_| damaged())?;
            if erasure.key != stop.key.id() {
                return Err(Error::configuration(format!(
                    "{}: it was written under another {VARIABLE}",
                    warehouse.url_of(&file.path)
                ))
                .help("set the key that `simurgh forget` had: with another nobody is recognised"));
            }
            stop.records.extend(erasure.records);
            stop.values.extend(erasure.values);
            stop.ids.extend(erasure.ids);
        }
        Ok(Some(stop))
    }

    fn knows(&self, text: &str) -> bool {
        // What is too short says nothing of anybody, and was never hashed.
        let text = plain(text);
        tells(&text) && self.values.contains(&self.key.hash("forgotten value", text.as_bytes()))
    }

    /// Whether a refused row's text names somebody.
    fn in_raw(&self, raw: &str) -> bool {
        let of = |part: &str| self.key.hash("forgotten id", part.trim().as_bytes());
        parts(raw).any(|part| self.knows(part) || self.ids.contains(&of(part)))
    }

    /// Leaves out of a day's rows whoever was forgotten. Gives how many rows and values.
    pub(in crate::pipeline) async fn apply(
        &self,
        engine: &Engine,
        source: &Source,
        today: &mut Extracted,
    ) -> Result<(u64, u64)> {
        let (mut rows, mut cells) = (0, 0);
        let mut batches = Vec::with_capacity(today.batches.len());
        for batch in std::mem::take(&mut today.batches) {
            let theirs = subjects(engine, source, &batch).await?.into_iter().map(|subjects| {
                subjects
                    .iter()
                    .any(|(source, id)| self.records.contains(&record(&self.key, source, id)))
            });
            let mut theirs: Vec<bool> = theirs.collect();
            let batch = self.without_values(&batch, &mut theirs, &mut cells)?;
            rows += theirs.iter().filter(|own| **own).count() as u64;
            self.refuse(&batch, &theirs, &mut today.quarantine)?;
            let keep: BooleanArray = theirs.iter().map(|own| Some(!own)).collect();
            batches.push(
                filter_record_batch(&batch, &keep)
                    .map_err(|_| Error::bug("rows cannot be left out"))?,
            );
        }
        today.batches = batches;
        today.rows_accepted -= rows;
        for refused in &mut today.quarantine {
            if refused.raw.as_deref().is_some_and(|raw| self.in_raw(raw)) {
                refused.raw = None;
                cells += 1;
            }
        }
        today.quarantine.sort_by(|a, b| (&a.file, a.row_number).cmp(&(&b.file, b.row_number)));
        today.rows_quarantined = today.quarantine.len() as u64;
        Ok((rows, cells))
    }

    /// Takes values of the forgotten out of others' rows; a row that must have one goes as a whole.
    fn without_values(
        &self,
        batch: &RecordBatch,
        theirs: &mut [bool],
        cells: &mut u64,
    ) -> Result<RecordBatch> {
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if field.data_type() != &DataType::Utf8 || field.name().starts_with('_') {
                columns.push(Arc::clone(column));
                continue;
            }
            let texts = column.as_string::<i32>();
            let known: Vec<bool> = (0..texts.len())
                .map(|row| !theirs[row] && texts.is_valid(row) && self.knows(texts.value(row)))
                .collect();
            if !known.contains(&true) {
                columns.push(Arc::clone(column));
            } else if field.is_nullable() {
                *cells += known.iter().filter(|own| **own).count() as u64;
                let left = texts.iter().zip(&known).map(|(text, own)| text.filter(|_| !own));
                columns.push(Arc::new(left.collect::<StringArray>()) as ArrayRef);
            } else {
                theirs.iter_mut().zip(&known).for_each(|(row, own)| *row |= own);
                columns.push(Arc::clone(column));
            }
        }
        RecordBatch::try_new(schema, columns).map_err(|_| Error::bug("a batch lost its shape"))
    }

    fn refuse(&self, batch: &RecordBatch, theirs: &[bool], to: &mut Vec<Refused>) -> Result<()> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Error::bug(format!("rows lack {name}")))
        };
        let (files, rows) = (column("_file")?, column("_row")?);
        let rows = cast(rows, &DataType::UInt64).map_err(|_| Error::bug("_row is no number"))?;
        let (files, rows): (_, &UInt64Array) =
            (files.as_string::<i32>(), rows.as_primitive::<UInt64Type>());
        for (row, _) in theirs.iter().enumerate().filter(|(_, own)| **own) {
            to.push(Refused {
                file: files.value(row).to_owned(),
                row_number: rows.value(row),
                rule: RULE,
                reason: "the person asked to be forgotten".to_owned(),
                raw: None,
            });
        }
        Ok(())
    }
}

/// Whose each raw row is: the records that the source's `subject` expressions name, by row.
pub(super) async fn subjects(
    engine: &Engine,
    source: &Source,
    batch: &RecordBatch,
) -> Result<Vec<Vec<(String, String)>>> {
    let mut found = vec![Vec::new(); batch.num_rows()];
    if source.subject.is_empty() || batch.num_rows() == 0 {
        return Ok(found);
    }
    let what = "subject";
    let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..batch.num_rows() as u64));
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(arrow::datatypes::Field::new("_place", DataType::UInt64, false)));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let columns = batch.columns().iter().cloned().chain([numbers]).collect();
    let placed = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|_| Error::bug("rows cannot be numbered"))?;
    engine.register("subject_rows", engine.batches(schema, vec![placed])?)?;
    let expressions: Vec<String> =
        source.subjects().map(|(_, sql)| format!(", CAST(({sql}) AS VARCHAR)")).collect();
    let sql = format!("SELECT _place{} FROM subject_rows ORDER BY _place", expressions.concat());
    let named = engine.collect_one(engine.sql(&sql, what).await?, what).await?;
    for (place, (of, _)) in source.subjects().enumerate() {
        let ids = cast(named.column(place + 1), &DataType::Utf8)
            .map_err(|_| Error::bug("a subject that is no text"))?;
        for (row, id) in ids.as_string::<i32>().iter().enumerate() {
            if let Some(id) = id {
                found[row].push((of.to_owned(), id.to_owned()));
            }
        }
    }
    Ok(found)
}
