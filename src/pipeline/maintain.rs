//! `maintain`: many small files become one, Delta's logs get checkpoints, what no kept run needs is
//! removed, and so is what broken runs left in staging.
//!
//! No row of a kept run changes. Kept are the newest `land.retain_runs` logical dates of the
//! pipeline, each as it is in force, and every run of other pipelines. Everything is prepared before
//! the run of the chain claims its place; removing is part of publishing it, so that the chain never
//! names a file that is gone nor forgets one that is there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use serde_json::{Map, Value};

use super::commands::{self, CommandResult};
use super::run::Outcome;
use crate::config::{self, Loaded};
use crate::engine::{Engine, Options, Staging, Store, WriteOptions, Written};
use crate::error::{Error, Kind, Result};
use crate::land::delta::{self, TableCommit};
use crate::land::{self, Command, History, MAINTAIN, Published, Removed};
use crate::tables;

/// What is to be maintained.
#[derive(Debug, Clone)]
pub struct MaintainRequest {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// How long ago what a broken run left must have been written, to be removed.
    pub abandoned_after: Duration,
    /// Threads and memory.
    pub engine: Options,
}

/// Files smaller than this are put together.
const SMALL: u64 = 64 << 20;

/// Commits after the last checkpoint from which on there is another.
const COMMITS: u64 = 2;

/// Maintains a warehouse.
///
/// # Errors
/// A layout that cannot be migrated; a table that cannot be read.
pub async fn maintain(request: &MaintainRequest) -> Result<CommandResult> {
    let started = Instant::now();
    let loaded = config::load(&request.pipeline, &request.sets, &|name| std::env::var(name).ok())?;
    let store = Store::open(&request.warehouse)?;
    let mut details = Map::new();
    if let Some(older) = land::migrate(&store).await? {
        details.insert("migrated_from_layout".to_owned(), older.into());
    }
    let (warehouse, history) = commands::open(&request.warehouse).await?;
    let name = &loaded.pipeline.name;
    let onto = history.current(name).ok_or_else(|| {
        Error::data(format!("{}: nothing of pipeline `{name}` is published", warehouse.url()))
            .help("run it first: simurgh run PIPELINE --date DATE")
    })?;
    let engine = Engine::new(&request.engine)?;
    // A folder of this process alone: what its plan names stays there until it is put in place.
    let staging = Staging::new(&warehouse, MAINTAIN).attempt(MAINTAIN, None).folder();
    let mut command = Command::onto(MAINTAIN, onto);
    let leaves = land::leaves(&warehouse, &history).await?;
    let mut count = |key: &str, number: usize| {
        details.insert(key.to_owned(), number.into());
    };

    let compacted = compact(&engine, &warehouse, &loaded, &mut command, &leaves).await?;
    count("files_compacted", compacted);
    count("tables_compacted", command.commits.len());
    let checkpoints = checkpoints(&warehouse, &staging, &mut command).await?;
    count("checkpoints_written", checkpoints);
    let kept = kept(&history, &loaded);
    let bytes = vacuum(&warehouse, &history, &kept, &mut command, &leaves).await?;
    count("files_removed", command.removed.len());
    details.insert("bytes_removed".to_owned(), bytes.into());
    let dates: BTreeSet<&str> = kept
        .iter()
        .copied()
        .chain([onto])
        .filter(|entry| entry.pipeline == *name)
        .map(|entry| entry.logical_date.as_str())
        .collect();
    details.insert("dates_kept".to_owned(), dates.iter().copied().collect::<Value>());

    let nothing = command.commits.is_empty() && checkpoints == 0 && command.removed.is_empty();
    command.details.clone_from(&details);
    let mut result = match nothing {
        true => CommandResult::new(MAINTAIN, onto, Outcome::Unchanged, details, started),
        false => commands::publish(&warehouse, &command, started).await?,
    };
    warehouse.delete_folder(&staging).await?;
    // What is of no run is of no chain: it is removed beside it, last, when nobody can be at it.
    let abandoned = abandoned(&warehouse, request.abandoned_after).await?;
    result.details.insert("abandoned_files_removed".to_owned(), abandoned.into());
    result.seconds = started.elapsed().as_secs_f64();
    Ok(result)
}

/// The entries whose tables stay readable: of this pipeline those in force of the newest dates, the
/// current one among them; of other pipelines all.
fn kept<'a>(history: &'a History, loaded: &Loaded) -> Vec<&'a Published> {
    let retain = usize::try_from(loaded.pipeline.land.retain_runs).unwrap_or(usize::MAX);
    let name = &loaded.pipeline.name;
    let not_retired = |entry: &&Published| history.retired(entry).is_none();
    if retain == 0 {
        return history.entries().iter().filter(not_retired).collect();
    }
    let others = history.entries().iter().filter(|entry| entry.pipeline != *name);
    let dates = history.by_date(name);
    let own = dates.values().rev().take(retain).copied();
    // The current entry's own place is taken by the one that maintenance publishes.
    others.chain(own.skip(1)).filter(not_retired).collect()
}

/// Puts small files of a table together, in the order of its key.
async fn compact(
    engine: &Engine,
    warehouse: &Store,
    loaded: &Loaded,
    command: &mut Command,
    leaves: &BTreeMap<String, String>,
) -> Result<usize> {
    let mut compacted = 0;
    for (table, version) in &command.onto.tables.clone() {
        let mut folders: BTreeMap<String, Vec<Written>> = BTreeMap::new();
        let mut files = Vec::new();
        for file in delta::written(warehouse, table, *version, leaves).await? {
            match file.path.rsplit_once('/') {
                // Files of one folder are of one partition.
                Some((folder, _)) if file.bytes < SMALL => {
                    folders.entry(folder.to_owned()).or_default().push(file);
                }
                _ => files.push(file),
            }
        }
        let mut together = None;
        for (folder, small) in folders {
            if small.len() < 2 {
                files.extend(small);
                continue;
            }
            let (file, schema) = one(engine, warehouse, loaded, table, &folder, &small).await?;
            compacted += small.len();
            files.push(file);
            together = Some(schema);
        }
        let Some(schema) = together else { continue };
        command.commits.push(TableCommit {
            table: table.clone(),
            schema: schema.as_ref().clone(),
            description: String::new(),
            keep: None,
            statistics: Vec::new(),
            files,
            written_at: super::landing::now(),
            rearranged: true,
        });
    }
    Ok(compacted)
}

/// Writes one file of the rows of several.
async fn one(
    engine: &Engine,
    warehouse: &Store,
    loaded: &Loaded,
    table: &str,
    folder: &str,
    small: &[Written],
) -> Result<(Written, SchemaRef)> {
    let paths: Vec<String> = small.iter().map(|file| file.path.clone()).collect();
    let frame = engine.parquet(warehouse, &paths).await?;
    let sort = key(loaded, table);
    // Named by what it is made of: the same files give the same file, by whichever process.
    let mut hasher = blake3::Hasher::new();
    for file in small {
        hasher.update(file.blake3.as_bytes());
    }
    let id = hasher.finalize().to_hex();
    let path = format!("{folder}/{MAINTAIN}-{}.parquet", &id[..32]);
    let rows = small.iter().map(|file| file.rows).sum();
    let row_group = super::landing::row_group(rows);
    let options = WriteOptions { sort: &sort, unique: false, row_group, keep: true };
    let (file, schema) = engine.write(frame, warehouse, &path, &options).await?;
    if file.rows != rows {
        return Err(Error::data(format!(
            "{}: {} rows were read of files that hold {rows}",
            warehouse.url_of(folder),
            file.rows
        ))
        .help("run `simurgh verify`: it names the file that is not what a run wrote"));
    }
    Ok((file, schema))
}

/// The columns that sort a table.
pub(super) fn key(loaded: &Loaded, table: &str) -> Vec<String> {
    if let Some(own) = tables::table(table) {
        return super::stages::owned(own.sort);
    }
    let pipeline = &loaded.pipeline;
    let sections = [&pipeline.facts, &pipeline.enrich, &pipeline.profile];
    sections
        .iter()
        .find_map(|section| section.get(table))
        .map_or_else(Vec::new, |own| own.key.clone())
}

/// Writes checkpoints of the logs that have grown; they are put in place as the run is published.
async fn checkpoints(warehouse: &Store, staging: &str, command: &mut Command) -> Result<usize> {
    let mut count = 0;
    for table in command.onto.tables.clone().keys() {
        let Some(written) = delta::checkpoint(warehouse, table, COMMITS).await? else { continue };
        count += 1;
        for (to, content) in written {
            let from = format!("{staging}/{to}");
            let hash = blake3::hash(&content).to_hex().to_string();
            warehouse.put(&from, content).await?;
            command.leaves.insert(to.clone(), hash);
            command.exports.push((from, to));
        }
    }
    Ok(count)
}

/// Names the data files that no kept entry needs. Gives their size.
async fn vacuum(
    warehouse: &Store,
    history: &History,
    kept: &[&Published],
    command: &mut Command,
    leaves: &BTreeMap<String, String>,
) -> Result<u64> {
    let versions = |entry: &Published| -> Vec<(String, u64)> {
        entry.tables.iter().map(|(table, version)| (table.clone(), *version)).collect()
    };
    let removed = Removed::read(warehouse, history).await?;
    let mut read: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let committed: BTreeSet<&str> =
        command.commits.iter().map(|commit| commit.table.as_str()).collect();
    let own = versions(&command.onto).into_iter();
    let own = own.filter(|(table, _)| !committed.contains(table.as_str()));
    for version in kept.iter().flat_map(|entry| versions(entry)).chain(own) {
        if let Entry::Vacant(place) = read.entry(version) {
            let (table, version) = place.key();
            let files = removed.files(warehouse, table, *version).await?;
            needed.extend(files.iter().cloned());
            place.insert(files.into_iter().collect());
        }
    }
    needed.extend(command.commits.iter().flat_map(|own| &own.files).map(|file| file.path.clone()));
    let data = |path: &str| path.starts_with("tables/") && !path.contains("/_delta_log/");
    let gone: BTreeSet<String> =
        leaves.keys().filter(|path| data(path) && !needed.contains(*path)).cloned().collect();
    if gone.is_empty() {
        return Ok(0);
    }
    for entry in history.entries() {
        let stays = kept.iter().any(|other| other.seq == entry.seq);
        if stays || history.retired(entry).is_some() {
            continue;
        }
        for (table, version) in versions(entry) {
            let files = match read.get(&(table.clone(), version)) {
                Some(files) => files.clone(),
                None => match removed.files(warehouse, &table, version).await {
                    Ok(files) => files.into_iter().collect(),
                    // Gone already.
                    Err(error) if error.kind() == Kind::Data => {
                        command.retired.push(entry.seq);
                        break;
                    }
                    Err(error) => return Err(error),
                },
            };
            let lost = !files.is_disjoint(&gone);
            read.insert((table, version), files);
            if lost {
                command.retired.push(entry.seq);
                break;
            }
        }
    }
    let mut bytes = 0;
    for listed in warehouse.list("tables").await? {
        bytes += if gone.contains(&listed.path) { listed.size } else { 0 };
    }
    command.removed.extend(gone.into_iter().map(|path| (path, None)));
    Ok(bytes)
}

/// Removes what broken runs left, where it is old enough that none can be at work: staging, and
/// data files that no run ever published. Gives how many.
async fn abandoned(warehouse: &Store, after: Duration) -> Result<usize> {
    let history = History::read(warehouse).await?;
    let leaves = land::leaves(warehouse, &history).await?;
    let mut runs: BTreeMap<String, Vec<(String, Duration)>> = BTreeMap::new();
    for (path, age) in warehouse.ages("staging").await? {
        let run = path.split('/').nth(1).unwrap_or_default().to_owned();
        runs.entry(run).or_default().push((path, age));
    }
    let mut count = 0;
    for (run, files) in runs {
        // A run is at work as long as it writes.
        if files.iter().all(|(_, age)| *age >= after) {
            count += files.len();
            warehouse.delete_folder(&format!("staging/{run}")).await?;
        }
    }
    for (path, age) in warehouse.ages("tables").await? {
        let data = path.ends_with(".parquet") && !path.contains("/_delta_log/");
        if data && age >= after && !leaves.contains_key(&path) {
            count += 1;
            warehouse.delete(&path).await?;
        }
    }
    Ok(count)
}
