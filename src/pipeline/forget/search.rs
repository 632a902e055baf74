//! Whether anything of people is left in a file, whatever its kind: Parquet is decoded, its
//! statistics and dictionaries are read as they stand, archives are opened.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;

use super::find::{decoded, table_of};
use super::person::{Finder, People};
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
    let values = People { golden_ids: std::collections::BTreeSet::new(), ..people.clone() };
    let finder = values.finder()?;
    let needles = people.values.len() + people.records.len();
    let mut searched = Searched { files: 0, bytes: 0, decoded: 0, needles, found: Vec::new() };
    for listed in warehouse.list("").await? {
        let Some(content) = warehouse.get_if_exists(&listed.path).await? else { continue };
        searched.files += 1;
        searched.bytes += content.len() as u64;
        searched.decoded += u64::from(listed.path.ends_with(".parquet"));
        if listed.path.starts_with(stop::FOLDER) {
            continue;
        }
        if holds(&listed.path, &content, &finder) {
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
    finder: &Finder,
) -> Result<Vec<String>> {
    let of_chain = |path: &str| {
        leaves.contains_key(path)
            || path == "format.json"
            || ["runs/", "staging/", "models/"].iter().any(|folder| path.starts_with(folder))
            || path.contains("/_delta_log/")
            || path.starts_with(stop::FOLDER)
    };
    let mut removed = Vec::new();
    for listed in warehouse.list("").await? {
        if of_chain(&listed.path) {
            continue;
        }
        let Some(content) = warehouse.get_if_exists(&listed.path).await? else { continue };
        if holds(&listed.path, &content, finder) {
            warehouse.delete(&listed.path).await?;
            removed.push(listed.path);
        }
    }
    Ok(removed)
}

/// Whether a file holds something.
fn holds(path: &str, content: &Bytes, finder: &Finder) -> bool {
    if finder.stands_in(&String::from_utf8_lossy(content)) {
        return true;
    }
    if path.ends_with(".parquet") || table_of(path).is_some() {
        return decoded(content.clone()).flatten().is_some_and(|batch| in_rows(&batch, finder));
    }
    if content.starts_with(b"PK") {
        let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(content)) else { return false };
        for index in 0..zip.len() {
            let Ok(mut file) = zip.by_index(index) else { continue };
            let name = file.name().map(std::borrow::Cow::into_owned).unwrap_or_default();
            let mut inner = Vec::new();
            if file.read_to_end(&mut inner).is_ok() && holds(&name, &inner.into(), finder) {
                return true;
            }
        }
    }
    false
}

/// Whether any text of a table holds something, in lists too.
fn in_rows(batch: &RecordBatch, finder: &Finder) -> bool {
    batch.columns().iter().any(|column| in_column(column, finder))
}

fn in_column(column: &dyn Array, finder: &Finder) -> bool {
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let Ok(texts) = cast(column, &DataType::Utf8) else { return true };
            texts.as_string::<i32>().iter().flatten().any(|text| finder.finds(text))
        }
        DataType::List(_) => in_column(column.as_list::<i32>().values(), finder),
        _ => false,
    }
}
