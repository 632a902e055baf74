//! `simurgh verify`: is the warehouse what its runs wrote?

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::{Store, run_blocking};
use crate::error::{Error, Result};
use crate::land;
use crate::pipeline::{self, ReplayRequest};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A head that a run's last line printed: the chain must hold it, so that a chain that was cut
    /// or written anew is found too
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// Rebuilds the golden tables of this run from the match log, the records and the models that
    /// it stored, and compares; needs the pipeline file
    #[arg(long, value_name = "RUN", conflicts_with = "head")]
    replay: Option<String>,
    #[command(flatten)]
    file: PipelineFile,
    /// The memory that the process may hold, and half as much again at most; else half of what the
    /// machine or its container has
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The threads that replay; else one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    if let Some(run) = &arguments.replay {
        return replay(run, arguments, global);
    }
    let found = run_blocking(async {
        let warehouse = Store::open(&global.warehouse)?;
        land::refuse_other_formats(&warehouse).await?;
        land::verify(&warehouse, arguments.head.as_deref()).await
    })?;
    if !global.json {
        for finding in &found.findings {
            let run = finding.run_id.as_ref().map(|run| format!(" (run {run})"));
            say!("{} {}{}", finding.file, finding.what, run.unwrap_or_default());
        }
        say!(
            "{} runs, {} files, {} bytes; {} findings",
            found.runs,
            found.files,
            found.bytes,
            found.findings.len()
        );
        if !found.unreferenced.is_empty() {
            say!("{} files of runs that were broken off, in no table", found.unreferenced.len());
        }
        match (&found.head, &arguments.head) {
            (Some(head), None) => say!("head {head}: keep it elsewhere, for `verify --head`"),
            (Some(head), Some(_)) => say!("head {head}"),
            (None, _) => say!("nothing is published yet"),
        }
    }
    let whole = found.findings.is_empty();
    let mut json = json!({ "outcome": if whole { "verified" } else { "altered" } });
    if let (Some(json), Ok(serde_json::Value::Object(found))) =
        (json.as_object_mut(), serde_json::to_value(&found))
    {
        json.extend(found);
    }
    Ok(Done { json: Some(json), code: if whole { 0 } else { 1 } })
}

fn replay(run: &str, arguments: &Arguments, global: &Global) -> Result<Done> {
    let request = ReplayRequest {
        pipeline: arguments.file.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        run: run.to_owned(),
        engine: super::run::engine_options(arguments.threads, arguments.memory.as_deref())?,
    };
    let found = run_blocking(pipeline::replay(&request))?;
    if !global.json {
        say!("run {} of {}, made by {}", found.run_id, found.logical_date, found.program);
        say!("{} logged pairs, as they were logged", found.pairs_logged);
        say!(
            "{} pairs that guards asked for and the log does not hold, compared again under the \
             stored model",
            found.pairs_compared_again
        );
        for (name, table) in &found.tables {
            match table.missing + table.surplus {
                0 => say!("{name:<20} {:>10} rows, the same", table.rows),
                _ => say!(
                    "{name:<20} {:>10} rows: {} are not rebuilt, {} others are",
                    table.rows,
                    table.missing,
                    table.surplus
                ),
            }
        }
    }
    let whole = found.whole();
    let mut json = serde_json::to_value(&found)
        .map_err(|source| Error::bug("the result cannot be written").because(source))?;
    json["outcome"] = if whole { "replayed" } else { "differs" }.into();
    Ok(Done { json: Some(json), code: if whole { 0 } else { 1 } })
}
