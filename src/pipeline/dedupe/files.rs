//! The files of a dedupe, read as sources of a pipeline: every column as text.
//!
//! Knows where files are and what their columns are called; refuses to know what columns mean.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow::array::{Array, StringArray};
use serde_json::json;

use super::records::Rows;
use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::extract::{self, InputFile, Source};
use crate::infer::{SourceFile, contract, plain_name};
use crate::threads::{self, each};

/// One file, read.
pub(super) struct Table {
    /// How the pipeline names it.
    pub(super) file: SourceFile,
    /// Its rows: columns by their plain names, all of them text, and `_file` and `_row`.
    pub(super) rows: Rows,
    /// The true entity of each row, where a column of labels was named.
    pub(super) labels: Option<StringArray>,
    /// What was tolerated.
    pub(super) warnings: Vec<String>,
}

/// Columns that have a part of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roles<'a> {
    /// The column that identifies a record.
    pub id: Option<&'a str>,
    /// The column that names a record's source.
    pub source: Option<&'a str>,
    /// What identifies a record where every file has it and nothing was named.
    pub usual_id: Option<&'a str>,
    /// What names a record's source where every file has it and nothing was named.
    pub usual_source: Option<&'a str>,
    /// The column of true entities, for evaluation alone.
    pub labels: Option<&'a str>,
    /// Columns that are not looked at.
    pub exclude: &'a [String],
}

/// The most sources that one column may name.
const SOURCES: usize = 50;

/// The folder that holds all files, and each file relative to it.
pub(super) fn places(files: &[PathBuf]) -> Result<(PathBuf, Vec<String>)> {
    let whole: Vec<PathBuf> = files
        .iter()
        .map(|file| {
            std::fs::canonicalize(file).map_err(|error| {
                Error::usage(format!("{}: cannot be opened", file.display()))
                    .help("name files that are there and that you may read")
                    .because(error)
            })
        })
        .collect::<Result<_>>()?;
    for (place, file) in whole.iter().enumerate() {
        if whole[..place].contains(file) {
            return Err(Error::usage(format!("{}: named twice", files[place].display()))
                .help("name each file once"));
        }
    }
    let mut folder = whole[0].parent().unwrap_or(Path::new("/")).to_owned();
    while !whole.iter().all(|file| file.starts_with(&folder)) {
        folder.pop();
    }
    let relative =
        whole.iter().map(|file| file.strip_prefix(&folder).unwrap_or(file).display().to_string());
    let relative = relative.collect();
    Ok((folder, relative))
}

/// What one thread reads of a file at a time.
const PART: usize = if cfg!(test) { 1 << 10 } else { 8 << 20 };

/// The bytes of a file, a large one read on several threads.
fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let size = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or_default();
    if size <= PART {
        return std::fs::read(path);
    }
    let mut bytes = vec![0; size];
    let parts: Vec<(usize, &mut [u8])> = bytes.chunks_mut(PART).enumerate().collect();
    let read = each(parts, threads::count(), |(number, part)| {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start((number * PART) as u64))?;
        file.read_exact(part)
    });
    read.map_err(std::io::Error::other)?.into_iter().collect::<std::io::Result<()>>()?;
    Ok(bytes)
}

/// How a file is read as a source.
fn source(path: &str, name: &str) -> Result<Source> {
    serde_json::from_value(json!({
        "path": path, "contract": format!("{name}.odcs.yaml"), "load": "snapshot",
        "extra_columns": "ignore", "max_quarantined": 0,
    }))
    .map_err(|_| Error::bug("a source of its defaults cannot be made"))
}

/// Reads all files.
///
/// # Errors
/// Files that cannot be read; columns that are named and not there; ids that are missing or that
/// two records share, with their rows.
pub(super) fn read(files: &[PathBuf], roles: &Roles<'_>) -> Result<(PathBuf, Vec<Table>)> {
    let (folder, paths) = places(files)?;
    let mut names: Vec<String> = Vec::new();
    let mut columns_of = Vec::new();
    let mut inputs = Vec::new();
    for (file, path) in files.iter().zip(&paths) {
        let bytes = bytes(&folder.join(path)).map_err(|error| {
            Error::usage(format!("{}: cannot be read", file.display()))
                .help("name a file: CSV, NDJSON, Parquet or XLSX")
                .because(error)
        })?;
        let stem = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let stem = stem.split('.').next().unwrap_or_default();
        let name = plain_name(stem, &names);
        let input = InputFile { path: path.clone(), bytes: bytes.into() };
        columns_of.push(extract::columns(&name, &source(path, &name)?, &input)?);
        names.push(name);
        inputs.push(input);
    }
    let everywhere =
        |name: &&str| columns_of.iter().all(|own| own.names.iter().any(|known| known == name));
    let roles = &Roles {
        id: roles.id.or(roles.usual_id.filter(everywhere)),
        source: roles.source.or(roles.usual_source.filter(everywhere)),
        ..*roles
    };
    let all: Vec<&str> =
        columns_of.iter().flat_map(|columns| columns.names.iter().map(String::as_str)).collect();
    let named = [("--id", roles.id), ("--source", roles.source), ("--labels", roles.labels)];
    let excluded = roles.exclude.iter().map(|name| ("--exclude", Some(name.as_str())));
    for (flag, name) in named.into_iter().chain(excluded) {
        if let Some(name) = name.filter(|name| !all.contains(name)) {
            return Err(unknown(flag, name, &all));
        }
    }
    let mut tables = Vec::new();
    for ((name, input), columns) in names.iter().zip(inputs).zip(columns_of) {
        for (flag, column) in [("--id", roles.id), ("--source", roles.source)] {
            if let Some(column) = column.filter(|own| !columns.names.iter().any(|name| name == own))
            {
                return Err(Error::usage(format!("{}: there is no column `{column}`", input.path))
                    .help(format!("{flag} names a column that every file has")));
            }
        }
        tables.push(table(name, input, columns, roles)?);
    }
    Ok((folder, tables))
}

fn unknown(flag: &str, name: &str, all: &[&str]) -> Error {
    let nearest = all.iter().map(|known| (strsim::jaro_winkler(known, name), *known)).fold(
        None,
        |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        },
    );
    let help = match nearest {
        Some((alike, known)) if alike > 0.75 => format!("did you mean `{known}`?"),
        _ => "name a column as it stands in the header".to_owned(),
    };
    Error::usage(format!("{flag} {name}: no file has such a column")).help(help)
}

fn table(
    name: &str,
    input: InputFile,
    columns: extract::Columns,
    roles: &Roles<'_>,
) -> Result<Table> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for export in columns.names {
        let is = |role: Option<&str>| role == Some(export.as_str());
        let kept = is(roles.id) || is(roles.source) || is(roles.labels);
        if kept || !roles.exclude.contains(&export) {
            let taken: Vec<String> = pairs.iter().map(|(_, plain)| plain.clone()).collect();
            let plain = plain_name(&export, &taken);
            pairs.push((export, plain));
        }
    }
    let plain = |role: Option<&str>| {
        pairs
            .iter()
            .find(|(export, _)| Some(export.as_str()) == role)
            .map(|(_, plain)| plain.clone())
    };
    let mut file = SourceFile {
        name: name.to_owned(),
        path: input.path.clone(),
        id: plain(roles.id),
        parts: plain(roles.source).map(|column| (column, Vec::new())),
        columns: pairs.clone(),
    };
    let own = Contract::parse(&contract(&file, &[]), &format!("{name}.odcs.yaml"))?;
    let whole = std::slice::from_ref(&input);
    let read = extract::read_coded(name, &source(&input.path, name)?, &own, whole)
        .map_err(|error| explained(error, roles))?;
    // The file as it was stored is of no more use, and its rows take much room.
    drop(input);
    let mut rows = Rows::new(read.schema, read.batches);
    let labels = match plain(roles.labels) {
        None => None,
        Some(labels) => {
            let whole = rows.column(&labels)?;
            rows = rows.only(|column| *column != *labels)?;
            whole
        }
    };
    if let Some(labels) = roles.labels {
        file.columns.retain(|(export, _)| export != labels || roles.id == Some(labels));
    }
    if let Some((column, values)) = &mut file.parts {
        *values = sources(&rows, column, &file.path)?;
    }
    let mut warnings = columns.left_out;
    warnings.extend(read.warnings.into_iter().filter(|text| !text.contains("is not in contract")));
    Ok(Table { file, rows, labels, warnings })
}

/// What a refusal of rows means where the only rule is that ids are there and differ.
fn explained(error: Error, roles: &Roles<'_>) -> Error {
    match roles.id {
        Some(_) => error.help(
            "each record needs an id of its own: mend these rows, name another column with --id, or leave --id out and row numbers are used",
        ),
        None => error.help("mend these rows of the file and run again"),
    }
}

/// The sources that a column names, sorted.
fn sources(rows: &Rows, column: &str, path: &str) -> Result<Vec<String>> {
    let values = rows.column(column)?.ok_or_else(|| Error::bug("a source column is lost"))?;
    if values.null_count() > 0 {
        let count = values.null_count();
        return Err(Error::data(format!("{path}: {count} rows name no source"))
            .help("fill in the column that --source names, or leave --source out"));
    }
    let distinct: std::collections::BTreeSet<&str> = values.iter().flatten().collect();
    if distinct.len() > SOURCES {
        return Err(Error::usage(format!(
            "--source: the column names {} sources, more than {SOURCES}",
            distinct.len()
        ))
        .help("name the column that says which system a record came from"));
    }
    Ok(distinct.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_size_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7] {
            let written: Vec<u8> = (0..size).map(|place| ((place * 31) >> 3) as u8).collect();
            std::fs::write(&path, &written).unwrap();
            assert_eq!(bytes(&path).unwrap(), written);
        }
        assert!(bytes(&folder.path().join("none")).is_err());
    }
}
