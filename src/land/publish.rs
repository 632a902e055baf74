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
const FORMAT: u64 = 2;

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
    /// The manifest, but for what publishing adds to it: see `ManifestEnd`.
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

/// What publishing adds to a manifest, so that every file that it writes is named in the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ManifestEnd {
    /// The head of the chain before this run.
    pub(super) previous_head: Option<String>,
    /// What `runs/seq/<n>.json` says, but for this manifest's own place and hash.
    pub(super) published: Published,
    /// BLAKE3 of the commit plan.
    pub(super) plan: String,
    /// BLAKE3 of every file of Delta's logs that this publication wrote, by path.
    pub(super) logs: BTreeMap<String, String>,
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
    match warehouse.get_if_exists("format.json").await? {
        Some(found) => known_format(warehouse, &found),
        None => match warehouse.create("format.json", format_document()?).await? {
            Created::Ours => Ok(()),
            Created::Theirs(found) => known_format(warehouse, &found),
        },
    }
}

/// What `format.json` holds.
pub(super) fn format_document() -> Result<Vec<u8>> {
    pretty(&serde_json::json!({ "format": FORMAT, "program": "simurgh" }))
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
                tracing::info!(seq = plan.0.seq, run_id = plan.0.mark.run_id, "rolling forward");
                roll_forward(warehouse, &plan.0, &plan.1, &history).await?;
            }
            None => {
                point_to_current(warehouse).await?;
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
        let hash = hash(&bytes);
        if let Created::Ours = warehouse.create(&path, bytes).await? {
            let entry = roll_forward(warehouse, &plan, &hash, &history).await?;
            point_to_current(warehouse).await?;
            return Ok(Publication::Published(entry));
        }
    }
}

async fn plan(warehouse: &Store, draft: &Draft, history: &History) -> Result<Plan> {
    let seq = history.next_seq();
    let draft = draft.clone();
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

/// The plan that is being published, with its hash.
async fn pending(warehouse: &Store, history: &History) -> Result<Option<(Plan, String)>> {
    let path = format!("runs/plan/{}.json", history.next_seq());
    match warehouse.get_if_exists(&path).await? {
        Some(bytes) => {
            serde_json::from_slice(&bytes).map(|plan| Some((plan, hash(&bytes)))).map_err(|_| {
                Error::data(format!("{}: damaged", warehouse.url_of(&path)))
                    .help("restore the file from a copy: it says what was being published")
            })
        }
        None => Ok(None),
    }
}

/// Does what is left to do of a plan; `history` is that before it.
async fn roll_forward(
    warehouse: &Store,
    plan: &Plan,
    plan_hash: &str,
    history: &History,
) -> Result<Published> {
    let draft = &plan.draft;
    let mut tables = BTreeMap::new();
    let mut rows = BTreeMap::new();
    let mut last = BTreeMap::new();
    for commit in &draft.commits {
        let version = delta::commit(warehouse, commit, &plan.mark).await?;
        tables.insert(commit.table.clone(), version);
        last.insert(commit.table.clone(), version);
        rows.insert(commit.table.clone(), commit.files.iter().map(|file| file.rows).sum());
    }
    // The latest version of each table stays the current run's, for who reads without `runs/`.
    let restored =
        Mark { run_id: format!("restore-{}", plan.seq), generation: plan.mark.generation };
    for commit in &plan.restore {
        let version = delta::commit(warehouse, commit, &restored).await?;
        last.insert(commit.table.clone(), version);
    }
    // Another process may have finished this plan, and others their plans after it: what stands at
    // an export's place may be theirs.
    if let Some(entry) = published(warehouse, plan.seq).await? {
        return Ok(entry);
    }
    for (from, to) in &draft.exports {
        match warehouse.copy(from, to).await {
            Ok(()) => {}
            // Another process finished this plan and cleared the staging area.
            Err(_) if published(warehouse, plan.seq).await?.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let path = manifest_path(&draft.run_id, plan.mark.generation);
    let mut entry = Published {
        seq: plan.seq,
        run_id: draft.run_id.clone(),
        generation: plan.mark.generation,
        pipeline: draft.pipeline.clone(),
        logical_date: draft.logical_date.clone(),
        predecessor: draft.predecessor,
        logs: history.entries().last().map(|entry| entry.logs.clone()).unwrap_or_default(),
        tables,
        rows,
        manifest: path.clone(),
        head: String::new(),
    };
    let logs = new_logs(warehouse, &last, &mut entry.logs).await?;
    let end = ManifestEnd {
        previous_head: history.head().map(str::to_owned),
        published: entry.clone(),
        plan: plan_hash.to_owned(),
        logs,
    };
    let mut manifest = draft.manifest.clone();
    if let Ok(serde_json::Value::Object(end)) = serde_json::to_value(&end) {
        manifest.extend(end);
    }
    let manifest = pretty(&manifest)?;
    entry.head = hash(&manifest);
    warehouse.put(&path, manifest).await?;
    match warehouse.create(&format!("runs/seq/{}.json", plan.seq), pretty(&entry)?).await? {
        Created::Ours => Ok(entry),
        Created::Theirs(_) => Err(Error::bug(format!(
            "{}: two processes published different things",
            warehouse.url_of(&format!("runs/seq/{}.json", plan.seq))
        ))),
    }
}

/// The files of Delta's logs that are not in the chain yet, with their hashes, up to the last version
/// of each table that this plan made: another process may have finished it, and a later plan may be
/// writing. `recorded` says up to which version each table's are, before and after.
async fn new_logs(
    warehouse: &Store,
    last: &BTreeMap<String, u64>,
    recorded: &mut BTreeMap<String, u64>,
) -> Result<BTreeMap<String, String>> {
    let mut logs = BTreeMap::new();
    for (table, last) in last {
        let next = recorded.entry(table.clone()).or_default();
        while *next <= *last {
            let path = delta::log(table, *next);
            logs.insert(path.clone(), hash(&warehouse.get(&path).await?));
            *next += 1;
        }
    }
    Ok(logs)
}

/// Where the manifest of a publication stands, relative to the warehouse.
pub(super) fn manifest_path(run_id: &str, generation: i64) -> String {
    match generation {
        1 => format!("runs/{run_id}/manifest.json"),
        generation => format!("runs/{run_id}/manifest-{generation}.json"),
    }
}

/// BLAKE3 in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// What is published at a place in the history, if anything is yet.
async fn published(warehouse: &Store, seq: u64) -> Result<Option<Published>> {
    Ok(History::read(warehouse).await?.get(seq).cloned())
}

/// Keeps `runs/current.json` a copy of the newest date's entry.
async fn point_to_current(warehouse: &Store) -> Result<()> {
    let mut history = History::read(warehouse).await?;
    loop {
        let Some(pipeline) = history.entries().last().map(|entry| entry.pipeline.clone()) else {
            return Ok(());
        };
        let Some(current) = history.current(&pipeline) else { return Ok(()) };
        let bytes = pretty(current)?;
        match warehouse.get_if_exists("runs/current.json").await? {
            Some(there) if there == bytes => return Ok(()),
            _ => warehouse.put("runs/current.json", bytes).await?,
        }
        // Whoever publishes next may have been faster, and what was newer is now overwritten.
        let again = History::read(warehouse).await?;
        if again.next_seq() == history.next_seq() {
            return Ok(());
        }
        history = again;
    }
}

pub(super) fn pretty(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::bug("JSON cannot be written").because(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}
