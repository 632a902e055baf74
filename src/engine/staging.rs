//! What stages hand over: `staging/<run_id>/<stage>/<attempt>/<table>.parquet`, and a
//! `staging/<run_id>/<stage>/done.json` that names the attempt which finished first.
//!
//! An attempt writes into a folder of its own and closes it by creating `done.json` only if there
//! is none: two processes never overwrite each other, and one killed half-way leaves nothing that
//! a later one could mistake for a result.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use serde::{Deserialize, Serialize};

use super::columns::ColumnLineage;
use super::session::Engine;
use super::store::{Created, Store};
use super::write::{ROW_GROUP, WriteOptions, Written};
use crate::error::{Error, Result};
use crate::tables::Growth;

/// The staging area of one run.
#[derive(Debug, Clone)]
pub struct Staging {
    warehouse: Store,
    run_id: String,
}

/// One table that a stage hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedTable {
    /// The table's name.
    pub name: String,
    /// How its rows relate to those of the run before.
    pub growth: Growth,
    /// The columns that sort it.
    pub sort: Vec<String>,
    /// Whether it becomes a table of the warehouse, or a plain export.
    pub landed: bool,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its file, relative to the warehouse.
    pub file: Written,
    /// What it is made of, where its plan says so.
    pub lineage: ColumnLineage,
}

/// A stage that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The stage.
    pub stage: String,
    /// The attempt that finished first.
    pub attempt: String,
    /// The sequence number of the run on which this one builds.
    pub predecessor: Option<u64>,
    /// What it hands over.
    pub tables: Vec<StagedTable>,
    /// What it reports: counts and warnings, never values.
    pub report: serde_json::Value,
}

/// One process's attempt at a stage.
#[derive(Debug)]
pub struct Attempt {
    staging: Staging,
    stage: String,
    id: String,
    predecessor: Option<u64>,
    tables: Vec<StagedTable>,
}

impl Staging {
    /// The staging area of a run.
    pub fn new(warehouse: &Store, run_id: &str) -> Self {
        Self { warehouse: warehouse.clone(), run_id: run_id.to_owned() }
    }

    /// The folder, relative to the warehouse.
    pub fn folder(&self) -> String {
        format!("staging/{}", self.run_id)
    }

    /// The store that it is in.
    pub fn store(&self) -> &Store {
        &self.warehouse
    }

    /// What a stage handed over, if it is done.
    pub async fn done(&self, stage: &str) -> Result<Option<Done>> {
        let path = format!("{}/{stage}/done.json", self.folder());
        match self.warehouse.get_if_exists(&path).await? {
            Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| {
                Error::data(format!("{}: damaged", self.warehouse.url_of(&path)))
                    .help("delete the run's folder under staging/ and run again")
            }),
            None => Ok(None),
        }
    }

    /// Begins an attempt at a stage.
    pub fn attempt(&self, stage: &str, predecessor: Option<u64>) -> Attempt {
        static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
        // Any text that no other attempt has will do; it names a folder and reaches no table.
        let nanoseconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos());
        let id = format!(
            "{nanoseconds:x}-{:x}-{:x}",
            std::process::id(),
            ATTEMPTS.fetch_add(1, Ordering::Relaxed)
        );
        Attempt {
            staging: self.clone(),
            stage: stage.to_owned(),
            id,
            predecessor,
            tables: Vec::new(),
        }
    }

    /// Removes all that the run staged.
    pub async fn clear(&self) -> Result<()> {
        self.warehouse.delete_folder(&self.folder()).await
    }
}

impl Attempt {
    /// Writes a table to hand over. `sort` is its key where `unique`.
    pub async fn write(
        &mut self,
        engine: &Engine,
        name: &str,
        growth: Growth,
        sort: &[String],
        unique: bool,
        frame: DataFrame,
    ) -> Result<u64> {
        let path = format!("{}/{name}.parquet", self.folder());
        let options = WriteOptions { sort, unique, row_group: ROW_GROUP, keep: false };
        let lineage = engine.lineage(&frame);
        let (file, schema) = engine.write(frame, &self.staging.warehouse, &path, &options).await?;
        let rows = file.rows;
        self.tables.push(StagedTable {
            name: name.to_owned(),
            growth,
            sort: sort.to_vec(),
            landed: true,
            schema,
            file,
            lineage,
        });
        Ok(rows)
    }

    /// The attempt's name, which no other attempt has.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The attempt's own folder, relative to the warehouse.
    pub fn folder(&self) -> String {
        format!("{}/{}/{}", self.staging.folder(), self.stage, self.id)
    }

    /// Adds a table that was written elsewhere.
    pub fn add(&mut self, table: StagedTable) {
        self.tables.push(table);
    }

    /// The table that was added last.
    pub fn last(&self) -> Option<&StagedTable> {
        self.tables.last()
    }

    /// Closes the attempt. Another one that closed before wins: its result is returned.
    pub async fn finish(self, report: serde_json::Value) -> Result<Done> {
        let done = Done {
            stage: self.stage.clone(),
            attempt: self.id,
            predecessor: self.predecessor,
            tables: self.tables,
            report,
        };
        let path = format!("{}/{}/done.json", self.staging.folder(), self.stage);
        let bytes = serde_json::to_vec_pretty(&done)
            .map_err(|source| Error::bug("a stage's report cannot be written").because(source))?;
        match self.staging.warehouse.create(&path, bytes).await? {
            Created::Ours => Ok(done),
            Created::Theirs(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| Error::data(format!("{path}: damaged")))
            }
        }
    }
}
