//! Commands that change tables: runs of the chain, published like those of a pipeline.
//!
//! Knows how a command takes the place of the entry in force of the newest date; refuses to know
//! what any command is for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::delta::TableCommit;
use super::publish::{Draft, Origin, Publication, hash, publish};
use super::published::{History, Published};
use crate::engine::Store;
use crate::error::{Error, Result};

/// A command that changes tables, with all its files written.
///
/// It is published as an entry of `runs/seq` for the date of the entry whose place it takes, with
/// that entry's predecessor. Its table versions are those of the entry that it builds on, but for
/// the tables that it commits; its manifest repeats the models. So every later run finds through
/// it what it would have found through the entry before.
///
/// Publishing happens once, wherever the process dies: the plan is the claim to the next place in
/// the history, and whoever comes next rolls it forward. If another run was published meanwhile,
/// nothing is, and the error says to try again.
///
/// ```no_run
/// # use simurgh::engine::Store;
/// # use simurgh::land::{self, Command, History, Publication, delta::TableCommit};
/// # async fn decide(warehouse: &Store, commit: TableCommit) -> simurgh::Result<()> {
/// let history = land::recover(warehouse).await?;
/// if let Some(onto) = history.current("customer360") {
///     let mut command = Command::onto("merge", onto);
///     // A new content of the table: `keep: None`, and the file, which is written already.
///     command.commits.push(commit);
///     // Counts, ids and positions; never a value.
///     command.details.insert("decisions_added".to_owned(), 1.into());
///     match command.publish(warehouse).await? {
///         Publication::Published(entry) | Publication::Unchanged(entry) => {
///             tracing::info!(head = entry.head, "published");
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Command {
    /// Its name: `merge`, `rollback`, `forget`, `maintain`, ...
    pub name: String,
    /// The entry in force of the newest date, whose place it takes.
    pub onto: Published,
    /// The entry whose table versions it keeps: `onto`, but for a rollback.
    pub base: Published,
    /// What becomes of the tables that it changes.
    pub commits: Vec<TableCommit>,
    /// Plain files to put in place as it is published: from, to; relative to the warehouse. Each
    /// is a leaf, under the name that it gets.
    pub exports: Vec<(String, String)>,
    /// BLAKE3 of every file that it leaves, by path; those of `commits` are added by themselves. A
    /// leaf of a path that an earlier run has takes its place.
    pub leaves: BTreeMap<String, String>,
    /// Leaves of earlier runs that are removed as it is published, and the leaf that says instead
    /// what of it may still be said, where there is one: a rollback reads that. Never a file that
    /// a table of this entry still names.
    pub removed: BTreeMap<String, Option<String>>,
    /// The entries, by sequence number, of whose tables it removes files with nothing in their place:
    /// they cannot be read, rolled back to or built upon any more.
    pub retired: Vec<u64>,
    /// What its manifest says beside: counts, ids and positions, never a value.
    pub details: Map<String, Value>,
}

impl Command {
    /// A command that takes the place of an entry and keeps its tables.
    pub fn onto(name: &str, onto: &Published) -> Self {
        Self {
            name: name.to_owned(),
            onto: onto.clone(),
            base: onto.clone(),
            commits: Vec::new(),
            exports: Vec::new(),
            leaves: BTreeMap::new(),
            removed: BTreeMap::new(),
            retired: Vec::new(),
            details: Map::new(),
        }
    }

    /// Its run's id: a hash of its name, of the entries that it builds on and of what it changes.
    /// The files that it writes may be named by it: their content alone decides.
    pub fn run_id(&self) -> String {
        let files = self.commits.iter().map(|commit| {
            let files: Vec<&str> = commit.files.iter().map(|file| file.blake3.as_str()).collect();
            json!([commit.table, commit.keep, files])
        });
        let identity = json!({
            "command": self.name,
            "onto": self.onto.head,
            "base": self.base.head,
            "commits": files.collect::<Vec<_>>(),
            "removed": self.removed,
            "details": self.details,
        });
        hash(identity.to_string().as_bytes())[..32].to_owned()
    }

    /// Publishes it, exactly once.
    ///
    /// # Errors
    /// `Retry` where the entry whose place it takes is no longer in force.
    pub async fn publish(&self, warehouse: &Store) -> Result<Publication> {
        let history = History::read(warehouse).await?;
        let run_id = self.run_id();
        let files = self.commits.iter().flat_map(|commit| &commit.files);
        let mut leaves = self.leaves.clone();
        leaves.extend(files.map(|file| (file.path.clone(), file.blake3.clone())));
        if let Some((_, to)) = self.exports.iter().find(|(_, to)| !leaves.contains_key(to)) {
            return Err(Error::bug(format!("{to}: a file to put in place is no leaf")));
        }
        // What a later run looks up in its predecessor's manifest.
        let base = manifest_of(warehouse, &self.base).await?;
        let mut manifest = self.details.clone();
        let own = json!({
            "run_id": run_id,
            "pipeline": self.onto.pipeline,
            "logical_date": self.onto.logical_date,
            "command": self.name,
            "onto": self.onto.run_id,
            "base": self.base.run_id,
            "program": format!("simurgh {}", env!("CARGO_PKG_VERSION")),
            "configuration": base["configuration"],
            "models": base["models"],
            "measures": base["measures"],
            "amounts": base["amounts"],
            "leaves": leaves,
            "removed": self.removed,
        });
        if let Value::Object(own) = own {
            manifest.extend(own);
        }
        let draft = Draft {
            run_id,
            pipeline: self.onto.pipeline.clone(),
            logical_date: self.onto.logical_date.clone(),
            predecessor: self.onto.predecessor,
            commits: self.commits.clone(),
            exports: self.exports.clone(),
            manifest,
            command: Some(Origin {
                name: self.name.clone(),
                onto: self.onto.seq,
                base: self.base.seq,
                retired: self.retired.clone(),
            }),
            removed: self.removed.keys().cloned().collect(),
            decided: history.decided(&self.onto.pipeline),
        };
        publish(warehouse, &draft).await
    }
}

/// BLAKE3 of every file that the chain says is there, by path, but for Delta's own logs.
///
/// # Errors
/// A manifest that is missing or damaged.
pub async fn leaves(warehouse: &Store, history: &History) -> Result<BTreeMap<String, String>> {
    let mut leaves = BTreeMap::new();
    for entry in history.entries() {
        let manifest = manifest_of(warehouse, entry).await?;
        for file in manifest["removed"].as_object().into_iter().flatten() {
            leaves.remove(file.0);
        }
        for (file, hash) in manifest["leaves"].as_object().into_iter().flatten() {
            leaves.insert(file.clone(), hash.as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(leaves)
}

/// An entry's manifest.
///
/// # Errors
/// One that is missing or damaged.
pub async fn manifest_of(warehouse: &Store, entry: &Published) -> Result<Value> {
    let bytes = warehouse.get(&entry.manifest).await?;
    serde_json::from_slice(&bytes).map_err(|_| {
        Error::data(format!("{}: damaged", warehouse.url_of(&entry.manifest)))
            .help("restore the file from a copy")
    })
}
