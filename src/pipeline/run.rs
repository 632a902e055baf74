//! One run from its request to its outcome: identity, stages, publication, results.

mod result;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use arrow::array::RecordBatch;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::gate;
use super::inputs::{self, Input};
use super::sql::Parameters;
use super::{STAGES, decided, landing, lineage, stages};
use crate::config::{self, Loaded};
use crate::contract::Contract;
use crate::engine::{Created, Done, Engine, Options, Staging, Store};
use crate::error::{Error, Result};
use crate::keyed::{self, HashKey};
use crate::land::{self, History, Publication, Published};
use crate::report;

pub use result::{Outcome, RunResult, StageResult, outcome_of};
use result::{base, count_bytes, stage_result, staged, summarise};

/// What a command asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// `--set KEY=VALUE`.
    pub sets: Vec<String>,
    /// The warehouse: a folder or a URL.
    pub warehouse: String,
    /// The logical date.
    pub date: Date,
    /// The stages to run, as positions in [`STAGES`].
    pub stages: std::ops::RangeInclusive<usize>,
    /// The run that a stage continues, as an earlier process printed it.
    pub run_id: Option<String>,
    /// Whether later dates that this run makes stale are run again.
    pub cascade: bool,
    /// Whether every pair is compared, and nothing is taken over from the run before.
    pub full: bool,
    /// Whether what is past the limits of `gate` and `drift` is published all the same.
    pub accept: bool,
    /// Threads and memory.
    pub engine: Options,
}

/// What identifies a run, and what all its stages share: `staging/<run_id>/manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub run_id: String,
    pub pipeline: String,
    pub logical_date: String,
    pub inputs: Vec<Input>,
    pub configuration: String,
    pub program: String,
    pub predecessor: Option<u64>,
    /// A hash of what stewards decided; none where nothing is.
    #[serde(default)]
    pub decisions: Option<String>,
    /// The entry that changed the decisions last.
    #[serde(default)]
    pub decided: Option<u64>,
    /// Which key values are hashed under; none where there is no key.
    #[serde(default)]
    pub hash_key: Option<String>,
}

/// What every stage needs.
pub(super) struct Run {
    pub loaded: Loaded,
    pub contracts: BTreeMap<String, Contract>,
    pub identity: Identity,
    pub date: Date,
    pub parameters: Parameters,
    /// The tables that the run makes, by name.
    pub tables: Vec<String>,
    pub engine: Engine,
    pub warehouse: Store,
    pub inputs: Store,
    pub staging: Staging,
    pub predecessor: Option<Published>,
    /// What it is compared with before it publishes.
    pub baseline: Option<Published>,
    /// Whether what is past a limit is published all the same.
    pub accept: bool,
    /// What stewards decided, as `tables::decisions()`.
    pub decisions: RecordBatch,
    /// Whether no file of this run can be part of a published version yet.
    pub first_publication: bool,
    /// Whether every pair is compared, and nothing is taken over from the run before.
    pub full: bool,
    /// Whether a command changed what the run before decided.
    pub disturbed: bool,
}

/// Runs the stages asked for, and publishes where `land` is among them.
///
/// # Errors
/// Everything that can be wrong with the configuration, the exports, the stores; see
/// `docs/errors.md`.
pub async fn run(request: &Request) -> Result<RunResult> {
    let mut result = run_date(request, request.date).await?;
    if request.cascade && result.outcome != Outcome::Staged {
        // Later dates are runs of their own, whole, whatever part of this one was asked for.
        let whole = Request { run_id: None, stages: 0..=STAGES.len() - 1, ..request.clone() };
        for date in result.stale.clone() {
            let date: Date = date
                .parse()
                .map_err(|_| Error::data("runs/seq: a logical date that is not a date"))?;
            let later = run_date(&whole, date).await?;
            result.seconds += later.seconds;
            result.stale = later.stale;
            result.warnings.extend(later.warnings);
        }
    }
    Ok(result)
}

/// Everything a run needs, found out without writing to the warehouse but for its layout's mark.
pub(super) async fn prepare(request: &Request, date: Date) -> Result<(Run, History)> {
    let loaded = config::load(&request.pipeline, &request.sets, &|name| std::env::var(name).ok())?;
    let contracts = super::check::contracts(&loaded)?;
    let warehouse = Store::open(&request.warehouse)?;
    let inputs = Store::open(&loaded.pipeline.inputs)?;
    let engine = Engine::new(&request.engine)?;
    let parameters = Parameters::new(&loaded.pipeline, &date.to_string());
    let tables = super::check::plan_all(&loaded, &contracts, &parameters, &request.engine).await?;
    let history = History::read(&warehouse).await?;
    let predecessor = history.predecessor(&loaded.pipeline.name, &date.to_string()).cloned();
    let day = date.to_string();
    let baseline = gate::baseline(&history, &loaded.pipeline.name, &day).cloned();
    let decisions = decided::read(&engine, &warehouse, &history, &loaded.pipeline.name).await?;
    let decided =
        Decided { hash: decided::hash(&decisions)?, at: history.decided(&loaded.pipeline.name) };
    let identity = match &request.run_id {
        Some(run_id) => known(&warehouse, run_id, &loaded, &history, date, &decided).await?,
        None => {
            let erasures = super::forget::stop::fingerprint(&warehouse).await?;
            identify(&inputs, &loaded, date, predecessor.as_ref(), decided, erasures).await?
        }
    };
    let disturbed =
        predecessor.as_ref().is_some_and(|before| super::incremental::disturbed(&history, before));
    let staging = Staging::new(&warehouse, &identity.run_id);
    let first_publication = history.generations(&identity.run_id) == 0;
    let run = Run {
        loaded,
        contracts,
        identity,
        date,
        parameters,
        tables: tables.into_keys().collect(),
        engine,
        warehouse,
        inputs,
        staging,
        predecessor,
        baseline,
        accept: request.accept,
        decisions,
        first_publication,
        full: request.full,
        disturbed,
    };
    Ok((run, history))
}

async fn run_date(request: &Request, date: Date) -> Result<RunResult> {
    let started = Instant::now();
    let listener = report::Lineage::open(&|name| std::env::var(name).ok())?;
    let progress = report::Progress::start();
    progress.say("looking at the warehouse and the exports");
    let warehouse = Store::open(&request.warehouse)?;
    land::refuse_other_formats(&warehouse).await?;
    let before = History::read(&warehouse).await?.next_seq();
    land::recover(&warehouse).await?;
    let (run, history) = prepare(request, date).await?;
    land::check_format(&warehouse).await?;

    let predecessor = run.predecessor.as_ref().map(|entry| entry.seq);
    if let Some(entry) = in_force(&run, &history) {
        // Published by this command all the same, if it rolled an earlier process's plan forward.
        let outcome = if entry.seq >= before { Outcome::Published } else { Outcome::Unchanged };
        return already(&run, entry, &history, outcome, started).await;
    }
    refuse_rolled_back(&run, &history)?;
    refuse_retired(&run, &history)?;
    if run.identity.predecessor != predecessor {
        run.staging.clear().await?;
        return Err(Error::retry(format!(
            "run {}: the run before {date} changed since its first stage",
            run.identity.run_id
        ))
        .help("run from the first stage again: it will build on the new one"));
    }
    claim(&warehouse, &run.staging, &run.identity).await?;
    match work(&run, request, &progress, &listener, started).await {
        Ok(result) => Ok(result),
        Err(error) => {
            // Another process of the same run may have been faster, and cleared what both staged.
            let history = History::read(&warehouse).await?;
            match in_force(&run, &history) {
                Some(entry) => already(&run, entry, &history, Outcome::Unchanged, started).await,
                None => Err(moved_on(&run, &history).unwrap_or(error)),
            }
        }
    }
}

/// The entry of this very run, if it is the one in force for its date.
fn in_force<'a>(run: &Run, history: &'a History) -> Option<&'a Published> {
    let dates = history.by_date(&run.identity.pipeline);
    let entry = dates.get(run.identity.logical_date.as_str()).copied()?;
    let before = run.predecessor.as_ref().map(|entry| entry.seq);
    let same = history.run_of(entry).run_id == run.identity.run_id;
    (same && entry.predecessor == before).then_some(entry)
}

/// A run that was rolled back is published again only if somebody says so: a scheduler that tries
/// again must not undo what a person did. Another export, or another configuration, is another run.
fn refuse_rolled_back(run: &Run, history: &History) -> Result<()> {
    let dates = history.by_date(&run.identity.pipeline);
    let Some(entry) = dates.get(run.identity.logical_date.as_str()) else { return Ok(()) };
    let own = |earlier: &&Published| {
        earlier.run_id == run.identity.run_id && earlier.predecessor == run.identity.predecessor
    };
    let was = history.entries().iter().any(|entry| own(&entry));
    let Some(rollback) = history.rolled_back(entry).filter(|_| was && !run.accept) else {
        return Ok(());
    };
    Err(Error::data(format!(
        "run {}: it was published, and rolled back by run {}",
        run.identity.run_id, rollback.run_id
    ))
    .help("mend the exports or the pipeline file and run again; `--accept` publishes it as it was")
    .detail("run_id", run.identity.run_id.clone().into())
    .detail("logical_date", run.identity.logical_date.clone().into()))
}

/// A run that is not published yet needs the tables of the run before it.
pub(super) fn refuse_retired(run: &Run, history: &History) -> Result<()> {
    let retired = |before: &Published| history.retired(before).cloned();
    let (Some(before), Some(by)) = (&run.predecessor, run.predecessor.as_ref().and_then(retired))
    else {
        return Ok(());
    };
    Err(Error::data(format!(
        "{}: the tables of the run before it, of {}, were removed by `{}` (run {})",
        run.identity.logical_date,
        before.logical_date,
        by.command.as_deref().unwrap_or_default(),
        by.run_id
    ))
    .help("run a later date; land.retain_runs says how many dates are kept"))
}

/// The error of a run whose predecessor was replaced, and its files perhaps removed, while it worked.
fn moved_on(run: &Run, history: &History) -> Option<Error> {
    let before = history.predecessor(&run.identity.pipeline, &run.identity.logical_date);
    let changed = before.map(|entry| entry.seq) != run.identity.predecessor;
    changed.then(|| {
        Error::retry(format!(
            "run {}: the run before {} changed while this one worked",
            run.identity.run_id, run.identity.logical_date
        ))
        .help("run the same command again: it will build on the new one")
    })
}

/// The result of a run that is published already. Where its process died between publishing and
/// reporting, its results are made of what its stages left.
async fn already(
    run: &Run,
    entry: &Published,
    history: &History,
    outcome: Outcome,
    started: Instant,
) -> Result<RunResult> {
    let mut result = base(entry, history, outcome, started);
    // A command may have taken the entry's place since; the run is still this one.
    result.run_id.clone_from(&run.identity.run_id);
    if let Some(counts) = report::read_counts(&run.warehouse, &result.run_id).await {
        result.rows_read = counts.rows_read;
        result.rows_accepted = counts.rows_accepted;
        result.rows_quarantined = counts.rows_quarantined;
    } else {
        for name in STAGES {
            if let Some(done) = run.staging.done(name).await? {
                result.stages.push(stage_result(&done, None));
            }
        }
        if !result.stages.is_empty() {
            summarise(&mut result);
            report::write(&run.warehouse, &result.run_id, &result).await?;
        }
    }
    run.staging.clear().await?;
    Ok(result)
}

/// Runs the stages asked for, on what is staged already, and publishes after the last.
async fn work(
    run: &Run,
    request: &Request,
    progress: &report::Progress,
    listener: &report::Lineage,
    started: Instant,
) -> Result<RunResult> {
    let mut results = Vec::new();
    let mut before: Vec<Done> = Vec::new();
    let mut land_job = None;
    for (position, name) in STAGES.iter().enumerate().take(request.stages.end() + 1) {
        let clock = Instant::now();
        let (done, seconds) = match run.staging.done(name).await? {
            Some(done) => (done, None),
            None if position < *request.stages.start() => {
                return Err(Error::usage(format!(
                    "run {}: stage `{name}` has not been run yet",
                    run.identity.run_id
                ))
                .help(format!("run it first: --stage {name} --run-id {}", run.identity.run_id)));
            }
            None => {
                progress.say(name);
                let job = lineage::job(run, name);
                let reads = lineage::inputs(run, name, &before, None);
                listener.start(&job, &reads).await;
                let done = match stages::run(name, run, &before).await {
                    Ok(done) => done,
                    Err(error) => {
                        listener.end(&job, &reads, &error).await;
                        return Err(error);
                    }
                };
                if *name == "land" {
                    // It is complete when its tables are published.
                    land_job = Some(job);
                } else {
                    let reads = lineage::inputs(run, name, &before, Some(&done));
                    let writes = lineage::outputs(run, &done, &BTreeMap::new());
                    listener.complete(&job, &reads, &writes).await;
                }
                (done, Some(clock.elapsed().as_secs_f64()))
            }
        };
        if done.predecessor != run.identity.predecessor {
            return Err(Error::retry(format!(
                "run {}: stage `{name}` was run on another predecessor",
                run.identity.run_id
            ))
            .help("run the same command again"));
        }
        results.push(stage_result(&done, seconds));
        before.push(done);
    }
    if *request.stages.end() < STAGES.len() - 1 {
        let mut result = staged(run, results, started);
        count_bytes(&mut result, run, &before);
        result.warnings.extend(listener.warnings());
        return Ok(result);
    }
    progress.say("publishing");
    let landed = before.last().ok_or_else(|| Error::bug("nothing was landed"))?;
    let reads = lineage::inputs(run, "land", &before, Some(landed));
    let job = match land_job {
        Some(job) => job,
        None => {
            let job = lineage::job(run, "land");
            listener.start(&job, &[]).await;
            job
        }
    };
    let draft = landing::draft(run, &before).await?;
    let publication = match land::publish(&run.warehouse, &draft).await {
        Ok(publication) => publication,
        Err(error) => {
            listener.end(&job, &reads, &error).await;
            return Err(error);
        }
    };
    let history = History::read(&run.warehouse).await?;
    let (entry, outcome) = match publication {
        Publication::Published(entry) => (entry, Outcome::Published),
        Publication::Unchanged(entry) => (entry, Outcome::Unchanged),
    };
    let mut result = RunResult { stages: results, ..base(&entry, &history, outcome, started) };
    summarise(&mut result);
    count_bytes(&mut result, run, &before);
    listener.complete(&job, &reads, &lineage::outputs(run, landed, &result.tables)).await;
    result.warnings.extend(listener.warnings());
    if outcome == Outcome::Published {
        report::write(&run.warehouse, &result.run_id, &result).await?;
    }
    landing::clear_orphans(run, &draft, &entry, outcome == Outcome::Published).await?;
    run.staging.clear().await?;
    Ok(result)
}

async fn identify(
    store: &Store,
    loaded: &Loaded,
    date: Date,
    predecessor: Option<&Published>,
    decided: Decided,
    erasures: Option<String>,
) -> Result<Identity> {
    let mut found = Vec::new();
    for (name, source) in &loaded.pipeline.sources {
        found.extend(inputs::find(store, name, source, date).await?);
    }
    found.sort_by(|a, b| (&a.source, &a.path).cmp(&(&b.source, &b.path)));
    let configuration = super::check::configuration_hash(loaded)?;
    let mut identity = serde_json::json!({
        "pipeline": loaded.pipeline.name,
        "logical_date": date.to_string(),
        "inputs": found,
        "configuration": configuration,
    });
    if let Some(decisions) = &decided.hash {
        identity["decisions"] = decisions.as_str().into();
    }
    let hash_key = hash_key()?;
    if let Some(key) = &hash_key {
        identity["hash_key"] = key.as_str().into();
    }
    if let Some(erasures) = erasures {
        identity["erasures"] = erasures.into();
    }
    let hash = blake3::hash(identity.to_string().as_bytes()).to_hex();
    Ok(Identity {
        run_id: hash[..32].to_owned(),
        pipeline: loaded.pipeline.name.clone(),
        logical_date: date.to_string(),
        inputs: found,
        configuration,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        predecessor: predecessor.map(|entry| entry.seq),
        decisions: decided.hash,
        decided: decided.at,
        hash_key,
    })
}

/// Which key this process has.
fn hash_key() -> Result<Option<String>> {
    Ok(HashKey::of_process()?.map(|key| key.id().to_owned()))
}

/// What stewards decided, as a run finds it.
struct Decided {
    hash: Option<String>,
    /// The entry that changed it last.
    at: Option<u64>,
}

/// The identity that an earlier process of this run wrote down.
async fn known(
    warehouse: &Store,
    run_id: &str,
    loaded: &Loaded,
    history: &History,
    date: Date,
    decided: &Decided,
) -> Result<Identity> {
    let path = format!("staging/{run_id}/manifest.json");
    let identity: Identity = match warehouse.get_if_exists(&path).await? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
            Error::data(format!("{}: damaged", warehouse.url_of(&path)))
                .help("begin a new run: --stage extract, without --run-id")
        })?,
        None => match history.entries().iter().rev().find(|entry| entry.run_id == run_id) {
            // Published and cleared: enough to see that there is nothing left to do.
            Some(entry) => Identity {
                run_id: run_id.to_owned(),
                pipeline: entry.pipeline.clone(),
                logical_date: entry.logical_date.clone(),
                inputs: Vec::new(),
                configuration: super::check::configuration_hash(loaded)?,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                predecessor: entry.predecessor,
                decisions: decided.hash.clone(),
                decided: decided.at,
                hash_key: hash_key()?,
            },
            None => {
                return Err(Error::usage(format!("run {run_id}: there is no such run"))
                    .help("run --stage extract first; its last line of output gives the run_id"));
            }
        },
    };
    let configuration = super::check::configuration_hash(loaded)?;
    if identity.configuration != configuration || identity.logical_date != date.to_string() {
        return Err(Error::usage(format!(
            "run {run_id}: it began with another configuration or date"
        ))
        .help("give the same pipeline, --set and --date as its first stage, or begin a new run"));
    }
    if identity.hash_key != hash_key()? {
        return Err(Error::usage(format!(
            "run {run_id}: it began under another {}, or none",
            keyed::VARIABLE
        ))
        .help("give every stage of a run the same key, or begin a new run"));
    }
    if identity.decisions != decided.hash {
        return Err(Error::retry(format!(
            "run {run_id}: stewards' decisions changed since its first stage"
        ))
        .help("begin a new run, from the first stage: it will obey them"));
    }
    Ok(identity)
}

/// Writes the run's identity down for its later stages. An earlier attempt that built on another
/// predecessor is cleared away.
async fn claim(warehouse: &Store, staging: &Staging, identity: &Identity) -> Result<()> {
    let path = format!("{}/manifest.json", staging.folder());
    let bytes = serde_json::to_vec_pretty(identity)
        .map_err(|source| Error::bug("a run's identity cannot be written").because(source))?;
    for _ in 0..2 {
        match warehouse.create(&path, bytes.clone()).await? {
            Created::Ours => return Ok(()),
            Created::Theirs(there) => {
                let there: Option<Identity> = serde_json::from_slice(&there).ok();
                if there.is_some_and(|there| there.predecessor == identity.predecessor) {
                    return Ok(());
                }
                staging.clear().await?;
            }
        }
    }
    Err(Error::retry(format!("run {}: another process is at it", identity.run_id))
        .help("run the same command again"))
}
