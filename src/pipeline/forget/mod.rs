//! `forget`: people taken out of every table and file of a warehouse, as a run of the chain.
//!
//! | file | knows |
//! |---|---|
//! | `person` | which rows and values are theirs; tables without them |
//! | `find` | whom a request means, and what they hold |
//! | `search` | whether anything of them is left in a file, whatever its kind |
//! | `stop` | keyed hashes, by which they are not read in again |
//!
//! What is in force gets tables without them. Files of earlier versions are replaced by ones without
//! them, which a rollback reads; the chain lists what was removed, so that it verifies on.

mod find;
mod person;
mod search;
pub(super) mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, concat_batches};
use serde_json::{Map, Value, json};

use super::commands::{self, CommandResult};
use super::{landing, maintain, resolution};
use crate::config::{self, Loaded};
use crate::engine::{Engine, Options, Staging, Store, WriteOptions, Written};
use crate::error::{Error, Result};
use crate::keyed::{HashKey, VARIABLE};
use crate::land::{self, Command, History, Published, delta, delta::TableCommit};
use crate::resolve::RecordKey;
use crate::tables;

use find::{read, table_of};
use person::{Cut, People};

/// The command's name in the chain.
const FORGET: &str = "forget";

/// Who is to be forgotten.
#[derive(Debug, Clone)]
pub enum Who {
    /// The customers of these records.
    Records(Vec<RecordKey>),
    /// A golden customer, also by an id that was redirected.
    Golden(String),
    /// Customers with a record that holds this value in one of these columns of `records`.
    Holding(&'static [&'static str], String),
}

/// What is to be forgotten.
#[derive(Debug, Clone)]
pub struct ForgetRequest {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// Who.
    pub who: Who,
    /// Whether all are, where several customers are found.
    pub all: bool,
}

/// What was done of one table or folder.
#[derive(Default)]
struct Done {
    files: u64,
    rewritten: u64,
    replaced: u64,
    rows: u64,
    cells: u64,
}

/// Forgets people. Gives the command's result and its certificate.
///
/// # Errors
/// Usage: nobody is found, or several are and `all` was not asked for. Configuration: no key, or a
/// source of records that does not say whose its rows are. Data: something of them is still there.
pub async fn forget(request: &ForgetRequest) -> Result<(CommandResult, Value)> {
    let started = Instant::now();
    let loaded = config::load(&request.pipeline, &request.sets, &|name| std::env::var(name).ok())?;
    let contracts = super::check::contracts(&loaded)?;
    let key = HashKey::of_process()?.ok_or_else(|| {
        Error::configuration(format!("{VARIABLE} is not set"))
            .help("set it to a secret that stays the same: hashes under it keep the forgotten out")
    })?;
    for mapping in &loaded.pipeline.records {
        let source = loaded.pipeline.sources.get(&mapping.source);
        if source.is_some_and(|source| source.subject.is_empty()) {
            return Err(Error::configuration(format!(
                "sources.{}.subject: it is not said whose its rows are",
                mapping.source
            ))
            .help("add subject: {SOURCE: [SQL]}, the record that a row is of: subject: {crm: [contact_id]}"));
        }
    }
    let (warehouse, history) = commands::open(&request.warehouse).await?;
    let onto = history.current(&loaded.pipeline.name).ok_or_else(|| {
        Error::data(format!("pipeline `{}` has published nothing here", loaded.pipeline.name))
            .help("name the pipeline file that the warehouse was made with: --pipeline FILE")
    })?;
    let engine = Engine::new(&Options::default())?;
    let leaves = land::leaves(&warehouse, &history).await?;
    let world =
        find::World { warehouse: &warehouse, engine: &engine, loaded: &loaded, leaves: &leaves };
    let mut people = find::people(&world, onto, request).await?;
    find::values(&world, &contracts, &mut people).await?;
    let found_in = people.records.iter().map(|own| own.source.clone());
    let sources: BTreeSet<String> = found_in.collect();
    let finder = people.finder()?;

    // What is of no table goes first: it can be made again, or should not be here.
    let swept = search::sweep(&warehouse, &leaves, &people, &finder).await?;
    warehouse.delete_folder("staging").await?;

    let mut command = Command::onto(FORGET, onto);
    let id = identity(&people, onto);
    let staging = Staging::new(&warehouse, &format!("forget-{id}"));
    let work = Work { world: &world, people: &people, finder: &finder, staging: &staging };
    let done = work.cut(&mut command, &history).await?;
    let erasure = serde_json::to_vec_pretty(&stop::Erasure::of(&people, &key))
        .map_err(|_| Error::bug("an erasure cannot be written"))?;
    work.place(&mut command, &format!("{}/{id}.json", stop::FOLDER), erasure).await?;

    let sum = |of: fn(&Done) -> u64| done.values().map(of).sum::<u64>();
    let mut details = Map::new();
    details.insert("customers_forgotten".to_owned(), people.customers.into());
    details.insert("ids_forgotten".to_owned(), people.golden_ids.len().into());
    details.insert("records_forgotten".to_owned(), people.records.len().into());
    details.insert("rows_removed".to_owned(), sum(|own| own.rows).into());
    details.insert("values_removed".to_owned(), sum(|own| own.cells).into());
    details.insert(
        "files_replaced".to_owned(),
        (sum(|own| own.rewritten) + sum(|own| own.replaced)).into(),
    );
    details.insert("other_files_removed".to_owned(), swept.len().into());
    command.details = details;
    let mut result = commands::publish(&warehouse, &command, started).await?;
    staging.clear().await?;

    let searched = search::everything(&warehouse, &people).await?;
    result.seconds = started.elapsed().as_secs_f64();
    let certificate = json!({
        "certificate": "simurgh forget",
        "at": jiff::Timestamp::now().to_string(),
        "program": format!("simurgh {}", env!("CARGO_PKG_VERSION")),
        "warehouse": warehouse.url().as_str(),
        "pipeline": loaded.pipeline.name,
        "run_id": result.run_id,
        "head": result.head,
        "customers": people.customers,
        "golden_ids": people.golden_ids,
        "records": people.records.len(),
        "sources": sources,
        "tables": done.iter().map(|(name, own)| (name.clone(), json!({
            "files_searched": own.files,
            "files_of_the_current_version_rewritten": own.rewritten,
            "files_of_earlier_versions_and_exports_replaced": own.replaced,
            "rows_removed": own.rows,
            "values_removed_from_others_rows": own.cells,
        }))).collect::<Map<String, Value>>(),
        "other_files_removed": swept,
        "staging": "removed",
        "search_afterwards": {
            "files": searched.files,
            "bytes": searched.bytes,
            "parquet_files_decoded": searched.decoded,
            "values_and_addresses_searched_for": searched.needles,
            "found_in": searched.found,
        },
        "kept_out_by": format!("{}/{id}.json: keyed hashes under {VARIABLE}", stop::FOLDER),
        "not_searched": [
            "the exports of the sources themselves, and copies of the warehouse",
            "files outside the warehouse: audit bundles, review files, the pipeline's overrides",
            "older versions that an object store's own versioning keeps",
        ],
    });
    if !searched.found.is_empty() {
        return Err(Error::data(format!(
            "something of the forgotten is still in {} files: {}",
            searched.found.len(),
            searched.found.join(", ")
        ))
        .help("the erasure is published and not complete: please report this, it is a bug"));
    }
    Ok((result, certificate))
}

/// Names an erasure: the same people in the same place give the same.
fn identity(people: &People, onto: &Published) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(onto.head.as_bytes());
    for id in &people.golden_ids {
        hasher.update(id.as_bytes());
    }
    hasher.finalize().to_hex()[..24].to_owned()
}

/// The cutting of tables.
struct Work<'a> {
    world: &'a find::World<'a>,
    people: &'a People,
    finder: &'a person::Finder,
    staging: &'a Staging,
}

impl Work<'_> {
    /// Cuts every file of every table, and says what becomes of each.
    async fn cut(
        &self,
        command: &mut Command,
        history: &History,
    ) -> Result<BTreeMap<String, Done>> {
        let onto = &command.onto.clone();
        let find::World { warehouse, leaves, .. } = *self.world;
        let mut current: BTreeMap<String, Vec<Written>> = BTreeMap::new();
        for (table, version) in &onto.tables {
            current
                .insert(table.clone(), delta::written(warehouse, table, *version, leaves).await?);
        }
        let mut rewritten: BTreeMap<String, BTreeMap<String, Written>> = BTreeMap::new();
        let mut done: BTreeMap<String, Done> = BTreeMap::new();
        let mut replaced = delta::replaced(warehouse).await?;
        let oldest = oldest_events(warehouse, history, &current).await?;
        for (path, hash) in leaves {
            let Some((table, export)) = table_of(path) else { continue };
            let own = done.entry(table.to_owned()).or_default();
            own.files += 1;
            let Some(batch) = read(warehouse, path).await? else { continue };
            let theirs = self.world.subjects(table, &batch, self.people).await?;
            let cut = match self.people.cut(&batch, theirs.as_deref(), self.finder)? {
                Some(cut) => cut,
                None if oldest.as_ref() == Some(path) => Cut { batch, rows: 0, cells: 0 },
                None => continue,
            };
            own.rows += cut.rows;
            own.cells += cut.cells;
            let in_force = !export
                && current
                    .get(table)
                    .is_some_and(|files| files.iter().any(|own| own.path == *path));
            let mut batch = cut.batch;
            if oldest.as_ref() == Some(path) {
                batch = self.with_tombstones(batch, onto)?;
            }
            if export {
                let from = format!("{}/{hash}.parquet", self.staging.folder());
                let file = self.write(table, batch, &from).await?;
                command.leaves.insert(path.clone(), file.blake3);
                command.exports.push((from, path.clone()));
                own.replaced += 1;
                continue;
            }
            let mut hasher = blake3::Hasher::new();
            hasher.update(hash.as_bytes());
            for id in &self.people.golden_ids {
                hasher.update(id.as_bytes());
            }
            let name = &hasher.finalize().to_hex()[..32];
            // Beside the file in whose place it stands: a partition stays what it is.
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let to = format!("{folder}/{FORGET}-{name}.parquet");
            let file = self.write(table, batch, &to).await?;
            command.removed.insert(path.clone(), Some(to.clone()));
            replaced.insert(path.clone(), file.clone());
            if in_force {
                own.rewritten += 1;
                rewritten.entry(table.to_owned()).or_default().insert(path.clone(), file);
            } else {
                own.replaced += 1;
                command.leaves.insert(to, file.blake3);
            }
        }
        for (table, mut new) in rewritten {
            let files = current.remove(&table).unwrap_or_default();
            let files = files.into_iter().map(|own| new.remove(&own.path).unwrap_or(own)).collect();
            command.commits.push(self.commit(&table, files, onto).await?);
        }
        let replaced = serde_json::to_vec_pretty(&replaced)
            .map_err(|_| Error::bug("what was replaced cannot be written"))?;
        self.place(command, delta::REPLACED, replaced).await?;
        Ok(done)
    }

    /// Puts a file in place as the command is published.
    async fn place(&self, command: &mut Command, to: &str, content: Vec<u8>) -> Result<()> {
        let from = format!("{}/{to}", self.staging.folder());
        command.leaves.insert(to.to_owned(), blake3::hash(&content).to_hex().to_string());
        self.world.warehouse.put(&from, content).await?;
        command.exports.push((from, to.to_owned()));
        Ok(())
    }

    async fn commit(
        &self,
        table: &str,
        files: Vec<Written>,
        onto: &Published,
    ) -> Result<TableCommit> {
        let version = onto.tables.get(table).copied();
        let delta = delta::open(self.world.warehouse, table, version).await?;
        let delta = delta.ok_or_else(|| Error::bug(format!("{table}: the table is gone")))?;
        Ok(TableCommit {
            table: table.to_owned(),
            schema: delta::arrow_schema(&delta)?.as_ref().clone(),
            description: String::new(),
            keep: None,
            statistics: Vec::new(),
            files,
            written_at: landing::now(),
            rearranged: false,
        })
    }

    async fn write(&self, table: &str, batch: RecordBatch, to: &str) -> Result<Written> {
        let find::World { warehouse, engine, loaded, .. } = *self.world;
        let sort = sort_of(loaded, table, &batch);
        let row_group = landing::row_group(batch.num_rows() as u64);
        let frame = engine.batches(batch.schema(), vec![batch])?;
        let options = WriteOptions { sort: &sort, unique: false, row_group, keep: true };
        Ok(engine.write(frame, warehouse, to, &options).await?.0)
    }

    /// The events with one more for each id: it was retired, and nobody says why but that.
    fn with_tombstones(&self, events: RecordBatch, onto: &Published) -> Result<RecordBatch> {
        let ids: Vec<&str> = self.people.golden_ids.iter().map(String::as_str).collect();
        let same = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(ids.iter().map(|_| text)))
        };
        let day: jiff::civil::Date = onto
            .logical_date
            .parse()
            .map_err(|_| Error::data("runs/seq: a logical date that is not a date"))?;
        let columns: Vec<ArrayRef> = vec![
            same(&onto.run_id),
            Arc::new(StringArray::from_iter_values(&ids)),
            same("retired"),
            same("forgotten"),
            Arc::new(StringArray::from(vec![None::<&str>; ids.len()])),
            Arc::new(UInt32Array::from(vec![0; ids.len()])),
            Arc::new(Date32Array::from(vec![resolution::days(day); ids.len()])),
        ];
        let made = RecordBatch::try_new(tables::entity_events(), columns)
            .map_err(|_| Error::bug("events do not fit their table"))?;
        let schema = events.schema();
        let columns = schema.fields().iter().map(|field| {
            let column = made.column_by_name(field.name());
            column.and_then(|column| cast(column, field.data_type()).ok())
        });
        let columns: Option<Vec<ArrayRef>> = columns.collect();
        let wrong = || Error::bug("entity_events has another column than it should");
        let made = RecordBatch::try_new(Arc::clone(&schema), columns.ok_or_else(wrong)?)
            .map_err(|_| wrong())?;
        concat_batches(&schema, &[events, made]).map_err(|_| wrong())
    }
}

/// The file of events that the most runs build on: of those in force, one that the first of all
/// entries has. What it says is not lost where an older entry is put back or a date is run again.
async fn oldest_events(
    warehouse: &Store,
    history: &History,
    current: &BTreeMap<String, Vec<Written>>,
) -> Result<Option<String>> {
    let Some(files) = current.get(tables::ENTITY_EVENTS) else { return Ok(None) };
    for entry in history.entries() {
        let Some(version) = entry.tables.get(tables::ENTITY_EVENTS) else { continue };
        if history.retired(entry).is_some() {
            continue;
        }
        let theirs = delta::files(warehouse, tables::ENTITY_EVENTS, *version).await?;
        if let Some(file) = files.iter().find(|file| theirs.contains(&file.path)) {
            return Ok(Some(file.path.clone()));
        }
    }
    Ok(None)
}

/// The columns that sort a table, as far as it has them.
fn sort_of(loaded: &Loaded, table: &str, batch: &RecordBatch) -> Vec<String> {
    let key = match table.strip_prefix("raw_").and_then(|name| loaded.pipeline.sources.get(name)) {
        Some(source) => super::check::contract(loaded, &source.contract)
            .map(|contract| contract.key().into_iter().map(str::to_owned).collect())
            .unwrap_or_default(),
        None => maintain::key(loaded, table),
    };
    key.into_iter().filter(|name| batch.schema().field_with_name(name).is_ok()).collect()
}
