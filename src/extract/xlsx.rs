//! The first, or the named, sheet of an Office Open XML workbook.
//!
//! Cells are streamed: a sheet with one value in its last corner is two cells, not seventeen
//! thousand million. What the archive unpacks to is measured before it is opened (see `archive`).
//! The first row that is not empty is the header; rows are numbered from the one after it, as the
//! sheet numbers them, and an empty row is none.

use std::borrow::Cow;
use std::io::Cursor;

use calamine::{Data, DataRef, ExcelDateTime, Reader, Xlsx};

use super::rows::Rows;
use super::{Input, archive, csv, header};
use crate::contract::{Cell, Rule};
use crate::error::{Error, Result};

pub(super) fn read(
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let (mut book, sheet) = open(input)?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(|_| damaged(input))?;
    let mut table = Table { header: None, row: Vec::new(), at: 0 };
    while let Some(cell) = cells.next_cell().map_err(|_| damaged(input))? {
        let (row, column) = cell.get_position();
        if row != table.at {
            if row < table.at {
                return Err(damaged(input));
            }
            table.end_row(input, rows, warnings)?;
            table.at = row;
        }
        let value = value_of(cell.get_value());
        if value == Value::Null {
            continue;
        }
        let column = column as usize;
        // A sheet has 16,384 columns; a file that says otherwise is none.
        if column >= 16_384 {
            return Err(damaged(input));
        }
        if table.row.len() <= column {
            table.row.resize(column + 1, Value::Null);
        }
        table.row[column] = value;
    }
    table.end_row(input, rows, warnings)?;
    if table.header.is_none() && !input.source.allow_empty {
        return Err(input.data("the sheet is empty: it has no header row"));
    }
    Ok(())
}

/// The workbook, and the sheet that is read.
fn open(input: &Input<'_>) -> Result<(Xlsx<Cursor<bytes::Bytes>>, String)> {
    match archive::unpacked_size(&input.bytes, input.source.max_bytes) {
        Some(size) if size <= input.source.max_bytes => {}
        Some(_) => {
            return Err(input
                .data(format!("unpacks to more than {} bytes", input.source.max_bytes))
                .help("raise max_bytes of the source if the export is right"));
        }
        None => return Err(damaged(input)),
    }
    let book: Xlsx<_> = Xlsx::new(Cursor::new(input.bytes.clone())).map_err(|_| damaged(input))?;
    let sheets = book.sheet_names();
    let sheet = match &input.source.format.sheet {
        Some(name) if sheets.contains(name) => name.clone(),
        Some(name) => {
            return Err(input
                .data(format!("has no sheet `{name}`"))
                .help(format!("mend sources.{}.format.sheet or the export", input.source_name)));
        }
        None => sheets.into_iter().next().ok_or_else(|| input.data("has no sheet"))?,
    };
    Ok((book, sheet))
}

/// The names in the header: the cells of the first row that is not empty.
pub(super) fn names(input: &Input<'_>) -> Result<Vec<String>> {
    let (mut book, sheet) = open(input)?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(|_| damaged(input))?;
    let (mut names, mut header) = (Vec::new(), None);
    while let Some(cell) = cells.next_cell().map_err(|_| damaged(input))? {
        let (row, _) = cell.get_position();
        if header.is_some_and(|header| header != row) {
            break;
        }
        if let Value::Text(name) = value_of(cell.get_value()) {
            header = Some(row);
            names.push(name.trim().to_owned());
        }
    }
    if names.is_empty() {
        return Err(input.data("the sheet is empty: it has no header row"));
    }
    Ok(names)
}

/// The rows of a sheet as they come.
struct Table {
    header: Option<Header>,
    row: Vec<Value>,
    at: u32,
}

struct Header {
    row: u32,
    width: usize,
    /// The cell that `places[0]` counts from.
    first: usize,
    places: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    /// What a formula that failed gives.
    Invalid,
}

impl Table {
    fn end_row(
        &mut self,
        input: &Input<'_>,
        rows: &mut Rows<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let row = std::mem::take(&mut self.row);
        if row.is_empty() {
            return Ok(());
        }
        let Some(header) = &self.header else {
            let first = row.iter().position(|value| *value != Value::Null).unwrap_or(0);
            let names: Vec<String> = row[first..]
                .iter()
                .map(|value| match value {
                    Value::Text(name) => name.trim().to_owned(),
                    _ => String::new(),
                })
                .collect();
            let places = header::places(&names, input, warnings)?;
            self.header = Some(Header { row: self.at, width: row.len(), first, places });
            return Ok(());
        };
        let number = u64::from(self.at - header.row);
        if row.len() > header.width
            || row[..header.first.min(row.len())].iter().any(|v| *v != Value::Null)
        {
            let reason = "a value stands outside the header's columns".to_owned();
            rows.refuse(number, Rule::Shape, reason, Some(raw(&row)));
        } else {
            let cell = |column: usize| match row.get(header.first + header.places[column]) {
                None | Some(Value::Null) => Cell::Null,
                Some(Value::Text(text)) => Cell::Text(text),
                Some(Value::Invalid) => Cell::Invalid,
            };
            rows.row(number, cell, || raw(&row))?;
        }
        self.row = row;
        self.row.clear();
        Ok(())
    }
}

fn raw(row: &[Value]) -> String {
    csv::line(row.iter().map(|value| match value {
        Value::Null => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text.as_str()),
        Value::Invalid => Cow::Borrowed("#ERROR"),
    }))
}

fn value_of(value: &DataRef<'_>) -> Value {
    match Data::from(value.clone()) {
        Data::Empty => Value::Null,
        Data::String(text) if text.is_empty() => Value::Null,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Value::Text(text),
        Data::Int(value) => Value::Text(value.to_string()),
        // The shortest text that reads back as the float: a whole number without a fraction.
        Data::Float(value) if value.is_finite() => Value::Text(value.to_string()),
        Data::Bool(value) => Value::Text(value.to_string()),
        Data::DateTime(value) => Value::Text(iso(&value)),
        _ => Value::Invalid,
    }
}

/// A date and time as ISO text: a midnight is its date, a time of no day is its time.
fn iso(value: &ExcelDateTime) -> String {
    let serial = value.as_f64();
    if !value.is_datetime() || !serial.is_finite() || serial < 0.0 {
        return serial.to_string();
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    let time = if milli == 0 { time } else { format!("{time}.{milli:03}") };
    if serial < 1.0 {
        time
    } else if serial.fract() == 0.0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{time}")
    }
}

fn damaged(input: &Input<'_>) -> Error {
    input
        .data("is not whole as an XLSX workbook: it is torn or damaged")
        .help("export the file again; nothing of it was read")
}
