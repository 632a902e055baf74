//! Delimited text with a header line (RFC 4180, and what exports make of it).
//!
//! The delimiter is the one that finds most of the contract's columns in the header. A row with
//! too few or too many fields is refused alone; a file that ends inside a quoted field, or in a
//! row that is short and not ended, is torn and refused whole.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};

use super::rows::Rows;
use super::{Input, decode, header};
use crate::contract::{Cell, Rule};
use crate::error::{Error, Result};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) fn read(
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let decoded = decode::decode(input, warnings)?;
    if decoded.replaced {
        rows.text_was_replaced();
    }
    let text: &str = &decoded.text;
    if text.trim().is_empty() {
        if input.source.allow_empty {
            return Ok(());
        }
        return Err(input.data("the file is empty: it has no header line").help(
            "a day without rows has the header line alone; check that the export was written whole",
        ));
    }
    let format = &input.source.format;
    let quote = one_byte(format.quote, "quote", input)?.unwrap_or(b'"');
    let (stated, text) = separator_line(text);
    let delimiter = match one_byte(format.delimiter, "delimiter", input)?.or(stated) {
        Some(delimiter) => delimiter,
        None => sniff(text, quote, input),
    };
    let mut reader = reader(text, delimiter, quote);
    let mut record = StringRecord::new();
    let torn = |_| input.data("cannot be read as delimited text");
    reader.read_record(&mut record).map_err(torn)?;
    let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
    let places = header::places(&names, input, warnings)?;
    let mut number = 0;
    let mut start = 0;
    loop {
        let from = reader.position().byte() as usize;
        if !reader.read_record(&mut record).map_err(torn)? {
            break;
        }
        start = from;
        number += 1;
        let end = reader.position().byte() as usize;
        let raw = || text.get(start..end).unwrap_or("").trim_matches(['\r', '\n']).to_owned();
        if record.len() != names.len() {
            if end == text.len() && record.len() < names.len() && !text.ends_with(['\r', '\n']) {
                return Err(torn_in(input, number, "row"));
            }
            let reason = format!("{} fields where the header has {}", record.len(), names.len());
            rows.refuse(number, Rule::Shape, reason, Some(raw()));
            continue;
        }
        rows.row(number, |column| cell(record.get(places[column])), raw)?;
    }
    if within_quotes(&text.as_bytes()[start..], delimiter, quote) {
        return Err(torn_in(input, number, "a quoted field, in row"));
    }
    Ok(())
}

/// The names in the header.
pub(super) fn names(text: &str, input: &Input<'_>) -> Result<Vec<String>> {
    if text.trim().is_empty() {
        return Err(input
            .data("the file is empty: it has no header line")
            .help("check that it was written whole"));
    }
    let (stated, text) = separator_line(text);
    let delimiter = stated.unwrap_or_else(|| sniff(text, b'"', input));
    let mut record = StringRecord::new();
    reader(text, delimiter, b'"')
        .read_record(&mut record)
        .map_err(|_| input.data("cannot be read as delimited text"))?;
    Ok(record.iter().map(|name| name.trim().to_owned()).collect())
}

fn torn_in(input: &Input<'_>, number: u64, place: &str) -> Error {
    input
        .data(format!("the file ends inside {place} {number}: it is torn"))
        .help("export the file again; nothing of it was read")
}

fn cell(field: Option<&str>) -> Cell<'_> {
    match field {
        None | Some("") => Cell::Null,
        Some(text) => Cell::Text(text),
    }
}

fn one_byte(letter: Option<char>, what: &str, input: &Input<'_>) -> Result<Option<u8>> {
    letter
        .map(|letter| {
            u8::try_from(letter).ok().filter(u8::is_ascii).ok_or_else(|| {
                Error::configuration(format!(
                    "sources.{}.format.{what} is not an ASCII character",
                    input.source_name
                ))
            })
        })
        .transpose()
}

fn reader(text: &str, delimiter: u8, quote: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quote(quote)
        .buffer_capacity(1 << 18)
        .from_reader(text.as_bytes())
}

/// A first line that says `sep=;`, as spreadsheets write and expect it, and the text after it.
fn separator_line(text: &str) -> (Option<u8>, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    match line.trim_end_matches('\r').as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] if delimiter.is_ascii() => {
            (Some(*delimiter), rest)
        }
        _ => (None, text),
    }
}

/// The delimiter under which the header names most of the contract's columns; of equals the one
/// that makes most fields; of those the first of [`DELIMITERS`].
fn sniff(text: &str, quote: u8, input: &Input<'_>) -> u8 {
    let first_line = text.trim_start_matches(['\r', '\n']);
    // A header does not take a mebibyte; a line without an end would.
    let end = first_line.floor_char_boundary(1 << 20);
    let mut best = (0, 0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let mut record = StringRecord::new();
        if !matches!(
            reader(&first_line[..end], delimiter, quote).read_record(&mut record),
            Ok(true)
        ) {
            continue;
        }
        let known = record
            .iter()
            .filter(|name| input.contract.columns.iter().any(|c| c.export_name() == name.trim()))
            .count();
        if (known, record.len()) > (best.0, best.1) {
            best = (known, record.len(), delimiter);
        }
    }
    best.2
}

/// Whether a record's bytes end inside a quoted field, by the reader's own rules: a quote opens
/// only at a field's start, a doubled one stands for itself.
fn within_quotes(record: &[u8], delimiter: u8, quote: u8) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Start,
        Plain,
        Quoted,
        MaybeClosed,
    }
    let end = record.iter().fold(State::Start, |state, &byte| match state {
        State::Quoted if byte == quote => State::MaybeClosed,
        State::Quoted => State::Quoted,
        State::MaybeClosed | State::Start if byte == quote => State::Quoted,
        _ if byte == delimiter || byte == b'\n' || byte == b'\r' => State::Start,
        _ => State::Plain,
    });
    end == State::Quoted
}

/// Fields as one delimited line, for the raw text of rows of formats that have none.
pub(super) fn line<'a>(fields: impl Iterator<Item = Cow<'a, str>>) -> String {
    let quoted = fields.map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}
