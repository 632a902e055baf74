//! Exports to rows: bytes in, Arrow and quarantine out.
//!
//! Knows how each kind of file is written, and holds every row against the source's contract: rows
//! read are rows accepted and rows quarantined, exactly. A file that cannot be decoded to its end is
//! refused whole. Refuses to know where files are kept, what day it is, and what becomes of the rows.

mod archive;
mod columns;
mod csv;
mod decode;
mod decompress;
mod header;
mod isolate;
mod merge;
mod ndjson;
mod parquet;
mod rows;
mod seen;
mod settings;
#[cfg(test)]
mod tests;
mod xlsx;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use crate::contract::{Contract, Zone};
use crate::error::{Error, Result};
use crate::tables;

pub use columns::{Columns, columns};
pub use merge::{Applied, apply};
pub use settings::*;

/// A kind of file: how it is known and how it is read.
struct FileFormat {
    kind: FormatKind,
    /// The endings of its files' names, in lower case.
    endings: &'static [&'static str],
    read: fn(&Input<'_>, &mut rows::Rows<'_>, &mut Vec<String>) -> Result<()>,
}

/// Every kind of file, sorted by its first ending.
const FORMATS: &[FileFormat] = &[
    FileFormat {
        kind: FormatKind::Csv,
        endings: &[".csv", ".psv", ".tab", ".tsv", ".txt"],
        read: csv::read,
    },
    FileFormat { kind: FormatKind::Ndjson, endings: &[".jsonl", ".ndjson"], read: ndjson::read },
    FileFormat { kind: FormatKind::Parquet, endings: &[".parquet"], read: parquet::read },
    FileFormat { kind: FormatKind::Xlsx, endings: &[".xlsx"], read: xlsx::read },
];

/// One file of a source, whole.
#[derive(Clone)]
pub struct InputFile {
    /// Its path relative to the inputs.
    pub path: String,
    /// Its bytes as stored.
    pub bytes: Bytes,
}

/// What a source's files of one day hold.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// The accepted rows, by file (in path order) and row: the contract's columns, `_file` (text,
    /// relative to the inputs) and `_row` (UInt64, from 1, the header not counted). Of [`read_coded`]
    /// a column of texts may be a dictionary of them in one batch, and none in another.
    pub batches: Vec<RecordBatch>,
    /// The batches' schema, also where there is none; every text a text.
    pub schema: SchemaRef,
    /// The refused rows, by file and row.
    pub quarantine: Vec<Refused>,
    /// Rows in the files: `rows_accepted + rows_quarantined`.
    pub rows_read: u64,
    /// Rows in `batches`.
    pub rows_accepted: u64,
    /// Rows in `quarantine`.
    pub rows_quarantined: u64,
    /// How many files there were.
    pub files: usize,
    /// What was tolerated, one sentence each, without values.
    pub warnings: Vec<String>,
}

/// One refused row.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    /// The file, relative to the inputs.
    pub file: String,
    /// The row in the file, from 1, the header not counted.
    pub row_number: u64,
    /// The rule it breaks first.
    pub rule: &'static str,
    /// Why, naming column and rule but no value.
    pub reason: String,
    /// The row as it stood, for a steward: personal data.
    pub raw: Option<String>,
}

// Neither shows what the file holds: a debug line may reach a log.
impl fmt::Debug for InputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("file", &self.file)
            .field("row_number", &self.row_number)
            .field("rule", &self.rule)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// One file as the formats see it: decompressed, with all that says how to read it.
struct Input<'a> {
    path: &'a str,
    bytes: Bytes,
    source_name: &'a str,
    source: &'a Source,
    contract: &'a Contract,
    zone_name: &'a str,
    /// Whether texts that are stored as a dictionary stay one.
    coded: bool,
}

impl Input<'_> {
    /// A data error of this file.
    fn data(&self, what: impl fmt::Display) -> Error {
        Error::data(format!("{}: {what}", self.path))
    }
}

/// Reads a source's files of one day, in path order, under its contract.
///
/// # Errors
/// Data errors: a file that is torn, damaged, too large, or lacks the contract's columns; no files
/// or no rows, where the source allows neither; more rows quarantined than `max_quarantined`; a
/// number of rows outside the contract's. Configuration errors: an unknown time zone, encoding or
/// kind of file. None holds a value of a row.
pub fn read(
    source_name: &str,
    source: &Source,
    contract: &Contract,
    files: &[InputFile],
) -> Result<Extracted> {
    extracted(source_name, source, contract, files, false)
}

/// The same, for who numbers texts anyway: those that a file stores as a dictionary stay one, whose
/// keys are UInt32.
///
/// # Errors
/// As [`read`].
pub fn read_coded(
    source_name: &str,
    source: &Source,
    contract: &Contract,
    files: &[InputFile],
) -> Result<Extracted> {
    extracted(source_name, source, contract, files, true)
}

fn extracted(
    source_name: &str,
    source: &Source,
    contract: &Contract,
    files: &[InputFile],
    coded: bool,
) -> Result<Extracted> {
    let zone = Zone::of(&source.time_zone).ok_or_else(|| {
        Error::configuration(format!(
            "sources.{source_name}.time_zone: `{}` is no time zone",
            source.time_zone
        ))
        .help("an IANA name, such as Africa/Cairo")
    })?;
    let mut files: Vec<&InputFile> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if files.is_empty() && !source.optional {
        return Err(Error::data(format!("{source_name}: there is no export"))
            .help("deliver the export, or set `optional: true` if a day without one is in order"));
    }
    let decoded =
        |by_row| decoded(source_name, source, contract, &files, zone.clone(), (coded, by_row));
    let extracted = match decoded(false)? {
        Some(extracted) => extracted,
        None => {
            decoded(true)?.ok_or_else(|| Error::bug(format!("{source_name}: keys are lost")))?
        }
    };
    debug_assert_eq!(extracted.rows_read, extracted.rows_accepted + extracted.rows_quarantined);
    limits(source_name, source, contract, &extracted)?;
    Ok(extracted)
}

/// Decodes files and holds each row against the contract, whole columns at a time where nothing is
/// to be asked of their cells, or all `by_row`; texts stay `coded` as they are. `None` where only
/// reading by row says which are refused.
fn decoded(
    source_name: &str,
    source: &Source,
    contract: &Contract,
    files: &[&InputFile],
    zone: Zone,
    (coded, by_row): (bool, bool),
) -> Result<Option<Extracted>> {
    let mut rows = rows::Rows::new(contract, zone, by_row)?;
    let mut warnings: Vec<String> = contract
        .unenforced
        .iter()
        .map(|rule| format!("contract {}: {rule}", contract.name))
        .collect();
    for file in files {
        rows.begin(&file.path);
        let format = format_of(source_name, source, &file.path)?;
        // Decoders of foreign crates may panic on malformed bytes: that is the file's fault.
        isolate::isolated(|| {
            let bytes = decompress::decompress(&file.path, &file.bytes, source)?;
            let input = Input {
                path: &file.path,
                bytes,
                source_name,
                source,
                contract,
                zone_name: &source.time_zone,
                coded,
            };
            (format.read)(&input, &mut rows, &mut warnings)
        })
        .unwrap_or_else(|| {
            Err(Error::data(format!("{}: cannot be decoded", file.path))
                .help("the file is malformed; export it again"))
        })?;
    }
    rows.finish(warnings)
}

fn format_of(source_name: &str, source: &Source, path: &str) -> Result<&'static FileFormat> {
    let name = decompress::plain_name(path);
    let found = match source.format.kind {
        Some(kind) => FORMATS.iter().find(|format| format.kind == kind),
        None => {
            FORMATS.iter().find(|format| format.endings.iter().any(|ending| name.ends_with(ending)))
        }
    };
    found.ok_or_else(|| {
        Error::configuration(format!("{path}: the name does not say what kind of file it is"))
            .help(format!("set sources.{source_name}.format.type: csv, ndjson, parquet or xlsx"))
    })
}

/// Bounds on the day as a whole.
fn limits(
    source_name: &str,
    source: &Source,
    contract: &Contract,
    extracted: &Extracted,
) -> Result<()> {
    if extracted.rows_read == 0 {
        // An optional source without files keeps its earlier rows: nothing is to be counted.
        return if source.allow_empty || extracted.files == 0 {
            Ok(())
        } else {
            Err(Error::data(format!("{source_name}: the export has no rows")).help(
                "check the export; set `allow_empty: true` if a day without rows is in order",
            ))
        };
    }
    if source.max_quarantined.exceeded(extracted.rows_quarantined, extracted.rows_read) {
        return Err(too_many_quarantined(source_name, source, extracted));
    }
    let accepted = extracted.rows_accepted;
    for (broken, bound, word) in [
        (contract.min_rows.filter(|least| accepted < *least), "at least", "few"),
        (contract.max_rows.filter(|most| accepted > *most), "at most", "many"),
    ] {
        if let Some(limit) = broken {
            return Err(Error::data(format!(
                "{source_name}: {} rows are too {word}: contract {} wants {bound} {}",
                thousands(accepted),
                contract.name,
                thousands(limit)
            ))
            .help("check that the export is whole, or change rowCount in the contract"));
        }
    }
    Ok(())
}

fn too_many_quarantined(source_name: &str, source: &Source, extracted: &Extracted) -> Error {
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for refused in &extracted.quarantine {
        match counts.iter_mut().find(|(rule, _)| *rule == refused.rule) {
            Some((_, count)) => *count += 1,
            None => counts.push((refused.rule, 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let by_rule: Vec<String> =
        counts.iter().map(|(rule, count)| format!("{} by {rule}", thousands(*count))).collect();
    let first: Vec<String> = extracted
        .quarantine
        .iter()
        .take(5)
        .map(|refused| format!("{}:{} ({})", refused.file, refused.row_number, refused.reason))
        .collect();
    Error::data(format!(
        "{source_name}: {} of {} rows are refused (limit {}): {}; first: {}",
        thousands(extracted.rows_quarantined),
        thousands(extracted.rows_read),
        source.max_quarantined,
        by_rule.join(", "),
        first.join(", ")
    ))
    .help(format!(
        "mend the export or its contract, or raise sources.{source_name}.max_quarantined"
    ))
}

/// A count for people: `1,000`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The refused rows as rows of `quarantine`, in the order given.
///
/// # Errors
/// A bug, if the table's schema has other columns.
pub fn quarantine_batch(run_id: &str, source: &str, refused: &[Refused]) -> Result<RecordBatch> {
    let text = |of: fn(&Refused) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(refused.iter().map(of)))
    };
    let same = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(refused.iter().map(|_| value)))
    };
    let row_numbers = UInt64Array::from_iter_values(refused.iter().map(|row| row.row_number));
    let raw = StringArray::from_iter(refused.iter().map(|row| row.raw.as_deref()));
    let columns: Vec<ArrayRef> = vec![
        same(source),
        text(|row| &row.file),
        Arc::new(row_numbers),
        text(|row| row.rule),
        text(|row| &row.reason),
        Arc::new(raw),
        same(run_id),
    ];
    RecordBatch::try_new(tables::quarantine(), columns)
        .map_err(|_| Error::bug("quarantine: the rows are not of the table's schema"))
}
