//! `simurgh run`: runs a pipeline for a date, or one of its stages.

use clap::Args;
use jiff::civil::Date;
use serde_json::Value;

use super::out::say;
use super::{Done, Global, PipelineFile, bounds};
use crate::engine::{Options, parse_size, run_blocking};
use crate::error::{Error, Result};
use crate::pipeline::{self, Outcome, Request, RunResult};
use crate::report::metrics;

/// The exit code of `--skip-unchanged` where there was nothing to do.
const NOTHING_TO_DO: u8 = 99;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// The logical date of the run
    #[arg(long, env = "SIMURGH_DATE", value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<Date>,
    /// Runs this stage alone, on what an earlier process handed over
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["from", "to"])]
    stage: Option<String>,
    /// Begins with this stage
    #[arg(long, value_name = "STAGE")]
    from: Option<String>,
    /// Ends with this stage
    #[arg(long, value_name = "STAGE")]
    to: Option<String>,
    /// The run that a stage continues, as its first stage printed it
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// The memory that the process may hold, and half as much again at most; else half of what the
    /// machine or its container has
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Ends with exit code 75 if it is not done within this time, such as 90s, 15m or 2h
    #[arg(long, env = "SIMURGH_TIMEOUT", value_name = "TIME", value_parser = bounds::duration)]
    timeout: Option<std::time::Duration>,
    /// The threads that execute; else one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Runs the later dates again that this run makes stale
    #[arg(long)]
    cascade: bool,
    /// Compares every pair again, and not only those of what changed: the same tables, at more cost
    #[arg(long)]
    full: bool,
    /// Publishes a run that is past the limits of `gate` and `drift`, or that was rolled back
    #[arg(long)]
    accept: bool,
    /// Writes what the run came to as a Prometheus text file
    #[arg(long, env = "SIMURGH_METRICS", value_name = "FILE")]
    metrics: Option<std::path::PathBuf>,
    /// Exits 99, not 0, where the same run was published before
    #[arg(long)]
    skip_unchanged: bool,
}

pub(super) fn engine_options(threads: Option<u16>, memory: Option<&str>) -> Result<Options> {
    let defaults = Options::default();
    Ok(Options {
        threads: threads.map_or(defaults.threads, usize::from),
        memory: memory.map_or(Ok(defaults.memory), parse_size)?,
    })
}

/// A date as it is given.
pub(super) fn date(text: &str) -> Result<Date, &'static str> {
    // The parser's own words are of its digits and ranges, and long.
    let wrong = "not a day of the calendar, written as 2026-11-01";
    match text.len() {
        10 => text.parse().map_err(|_| wrong),
        _ => Err(wrong),
    }
}

pub(super) fn required(date: Option<Date>) -> Result<Date> {
    date.ok_or_else(|| {
        Error::usage("no logical date was given")
            .help("give the day whose exports are to be read: --date 2026-11-01")
    })
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let stages = pipeline::select(
        arguments.stage.as_deref(),
        arguments.from.as_deref(),
        arguments.to.as_deref(),
    )?;
    let request = Request {
        pipeline: arguments.file.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        date: required(arguments.date)?,
        stages,
        run_id: arguments.run_id.clone(),
        cascade: arguments.cascade,
        full: arguments.full,
        accept: arguments.accept,
        engine: engine_options(arguments.threads, arguments.memory.as_deref())?,
    };
    bounds::memory(request.engine.memory, arguments.metrics.clone());
    if let Some(timeout) = arguments.timeout {
        bounds::timeout(timeout, arguments.metrics.clone());
    }
    let result = match run_blocking(pipeline::run(&request)) {
        Ok(result) => result,
        Err(error) => {
            if let Some(path) = &arguments.metrics {
                metrics::write(path, &Value::Null, error.kind().exit_code())?;
            }
            return Err(error);
        }
    };
    if !global.json {
        print(&result, &global.warehouse);
    }
    let code = match result.outcome {
        Outcome::Unchanged if arguments.skip_unchanged => NOTHING_TO_DO,
        _ => 0,
    };
    let whole = serde_json::to_value(&result)
        .map_err(|source| Error::bug("the result cannot be written").because(source))?;
    if let Some(path) = &arguments.metrics {
        metrics::write(path, &whole, code)?;
    }
    Ok(Done { json: Some(line(whole)), code })
}

fn line(mut json: Value) -> Value {
    if let Some(fields) = json.as_object_mut() {
        // The stages' reports stand in run_results.json; a scheduler wants one short line.
        fields.remove("stages");
        fields.remove("rows");
        fields.remove("drift");
    }
    json
}

fn print(result: &RunResult, warehouse: &str) {
    match result.outcome {
        Outcome::Unchanged => {
            say!("{}: this run was published before; nothing was done", result.logical_date);
        }
        Outcome::Staged | Outcome::Published => {
            for stage in &result.stages {
                let seconds = if stage.resumed {
                    "done before".to_owned()
                } else {
                    format!("{:.1} s", stage.seconds)
                };
                let tables: Vec<String> = if stage.stage == "land" {
                    vec![format!("{} tables", result.tables.len())]
                } else {
                    stage.rows.iter().map(|(name, rows)| format!("{name} {rows}")).collect()
                };
                say!("{:<8} {seconds:>11}  {}", stage.stage, shorten(&tables));
            }
        }
    }
    say!(
        "rows read {} = accepted {} + quarantined {}; golden customers {}",
        result.rows_read,
        result.rows_accepted,
        result.rows_quarantined,
        result.entities
    );
    if let Some(gate) = &result.gate {
        for line in gate.lines() {
            say!("{line}");
        }
    }
    for warning in &result.warnings {
        say!("warning: {warning}");
    }
    if !result.stale.is_empty() {
        say!("stale, to be run again (or use --cascade): {}", result.stale.join(", "));
    }
    if result.outcome == Outcome::Published {
        say!("report: {}/runs/{}/report.html", warehouse.trim_end_matches('/'), result.run_id);
    }
}

fn shorten(parts: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = parts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if parts.len() > SHOWN {
        text.push_str(&format!(", and {} more", parts.len() - SHOWN));
    }
    text
}
