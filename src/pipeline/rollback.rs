//! `rollback`: every table as a run had it, as new commits, in the place of what is in force.
//!
//! Nothing is undone: the run that is rolled back stays in the chain. What was erased since stays
//! erased: a file that a later command removed is replaced by the one which that command left in
//! its place, and where it left none, the run cannot be put back.

use std::collections::BTreeMap;
use std::time::Instant;

use arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;

use super::commands::{self, CommandResult};
use super::run::Outcome;
use crate::engine::{Engine, Options, Staging, Store, WriteOptions};
use crate::error::{Error, Result};
use crate::land::{Command, ROLLBACK, delta, delta::TableCommit};
use crate::tables::{DECISIONS, ENTITY_MEMBERS};

/// What is to be rolled back.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// The run whose tables are to be put back, by its id or the beginning of it.
    pub run: String,
    /// Whether stewards' decisions stay as they are now.
    pub keep_decisions: bool,
}

/// Puts every table of a run's set back.
///
/// # Errors
/// A run that is not there, or whose files were removed.
pub async fn rollback(request: &RollbackRequest) -> Result<CommandResult> {
    let started = Instant::now();
    let (warehouse, history) = commands::open(&request.warehouse).await?;
    let asked = commands::named(&history, &request.run)?;
    let target = history.maintained(asked);
    let onto = history
        .current(&target.pipeline)
        .ok_or_else(|| Error::bug("a pipeline with a run and no current one"))?;
    let mut details = serde_json::Map::new();
    details.insert("to".to_owned(), asked.run_id.clone().into());
    details.insert("to_date".to_owned(), asked.logical_date.clone().into());
    let wanted: BTreeMap<&String, &u64> = target
        .tables
        .iter()
        .filter(|(name, _)| !request.keep_decisions || *name != DECISIONS)
        .collect();
    if let Some(by) = history.retired(target) {
        return Err(Error::data(format!(
            "run {}: its tables cannot be put back: `{}` (run {}) removed files of them",
            asked.run_id,
            by.command.as_deref().unwrap_or_default(),
            by.run_id
        ))
        .help("name a later run; land.retain_runs says how many dates are kept"));
    }
    let engine = Engine::new(&Options::default())?;
    let mut command = Command { base: target.clone(), ..Command::onto(ROLLBACK, onto) };
    let (mut stood_in, mut changed) = (0_u64, false);
    for (table, version) in wanted {
        let delta = delta::open(&warehouse, table, Some(*version)).await?.ok_or_else(|| {
            Error::data(format!("{}: not a Delta table", warehouse.url_of(&delta::folder(table))))
                .help("restore the table's folder from a copy: a published run names it")
        })?;
        let commit = put_back(table, *version, delta::arrow_schema(&delta)?.as_ref().clone());
        let there = delta::files(&warehouse, table, *version).await?;
        let now = match onto.tables.get(table) {
            Some(version) => delta::files(&warehouse, table, *version).await?,
            None => Vec::new(),
        };
        let (keep, files) = delta::kept(&warehouse, table, *version).await?;
        if there == now && keep.is_some() {
            continue;
        }
        changed |= there != now;
        stood_in += u64::from(keep.is_none());
        command.commits.push(TableCommit { keep, files, ..commit });
    }
    if !changed {
        return Ok(CommandResult::new(ROLLBACK, onto, Outcome::Unchanged, details, started));
    }
    if request.keep_decisions
        && let Some(version) = onto.tables.get(DECISIONS)
    {
        let opened = delta::open(&warehouse, DECISIONS, Some(*version)).await?;
        if let Some(table) = opened {
            let schema = delta::arrow_schema(&table)?.as_ref().clone();
            command.commits.push(put_back(DECISIONS, *version, schema));
        }
    }
    details.insert("tables_put_back".to_owned(), command.commits.len().into());
    details.insert("tables_with_erasures".to_owned(), stood_in.into());
    // A folder of this process alone: what its plan names stays there until it is put in place.
    let staging = Staging::new(&warehouse, ROLLBACK).attempt(ROLLBACK, None).folder();
    let exports = exports(&engine, &warehouse, &staging, &mut command).await?;
    details.insert("exports_put_back".to_owned(), exports.into());
    command.details = details;
    let result = commands::publish(&warehouse, &command, started).await?;
    warehouse.delete_folder(&staging).await?;
    Ok(result)
}

/// A commit that makes a table hold what it held at a version.
fn put_back(table: &str, version: u64, schema: Schema) -> TableCommit {
    TableCommit {
        table: table.to_owned(),
        schema,
        description: String::new(),
        keep: Some(version),
        statistics: Vec::new(),
        files: Vec::new(),
        written_at: super::landing::now(),
        rearranged: false,
    }
}

/// Makes the plain exports of the date in force anew, of the tables that are put back.
async fn exports(
    engine: &Engine,
    warehouse: &Store,
    staging: &str,
    command: &mut Command,
) -> Result<u64> {
    let date = format!("date={}", command.onto.logical_date);
    let mut count = 0;
    for listed in warehouse.list("exports").await? {
        let mut parts = listed.path.split('/').skip(1);
        let (Some(table), true) = (parts.next(), parts.next() == Some(date.as_str())) else {
            continue;
        };
        let Some(version) = command.base.tables.get(table) else { continue };
        let files = delta::files(warehouse, table, *version).await?;
        if files.is_empty() {
            continue;
        }
        // A fact's export carries the golden id of its record, which the table does not.
        let old = engine.parquet(warehouse, std::slice::from_ref(&listed.path)).await?;
        let plain = engine.parquet(warehouse, &files).await?;
        let has = |frame: &DataFrame, name: &str| {
            frame.schema().field_with_unqualified_name(name).is_ok()
        };
        let frame = if has(&old, "golden_id") && !has(&plain, "golden_id") {
            engine.register("rollback_fact", plain)?;
            let version = command.base.tables.get(ENTITY_MEMBERS).copied().unwrap_or_default();
            let members = delta::files(warehouse, ENTITY_MEMBERS, version).await?;
            engine.register("rollback_members", engine.parquet(warehouse, &members).await?)?;
            let sql = "SELECT m.golden_id, t.* FROM rollback_fact t LEFT JOIN rollback_members m \
                       ON t.source = m.source AND t.record_id = m.record_id";
            engine.sql(sql, "an export").await?
        } else {
            plain
        };
        let path = format!("{staging}/exports/{table}.parquet");
        // Its key is not known here: all its columns sort it, which gives the same file as well.
        let declared = super::stages::owned(super::stages::sort_of(table));
        let sort = if declared.is_empty() { columns(&frame) } else { declared };
        let rows = command.base.rows.get(table).copied().unwrap_or(0);
        let row_group = super::landing::row_group(rows);
        let options = WriteOptions { sort: &sort, unique: false, row_group, keep: true };
        let (file, _) = engine.write(frame, warehouse, &path, &options).await?;
        command.leaves.insert(listed.path.clone(), file.blake3);
        command.exports.push((path, listed.path));
        count += 1;
    }
    Ok(count)
}

/// The columns that can sort rows.
fn columns(frame: &DataFrame) -> Vec<String> {
    let fields = frame.schema().fields().iter();
    let flat = fields.filter(|field| !field.data_type().is_nested());
    flat.map(|field| field.name().clone()).collect()
}
