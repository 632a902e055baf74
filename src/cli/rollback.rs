//! `simurgh rollback`: every table as a run had it.

use clap::Args;

use super::out::say;
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{self, CommandResult, Outcome, RollbackRequest};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run whose tables are put back, by its id or the beginning of it
    #[arg(value_name = "RUN")]
    run: String,
    /// Leaves stewards' decisions as they are now; else they too are those of the run
    #[arg(long)]
    keep_decisions: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let request = RollbackRequest {
        warehouse: global.warehouse.clone(),
        run: arguments.run.clone(),
        keep_decisions: arguments.keep_decisions,
    };
    let result = run_blocking(pipeline::rollback(&request))?;
    if !global.json {
        let of = |key: &str| result.details.get(key).cloned().unwrap_or_default();
        let text = |key: &str| of(key).as_str().unwrap_or_default().to_owned();
        match result.outcome {
            Outcome::Published => {
                say!(
                    "{} tables are as run {} of {} had them, in the place of {}",
                    of("tables_put_back"),
                    text("to"),
                    text("to_date"),
                    result.logical_date
                );
                say!("run {} of the chain", result.run_id);
            }
            _ => say!("the tables are as run {} had them already; nothing was done", text("to")),
        }
    }
    Ok(Done::with(json(&result)?))
}

/// The last line of a command that publishes.
pub(super) fn json(result: &CommandResult) -> Result<serde_json::Value> {
    serde_json::to_value(result)
        .map_err(|source| Error::bug("the result cannot be written").because(source))
}
