//! Records and results to be looked at: those that are published, or what a run would make of the
//! exports of a day, in a folder that is thrown away. The warehouse is only read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use jiff::civil::Date;

use super::plan::Scratch;
use super::run::{Request, prepare};
use super::{STAGES, resolution, stages};
use crate::config::{self, Loaded, suggestion};
use crate::engine::{Engine, Options, Staging, Store};
use crate::error::{Error, Result};
use crate::land::{self, History, Published, delta};
use crate::resolve::{self, Model, RecordKey, Resolve};
use crate::tables;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct LookRequest {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// The logical date; else the newest that is published.
    pub date: Option<Date>,
    /// Whether only what is published will do.
    pub published: bool,
}

/// One day's records, with what was published of them.
pub struct Look {
    /// The pipeline.
    pub loaded: Loaded,
    /// The day.
    pub logical_date: String,
    /// What is published of the day; none where the exports were read.
    pub published: Option<Published>,
    /// The engine, which knows the table `records`.
    pub engine: Engine,
    warehouse: Store,
    _scratch: Option<Scratch>,
}

impl Look {
    /// Opens a day: the newest that is published, or the one asked for; its exports are read where
    /// it is not published yet.
    ///
    /// # Errors
    /// Where nothing is published and no date is given; what would stop a run before it resolves.
    pub async fn open(request: &LookRequest) -> Result<Self> {
        let warehouse = Store::open(&request.warehouse)?;
        land::refuse_other_formats(&warehouse).await?;
        let loaded =
            config::load(&request.pipeline, &request.sets, &|name| std::env::var(name).ok())?;
        super::check::contracts(&loaded)?;
        let history = History::read(&warehouse).await?;
        let name = &loaded.pipeline.name;
        let entry = match request.date {
            Some(date) => history.by_date(name).get(date.to_string().as_str()).copied(),
            None => history.current(name),
        };
        if let Some(entry) = entry {
            let engine = Engine::new(&Options::default())?;
            let look = Self {
                logical_date: entry.logical_date.clone(),
                published: Some(entry.clone()),
                loaded,
                engine,
                warehouse,
                _scratch: None,
            };
            let frame = look.frame(tables::RECORDS).await?;
            look.engine.register(tables::RECORDS, frame)?;
            return Ok(look);
        }
        match request.date {
            Some(date) if !request.published => Self::read(request, date, warehouse).await,
            Some(date) => {
                Err(Error::data(format!("{}: nothing is published of {date}", warehouse.url()))
                    .help(format!("run the pipeline first: simurgh run PIPELINE --date {date}")))
            }
            None => {
                let help = match request.published {
                    true => "run the pipeline first: simurgh run PIPELINE --date DATE",
                    false => {
                        "run the pipeline first, or give the day whose exports are to be read: --date 2026-11-01"
                    }
                };
                Err(Error::data(format!("{}: nothing is published yet", warehouse.url()))
                    .help(help))
            }
        }
    }

    /// Reads a day's exports, as a run does.
    async fn read(request: &LookRequest, date: Date, warehouse: Store) -> Result<Self> {
        let asked = Request {
            pipeline: request.pipeline.clone(),
            sets: request.sets.clone(),
            warehouse: request.warehouse.clone(),
            date,
            stages: 0..=STAGES.len() - 1,
            run_id: None,
            cascade: false,
            engine: Options::default(),
        };
        let scratch = Scratch::new()?;
        let (mut run, _) = prepare(&asked, date).await?;
        run.staging = Staging::new(&Store::open(&scratch.path)?, &run.identity.run_id);
        let extract = stages::run("extract", &run, &[]).await?;
        let clean = stages::run("clean", &run, std::slice::from_ref(&extract)).await?;
        stages::register(&run, &clean).await?;
        Ok(Self {
            loaded: run.loaded,
            logical_date: date.to_string(),
            published: None,
            engine: run.engine,
            warehouse,
            _scratch: Some(scratch),
        })
    }

    /// Where the records come from, in words.
    pub fn origin(&self) -> String {
        match &self.published {
            Some(entry) => format!("the records of run {}", entry.run_id),
            None => "the day's exports, as a run would read them".to_owned(),
        }
    }

    /// The kinds asked for: one, or all.
    ///
    /// # Errors
    /// A kind that the pipeline does not resolve.
    pub fn kinds(&self, kind: Option<&str>) -> Result<Vec<(&str, &Resolve)>> {
        let resolve = &self.loaded.pipeline.resolve;
        let Some(kind) = kind else {
            return Ok(resolve.iter().map(|(kind, own)| (kind.as_str(), own)).collect());
        };
        let own = resolve.get_key_value(kind).ok_or_else(|| {
            let names: Vec<&str> = resolve.keys().map(String::as_str).collect();
            Error::usage(format!("`{kind}` is not a kind that the pipeline resolves"))
                .help(suggestion(kind, &names, "kinds"))
        })?;
        Ok(vec![(own.0.as_str(), own.1)])
    }

    /// One kind's records, as a run resolves them.
    ///
    /// # Errors
    /// Where an expression cannot be evaluated.
    pub async fn input<'a>(
        &self,
        kind: &'a str,
        settings: &'a Resolve,
    ) -> Result<resolve::Input<'a>> {
        resolution::input_of(&self.engine, kind, kind, settings).await
    }

    /// Further expressions over one kind's records, in the order of [`Look::input`].
    ///
    /// # Errors
    /// Where an expression cannot be evaluated.
    pub async fn columns(&self, kind: &str, expressions: &[String]) -> Result<Vec<ArrayRef>> {
        let what = format!("resolve.{kind}");
        let frame = self.engine.sql(&resolution::sql(kind, expressions), &what).await?;
        let batch = self.engine.collect_one(frame, &what).await?;
        Ok(batch.columns().iter().skip(2).map(Arc::clone).collect())
    }

    async fn frame(&self, table: &str) -> Result<datafusion::dataframe::DataFrame> {
        let version = self.published.as_ref().and_then(|entry| entry.tables.get(table));
        let version = version.ok_or_else(|| {
            Error::data(format!("{}: `{table}` is not published", self.warehouse.url()))
                .help("run the pipeline first: simurgh run PIPELINE --date DATE")
        })?;
        let files = delta::files(&self.warehouse, table, *version).await?;
        if files.is_empty() {
            let schema = tables::fixed().into_iter().find(|(name, _)| *name == table);
            if let Some((_, schema)) = schema {
                return self.engine.batches(schema, Vec::new());
            }
        }
        self.engine.parquet(&self.warehouse, &files).await
    }

    /// A published table.
    ///
    /// # Errors
    /// Where it is not published.
    pub async fn table(&self, table: &str) -> Result<Vec<RecordBatch>> {
        self.engine.collect(self.frame(table).await?, table).await
    }

    /// Every published record with its golden id.
    ///
    /// # Errors
    /// Where nothing is published.
    pub async fn members(&self) -> Result<BTreeMap<RecordKey, String>> {
        let mut members = BTreeMap::new();
        for batch in self.table(tables::ENTITY_MEMBERS).await? {
            let [golden, source, record] = ["golden_id", "source", "record_id"]
                .map(|name| text(&batch, tables::ENTITY_MEMBERS, name));
            let (golden, source, record) = (golden?, source?, record?);
            for row in 0..golden.len() {
                let key = RecordKey::new(source.value(row), record.value(row));
                members.insert(key, golden.value(row).to_owned());
            }
        }
        Ok(members)
    }

    /// The published model of each kind that has scored a pair.
    ///
    /// # Errors
    /// Where a model is missing or damaged.
    pub async fn models(&self) -> Result<BTreeMap<String, Model>> {
        let mut hashes = std::collections::BTreeSet::new();
        for batch in self.table(tables::SCORED_PAIRS).await? {
            let own = text(&batch, tables::SCORED_PAIRS, "model_hash")?;
            hashes.extend(own.iter().flatten().map(str::to_owned));
        }
        let mut models = BTreeMap::new();
        for hash in hashes {
            let model = model(&self.warehouse, &hash).await?;
            models.insert(model.kind.clone(), model);
        }
        Ok(models)
    }
}

/// The model of this hash in a warehouse.
///
/// # Errors
/// Where it is not there, or damaged.
pub async fn model(warehouse: &Store, hash: &str) -> Result<Model> {
    let path = format!("models/{hash}.json");
    let bytes = warehouse.get_if_exists(&path).await?.ok_or_else(|| {
        Error::usage(format!("{}: there is no such model", warehouse.url_of(&path)))
            .help("models are named by the column model_hash of scored_pairs")
    })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::data(format!("{}: damaged", warehouse.url_of(&path))))?;
    Model::from_json(text)
}

fn text(batch: &RecordBatch, table: &str, name: &str) -> Result<arrow::array::StringArray> {
    let column = batch.column_by_name(name).cloned();
    let column =
        column.and_then(|c| arrow::compute::cast(&c, &arrow::datatypes::DataType::Utf8).ok());
    column
        .map(|column| column.as_string::<i32>().clone())
        .ok_or_else(|| Error::data(format!("{table}: no text column `{name}`")))
}
