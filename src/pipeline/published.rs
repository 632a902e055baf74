//! The tables that a warehouse has published, for commands that look at them.

use crate::engine::{Engine, Options, Store};
use crate::error::{Error, Result};
use crate::land::{self, History, Published};

/// One consistent set of tables, and a session that can read them.
pub struct PublishedTables {
    /// The warehouse.
    pub warehouse: Store,
    /// Which versions belong together.
    pub entry: Published,
    engine: Engine,
}

impl PublishedTables {
    /// The newest date's set of a pipeline, or where none is named of the pipeline that published
    /// last.
    ///
    /// # Errors
    /// Where nothing is published, or the warehouse is of another layout.
    pub async fn open(uri: &str, pipeline: Option<&str>) -> Result<Self> {
        let warehouse = Store::open(uri)?;
        land::refuse_other_formats(&warehouse).await?;
        let history = History::read(&warehouse).await?;
        let last = history.entries().last().map(|entry| entry.pipeline.clone());
        let name = pipeline.map(str::to_owned).or(last).unwrap_or_default();
        let entry = history.current(&name).cloned().ok_or_else(|| {
            Error::data(format!("{}: nothing is published yet", warehouse.url()))
                .help("run a pipeline first: simurgh run PIPELINE --date DATE")
        })?;
        Ok(Self { warehouse, entry, engine: Engine::new(&Options::default())? })
    }

    /// Makes tables readable by SQL: those named, as far as they are published and have rows; all
    /// where none is named. Gives the names of those that are readable.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub async fn register(&self, names: &[&str]) -> Result<Vec<&str>> {
        let mut readable = Vec::new();
        for (name, version) in &self.entry.tables {
            if !names.is_empty() && !names.contains(&name.as_str()) {
                continue;
            }
            let files = land::delta::files(&self.warehouse, name, *version).await?;
            if !files.is_empty() {
                self.engine.register(name, self.engine.parquet(&self.warehouse, &files).await?)?;
                readable.push(name.as_str());
            }
        }
        Ok(readable)
    }

    /// What a SELECT over the registered tables gives; `what` names it in errors.
    ///
    /// # Errors
    /// SQL that is not a SELECT over them.
    pub async fn query(&self, sql: &str, what: &str) -> Result<Vec<arrow::array::RecordBatch>> {
        self.engine.collect(self.engine.sql(sql, what).await?, what).await
    }
}
