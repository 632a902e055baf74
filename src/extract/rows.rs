//! Rows in, Arrow and quarantine out: casts, rules and uniqueness, the same for every format.
//!
//! A format hands over one row at a time as cells that borrow from its own buffers; nothing is
//! copied but into the builders of the accepted columns, and raw text is asked for only when a row
//! is refused. A columnar one hands over whole columns where nothing is to be asked of their cells.
//! Refuses to know how a row was written.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Decimal128Builder,
    Float64Builder, Int64Builder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Array, UInt64Builder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rustc_hash::FxHashMap;

use super::seen::{self, Digest, Seen};
use super::{Extracted, Refused};
use crate::contract::{Accepted, Cell, Column, Contract, Rule, Zone};
use crate::error::{Error, Result};
use crate::threads::{self, parallel, ranges};

/// Rows of one batch; also bounds, with [`BATCH_BYTES`], what an i32 offset must hold.
pub(super) const BATCH_ROWS: usize = 65_536;
/// Rows whose keys a thread digests at a time.
const DIGEST_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 256 << 20;

/// The columns that extraction adds: the file, relative to the inputs, and the row within it.
pub(super) const FILE: &str = "_file";
pub(super) const ROW: &str = "_row";

/// The rows of one source's files.
#[derive(Debug)]
pub(super) struct Rows<'c> {
    contract: &'c Contract,
    zone: Zone,
    /// Whether whole columns are not taken.
    by_row: bool,
    schema: SchemaRef,
    builders: Vec<Builder>,
    file_column: StringBuilder,
    row_column: UInt64Builder,
    batch_bytes: usize,
    accepted_cells: Vec<Accepted>,
    unique: Vec<Unique>,
    digests: Vec<Option<Digest>>,
    key_bytes: Vec<u8>,
    files: Vec<String>,
    /// The column of the present file's name, as it was last made whole.
    file_array: Option<ArrayRef>,
    /// Whether the present file's decoder had to put U+FFFD for bytes that are no text.
    replaced: bool,
    batches: Vec<RecordBatch>,
    quarantine: Vec<Refused>,
    read: u64,
    accepted: u64,
}

/// Columns that no two rows share, and where each combination was first.
#[derive(Debug)]
struct Unique {
    columns: Vec<usize>,
    names: String,
    first: Seen,
}

impl<'c> Rows<'c> {
    pub(super) fn new(contract: &'c Contract, zone: Zone, by_row: bool) -> Result<Self> {
        let mut fields: Vec<Field> =
            contract.arrow_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new(FILE, DataType::Utf8, false));
        fields.push(Field::new(ROW, DataType::UInt64, false));
        let builders = contract.columns.iter().map(Builder::of).collect::<Result<_>>()?;
        let key = contract.key();
        let place = |name: &str| contract.columns.iter().position(|column| column.name == name);
        let mut unique = Vec::new();
        if !key.is_empty() {
            unique.push(Unique {
                columns: key.iter().filter_map(|name| place(name)).collect(),
                names: key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                first: Seen::default(),
            });
        }
        for (index, column) in contract.columns.iter().enumerate() {
            if column.unique && key != [column.name.as_str()] {
                unique.push(Unique {
                    columns: vec![index],
                    names: format!("`{}`", column.name),
                    first: Seen::default(),
                });
            }
        }
        Ok(Self {
            contract,
            zone,
            by_row,
            schema: Arc::new(Schema::new(fields)),
            builders,
            file_column: StringBuilder::new(),
            row_column: UInt64Builder::new(),
            batch_bytes: 0,
            accepted_cells: Vec::with_capacity(contract.columns.len()),
            digests: Vec::with_capacity(unique.len()),
            unique,
            key_bytes: Vec::new(),
            files: Vec::new(),
            file_array: None,
            replaced: false,
            batches: Vec::new(),
            quarantine: Vec::new(),
            read: 0,
            accepted: 0,
        })
    }

    /// The rows that follow are of this file.
    pub(super) fn begin(&mut self, file: &str) {
        self.files.push(file.to_owned());
        self.file_array = None;
        self.replaced = false;
    }

    /// Rows of this file that hold U+FFFD lost bytes in decoding, and are refused.
    pub(super) fn text_was_replaced(&mut self) {
        self.replaced = true;
    }

    fn file(&self) -> &str {
        self.files.last().map_or("", String::as_str)
    }

    /// One row: `cell` gives the cell of each contract column by its place; `raw` the row as it
    /// stood, asked for only if it is refused.
    ///
    /// # Errors
    /// A bug, if Arrow does not take what was built.
    pub(super) fn row<'a>(
        &mut self,
        number: u64,
        cell: impl Fn(usize) -> Cell<'a>,
        raw: impl FnOnce() -> String,
    ) -> Result<()> {
        let mut broken: Option<(Rule, usize)> = None;
        self.accepted_cells.clear();
        for (index, column) in self.contract.columns.iter().enumerate() {
            let value = cell(index);
            let lost = self.replaced
                && matches!(value, Cell::Text(text) if text.contains(char::REPLACEMENT_CHARACTER));
            let accepted =
                if lost { Err(Rule::Encoding) } else { column.accept(value, &self.zone) };
            match accepted {
                Ok(accepted) => self.accepted_cells.push(accepted),
                Err(rule) => {
                    self.accepted_cells.push(Accepted::Null);
                    broken = Some(broken.map_or((rule, index), |first| first.min((rule, index))));
                }
            }
        }
        if let Some((rule, index)) = broken {
            let reason = self.contract.columns[index].reason(rule);
            self.refuse(number, rule, reason, Some(raw()));
            return Ok(());
        }
        if let Some(reason) = self.seen_before(&cell, number) {
            self.refuse(number, Rule::Unique, reason, Some(raw()));
            return Ok(());
        }
        for (index, (builder, accepted)) in
            self.builders.iter_mut().zip(&self.accepted_cells).enumerate()
        {
            self.batch_bytes += builder.push(*accepted, cell(index));
        }
        let file = self.files.last().map_or("", String::as_str);
        self.batch_bytes += file.len();
        self.file_column.append_value(file);
        self.row_column.append_value(number);
        self.read += 1;
        self.accepted += 1;
        if self.row_column.len() == BATCH_ROWS || self.batch_bytes > BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Rows of a file from `number` on, columns at a time: texts, or dictionaries of them, of which
    /// the contract's columns accept every one as it is. Takes nothing in, and gives `false`, where
    /// all is to be asked row by row.
    ///
    /// # Errors
    /// A bug, if Arrow does not take what was built.
    pub(super) fn columns(&mut self, number: u64, mut columns: Vec<ArrayRef>) -> Result<bool> {
        if self.by_row {
            return Ok(false);
        }
        let rows = columns.first().map_or(0, |own| own.len());
        let ranges = ranges(rows, DIGEST_ROWS);
        let digests = |own: &Unique| -> Result<Vec<Vec<Option<Digest>>>> {
            let text = |column: usize| -> Result<(usize, StringArray)> {
                let text = cast(&columns[column], &DataType::Utf8);
                let text = text.map_err(|_| Error::bug("whole columns are no texts"))?;
                Ok((column, text.as_string::<i32>().clone()))
            };
            let texts: FxHashMap<usize, StringArray> =
                own.columns.iter().map(|column| text(*column)).collect::<Result<_>>()?;
            parallel(ranges.len(), threads::count(), Vec::new, |bytes, part| {
                let of = |row: usize| {
                    let known = |column: usize| texts[&column].is_valid(row);
                    let accepted =
                        |column| if known(column) { Accepted::Text } else { Accepted::Null };
                    let cell = |column: usize| match known(column) {
                        true => Cell::Text(texts[&column].value(row)),
                        false => Cell::Null,
                    };
                    digest(&own.columns, accepted, &cell, bytes)
                };
                ranges[part].clone().map(of).collect::<Vec<_>>()
            })
        };
        let digests = self.unique.iter().map(digests).collect::<Result<Vec<_>>>()?;
        let file = self.files.len().saturating_sub(1) as u32;
        for (own, digests) in self.unique.iter_mut().zip(digests) {
            for (range, digests) in ranges.iter().zip(digests) {
                own.first.put_by((file, number + range.start as u64), digests);
            }
        }
        self.flush()?;
        columns.push(self.file_of(rows));
        columns.push(Arc::new(UInt64Array::from_iter_values(number..number + rows as u64)));
        self.batches.push(self.batch(columns)?);
        self.read += rows as u64;
        self.accepted += rows as u64;
        Ok(true)
    }

    /// The column of the present file's name, for so many rows: mostly the one that was made before.
    fn file_of(&mut self, rows: usize) -> ArrayRef {
        match &self.file_array {
            Some(array) if array.len() >= rows => array.slice(0, rows),
            _ => {
                let names = std::iter::repeat_n(self.file(), rows);
                let array: ArrayRef = Arc::new(StringArray::from_iter_values(names));
                self.file_array = Some(Arc::clone(&array));
                array
            }
        }
    }

    /// A row that is refused as a whole, before its cells are known.
    pub(super) fn refuse(&mut self, number: u64, rule: Rule, reason: String, raw: Option<String>) {
        self.read += 1;
        self.quarantine.push(Refused {
            file: self.file().to_owned(),
            row_number: number,
            rule: rule.as_str(),
            reason,
            raw,
        });
    }

    /// Registers the row's keys, if none was there before; else says where the first is.
    fn seen_before<'a>(
        &mut self,
        cell: &impl Fn(usize) -> Cell<'a>,
        number: u64,
    ) -> Option<String> {
        self.digests.clear();
        for unique in &mut self.unique {
            let accepted = |column: usize| self.accepted_cells[column];
            let digest = digest(&unique.columns, accepted, cell, &mut self.key_bytes);
            if let Some((file, row)) = digest.and_then(|digest| unique.first.get(&digest)) {
                let file = &self.files[file as usize];
                return Some(format!("{} was in {file} row {row}", unique.names));
            }
            self.digests.push(digest);
        }
        let file = self.files.len().saturating_sub(1) as u32;
        for (unique, digest) in self.unique.iter_mut().zip(&self.digests) {
            if let Some(digest) = digest {
                unique.first.insert(*digest, (file, number));
            }
        }
        None
    }

    fn flush(&mut self) -> Result<()> {
        if self.row_column.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        columns.push(Arc::new(self.file_column.finish()));
        columns.push(Arc::new(self.row_column.finish()));
        self.batch_bytes = 0;
        self.batches.push(self.batch(columns)?);
        Ok(())
    }

    fn batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        let mut schema = Arc::clone(&self.schema);
        if columns.iter().any(|own| matches!(own.data_type(), DataType::Dictionary(..))) {
            let fields = schema.fields().iter().zip(&columns);
            let as_they_are = fields
                .map(|(field, own)| field.as_ref().clone().with_data_type(own.data_type().clone()));
            schema = Arc::new(Schema::new(as_they_are.collect::<Vec<Field>>()));
        }
        RecordBatch::try_new(schema, columns)
            .map_err(|_| Error::bug(format!("contract {}: rows do not fit", self.contract.name)))
    }

    /// Everything that was accepted and refused, in order; `None` where a key of whole columns was
    /// there twice: which row is refused, only reading row by row says.
    pub(super) fn finish(mut self, warnings: Vec<String>) -> Result<Option<Extracted>> {
        for own in &mut self.unique {
            if !own.first.all_differ()? {
                return Ok(None);
            }
        }
        self.flush()?;
        Ok(Some(Extracted {
            batches: self.batches,
            schema: self.schema,
            rows_quarantined: self.quarantine.len() as u64,
            quarantine: self.quarantine,
            rows_read: self.read,
            rows_accepted: self.accepted,
            files: self.files.len(),
            warnings,
        }))
    }
}

/// What stands for the values of `columns`; `None` if one of them is null, which is equal to
/// nothing. Digests, not keys, are kept: 20 million keys then fit a small machine.
fn digest<'a>(
    columns: &[usize],
    accepted: impl Fn(usize) -> Accepted,
    cell: &impl Fn(usize) -> Cell<'a>,
    bytes: &mut Vec<u8>,
) -> Option<Digest> {
    bytes.clear();
    for &column in columns {
        match (accepted(column), cell(column)) {
            (Accepted::Null, _) => return None,
            (Accepted::Integer(value), _) => bytes.extend(value.to_le_bytes()),
            // -0.0 is 0.0.
            (Accepted::Number(value), _) => bytes.extend((value + 0.0).to_le_bytes()),
            (Accepted::Text, Cell::Text(text)) => {
                // A length is one byte, or one that no other begins with and eight more.
                match u8::try_from(text.len()) {
                    Ok(length) if length < u8::MAX => bytes.push(length),
                    _ => {
                        bytes.push(u8::MAX);
                        bytes.extend((text.len() as u64).to_le_bytes());
                    }
                }
                bytes.extend(text.as_bytes());
            }
            (Accepted::Text, _) => return None,
        }
    }
    Some(seen::digest(bytes))
}

#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Builder {
    fn of(column: &Column) -> Result<Self> {
        let unsupported = || {
            Error::configuration(format!(
                "property `{}`: {} cannot be read from an export",
                column.name,
                column.type_name()
            ))
        };
        Ok(match &column.data_type {
            DataType::Utf8 => Builder::Text(StringBuilder::new()),
            DataType::Int64 => Builder::Integer(Int64Builder::new()),
            DataType::Float64 => Builder::Number(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Builder::Decimal(
                Decimal128Builder::new()
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(|_| unsupported())?,
            ),
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Timestamp(_, zone) => Builder::Timestamp(
                TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()),
            ),
            _ => return Err(unsupported()),
        })
    }

    /// Appends one value; gives the bytes it takes. Values were cast to the column's type, whose
    /// range they are in.
    fn push(&mut self, accepted: Accepted, cell: Cell<'_>) -> usize {
        let integer = match accepted {
            Accepted::Integer(value) => Some(value),
            _ => None,
        };
        match self {
            Builder::Text(builder) => {
                let text = match (accepted, cell) {
                    (Accepted::Text, Cell::Text(text)) => Some(text),
                    _ => None,
                };
                builder.append_option(text);
                return text.map_or(0, str::len);
            }
            Builder::Integer(builder) => builder.append_option(integer.map(|value| value as i64)),
            Builder::Number(builder) => builder.append_option(match accepted {
                Accepted::Number(value) => Some(value),
                _ => None,
            }),
            Builder::Decimal(builder) => builder.append_option(integer),
            Builder::Boolean(builder) => builder.append_option(integer.map(|value| value != 0)),
            Builder::Date(builder) => builder.append_option(integer.map(|value| value as i32)),
            Builder::Timestamp(builder) => builder.append_option(integer.map(|value| value as i64)),
        }
        16
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Number(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder) => Arc::new(builder.finish()),
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}
