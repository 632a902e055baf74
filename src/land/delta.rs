//! One Delta table: its files at a version, and a commit that happens exactly once.
//!
//! A commit makes the table hold a given set of files, whatever its latest version held, and
//! carries `txn(appId = run_id, version = generation)`. That mark is read before the commit and
//! again after **any** error, because a store can apply a write and lose the answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::Schema;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, MetadataExt, Remove, StructType, Transaction};
use deltalake::logstore::{StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use serde::{Deserialize, Serialize};

use crate::engine::{Store, Written, refused_by_disk};
use crate::error::{Error, Result};

pub use super::standing::{files, kept};

/// What a commit makes of one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TableCommit {
    /// The table's name.
    pub table: String,
    /// Its columns, as Arrow's schema.
    pub schema: Schema,
    /// What the table is, for its metadata.
    pub description: String,
    /// The version whose files the table keeps: the predecessor's, for tables that grow.
    pub keep: Option<u64>,
    /// Columns whose least and greatest values may stand in the log.
    pub statistics: Vec<String>,
    /// Files to add, already written, relative to the warehouse.
    pub files: Vec<Written>,
    /// When the files were written, in milliseconds since 1970.
    pub written_at: i64,
    /// Whether the rows stay what they were and only the files change.
    #[serde(default)]
    pub rearranged: bool,
}

/// The mark by which a commit is known to have happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// The run.
    pub run_id: String,
    /// The number of this publication of the run, from 1.
    pub generation: i64,
}

/// The folder of a table, relative to the warehouse.
pub fn folder(table: &str) -> String {
    format!("tables/{table}")
}

/// The folder of the files of a partition of a table, relative to the warehouse: what a partitioned
/// table's file is of stands in its path, in the way of Hive, and in its rows.
pub fn partition_folder(table: &str, column: &str, value: &str) -> String {
    format!("{}/{column}={value}", folder(table))
}

/// The partitions that a path below a table's folder is of, by column.
fn partition_of(path: &str) -> HashMap<String, Option<String>> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/');
    let pairs = folders.filter_map(|folder| folder.split_once('='));
    pairs.map(|(column, value)| (column.to_owned(), Some(value.to_owned()))).collect()
}

/// The file of a table's log that makes a version, relative to the warehouse.
pub(super) fn log(table: &str, version: u64) -> String {
    format!("{}/_delta_log/{version:020}.json", folder(table))
}

/// Opens a table at its latest version, or at one given; `None` where there is no such table.
pub async fn open(
    warehouse: &Store,
    table: &str,
    version: Option<u64>,
) -> Result<Option<DeltaTable>> {
    let mut delta = DeltaTable::new(log_store(warehouse, table)?);
    let loaded = match version {
        Some(version) => delta.load_version(version).await,
        None => delta.load().await,
    };
    match loaded {
        Ok(()) => Ok(Some(delta)),
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => {
            // A folder without a log gives other errors than `NotATable`, by store.
            if warehouse.list(&format!("{}/_delta_log", folder(table))).await?.is_empty() {
                return Ok(None);
            }
            Err(failed(warehouse, table, "open", &error))
        }
    }
}

/// The files that a table's version names, relative to the warehouse, sorted; a later command may
/// have removed them, which [`files`] knows.
pub(super) async fn named(warehouse: &Store, table: &str, version: u64) -> Result<Vec<String>> {
    let delta = open(warehouse, table, Some(version)).await?.ok_or_else(|| {
        Error::data(format!("{}: not a Delta table", warehouse.url_of(&folder(table))))
            .help("restore the table's folder from a copy: a published run names it")
    })?;
    let replaced = replaced(warehouse).await?;
    let mut paths: Vec<String> = active(&delta, warehouse, table)?
        .into_keys()
        .map(|path| format!("{}/{path}", folder(table)))
        .map(|path| instead(&replaced, &path).map_or(path, |file| file.path.clone()))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Where it stands which data files were replaced by others without the people that were forgotten.
pub const REPLACED: &str = "erasures/replaced.json";

/// The data files that were replaced since they were committed, by path, with what stands instead:
/// versions of tables name the old ones, and mean the new.
///
/// # Errors
/// A damaged file.
pub async fn replaced(warehouse: &Store) -> Result<BTreeMap<String, Written>> {
    match warehouse.get_if_exists(REPLACED).await? {
        None => Ok(BTreeMap::new()),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
            Error::data(format!("{}: damaged", warehouse.url_of(REPLACED)))
                .help("restore the file from a copy: it says which files stand in place of others")
        }),
    }
}

/// What stands in the place of a file today, if it was replaced.
fn instead<'a>(replaced: &'a BTreeMap<String, Written>, path: &str) -> Option<&'a Written> {
    let mut found = replaced.get(path);
    while let Some(later) = found.and_then(|file| replaced.get(&file.path)) {
        found = Some(later);
    }
    found
}

/// The files of a table at a version as commits name them; `leaves` says what each one's hash is.
pub async fn written(
    warehouse: &Store,
    table: &str,
    version: u64,
    leaves: &BTreeMap<String, String>,
) -> Result<Vec<Written>> {
    let place = || warehouse.url_of(&folder(table));
    let delta = open(warehouse, table, Some(version)).await?.ok_or_else(|| {
        Error::data(format!("{}: not a Delta table", place()))
            .help("restore the table's folder from a copy: a published run names it")
    })?;
    let snapshot = delta.snapshot().map_err(|error| failed(warehouse, table, "read", &error))?;
    let replaced = replaced(warehouse).await?;
    let mut files = Vec::new();
    for file in snapshot.log_data().iter() {
        let path = format!("{}/{}", folder(table), file.path());
        if let Some(file) = instead(&replaced, &path) {
            files.push(file.clone());
            continue;
        }
        let (Some(rows), Some(blake3)) = (file.num_records(), leaves.get(&path)) else {
            return Err(Error::data(format!(
                "{}: version {version} has a file that no run of the chain wrote",
                place()
            ))
            .help(
                "somebody else wrote to the table: `simurgh verify` names what is beside the chain",
            ));
        };
        files.push(Written {
            path,
            rows: rows as u64,
            bytes: u64::try_from(file.size()).unwrap_or(0),
            blake3: blake3.clone(),
            nulls: BTreeMap::new(),
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A checkpoint of a table's log at its latest version, where at least so many commits were made
/// since the last one: files to be put in place, by path relative to the warehouse. Made on a copy
/// of the log in memory, so that nothing stands in the log before it is published.
pub async fn checkpoint(
    warehouse: &Store,
    table: &str,
    commits: u64,
) -> Result<Option<Vec<(String, Vec<u8>)>>> {
    use deltalake::protocol::checkpoints::create_checkpoint;
    use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

    let folder = folder(table);
    let logs = warehouse.list(&format!("{folder}/_delta_log")).await?;
    let number = |path: &str, ending: &str| -> Option<u64> {
        path.rsplit('/').next()?.strip_suffix(ending)?.parse().ok()
    };
    let latest = logs.iter().filter_map(|log| number(&log.path, ".json")).max();
    let last = logs.iter().filter_map(|log| number(&log.path, ".checkpoint.parquet")).max();
    let since = latest.map_or(0, |latest| latest + 1) - last.map_or(0, |last| last + 1);
    if since < commits {
        return Ok(None);
    }
    let copy: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let broken = || Error::bug(format!("{folder}: a checkpoint cannot be made in memory"));
    let inside = |path: &str| path.strip_prefix(&format!("{folder}/")).unwrap_or(path).to_owned();
    for log in &logs {
        let content = warehouse.get(&log.path).await?;
        let to = Path::from(inside(&log.path));
        copy.put(&to, content.into()).await.map_err(|_| broken())?;
    }
    let url = url::Url::parse("memory:///").map_err(|_| broken())?;
    let store =
        default_logstore(Arc::clone(&copy), Arc::clone(&copy), &url, &StorageConfig::default());
    let mut delta = DeltaTable::new(store);
    delta.load().await.map_err(|error| failed(warehouse, table, "read", &error))?;
    create_checkpoint(&delta, None)
        .await
        .map_err(|error| failed(warehouse, table, "checkpoint", &error))?;
    let version = latest.unwrap_or_default();
    let mut written = Vec::new();
    for name in [format!("{version:020}.checkpoint.parquet"), "_last_checkpoint".to_owned()] {
        let path = format!("_delta_log/{name}");
        let made = copy.get(&Path::from(path.as_str())).await.map_err(|_| broken())?;
        let bytes = made.bytes().await.map_err(|_| broken())?;
        written.push((format!("{folder}/{path}"), bytes.to_vec()));
    }
    Ok(Some(written))
}

/// Makes the table hold the files that the commit names, exactly once for a mark. Returns the
/// version that does.
pub async fn commit(warehouse: &Store, plan: &TableCommit, mark: &Mark) -> Result<u64> {
    const ATTEMPTS: usize = 6;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let latest = match open(warehouse, &plan.table, None).await {
            Ok(latest) => latest,
            Err(error) if error.kind() == crate::error::Kind::Retry => {
                last = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let tried = match latest {
            Some(delta) => {
                if let Some(version) = committed(warehouse, &delta, plan, mark).await? {
                    return Ok(version);
                }
                change(warehouse, &delta, plan, mark).await
            }
            None => create(warehouse, plan, mark).await,
        };
        match tried {
            // Read back all the same: the mark says which version holds the commit.
            Ok(()) => {}
            Err(error) => last = Some(error),
        }
        if let Some(delta) = open(warehouse, &plan.table, None).await?
            && let Some(version) = committed(warehouse, &delta, plan, mark).await?
        {
            return Ok(version);
        }
    }
    Err(last.unwrap_or_else(|| {
        Error::retry(format!(
            "{}: the commit did not succeed",
            warehouse.url_of(&folder(&plan.table))
        ))
        .help("run the same command again")
    }))
}

fn log_store(warehouse: &Store, table: &str) -> Result<deltalake::logstore::LogStoreRef> {
    let place = warehouse.folder(&folder(table))?;
    Ok(default_logstore(place.object_store(), place.root(), place.url(), &StorageConfig::default()))
}

fn failed(warehouse: &Store, table: &str, doing: &str, error: &DeltaTableError) -> Error {
    // Delta's errors may quote rows: only what is certain not to is passed on.
    let place = warehouse.url_of(&folder(table));
    if let Some(refused) = refused_by_disk(&place, error) {
        return refused;
    }
    match error {
        DeltaTableError::InvalidVersion(version) => Error::data(format!(
            "{place}: version {version} cannot be read"
        ))
        .help("it may have been vacuumed: name a later run"),
        DeltaTableError::ObjectStore { .. } | DeltaTableError::Transaction { .. } => {
            Error::retry(format!("{place}: cannot {doing} the table: the store failed or another writer was first"))
                .help("run the same command again")
        }
        _ => Error::retry(format!("{place}: cannot {doing} the Delta table"))
            .help("run the same command again; if it persists, the table's log is damaged: restore its folder from a copy"),
    }
}

/// Active files by their path in the table.
fn active(delta: &DeltaTable, warehouse: &Store, table: &str) -> Result<BTreeMap<String, Add>> {
    let snapshot = delta.snapshot().map_err(|error| failed(warehouse, table, "read", &error))?;
    #[expect(
        deprecated,
        reason = "the commit needs `Add` actions, and there is no other way to them"
    )]
    let files = snapshot
        .log_data()
        .iter()
        .map(|file| (file.path().into_owned(), file.add_action()))
        .collect();
    Ok(files)
}

/// The version that carries the mark, if the commit has happened.
async fn committed(
    warehouse: &Store,
    delta: &DeltaTable,
    plan: &TableCommit,
    mark: &Mark,
) -> Result<Option<u64>> {
    let log_store = delta.log_store();
    let snapshot =
        delta.snapshot().map_err(|error| failed(warehouse, &plan.table, "read", &error))?;
    let seen = snapshot
        .transaction_version(log_store.as_ref(), &mark.run_id)
        .await
        .map_err(|error| failed(warehouse, &plan.table, "read", &error))?;
    if seen.is_none_or(|seen| seen < mark.generation) {
        return Ok(None);
    }
    let mut version = delta.version();
    while let Some(at) = version {
        if let Some(log) = warehouse.get_if_exists(&log(&plan.table, at)).await?
            && carries(&log, mark)
        {
            return Ok(Some(at));
        }
        version = at.checked_sub(1);
    }
    Err(Error::data(format!(
        "{}: the log says that run {} was committed, and no longer where",
        warehouse.url_of(&folder(&plan.table)),
        mark.run_id
    )))
}

fn carries(log: &[u8], mark: &Mark) -> bool {
    log.split(|byte| *byte == b'\n').any(|line| {
        serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|action| {
            action["txn"]["appId"] == mark.run_id.as_str()
                && action["txn"]["version"] == mark.generation
        })
    })
}

fn operation() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None }
}

fn properties(mark: &Mark) -> CommitProperties {
    CommitProperties::default()
        .with_max_retries(0)
        // Every file of the log is in the chain of manifests: none comes or goes beside it.
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
        .with_application_transaction(Transaction::new(&mark.run_id, mark.generation))
        .with_metadata([("simurgh.run_id".to_owned(), mark.run_id.clone().into())])
}

fn delta_schema(plan: &TableCommit) -> Result<StructType> {
    (&plan.schema).try_into_kernel().map_err(|_| {
        Error::configuration(format!("{}: Delta Lake cannot hold one of its columns", plan.table))
            .help("cast the column to text, a number, a date, a timestamp, or a list of these")
    })
}

fn configuration(plan: &TableCommit) -> Vec<(String, Option<String>)> {
    vec![
        // Least and greatest values of personal columns must not stand in the log.
        ("delta.dataSkippingStatsColumns".to_owned(), Some(plan.statistics.join(","))),
        // The marks of old runs are what makes their commits unrepeatable.
        ("delta.setTransactionRetentionDuration".to_owned(), Some("interval 3650 days".to_owned())),
    ]
}

async fn create(warehouse: &Store, plan: &TableCommit, mark: &Mark) -> Result<()> {
    let schema = delta_schema(plan)?;
    let adds = adds(plan);
    let partitions: BTreeSet<String> =
        adds.values().flat_map(|add| add.partition_values.keys().cloned()).collect();
    let actions: Vec<Action> = adds.into_values().map(Action::Add).collect();
    CreateBuilder::new()
        .with_log_store(log_store(warehouse, &plan.table)?)
        .with_table_name(&plan.table)
        .with_comment(&plan.description)
        .with_columns(schema.fields().cloned())
        .with_partition_columns(partitions)
        .with_configuration(configuration(plan))
        .with_actions(actions)
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_commit_properties(properties(mark))
        .await
        .map(drop)
        .map_err(|error| failed(warehouse, &plan.table, "create", &error))
}

async fn change(
    warehouse: &Store,
    delta: &DeltaTable,
    plan: &TableCommit,
    mark: &Mark,
) -> Result<()> {
    let unchanged = |error: DeltaTableError| failed(warehouse, &plan.table, "change", &error);
    let mut wanted = adds(plan);
    if let Some(keep) = plan.keep {
        let kept = open(warehouse, &plan.table, Some(keep)).await?.ok_or_else(|| {
            Error::data(format!(
                "{}: version {keep} is gone",
                warehouse.url_of(&folder(&plan.table))
            ))
        })?;
        let replaced = replaced(warehouse).await?;
        for (path, add) in active(&kept, warehouse, &plan.table)? {
            let named = format!("{}/{path}", folder(&plan.table));
            let (path, add) = match instead(&replaced, &named) {
                Some(file) => added(plan, file),
                None => (path, add),
            };
            wanted.entry(path).or_insert(Add { data_change: true, ..add });
        }
    }
    let present = active(delta, warehouse, &plan.table)?;
    let mut actions = Vec::new();
    let schema = delta_schema(plan)?;
    let snapshot = delta.snapshot().map_err(unchanged)?;
    if snapshot.metadata().partition_columns().is_empty() {
        // An older version made the table: what its files are of, their rows alone say.
        wanted.values_mut().for_each(|add| add.partition_values.clear());
    }
    if snapshot.schema().as_ref() != &schema {
        let metadata = MetadataExt::with_schema(snapshot.metadata().clone(), &schema)
            .map_err(|_| Error::bug("a table's metadata cannot hold its new columns"))?;
        actions.push(Action::Metadata(metadata));
    }
    for (path, add) in &present {
        if !wanted.contains_key(path) {
            actions.push(Action::Remove(Remove {
                path: path.clone(),
                data_change: !plan.rearranged,
                deletion_timestamp: Some(plan.written_at),
                extended_file_metadata: Some(true),
                partition_values: Some(add.partition_values.clone()),
                size: Some(add.size),
                ..Remove::default()
            }));
        }
    }
    for (path, add) in wanted {
        if !present.contains_key(&path) {
            actions.push(Action::Add(add));
        }
    }
    let snapshot = delta.snapshot().map_err(unchanged)?;
    CommitBuilder::from(properties(mark))
        .with_actions(actions)
        .build(Some(snapshot.snapshot()), delta.log_store(), operation())
        .await
        .map(drop)
        .map_err(unchanged)
}

fn adds(plan: &TableCommit) -> BTreeMap<String, Add> {
    plan.files.iter().map(|file| added(plan, file)).collect()
}

/// A file as the action that adds it, under its path in the table.
fn added(plan: &TableCommit, file: &Written) -> (String, Add) {
    let prefix = format!("{}/", folder(&plan.table));
    let path = file.path.strip_prefix(&prefix).unwrap_or(&file.path).to_owned();
    let add = Add {
        path: path.clone(),
        partition_values: partition_of(&path),
        size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        modification_time: plan.written_at,
        data_change: !plan.rearranged,
        stats: Some(format!("{{\"numRecords\":{}}}", file.rows)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    };
    (path, add)
}

/// The schema of a table as Arrow's, for reading it back.
pub fn arrow_schema(delta: &DeltaTable) -> Result<Arc<Schema>> {
    use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
    let snapshot = delta.snapshot().map_err(|_| Error::bug("a table that is not loaded"))?;
    let schema: Schema = snapshot
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|_| Error::data("a Delta table with a column that Arrow cannot hold"))?;
    Ok(Arc::new(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_under_whatever_the_log_makes_of_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let source = object_store::Error::Generic { store: "disk", source: Box::new(full) };
        let source = deltalake::kernel::transaction::TransactionError::ObjectStore { source };
        let error = failed(&store, "t", "change", &DeltaTableError::Transaction { source });
        assert!(error.to_string().contains("no room"), "{error}");
        assert_eq!(error.kind(), crate::error::Kind::Retry);
    }
}
