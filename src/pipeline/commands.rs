//! What commands that change tables share: the warehouse as it stands, the run that a person
//! names, and what a command came to.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};

use super::run::Outcome;
use crate::config::suggestion;
use crate::engine::Store;
use crate::error::{Error, Result};
use crate::land::{self, Command, History, Publication, Published};

/// What a command came to: its last line of standard output.
#[derive(Debug, Clone, Serialize)]
pub struct CommandResult {
    /// The run of the chain that the command is; where nothing was to be done, the one in force.
    pub run_id: String,
    /// What it came to.
    pub outcome: Outcome,
    /// The command.
    pub command: String,
    /// The logical date whose tables it leaves.
    pub logical_date: String,
    /// Golden customers.
    pub entities: u64,
    /// The version of each table.
    pub tables: BTreeMap<String, u64>,
    /// The head of the chain of manifests.
    pub head: String,
    /// How long it took.
    pub seconds: f64,
    /// What it did, in counts and ids.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl CommandResult {
    pub(super) fn new(
        command: &str,
        entry: &Published,
        outcome: Outcome,
        details: Map<String, Value>,
        started: Instant,
    ) -> Self {
        Self {
            run_id: entry.run_id.clone(),
            outcome,
            command: command.to_owned(),
            logical_date: entry.logical_date.clone(),
            entities: entry.rows.get(crate::tables::CUSTOMERS).copied().unwrap_or(0),
            tables: entry.tables.clone(),
            head: entry.head.clone(),
            seconds: started.elapsed().as_secs_f64(),
            details,
        }
    }
}

/// Opens a warehouse that a command is to change, and finishes what an earlier process began to
/// publish.
pub(super) async fn open(uri: &str) -> Result<(Store, History)> {
    let warehouse = Store::open(uri)?;
    land::refuse_other_formats(&warehouse).await?;
    let history = land::recover(&warehouse).await?;
    if history.entries().is_empty() {
        return Err(Error::data(format!("{}: nothing is published yet", warehouse.url()))
            .help("run a pipeline first: simurgh run PIPELINE --date DATE"));
    }
    Ok((warehouse, history))
}

/// The entry of the run that a person names, by its id or the beginning of it: the last one of a
/// run that was published several times.
pub(super) fn named<'a>(history: &'a History, name: &str) -> Result<&'a Published> {
    let ids: Vec<&str> = history.entries().iter().map(|entry| entry.run_id.as_str()).collect();
    let mut found: Vec<&Published> = Vec::new();
    for entry in history.entries().iter().rev() {
        let fits = !name.is_empty() && entry.run_id.starts_with(name);
        if fits && !found.iter().any(|other| other.run_id == entry.run_id) {
            found.push(entry);
        }
    }
    match found.as_slice() {
        [entry] => Ok(entry),
        [] => Err(Error::usage(format!("run {name}: there is no such run in the warehouse"))
            .help(suggestion(name, &ids, "runs, oldest first"))),
        several => Err(Error::usage(format!("run {name}: {} runs begin so", several.len()))
            .help("give more letters of its id")),
    }
}

/// Publishes a command.
pub(super) async fn publish(
    warehouse: &Store,
    command: &Command,
    started: Instant,
) -> Result<CommandResult> {
    let (entry, outcome) = match command.publish(warehouse).await? {
        Publication::Published(entry) => (entry, Outcome::Published),
        Publication::Unchanged(entry) => (entry, Outcome::Unchanged),
    };
    Ok(CommandResult::new(&command.name, &entry, outcome, command.details.clone(), started))
}
