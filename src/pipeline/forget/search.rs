//! Whether anything of people is left in a file, whatever its kind: Parquet is decoded, its
//! statistics and dictionaries are read as they stand, archives are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::find::decoded;
use super::person::{Finder, People, plain};
use super::stop;
use crate::engine::Store;
use crate::error::Result;

/// What a search came to.
pub(super) struct Searched {
    pub files: u64,
    pub bytes: u64,
    pub decoded: u64,
    pub needles: usize,
    /// Files that hold something, by name.
    pub found: Vec<String>,
}

/// Searches every file of a warehouse. An id of a customer may stand in the chain: it says who was
/// forgotten to those who know, and nothing of them to others.
pub(super) async fn everything(warehouse: &Store, people: &People) -> Result<Searched> {
    let nameless = People { golden_ids: BTreeSet::new(), ..people.clone() };
    let finder = nameless.finder()?;
    let needles = people.values.len() + people.records.len();
    let mut searched = Searched { files: 0, bytes: 0, decoded: 0, needles, found: Vec::new() };
    for listed in warehouse.list("").await? {
        let Some(content) = warehouse.get_if_exists(&listed.path).await? else { continue };
        searched.files += 1;
        searched.bytes += content.len() as u64;
        searched.decoded += u64::from(listed.path.ends_with(".parquet"));
        if !listed.path.starts_with(stop::FOLDER)
            && holds(&listed.path, &content, &nameless, &finder)
        {
            searched.found.push(listed.path);
        }
    }
    Ok(searched)
}

/// Removes files that are of no run and hold something of people: what broken runs left of tables,
/// files for review, audit bundles. Gives their names.
pub(super) async fn sweep(
    warehouse: &Store,
    leaves: &BTreeMap<String, String>,
    people: &People,
    finder: &Finder,
) -> Result<Vec<String>> {
    let of_chain = |path: &str| {
        leaves.contains_key(path)
            || path == "format.json"
            || ["runs/", "staging/", "models/"].iter().any(|folder| path.starts_with(folder))
            || path.contains("/_delta_log/")
            || path.starts_with("erasures/")
    };
    let mut removed = Vec::new();
    for listed in warehouse.list("").await? {
        if of_chain(&listed.path) {
            continue;
        }
        let Some(content) = warehouse.get_if_exists(&listed.path).await? else { continue };
        if holds(&listed.path, &content, people, finder) {
            warehouse.delete(&listed.path).await?;
            removed.push(listed.path);
        }
    }
    Ok(removed)
}

/// Whether a file holds something.
fn holds(path: &str, content: &Bytes, people: &People, finder: &Finder) -> bool {
    if path.ends_with(".parquet") {
        let rows = decoded(content.clone()).flatten();
        return rows.is_some_and(|batch| in_rows(&batch, people, finder))
            || in_statistics(content, people);
    }
    if content.starts_with(b"PK") {
        let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(content)) else { return false };
        for index in 0..zip.len() {
            let Ok(mut file) = zip.by_index(index) else { continue };
            let name = file.name().map(std::borrow::Cow::into_owned).unwrap_or_default();
            let mut inner = Vec::new();
            if file.read_to_end(&mut inner).is_ok() && holds(&name, &inner.into(), people, finder) {
                return true;
            }
        }
        return false;
    }
    people.named_in(&String::from_utf8_lossy(content), finder)
}

/// Whether any row of a table is theirs, or any text of it, in lists too.
fn in_rows(batch: &RecordBatch, people: &People, finder: &Finder) -> bool {
    if people.owns(batch).contains(&true) {
        return true;
    }
    let schema = batch.schema();
    let mut columns = schema.fields().iter().zip(batch.columns());
    columns.any(|(field, column)| in_column(field.name(), column, people, finder))
}

fn in_column(name: &str, column: &dyn Array, people: &People, finder: &Finder) -> bool {
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let Ok(texts) = cast(column, &DataType::Utf8) else { return true };
            let mut texts = texts.as_string::<i32>().iter().flatten();
            texts.any(|text| people.holds_cell(name, text, finder))
        }
        DataType::List(_) => in_column(name, column.as_list::<i32>().values(), people, finder),
        _ => false,
    }
}

/// Whether a least or greatest value of a column is theirs.
fn in_statistics(content: &Bytes, people: &People) -> bool {
    let Ok(reader) = SerializedFileReader::new(content.clone()) else { return false };
    let groups = reader.metadata().row_groups().iter();
    let mut statistics =
        groups.flat_map(RowGroupMetaData::columns).filter_map(ColumnChunkMetaData::statistics);
    statistics.any(|own| {
        let bounds = [own.min_bytes_opt(), own.max_bytes_opt()];
        let mut texts = bounds.into_iter().flatten().filter_map(|b| std::str::from_utf8(b).ok());
        texts.any(|text| people.values.contains(&plain(text)))
    })
}
