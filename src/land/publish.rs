//! Publishing: many tables, one transaction.
//!
//! A run that has written all its files claims the next place in the history by creating
//! `runs/plan/<n>.json`, the commit plan, only if absent. Whoever finds a plan without its
//! `runs/seq/<n>.json` rolls it forward: every step can be done again, by any process, and happens
//! once. The last step creates `runs/seq/<n>.json`; from then on the run is published.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::delta::{self, Mark, TableCommit};
use super::published::{History, Published};
use crate::engine::{Created, Store};
use crate::error::{Error, Result};

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
    /// The command, where it is one that publishes, and no run of the pipeline.
    #[serde(default)]
    pub command: Option<Origin>,
    /// Files that are removed as this is published; they are in the manifest too.
    #[serde(default)]
    pub removed: Vec<String>,
    /// The sequence number of the entry whose decisions were read; none where there was none.
    #[serde(default)]
    pub decided: Option<u64>,
}

/// A command that publishes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// The entry in force whose place it takes.
    pub onto: u64,
    /// The entry whose table versions it keeps, but for those of its own commits.
    pub base: u64,
    /// The entries of whose tables it removes files.
    #[serde(default)]
    pub retired: Vec<u64>,
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
        if let Some(entry) = published_before(draft, &history) {
            return Ok(Publication::Unchanged(entry.clone()));
        }
        still_holds(draft, &history)?;
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

/// The entry of this very draft, if it is the one in force for its date.
fn published_before<'a>(draft: &Draft, history: &'a History) -> Option<&'a Published> {
    let entry = history.by_date(&draft.pipeline).get(draft.logical_date.as_str()).copied()?;
    let of_run = match draft.command {
        Some(_) => entry,
        None => history.run_of(entry),
    };
    (of_run.run_id == draft.run_id && entry.predecessor == draft.predecessor).then_some(entry)
}

/// Makes sure that what the draft was made from is still what it would be made from.
fn still_holds(draft: &Draft, history: &History) -> Result<()> {
    let changed = |what: String| {
        Error::retry(format!("run {}: {what} while this one worked", draft.run_id))
            .help("run the same command again: it will build on the new one")
    };
    if let Some(command) = &draft.command {
        let in_force = history.current(&draft.pipeline).map(|entry| entry.seq);
        if in_force != Some(command.onto) {
            return Err(changed("another run was published".to_owned()));
        }
    } else {
        let before = history.predecessor(&draft.pipeline, &draft.logical_date);
        if before.map(|entry| entry.seq) != draft.predecessor {
            return Err(changed(format!("the run before {} changed", draft.logical_date)));
        }
    }
    if history.decided(&draft.pipeline) > draft.decided {
        return Err(changed("stewards' decisions changed".to_owned()));
    }
    Ok(())
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
    let base = match &draft.command {
        Some(command) => Some(history.get(command.base).ok_or_else(|| {
            Error::data(format!("{}: runs/seq/{}.json is missing", warehouse.url(), command.base))
                .help("restore the file from a copy: the history has no gaps")
        })?),
        None => None,
    };
    let mut tables = base.map(|base| base.tables.clone()).unwrap_or_default();
    let mut rows = base.map(|base| base.rows.clone()).unwrap_or_default();
    let mut last = BTreeMap::new();
    for commit in &draft.commits {
        let version = delta::commit(warehouse, commit, &plan.mark).await?;
        tables.insert(commit.table.clone(), version);
        last.insert(commit.table.clone(), version);
        // A table that is put back, or whose files are arranged, has the rows that it had.
        let put_back = commit.files.is_empty() && commit.keep.is_some();
        if base.is_none() || !(put_back || commit.rearranged) {
            rows.insert(commit.table.clone(), commit.files.iter().map(|file| file.rows).sum());
        }
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
    remove(warehouse, &draft.removed).await?;
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
        command: draft.command.as_ref().map(|command| command.name.clone()),
        base: draft.command.as_ref().map(|command| command.base),
        retired: draft.command.as_ref().map(|own| own.retired.clone()).unwrap_or_default(),
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

/// Removes files, some at a time; one that is gone is removed already.
async fn remove(warehouse: &Store, files: &[String]) -> Result<()> {
    const AT_ONCE: usize = 16;
    futures::stream::iter(files)
        .map(|file| warehouse.delete(file))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
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
