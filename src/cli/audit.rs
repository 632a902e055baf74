//! `simurgh audit`: the evidence about a customer in one file, and the same decisions made again.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{self, LookRequest};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes all that is needed to make the decisions about a customer again
    Export(Export),
    /// Makes the decisions of a bundle again, without the warehouse, and says what does not fit
    Check(Check),
}

#[derive(Debug, Args)]
struct Export {
    /// A golden id, a record as SOURCE:RECORD_ID, or the id of a run for all its customers
    #[arg(value_name = "ID|RUN")]
    what: String,
    /// The pipeline file; else pipeline.yaml here
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// The file to write; else audit-ID.zip here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The logical date; else the newest that is published
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = super::run::date)]
    date: Option<jiff::civil::Date>,
}

#[derive(Debug, Args)]
struct Check {
    /// A file that `audit export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    match &arguments.command {
        Command::Export(own) => export(own, global),
        Command::Check(own) => check(own, global),
    }
}

fn export(arguments: &Export, global: &Global) -> Result<Done> {
    let request = LookRequest {
        pipeline: PipelineFile { pipeline: arguments.pipeline.clone() }.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        date: arguments.date,
        published: true,
    };
    let made = run_blocking(pipeline::export_audit(&request, arguments.what.trim()))?;
    let named = match made.golden_ids.as_slice() {
        [only] => format!("audit-{only}.zip"),
        _ => format!("audit-{}.zip", made.run_id),
    };
    let file = arguments.out.clone().unwrap_or_else(|| PathBuf::from(named));
    std::fs::write(&file, &made.content).map_err(|error| {
        Error::data(format!("{}: cannot be written: {}", file.display(), error.kind()))
            .help("name a file in a folder that is there: --out FILE")
    })?;
    if !global.json {
        say!("{}: {} bytes, of run {}", file.display(), made.content.len(), made.run_id);
        for (table, rows) in &made.rows {
            say!("  {table:<18} {rows:>8} rows");
        }
        say!("it holds personal data, in full: keep it as such");
    }
    Ok(Done::with(json!({
        "outcome": "exported",
        "file": file.display().to_string(),
        "run_id": made.run_id,
        "customers": made.golden_ids.len(),
        "rows": made.rows,
    })))
}

fn check(arguments: &Check, global: &Global) -> Result<Done> {
    let bytes = std::fs::read(&arguments.file).map_err(|error| {
        Error::usage(format!("{}: cannot be read: {}", arguments.file.display(), error.kind()))
            .help("name a file that `simurgh audit export` wrote")
    })?;
    let found = run_blocking(pipeline::check_audit(&bytes))?;
    if !global.json {
        for finding in &found.findings {
            say!("{finding}");
        }
        say!(
            "run {}: {} customers, {} records, {} pairs and {} rows of values made again; {} findings",
            found.run_id,
            found.customers,
            found.records,
            found.pairs,
            found.values,
            found.findings.len()
        );
    }
    let whole = found.findings.is_empty();
    let mut json = json!({ "outcome": if whole { "recomputed" } else { "differs" } });
    if let (Some(json), Ok(serde_json::Value::Object(found))) =
        (json.as_object_mut(), serde_json::to_value(&found))
    {
        json.extend(found);
    }
    Ok(Done { json: Some(json), code: if whole { 0 } else { 1 } })
}
