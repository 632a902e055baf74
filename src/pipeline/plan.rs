//! What a run would read, do, write and change: its first stages, in a folder that is thrown away.
//! The warehouse is only read. Golden customers are made where there are some to compare with.

use serde::Serialize;

use super::gate::{self, GateReport};
use super::run::{Request, prepare, refuse_retired};
use super::{resolution, stages};
use crate::engine::{Staging, Store};
use crate::error::{Error, Result};
use crate::resolve::{self, BlockingReport};
use arrow::array::Array;

/// What a run would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The run.
    pub run_id: String,
    /// The logical date.
    pub logical_date: String,
    /// The date of the run it builds on.
    pub predecessor: Option<String>,
    /// Whether it was published before, so that a run would change nothing.
    pub published: bool,
    /// What it reads.
    pub sources: Vec<SourcePlan>,
    /// What it resolves.
    pub kinds: Vec<KindPlan>,
    /// The tables that it writes.
    pub tables: Vec<String>,
    /// What it would change of what readers have; none where they have nothing, or it was published.
    pub gate: Option<GateReport>,
}

/// What a run reads of one source.
#[derive(Debug, Clone, Serialize)]
pub struct SourcePlan {
    /// The source.
    pub name: String,
    /// Its files of the day.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Their rows.
    pub rows_read: u64,
    /// Rows that keep the contract.
    pub rows_accepted: u64,
    /// Rows that do not.
    pub rows_quarantined: u64,
}

/// What a run resolves of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct KindPlan {
    /// The kind.
    pub kind: String,
    /// Its records.
    pub records: usize,
    /// What each blocking rule gives; a pair that several rules give is counted by each.
    pub blocking: Vec<BlockingReport>,
}

/// Finds out what a run would do, without doing it.
///
/// # Errors
/// What would stop the run before it compares records.
pub async fn plan(request: &Request) -> Result<Plan> {
    crate::land::refuse_other_formats(&Store::open(&request.warehouse)?).await?;
    let folder = Scratch::new()?;
    let (mut run, history) = prepare(request, request.date).await?;
    run.staging = Staging::new(&Store::open(&folder.path)?, &run.identity.run_id);
    let published = history
        .by_date(&run.identity.pipeline)
        .get(run.identity.logical_date.as_str())
        .is_some_and(|entry| {
            entry.run_id == run.identity.run_id && entry.predecessor == run.identity.predecessor
        });
    if !published {
        refuse_retired(&run, &history)?;
    }
    let extract = stages::run("extract", &run, &[]).await?;
    let count =
        |source: &str, what: &str| extract.report["sources"][source][what].as_u64().unwrap_or(0);
    let sources = run
        .loaded
        .pipeline
        .sources
        .keys()
        .map(|name| {
            let files = run.identity.inputs.iter().filter(|input| input.source == *name);
            SourcePlan {
                name: name.clone(),
                files: files.clone().count() as u64,
                bytes: files.map(|input| input.size).sum(),
                rows_read: count(name, "rows_read"),
                rows_accepted: count(name, "rows_accepted"),
                rows_quarantined: count(name, "rows_quarantined"),
            }
        })
        .collect();
    let clean = stages::run("clean", &run, std::slice::from_ref(&extract)).await?;
    stages::register(&run, &clean).await?;
    let consents = super::consent::stated(&run.engine, &run.loaded, &run.parameters).await?;
    super::consent::link(&run.engine, &consents).await?;
    let mut kinds = Vec::new();
    for (kind, settings) in &run.loaded.pipeline.resolve {
        let input = resolution::input(&run, kind, settings).await?;
        let blocking = resolve::estimate(&input)?;
        kinds.push(KindPlan { kind: kind.clone(), records: input.source.len(), blocking });
    }
    let gate = match (&run.baseline, published) {
        (Some(_), false) => {
            let mut staged = vec![extract, clean];
            for stage in ["resolve", "golden"] {
                let done = stages::run(stage, &run, &staged).await?;
                staged.push(done);
            }
            if let Some(golden) = staged.last() {
                stages::register(&run, golden).await?;
            }
            gate::check(&run, &staged).await?
        }
        _ => None,
    };
    Ok(Plan {
        run_id: run.identity.run_id.clone(),
        logical_date: run.identity.logical_date.clone(),
        predecessor: run.predecessor.map(|entry| entry.logical_date),
        published,
        sources,
        kinds,
        tables: run.tables,
        gate,
    })
}

/// A folder of the system's own for what is thrown away, gone when dropped.
pub(super) struct Scratch {
    pub(super) path: String,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("simurgh-plan-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| {
            Error::retry(format!("{}: cannot be made", path.display()))
                .help("make room there, or name another folder for what is thrown away: TMPDIR")
                .because(source)
        })?;
        Ok(Self { path: path.display().to_string() })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
