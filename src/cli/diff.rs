//! `simurgh diff`: what lies between two runs.

use std::path::PathBuf;

use clap::Args;

use super::out::say;
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{self, DiffRequest};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The earlier run, by its id or the beginning of it
    #[arg(value_name = "RUN")]
    before: String,
    /// The later run
    #[arg(value_name = "RUN")]
    after: String,
    /// The pipeline file, which names what pairs agree on; else pipeline.yaml here, if there is one
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let here = PathBuf::from("pipeline.yaml");
    let request = DiffRequest {
        warehouse: global.warehouse.clone(),
        before: arguments.before.clone(),
        after: arguments.after.clone(),
        pipeline: arguments.pipeline.clone().or_else(|| here.exists().then_some(here)),
        sets: global.sets.clone(),
    };
    let diff = run_blocking(pipeline::diff(&request))?;
    if !global.json {
        say!("{} of {} -> {} of {}", diff.before, diff.before_date, diff.after, diff.after_date);
        for line in pipeline::lines(&diff.difference) {
            say!("{line}");
        }
    }
    let mut json = serde_json::to_value(&diff)
        .map_err(|source| Error::bug("the difference cannot be written").because(source))?;
    json["outcome"] = "compared".into();
    Ok(Done::with(json))
}
