//! The columns that a file has, where no contract says which it should have.
//!
//! Names as they stand in the header, in its order. A column without a name, or whose values are
//! nested, is left out: it cannot be named or is no cell.

use indexmap::IndexMap;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{FormatKind, Input, InputFile, Source, csv, decode, decompress, format_of, isolate};
use super::{ndjson, xlsx};
use crate::contract::Contract;
use crate::error::{Error, Result};

/// The columns that can be read, and one sentence for each that cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Names, in order, each once.
    pub names: Vec<String>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

/// The columns of one file.
///
/// # Errors
/// As [`super::read`]: a file that is empty, torn, or cannot be decoded.
pub fn columns(source_name: &str, source: &Source, file: &InputFile) -> Result<Columns> {
    let format = format_of(source_name, source, &file.path)?;
    let nothing = Contract {
        name: source_name.to_owned(),
        description: None,
        columns: Vec::new(),
        min_rows: None,
        max_rows: None,
        unenforced: Vec::new(),
    };
    let found = isolate::isolated(|| {
        let bytes = decompress::decompress(&file.path, &file.bytes, source)?;
        let input = Input {
            path: &file.path,
            bytes,
            source_name,
            source,
            contract: &nothing,
            zone_name: &source.time_zone,
            coded: false,
        };
        named(
            match format.kind {
                FormatKind::Csv => {
                    text(csv::names(&decode::decode(&input, &mut Vec::new())?.text, &input)?)
                }
                FormatKind::Ndjson => {
                    ndjson::names(&decode::decode(&input, &mut Vec::new())?.text, &input)?
                }
                FormatKind::Parquet => stored(&input)?,
                FormatKind::Xlsx => text(xlsx::names(&input)?),
            },
            &input,
        )
    });
    found.unwrap_or_else(|| {
        Err(Error::data(format!("{}: cannot be decoded", file.path))
            .help("the file is malformed; export it again"))
    })
}

/// Columns whose values are all cells.
fn text(names: Vec<String>) -> Vec<(String, bool)> {
    names.into_iter().map(|name| (name, false)).collect()
}

/// Leaves out what cannot be read: of names with whether values are nested.
fn named(names: Vec<(String, bool)>, input: &Input<'_>) -> Result<Columns> {
    let mut columns = Columns::default();
    let mut seen: IndexMap<String, usize> = IndexMap::new();
    for (place, (name, nested)) in names.into_iter().enumerate() {
        if name.is_empty() {
            columns.left_out.push(format!("{}: column {} has no name", input.path, place + 1));
        } else if nested {
            columns.left_out.push(format!("{}: column `{name}` holds nested values", input.path));
        } else if let Some(first) = seen.insert(name.clone(), place) {
            return Err(input
                .data(format!("columns {} and {} have one name", first + 1, place + 1))
                .help("give each column a name of its own in the header"));
        } else {
            columns.names.push(name);
        }
    }
    if columns.names.is_empty() {
        return Err(input.data("no column can be read").help(
            "the first line of a file holds the column names; check the header, the delimiter and the encoding",
        ));
    }
    Ok(columns)
}

fn stored(input: &Input<'_>) -> Result<Vec<(String, bool)>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(input.bytes.clone()).map_err(|_| {
        input
            .data("is not whole as a Parquet file: it is torn or damaged")
            .help("export the file again; nothing of it was read")
    })?;
    let fields = builder.schema().fields().iter();
    Ok(fields.map(|field| (field.name().clone(), field.data_type().is_nested())).collect())
}
