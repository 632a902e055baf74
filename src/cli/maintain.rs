//! `simurgh maintain`: a warehouse kept small, and of this program's layout.

use std::time::Duration;

use clap::Args;

use super::out::say;
use super::{Done, Global, PipelineFile, rollback};
use crate::engine::run_blocking;
use crate::error::Result;
use crate::pipeline::{self, MaintainRequest, Outcome};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// Removes what a run that was broken off left so many hours ago or earlier
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    abandoned_after: u32,
    /// The memory that the process may hold, and half as much again at most; else half of what the
    /// machine or its container has
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The threads that execute; else one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let request = MaintainRequest {
        pipeline: arguments.file.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        abandoned_after: Duration::from_secs(u64::from(arguments.abandoned_after) * 3600),
        engine: super::run::engine_options(arguments.threads, arguments.memory.as_deref())?,
    };
    super::bounds::memory(request.engine.memory, None);
    let result = run_blocking(pipeline::maintain(&request))?;
    if !global.json {
        let of = |key: &str| result.details.get(key).cloned().unwrap_or_default();
        if let Some(layout) = result.details.get("migrated_from_layout") {
            say!("the warehouse was of layout {layout}, and is of this program's now");
        }
        say!(
            "compacted {} files of {} tables; wrote {} checkpoints",
            of("files_compacted"),
            of("tables_compacted"),
            of("checkpoints_written")
        );
        say!(
            "removed {} files, {} bytes, that no kept run needs",
            of("files_removed"),
            of("bytes_removed")
        );
        say!("removed {} files that broken runs had left", of("abandoned_files_removed"));
        let dates = of("dates_kept");
        let dates: Vec<&str> =
            dates.as_array().into_iter().flatten().filter_map(|date| date.as_str()).collect();
        say!("kept, for rollback, replay and time travel: {}", dates.join(", "));
        if result.outcome == Outcome::Published {
            say!("run {} of the chain", result.run_id);
        }
    }
    Ok(Done::with(rollback::json(&result)?))
}
