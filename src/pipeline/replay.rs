//! `verify --replay`: a run's golden tables rebuilt from what was kept of its decisions, and compared
//! with the tables that it published, value for value.
//!
//! Read are the match log up to the run, its records, the models that it stored, the members and
//! ids of the run before, and the pipeline file, which must be the one of the run. Nothing is
//! blocked or trained. Which pairs had to be compared again, because a guard asked for a pair that
//! was never logged, is counted and told. The warehouse is only read.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::row::{RowConverter, SortField};
use serde::Serialize;

use super::commands::named;
use super::{models, resolution, stages};
use crate::config::{self, Loaded};
use crate::engine::{Engine, Options, Store};
use crate::error::{Error, Result};
use crate::land::{self, History, Published, delta, manifest_of};
use crate::resolve::{self, RecordKey};
use crate::tables;

/// What is to be replayed.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// The run, by its id or the beginning of it.
    pub run: String,
    /// Threads and memory.
    pub engine: Options,
}

/// What a replay came to.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    /// The run.
    pub run_id: String,
    /// Its logical date.
    pub logical_date: String,
    /// The program that made it.
    pub program: String,
    /// Pairs that the match log holds of the run, all of which were used as they were logged.
    pub pairs_logged: u64,
    /// Pairs that guards of clusters asked for and the log does not hold: compared again, under the
    /// stored model.
    pub pairs_compared_again: u64,
    /// Each table that was rebuilt.
    pub tables: BTreeMap<String, Rebuilt>,
}

/// A table that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Rows that the run published.
    pub rows: u64,
    /// Of these, rows that the replay does not give.
    pub missing: u64,
    /// Rows that the replay gives and the run did not publish.
    pub surplus: u64,
}

impl Replay {
    /// Whether every table is as it was published.
    pub fn whole(&self) -> bool {
        self.tables.values().all(|table| table.missing + table.surplus == 0)
    }
}

/// Rebuilds a run's golden tables, and compares them.
///
/// # Errors
/// A run that is not there, whose tables or predecessor's tables were removed, or that was made
/// with another pipeline file.
pub async fn replay(request: &ReplayRequest) -> Result<Replay> {
    let loaded = config::load(&request.pipeline, &request.sets, &|name| std::env::var(name).ok())?;
    super::check::contracts(&loaded)?;
    let warehouse = Store::open(&request.warehouse)?;
    land::refuse_other_formats(&warehouse).await?;
    let history = History::read(&warehouse).await?;
    let run = history.run_of(named(&history, &request.run)?);
    let manifest = manifest_of(&warehouse, run).await?;
    if manifest["configuration"] != super::check::configuration_hash(&loaded)?.as_str() {
        return Err(Error::configuration(format!(
            "run {}: it was made with another pipeline file, or other --set",
            run.run_id
        ))
        .help("give the pipeline file, SQL and contracts as they were on that day"));
    }
    let entry = readable(&history, run, run)?;
    let before = match run.predecessor.and_then(|seq| history.get(seq)) {
        Some(before) => Some(readable(&history, before, run)?),
        None => None,
    };
    let engine = Engine::new(&request.engine)?;
    for (table, version) in &entry.tables {
        let files = delta::files(&warehouse, table, *version).await?;
        if !files.is_empty() {
            engine.register(table, engine.parquet(&warehouse, &files).await?)?;
        }
    }
    let pairs = logged_pairs(&engine, &warehouse, &history, run, entry).await?;
    let mut replay = Replay {
        run_id: run.run_id.clone(),
        logical_date: run.logical_date.clone(),
        program: manifest["program"].as_str().unwrap_or_default().to_owned(),
        pairs_logged: 0,
        pairs_compared_again: 0,
        tables: BTreeMap::new(),
    };
    let stored = models::of_entry(&warehouse, run).await?;
    let mut clusters: Vec<Vec<RecordKey>> = Vec::new();
    let mut links = Vec::new();
    let parameters = super::sql::Parameters::new(&loaded.pipeline, &run.logical_date);
    let consents = super::consent::stated(&engine, &loaded, &parameters).await?;
    let apart = super::consent::link(&engine, &consents).await?;
    for (kind, settings) in &loaded.pipeline.resolve {
        let input = resolution::input_of(&engine, kind, kind, settings).await?;
        let own = stored.iter().find(|entry| entry.kind == *kind).ok_or_else(|| {
            Error::data(format!("the run's manifest names no model of `{kind}`"))
                .help("replay with the pipeline file that the run was made with")
        })?;
        let model = models::read(&warehouse, own).await?;
        let options = resolve::Options { threads: engine.options().threads };
        let replayed = resolve::replay(&input, &model, &pairs, options)?;
        replay.pairs_logged += replayed.logged;
        replay.pairs_compared_again += replayed.compared_again;
        clusters.extend(resolution::members(&input, &replayed.clusters));
        links.extend(replayed.links);
    }
    clusters.extend(apart.into_iter().map(|record| vec![record]));
    let members = members(&engine, &warehouse, before, (run, entry), &clusters, &links).await?;
    let compare = Compare { engine: &engine, replay: &mut replay };
    rebuild(compare, &loaded, pairs, members).await?;
    Ok(replay)
}

/// The entry that holds an entry's tables today.
fn readable<'a>(
    history: &'a History,
    entry: &'a Published,
    run: &Published,
) -> Result<&'a Published> {
    let holds = history.maintained(entry);
    let Some(by) = history.retired(holds) else { return Ok(holds) };
    let command = by.command.as_deref().unwrap_or_default();
    let of = if entry.seq == run.seq { "its tables" } else { "the tables of the run before it" };
    Err(Error::data(format!(
        "run {}: {of} were removed by `{command}` (run {})",
        run.run_id, by.run_id
    ))
    .help("replay a later run; land.retain_runs says how many dates are kept"))
}

/// The pairs as the match log leaves them after a run: the last that was said of each.
async fn logged_pairs(
    engine: &Engine,
    warehouse: &Store,
    history: &History,
    run: &Published,
    entry: &Published,
) -> Result<RecordBatch> {
    let empty = RecordBatch::new_empty(tables::scored_pairs());
    let log = stages::rows_of(engine, warehouse, Some(entry), tables::MATCH_LOG).await?;
    let Some(log) = log else { return Ok(empty) };
    let schema = log[0].schema();
    let log = arrow::compute::concat_batches(&schema, &log)
        .map_err(|_| Error::bug("match_log: batches of different schemas"))?;
    // Runs in the order in which they built on each other.
    let mut order = vec![run.run_id.as_str()];
    let mut at = run;
    while let Some(before) = at.predecessor.and_then(|seq| history.get(seq)) {
        at = history.run_of(before);
        order.push(&at.run_id);
    }
    let rank: HashMap<&str, usize> = order.iter().rev().zip(0..).map(|(id, n)| (*id, n)).collect();
    let wrong = || Error::data("match_log: a column is missing or of another type");
    let text = |name: &str| -> Result<StringArray> {
        let column = log.column_by_name(name).ok_or_else(wrong)?;
        column.as_string_opt::<i32>().cloned().ok_or_else(wrong)
    };
    let keys: Vec<StringArray> = ["source_l", "record_id_l", "source_r", "record_id_r"]
        .into_iter()
        .map(text)
        .collect::<Result<_>>()?;
    let (runs, changes) = (text("run_id")?, text("change")?);
    let mut last: BTreeMap<[&str; 4], (usize, u32)> = BTreeMap::new();
    for row in 0..log.num_rows() {
        let own = *rank.get(runs.value(row)).ok_or_else(|| {
            Error::data("match_log: it holds a run that this one does not build on")
                .help("run `simurgh verify`: the log may have been changed")
        })?;
        let key = [0, 1, 2, 3].map(|column: usize| keys[column].value(row));
        let place = u32::try_from(row).map_err(|_| Error::data("match_log: too many rows"))?;
        let kept = last.entry(key).or_insert((own, place));
        if own >= kept.0 {
            *kept = (own, place);
        }
    }
    let rows = last.values().map(|(_, row)| *row);
    let rows =
        UInt32Array::from_iter_values(rows.filter(|row| changes.value(*row as usize) != "removed"));
    let pairs = stages::conform(&log, &tables::scored_pairs(), tables::MATCH_LOG)?;
    arrow::compute::take_record_batch(&pairs, &rows)
        .map_err(|_| Error::bug("match_log: a row that is not there"))
}

/// The members of golden ids, by the run before and the clusters.
async fn members(
    engine: &Engine,
    warehouse: &Store,
    before: Option<&Published>,
    (run, entry): (&Published, &Published),
    clusters: &[Vec<RecordKey>],
    links: &[resolve::Link],
) -> Result<RecordBatch> {
    let earlier = |table, schema| stages::table_as(engine, warehouse, before, table, schema);
    let members = earlier(tables::ENTITY_MEMBERS, tables::entity_members()).await?;
    let events = earlier(tables::ENTITY_EVENTS, tables::entity_events()).await?;
    let redirects = earlier(tables::ID_REDIRECTS, tables::id_redirects()).await?;
    let decisions =
        stages::table_as(engine, warehouse, Some(entry), tables::DECISIONS, tables::decisions());
    let decisions = resolve::Decisions::of_batch(&decisions.await?)?;
    let previous = before.map(|_| resolve::Previous {
        members: &members,
        events: &events,
        redirects: &redirects,
    });
    let date: jiff::civil::Date = run
        .logical_date
        .parse()
        .map_err(|_| Error::data("runs/seq: a logical date that is not a date"))?;
    let identify = resolve::IdentifyRun {
        pipeline: &run.pipeline,
        run_id: &run.run_id,
        logical_date: resolution::days(date),
        decisions: decisions.list(),
    };
    Ok(resolve::identify(&identify, clusters, previous.as_ref(), links)?.members)
}

/// Rebuilds what follows from members, and compares all of it.
async fn rebuild(
    mut compare: Compare<'_>,
    loaded: &Loaded,
    pairs: RecordBatch,
    members: RecordBatch,
) -> Result<()> {
    let date = compare
        .replay
        .logical_date
        .parse()
        .map_err(|_| Error::data("runs/seq: a logical date that is not a date"))?;
    compare.table(tables::SCORED_PAIRS, vec![pairs]).await?;
    compare.table(tables::ENTITY_MEMBERS, vec![members.clone()]).await?;
    let engine = compare.engine;
    engine.register(tables::ENTITY_MEMBERS, engine.batches(members.schema(), vec![members])?)?;
    let made = stages::golden(engine, loaded, date).await?;
    compare.table(tables::CUSTOMERS, made.customers).await?;
    let lineage = made.lineage.collect::<Result<Vec<_>>>()?;
    compare.table(tables::CUSTOMER_LINEAGE, lineage).await?;
    compare.table(tables::CUSTOMER_RELATIONS, made.relations).await
}

/// Rebuilt tables beside those that were published, which the engine knows by name.
struct Compare<'a> {
    engine: &'a Engine,
    replay: &'a mut Replay,
}

impl Compare<'_> {
    async fn table(&mut self, name: &str, rebuilt: Vec<RecordBatch>) -> Result<()> {
        let published = self.published(name).await?;
        let mut rows = Rows::default();
        if let Some(first) = published.first() {
            let schema = first.schema();
            let rebuilt = rebuilt
                .iter()
                .map(|batch| stages::conform(batch, &schema, name))
                .collect::<Result<Vec<_>>>()?;
            rows = Rows::of(&published, &rebuilt, name)?;
        } else {
            rows.surplus = rebuilt.iter().map(RecordBatch::num_rows).sum::<usize>() as u64;
        }
        let Rows { rows, missing, surplus } = rows;
        self.replay.tables.insert(name.to_owned(), Rebuilt { rows, missing, surplus });
        Ok(())
    }

    async fn published(&self, name: &str) -> Result<Vec<RecordBatch>> {
        if !self.engine.knows(name) {
            return Ok(Vec::new());
        }
        let frame = self.engine.sql(&format!("SELECT * FROM \"{name}\""), name).await?;
        self.engine.collect(frame, name).await
    }
}

#[derive(Default)]
struct Rows {
    rows: u64,
    missing: u64,
    surplus: u64,
}

impl Rows {
    /// Rows of either side that the other has not, as often.
    fn of(published: &[RecordBatch], rebuilt: &[RecordBatch], name: &str) -> Result<Self> {
        let wrong = |_| Error::bug(format!("{name}: rows cannot be compared"));
        let schema = published[0].schema();
        let fields = schema.fields().iter().map(|own| SortField::new(own.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(wrong)?;
        let mut balance: HashMap<Vec<u8>, i64> = HashMap::new();
        let mut add = |batches: &[RecordBatch], step: i64| -> Result<u64> {
            let mut count = 0;
            for batch in batches {
                let rows = converter.convert_columns(batch.columns()).map_err(wrong)?;
                for row in &rows {
                    *balance.entry(row.as_ref().to_vec()).or_default() += step;
                    count += 1;
                }
            }
            Ok(count)
        };
        let rows = add(published, 1)?;
        add(rebuilt, -1)?;
        let sum = |sign: i64| -> u64 {
            balance.values().map(|count| u64::try_from(count * sign).unwrap_or(0)).sum()
        };
        Ok(Self { rows, missing: sum(1), surplus: sum(-1) })
    }
}
