//! What a run left behind, read as a stranger would: Delta's own reader for the tables, plain
//! JSON for the rest, none of the program's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use url::Url;

use crate::program::files_below;
use crate::store::Place;

/// Columns that follow from the run's id or from the exports' order, not from what they say.
pub(crate) const OF_THE_RUN: &[&str] =
    &["run_id", "since_run", "_file", "_row", "file", "row_number", "model_hash"];

/// A warehouse's files, as they are below a local folder.
pub(crate) struct Warehouse {
    folder: PathBuf,
}

/// What can be compared of two warehouses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The published tables, by name.
    pub(crate) tables: BTreeMap<String, Table>,
    /// How many sets of versions were published.
    pub(crate) published: usize,
}

/// What can be compared of two tables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The published version.
    pub(crate) version: u64,
    /// How many rows it has.
    pub(crate) rows: usize,
    /// A hash of its columns and rows, whatever the rows' order.
    pub(crate) hash: String,
    /// How often each run committed to it, by the run's id.
    pub(crate) commits: BTreeMap<String, usize>,
}

impl Warehouse {
    /// The warehouse at a place.
    pub(crate) fn at(place: &Place) -> Self {
        Self { folder: place.folder.clone() }
    }

    fn json(&self, path: &str) -> Value {
        let path = self.folder.join(path);
        let text = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    /// `runs/current.json`.
    pub(crate) fn current(&self) -> Value {
        self.json("runs/current.json")
    }

    /// `runs/seq/<n>.json`, in the order of n.
    pub(crate) fn sequence(&self) -> Vec<Value> {
        let mut numbers: Vec<u64> = files_below(&self.folder.join("runs/seq"))
            .iter()
            .map(|file| file.file_stem().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers.iter().map(|n| self.json(&format!("runs/seq/{n}.json"))).collect()
    }

    /// The version of each table that is published.
    pub(crate) fn versions(&self) -> BTreeMap<String, u64> {
        let sequence = self.sequence();
        let newest = sequence.last().expect("something is published");
        assert_eq!(self.current()["tables"], newest["tables"], "runs/current.json is a copy");
        let tables = newest["tables"].as_object().unwrap();
        tables.iter().map(|(name, version)| (name.clone(), version.as_u64().unwrap())).collect()
    }

    /// All that can be compared, without some columns.
    pub(crate) fn state(&self, ignored: &[&str]) -> State {
        let table = |(name, version): (String, u64)| {
            let batches = self.batches(&name, version);
            let table = Table {
                version,
                rows: batches.iter().map(RecordBatch::num_rows).sum(),
                hash: hash(&batches, ignored),
                commits: self.commits(&name, ignored.contains(&"run_id")),
            };
            for (run, commits) in &table.commits {
                assert_eq!(*commits, 1, "{name}: {commits} commits of run {run}");
            }
            (name, table)
        };
        State {
            tables: self.versions().into_iter().map(table).collect(),
            published: self.sequence().len(),
        }
    }

    /// A hash of a table's columns and rows at a version, whatever the rows' order.
    pub(crate) fn hash_at(&self, name: &str, version: u64) -> String {
        hash(&self.batches(name, version), &[])
    }

    /// The rows of a published table, by column name, as text; null is empty.
    pub(crate) fn rows(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.rows_at(name, self.versions()[name])
    }

    /// The latest version of a table, published or not.
    pub(crate) fn latest(&self, name: &str) -> u64 {
        let log = self.folder.join("tables").join(name).join("_delta_log");
        let numbers = files_below(&log);
        let number = |file: &PathBuf| file.file_stem()?.to_str()?.parse::<u64>().ok();
        numbers.iter().filter_map(number).max().expect("the table has a log")
    }

    /// The rows of a table at a version, by column name, as text; null is empty.
    pub(crate) fn rows_at(&self, name: &str, version: u64) -> Vec<BTreeMap<String, String>> {
        Self::texts(self.batches(name, version))
    }

    /// The rows of one Parquet file.
    pub(crate) fn rows_of(file: &Path) -> Vec<BTreeMap<String, String>> {
        let file = fs::File::open(file).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        Self::texts(reader.map(Result::unwrap).collect())
    }

    fn texts(batches: Vec<RecordBatch>) -> Vec<BTreeMap<String, String>> {
        let mut rows = Vec::new();
        for batch in batches {
            let columns = formatters(&batch, &[]);
            rows.extend((0..batch.num_rows()).map(|row| {
                let cell = |(name, format): &(String, ArrayFormatter<'_>)| {
                    (name.clone(), format.value(row).to_string())
                };
                columns.iter().map(cell).collect()
            }));
        }
        rows
    }

    /// One column of a published table, as a set.
    pub(crate) fn values(&self, name: &str, column: &str) -> BTreeSet<String> {
        self.rows(name).into_iter().map(|mut row| row.remove(column).unwrap()).collect()
    }

    fn batches(&self, name: &str, version: u64) -> Vec<RecordBatch> {
        let folder = self.folder.join("tables").join(name);
        let url = Url::from_directory_path(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let table = runtime.block_on(deltalake::open_table_with_version(url, version));
        let table = table.unwrap_or_else(|e| panic!("{name} at version {version}: {e}"));
        let mut files: Vec<PathBuf> = table.get_file_uris().unwrap().map(local_path).collect();
        files.sort();
        let read = |file: &PathBuf| {
            let file = fs::File::open(file).unwrap();
            ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap()
        };
        files.iter().flat_map(read).map(Result::unwrap).collect()
    }

    /// How often each run's transaction is in a table's log. With `any_run`, where the runs' ids
    /// are not to be compared, runs are named by their order.
    fn commits(&self, name: &str, any_run: bool) -> BTreeMap<String, usize> {
        let log = self.folder.join("tables").join(name).join("_delta_log");
        let mut commits: Vec<(String, usize)> = Vec::new();
        for file in files_below(&log).iter().filter(|f| f.extension().is_some_and(|e| e == "json"))
        {
            for line in fs::read_to_string(file).unwrap().lines() {
                let action: Value = serde_json::from_str(line).unwrap();
                let Some(run) = action["txn"]["appId"].as_str() else { continue };
                match commits.iter_mut().find(|(known, _)| known == run) {
                    Some((_, times)) => *times += 1,
                    None => commits.push((run.to_owned(), 1)),
                }
            }
        }
        assert!(!commits.is_empty(), "{name}: no commit names its run");
        let named = |(n, (run, times))| (if any_run { format!("run {n}") } else { run }, times);
        commits.into_iter().enumerate().map(named).collect()
    }
}

fn local_path(uri: String) -> PathBuf {
    match Url::parse(&uri) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().unwrap(),
        _ => Path::new(&uri).to_owned(),
    }
}

fn formatters<'a>(batch: &'a RecordBatch, ignored: &[&str]) -> Vec<(String, ArrayFormatter<'a>)> {
    let options = FormatOptions::new();
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    fields
        .filter(|(field, _)| !ignored.contains(&field.name().as_str()))
        .map(|(field, column)| {
            let format = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
            (field.name().clone(), format)
        })
        .collect()
}

/// A hash of the columns' names and types and of the rows in sorted order. Each cell is told from
/// its neighbours by its length, and null from an empty text by its column's validity.
fn hash(batches: &[RecordBatch], ignored: &[&str]) -> String {
    let mut whole = blake3::Hasher::new();
    if let Some(batch) = batches.first() {
        for field in batch.schema_ref().fields() {
            if !ignored.contains(&field.name().as_str()) {
                whole.update(format!("{}:{}\n", field.name(), field.data_type()).as_bytes());
            }
        }
    }
    let mut rows: Vec<[u8; 32]> = Vec::new();
    for batch in batches {
        let columns = formatters(batch, ignored);
        for row in 0..batch.num_rows() {
            let mut hasher = blake3::Hasher::new();
            for (name, format) in &columns {
                let valid = batch.column_by_name(name).unwrap().is_valid(row);
                let text = format.value(row).to_string();
                hasher.update(&[u8::from(valid)]);
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            rows.push(*hasher.finalize().as_bytes());
        }
    }
    rows.sort_unstable();
    for row in rows {
        whole.update(&row);
    }
    whole.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    fn batch(ids: &[i32], names: &[Option<&str>]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int32Array::from(ids.to_vec()));
        let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("name", names, true)])
            .unwrap()
    }

    #[test]
    fn the_hash_is_of_rows_whatever_their_order_and_batches() {
        let whole = hash(&[batch(&[1, 2, 3], &[Some("a"), None, Some("")])], &[]);
        let parts = [batch(&[3], &[Some("")]), batch(&[2, 1], &[None, Some("a")])];
        assert_eq!(whole, hash(&parts, &[]));
        for other in [
            batch(&[1, 2, 3], &[Some("a"), Some(""), Some("")]),
            batch(&[1, 2, 3], &[None, Some("a"), Some("")]),
            batch(&[1, 2, 3], &[Some("a"), None, Some("b")]),
        ] {
            assert_ne!(whole, hash(std::slice::from_ref(&other), &[]));
            let ignored = hash(&[batch(&[1, 2, 3], &[None, None, None])], &["name"]);
            assert_eq!(ignored, hash(&[other], &["name"]));
        }
    }
}
