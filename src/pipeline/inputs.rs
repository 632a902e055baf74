//! A day's exports: which files they are, and the hashes that make them part of a run's identity.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::engine::Store;
use crate::error::{Error, Result};
use crate::extract::{InputFile, Source};
use crate::memory;

/// One file of a day's exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The source that it is an export of.
    pub source: String,
    /// The path, relative to the pipeline's `inputs`.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// BLAKE3 of the content, in hexadecimal.
    pub blake3: String,
}

/// Finds and hashes the files of one source for a logical date, sorted by path.
///
/// # Errors
/// A missing export that is not optional; an export older than `freshness` allows.
pub(super) async fn find(
    store: &Store,
    name: &str,
    source: &Source,
    logical_date: Date,
) -> Result<Vec<Input>> {
    let paths = search(store, name, source, logical_date).await?;
    let mut inputs = Vec::new();
    for path in paths {
        let (size, blake3) = store.hash(&path).await?;
        let blake3 = blake3.to_hex().to_string();
        inputs.push(Input { source: name.to_owned(), path, size, blake3 });
    }
    Ok(inputs)
}

/// Reads the files of one source again, and makes sure they are those that were hashed.
pub(super) async fn read(store: &Store, inputs: &[Input], source: &str) -> Result<Vec<InputFile>> {
    let mut files = Vec::new();
    let of_source = || inputs.iter().filter(|input| input.source == source);
    memory::need(of_source().map(|input| input.size).sum())?;
    for input in of_source() {
        let bytes: Bytes = store.get(&input.path).await?;
        if blake3::hash(&bytes).to_hex().to_string() != input.blake3 {
            return Err(Error::retry(format!(
                "{}: the file changed while the run was working",
                store.url_of(&input.path)
            ))
            .help("run the same command again, once the export is complete"));
        }
        files.push(InputFile { path: input.path.clone(), bytes });
    }
    Ok(files)
}

async fn search(
    store: &Store,
    name: &str,
    source: &Source,
    logical_date: Date,
) -> Result<Vec<String>> {
    let mut listings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let dated = source.path.contains("{date}");
    let oldest = if dated { source.freshness } else { 0 };
    for age in 0..=i64::from(oldest) {
        let date = logical_date
            .checked_sub(jiff::Span::new().days(age))
            .map_err(|_| Error::usage("the logical date is out of range"))?;
        let pattern = source.path.replace("{date}", &date.to_string());
        let folder = fixed_folder(&pattern);
        if !listings.contains_key(&folder) {
            let listed = store.list(&folder).await?;
            listings.insert(folder.clone(), listed.into_iter().map(|l| l.path).collect());
        }
        let glob = glob::Pattern::new(&pattern).map_err(|source| {
            Error::configuration(format!("sources.{name}.path: not a valid glob"))
                .help("mend it: `*` and `?` stand for other letters, `[` begins a set of letters")
                .because(source)
        })?;
        let options =
            glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let found: Vec<String> = listings[&folder]
            .iter()
            .filter(|path| glob.matches_with(path, options))
            .cloned()
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if source.optional {
        return Ok(Vec::new());
    }
    let pattern = source.path.replace("{date}", &logical_date.to_string());
    let what = format!("{}: no export of source `{name}`", store.url_of(&pattern));
    Err(match stale(&listings, source) {
        Some(newest) if dated => Error::data(format!(
            "{what} for {logical_date}; the newest is {newest}"
        ))
        .help(format!(
            "wait for the export and run again, or raise sources.{name}.freshness (in days; now {})",
            source.freshness
        )),
        _ => Error::data(what).help(format!(
            "check sources.{name}.path and `inputs`, which is relative to the folder that simurgh runs in; say `optional: true` if a day may have none"
        )),
    })
}

/// The newest file that the pattern would match on any date.
fn stale(listings: &BTreeMap<String, Vec<String>>, source: &Source) -> Option<String> {
    let any = glob::Pattern::new(&source.path.replace("{date}", "????-??-??")).ok()?;
    listings.values().flatten().filter(|path| any.matches(path)).max().cloned()
}

/// The folder before the first wildcard.
fn fixed_folder(pattern: &str) -> String {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    pattern[..end].rfind('/').map_or(String::new(), |slash| pattern[..slash].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_folder_ends_before_the_first_wildcard() {
        assert_eq!(fixed_folder("crm/2026-11-01/*.csv"), "crm/2026-11-01");
        assert_eq!(fixed_folder("crm/*/a.csv"), "crm");
        assert_eq!(fixed_folder("a.csv"), "");
    }
}
