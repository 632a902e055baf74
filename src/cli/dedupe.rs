//! `simurgh dedupe`: files in, entities out, without a pipeline.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::engine::{Options, run_blocking};
use crate::error::Result;
use crate::pipeline::dedupe::{Request, dedupe};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The files: Parquet
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the results go: a folder, made where there is none
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The column that identifies a record
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// The column that names the source of a record
    #[arg(long, value_name = "COLUMN")]
    source: Option<String>,
    /// How to resolve: a file with a `resolve` section over the files' own columns
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// Threads
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let mut options = Options::default();
    options.threads = arguments.threads.unwrap_or(options.threads);
    let request = Request {
        files: &arguments.files,
        out: &arguments.out,
        id: arguments.id.as_deref(),
        source: arguments.source.as_deref(),
        settings: &arguments.settings,
        options,
    };
    let found = run_blocking(dedupe(&request))?;
    if !global.json {
        for warning in &found.warnings {
            say!("warning: {warning}");
        }
        for phase in &found.seconds {
            say!("{:<10} {:>8.2} s", phase.0, phase.1);
        }
    }
    Ok(Done::with(json!({
        "outcome": "resolved",
        "rows_read": found.rows,
        "pairs_compared": found.pairs_compared,
        "entities": found.entities,
        "converged": found.converged,
    })))
}
