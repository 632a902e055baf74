//! `diff`: what lies between two runs that are published.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::commands::named;
use super::difference::{self, Difference};
use super::gate;
use crate::config;
use crate::engine::{Engine, Options, Store};
use crate::error::{Error, Result};
use crate::land::{self, History, Published, delta, manifest_of};
use crate::tables;

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct DiffRequest {
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// The earlier run, by its id or the beginning of it.
    pub before: String,
    /// The later run.
    pub after: String,
    /// The pipeline file, which names the comparisons of causes.
    pub pipeline: Option<PathBuf>,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
}

/// What lies between two runs.
#[derive(Debug, Clone, Serialize)]
pub struct Diff {
    /// The earlier run.
    pub before: String,
    /// Its logical date.
    pub before_date: String,
    /// The later run.
    pub after: String,
    /// Its logical date.
    pub after_date: String,
    /// What lies between them.
    pub difference: Difference,
}

/// Compares two runs.
///
/// # Errors
/// A run that is not there, or whose tables were removed.
pub async fn diff(request: &DiffRequest) -> Result<Diff> {
    let warehouse = Store::open(&request.warehouse)?;
    land::refuse_other_formats(&warehouse).await?;
    let history = History::read(&warehouse).await?;
    let comparisons = match &request.pipeline {
        Some(path) => {
            gate::comparisons(&config::load(path, &request.sets, &|name| std::env::var(name).ok())?)
        }
        None => BTreeMap::new(),
    };
    let asked = [named(&history, &request.before)?, named(&history, &request.after)?];
    let mut held = Vec::new();
    for entry in asked {
        held.push(readable(&history, entry)?);
    }
    let engine = Engine::new(&Options::default())?;
    for (entry, side) in held.iter().zip(["before", "after"]) {
        for table in difference::READ {
            gate::register(&engine, &warehouse, entry, table, side).await?;
        }
    }
    let facts = facts(&engine, &warehouse, held[1]).await?;
    let manifest = manifest_of(&warehouse, held[1]).await?;
    let amounts = serde_json::from_value(manifest["amounts"].clone()).unwrap_or_default();
    Ok(Diff {
        before: asked[0].run_id.clone(),
        before_date: asked[0].logical_date.clone(),
        after: asked[1].run_id.clone(),
        after_date: asked[1].logical_date.clone(),
        difference: difference::difference(&engine, &facts, &amounts, &comparisons).await?,
    })
}

/// The entry that holds a run's tables today.
fn readable<'a>(history: &'a History, asked: &'a Published) -> Result<&'a Published> {
    let entry = history.maintained(asked);
    match history.retired(entry) {
        None => Ok(entry),
        Some(by) => Err(Error::data(format!(
            "run {}: its tables were removed by `{}` (run {})",
            asked.run_id,
            by.command.as_deref().unwrap_or_default(),
            by.run_id
        ))
        .help("name a later run; land.retain_runs says how many dates are kept")),
    }
}

/// The tables of an entry whose rows belong to records: named and registered as `after_<name>`.
async fn facts(engine: &Engine, warehouse: &Store, entry: &Published) -> Result<Vec<String>> {
    let mut facts = Vec::new();
    for (table, version) in &entry.tables {
        if tables::table(table).is_some() || table.starts_with("raw_") {
            continue;
        }
        let files = delta::files(warehouse, table, *version).await?;
        if files.is_empty() {
            continue;
        }
        let frame = engine.parquet(warehouse, &files).await?;
        if gate::is_fact(|name| frame.schema().field_with_unqualified_name(name).is_ok()) {
            engine.register(&format!("after_{table}"), frame)?;
            facts.push(table.clone());
        }
    }
    Ok(facts)
}
