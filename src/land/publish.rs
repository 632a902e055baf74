//! Publishing: many tables, one transaction.
//!
//! A run that has written all its files claims the next place in the history by creating
//! `runs/plan/<n>.json`, the commit plan, only if absent. Whoever finds a plan without its
//! `runs/seq/<n>.json` rolls it forward: every step can be done again, by any process, and happens
//! once. The last step creates `runs/seq/<n>.json`; from then on the run is published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::delta::{self, Mark, TableCommit};
use super::published::{History, Published};
use crate::engine::{Created, Store};
use crate::error::{Error, Result};

/// The version of the warehouse's layout.
const FORMAT: u64 = 1;

/// What a run wants published: all its files are written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// The run.
    pub run_id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The logical date, YYYY-MM-DD.
    pub logical_date: String,
    /// The sequence number of the run it builds on.
    pub predecessor: Option<u64>,
    /// What becomes of each table.
    pub commits: Vec<TableCommit>,
    /// Plain files to put in place: from, to; relative to the warehouse.
    pub exports: Vec<(String, String)>,
    /// The manifest, but for `previous_head`.
    pub manifest: serde_json::Map<String, serde_json::Value>,
}

/// A draft with its place in the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    seq: u64,
    mark: Mark,
    draft: Draft,
    /// Commits that put the current run's files back, where this run is of an earlier date.
    restore: Vec<TableCommit>,
}

/// What publishing came to.
#[derive(Debug, Clone)]
pub enum Publication {
    /// The run is published by this call.
    Published(Published),
    /// The run was published before.
    Unchanged(Published),
}

/// Makes sure that the warehouse's layout is one that this program knows.
///
/// # Errors
/// A layout of a newer program.
pub async fn check_format(warehouse: &Store) -> Result<()> {
    let ours = serde_json::json!({ "format": FORMAT, "program": "simurgh" });
    match warehouse.get_if_exists("format.json").await? {
        Some(found) => known_format(warehouse, &found),
        None => match warehouse.create("format.json", pretty(&ours)?).await? {
            Created::Ours => Ok(()),
            Created::Theirs(found) => known_format(warehouse, &found),
        },
    }
}

/// [`check_format`] before anything else of the warehouse is read, and without writing to it.
///
/// # Errors
/// A layout of a newer program.
pub async fn refuse_other_formats(warehouse: &Store) -> Result<()> {
    match warehouse.get_if_exists("format.json").await? {
        Some(found) => known_format(warehouse, &found),
        None => Ok(()),
    }
}

fn known_format(warehouse: &Store, found: &[u8]) -> Result<()> {
    let format = serde_json::from_slice::<serde_json::Value>(found)
        .ok()
        .and_then(|value| value["format"].as_u64());
    match format {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(Error::data(format!(
            "{}: a warehouse of layout {other}; this program knows layout {FORMAT}",
            warehouse.url()
        ))
        .help("use the version of simurgh that wrote it, or a newer one")),
        None => Err(Error::data(format!("{}: damaged", warehouse.url_of("format.json")))
            .help("restore the file from a copy, or choose another --warehouse")),
    }
}

/// Finishes what an earlier process began to publish, and returns the history.
pub async fn recover(warehouse: &Store) -> Result<History> {
    loop {
        let history = History::read(warehouse).await?;
        match pending(warehouse, &history).await? {
            Some(plan) => {
                tracing::info!(seq = plan.seq, run_id = plan.mark.run_id, "rolling forward");
                roll_forward(warehouse, &plan).await?;
            }
            None => {
                point_to_current(warehouse, &history).await?;
                return Ok(history);
            }
        }
    }
}

/// Publishes a draft, exactly once.
///
/// # Errors
/// `Retry` where the run it builds on is no longer the one before its date.
pub async fn publish(warehouse: &Store, draft: &Draft) -> Result<Publication> {
    loop {
        let history = recover(warehouse).await?;
        let in_force = history.by_date(&draft.pipeline).get(draft.logical_date.as_str()).copied();
        if let Some(entry) = in_force
            && entry.run_id == draft.run_id
            && entry.predecessor == draft.predecessor
        {
            return Ok(Publication::Unchanged(entry.clone()));
        }
        let before = history.predecessor(&draft.pipeline, &draft.logical_date);
        if before.map(|entry| entry.seq) != draft.predecessor {
            return Err(Error::retry(format!(
                "run {}: the run before {} changed while this one worked",
                draft.run_id, draft.logical_date
            ))
            .help("run the same command again: it will build on the new one"));
        }
        let plan = plan(warehouse, draft, &history).await?;
        let path = format!("runs/plan/{}.json", plan.seq);
        let bytes = serde_json::to_vec(&plan)
            .map_err(|source| Error::bug("a commit plan cannot be written").because(source))?;
        if let Created::Ours = warehouse.create(&path, bytes).await? {
            let entry = roll_forward(warehouse, &plan).await?;
            point_to_current(warehouse, &History::read(warehouse).await?).await?;
            return Ok(Publication::Published(entry));
        }
    }
}

async fn plan(warehouse: &Store, draft: &Draft, history: &History) -> Result<Plan> {
    let seq = history.next_seq();
    let mut draft = draft.clone();
    draft.manifest.insert("previous_head".to_owned(), history.head().into());
    let mark =
        Mark { run_id: draft.run_id.clone(), generation: history.generations(&draft.run_id) + 1 };
    let mut restore = Vec::new();
    if let Some(current) = history.current(&draft.pipeline)
        && current.logical_date > draft.logical_date
    {
        for commit in &draft.commits {
            if let Some(version) = current.tables.get(&commit.table) {
                let Some(table) = delta::open(warehouse, &commit.table, Some(*version)).await?
                else {
                    continue;
                };
                restore.push(TableCommit {
                    schema: delta::arrow_schema(&table)?.as_ref().clone(),
                    keep: Some(*version),
                    files: Vec::new(),
                    ..commit.clone()
                });
            }
        }
    }
    Ok(Plan { seq, mark, draft, restore })
}

async fn pending(warehouse: &Store, history: &History) -> Result<Option<Plan>> {
    let path = format!("runs/plan/{}.json", history.next_seq());
    match warehouse.get_if_exists(&path).await? {
        Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| {
            Error::data(format!("{}: damaged", warehouse.url_of(&path)))
                .help("restore the file from a copy: it says what was being published")
        }),
        None => Ok(None),
    }
}

async fn roll_forward(warehouse: &Store, plan: &Plan) -> Result<Published> {
    let draft = &plan.draft;
    let mut tables = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for commit in &draft.commits {
        tables.insert(commit.table.clone(), delta::commit(warehouse, commit, &plan.mark).await?);
        rows.insert(commit.table.clone(), commit.files.iter().map(|file| file.rows).sum());
    }
    // The latest version of each table stays the current run's, for who reads without `runs/`.
    let restored =
        Mark { run_id: format!("restore-{}", plan.seq), generation: plan.mark.generation };
    for commit in &plan.restore {
        delta::commit(warehouse, commit, &restored).await?;
    }
    for (from, to) in &draft.exports {
        match warehouse.copy(from, to).await {
            Ok(()) => {}
            // Another process finished this plan and cleared the staging area.
            Err(_) if published(warehouse, plan.seq).await?.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let manifest = pretty(&draft.manifest)?;
    let head = blake3::hash(&manifest).to_hex().to_string();
    let path = match plan.mark.generation {
        1 => format!("runs/{}/manifest.json", draft.run_id),
        generation => format!("runs/{}/manifest-{generation}.json", draft.run_id),
    };
    warehouse.put(&path, manifest).await?;
    let entry = Published {
        seq: plan.seq,
        run_id: draft.run_id.clone(),
        generation: plan.mark.generation,
        pipeline: draft.pipeline.clone(),
        logical_date: draft.logical_date.clone(),
        predecessor: draft.predecessor,
        tables,
        rows,
        manifest: path,
        head,
    };
    match warehouse.create(&format!("runs/seq/{}.json", plan.seq), pretty(&entry)?).await? {
        Created::Ours => Ok(entry),
        Created::Theirs(_) => Err(Error::bug(format!(
            "{}: two processes published different things",
            warehouse.url_of(&format!("runs/seq/{}.json", plan.seq))
        ))),
    }
}

async fn published(warehouse: &Store, seq: u64) -> Result<Option<bytes::Bytes>> {
    warehouse.get_if_exists(&format!("runs/seq/{seq}.json")).await
}

/// Keeps `runs/current.json` a copy of the newest date's entry.
async fn point_to_current(warehouse: &Store, history: &History) -> Result<()> {
    let Some(pipeline) = history.entries().last().map(|entry| entry.pipeline.clone()) else {
        return Ok(());
    };
    let Some(current) = history.current(&pipeline) else { return Ok(()) };
    let bytes = pretty(current)?;
    match warehouse.get_if_exists("runs/current.json").await? {
        Some(there) if there == bytes => Ok(()),
        _ => warehouse.put("runs/current.json", bytes).await,
    }
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::bug("JSON cannot be written").because(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}
