//! Which file stands for one that a command removed.
//!
//! A version of a table names the files that it was committed with. A command that removed one says
//! in its manifest which leaf says instead what may still be said (an erasure), or that none does
//! (maintenance). So an old version is still read, without what was erased from it.

use std::collections::{BTreeMap, BTreeSet};

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::command::manifest_of;
use super::delta;
use super::publish::hash;
use super::published::History;
use crate::engine::{Store, Written};
use crate::error::{Error, Result};

/// What commands removed, and by whom.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    files: BTreeMap<String, By>,
}

#[derive(Debug, Clone)]
struct By {
    instead: Option<String>,
    command: String,
    run_id: String,
}

impl Removed {
    /// Reads the manifests of every command.
    ///
    /// # Errors
    /// A manifest that is missing or damaged.
    pub async fn read(warehouse: &Store, history: &History) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in history.entries() {
            let Some(command) = &entry.command else { continue };
            let manifest = manifest_of(warehouse, entry).await?;
            for (file, instead) in manifest["removed"].as_object().into_iter().flatten() {
                let instead = instead.as_str().map(str::to_owned);
                let by = By { instead, command: command.clone(), run_id: entry.run_id.clone() };
                files.insert(file.clone(), by);
            }
            // A file of the same content may be written again, under the same name.
            for (file, _) in manifest["leaves"].as_object().into_iter().flatten() {
                files.remove(file);
            }
        }
        Ok(Self { files })
    }

    /// The file that stands for one today: itself, where it is still there.
    ///
    /// # Errors
    /// Nothing stands for it: the command that removed it is named.
    pub fn standing(&self, file: &str) -> Result<String> {
        let mut file = file;
        while let Some(by) = self.files.get(file) {
            let Some(instead) = &by.instead else {
                return Err(Error::data(format!(
                    "{file}: removed by `{}` (run {})",
                    by.command, by.run_id
                ))
                .help("name a later run; land.retain_runs says how many dates are kept"));
            };
            file = instead;
        }
        Ok(file.to_owned())
    }

    /// The files that hold a table's version today, sorted.
    ///
    /// # Errors
    /// A table that cannot be opened; a file that nothing stands for.
    pub async fn files(&self, warehouse: &Store, table: &str, version: u64) -> Result<Vec<String>> {
        let named = delta::named(warehouse, table, version).await?;
        let mut files: Vec<String> =
            named.iter().map(|file| self.standing(file)).collect::<Result<_>>()?;
        files.sort();
        Ok(files)
    }
}

/// The files that hold a table's version today, relative to the warehouse, sorted. Manifests are read
/// only where a file is missing that the version names.
///
/// # Errors
/// A table that cannot be opened; a file that nothing stands for.
pub async fn files(warehouse: &Store, table: &str, version: u64) -> Result<Vec<String>> {
    let named = delta::named(warehouse, table, version).await?;
    let listed = warehouse.list(&delta::folder(table)).await?;
    let there: BTreeSet<String> = listed.into_iter().map(|listed| listed.path).collect();
    if named.iter().all(|file| there.contains(file)) {
        return Ok(named);
    }
    let removed = Removed::read(warehouse, &History::read(warehouse).await?).await?;
    let mut files: Vec<String> =
        named.iter().map(|file| removed.standing(file)).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

/// What makes a table hold a version's rows again, in a commit: that version, where all its files are
/// there; else the files that stand for them.
///
/// # Errors
/// As [`files`].
pub async fn kept(
    warehouse: &Store,
    table: &str,
    version: u64,
) -> Result<(Option<u64>, Vec<Written>)> {
    let files = files(warehouse, table, version).await?;
    if files == delta::named(warehouse, table, version).await? {
        return Ok((Some(version), Vec::new()));
    }
    let mut written = Vec::new();
    for path in files {
        written.push(of_file(warehouse, path).await?);
    }
    Ok((None, written))
}

/// What a commit says of a file that was written before.
async fn of_file(warehouse: &Store, path: String) -> Result<Written> {
    let content = warehouse.get(&path).await?;
    let (bytes, blake3) = (content.len() as u64, hash(&content));
    let rows = SerializedFileReader::new(content)
        .ok()
        .and_then(|file| u64::try_from(file.metadata().file_metadata().num_rows()).ok())
        .ok_or_else(|| {
            Error::data(format!("{}: damaged, or no Parquet file", warehouse.url_of(&path)))
                .help("restore it from a copy; `simurgh verify` names the run that wrote it")
        })?;
    Ok(Written { path, rows, bytes, blake3, nulls: BTreeMap::new() })
}
