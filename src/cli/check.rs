//! `simurgh check`: everything that can be wrong before an export is read.

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::{Options, run_blocking};
use crate::error::Result;
use crate::pipeline;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let loaded = arguments.file.load(global)?;
    // Any date does: what is planned does not depend on it.
    let checked = run_blocking(pipeline::check(&loaded, "2000-01-01", &Options::default()))?;
    if !global.json {
        say!(
            "{}: {} sources, {} tables; nothing is wrong",
            checked.pipeline,
            checked.sources.len(),
            checked.tables.len()
        );
    }
    Ok(Done::with(json!({
        "outcome": "checked",
        "pipeline": checked.pipeline,
        "sources": checked.sources,
        "tables": checked.tables.keys().collect::<Vec<_>>(),
    })))
}
