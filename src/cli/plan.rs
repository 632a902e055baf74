//! `simurgh plan`: what a run would read, do and write.

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::out::say;
use super::run::{engine_options, required};
use super::{Done, Global, PipelineFile, bounds};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{self, Request, STAGES};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: PipelineFile,
    /// The logical date of the run
    #[arg(long, env = "SIMURGH_DATE", value_name = "YYYY-MM-DD", value_parser = super::run::date)]
    date: Option<Date>,
    /// The memory that the process may hold, and half as much again at most; else half of what the
    /// machine or its container has
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The threads that execute; else one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let request = Request {
        pipeline: arguments.file.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        date: required(arguments.date)?,
        stages: 0..=STAGES.len() - 1,
        run_id: None,
        cascade: false,
        full: false,
        accept: false,
        engine: engine_options(arguments.threads, arguments.memory.as_deref())?,
    };
    bounds::memory(request.engine.memory, None);
    let plan = run_blocking(pipeline::plan(&request))?;
    if !global.json {
        say!("run {} of {}", plan.run_id, plan.logical_date);
        match (&plan.published, &plan.predecessor) {
            (true, _) => say!("published before: a run would change nothing"),
            (false, Some(before)) => say!("builds on the run of {before}"),
            (false, None) => say!("the first of its warehouse"),
        }
        say!(
            "\nreads\n  {:<28} {:>6} {:>12} {:>9} {:>9} {:>11}",
            "source",
            "files",
            "bytes",
            "rows",
            "accepted",
            "quarantined"
        );
        for source in &plan.sources {
            say!(
                "  {:<28} {:>6} {:>12} {:>9} {:>9} {:>11}",
                source.name,
                source.files,
                source.bytes,
                source.rows_read,
                source.rows_accepted,
                source.rows_quarantined
            );
        }
        say!("\nresolves");
        for kind in &plan.kinds {
            say!("  {}: {} records", kind.kind, kind.records);
            say!(
                "    {:<28} {:>10} {:>12} {:>13}",
                "blocking rule",
                "blocks",
                "pairs",
                "largest block"
            );
            for rule in &kind.blocking {
                say!(
                    "    {:<28} {:>10} {:>12} {:>13}",
                    rule.rule,
                    rule.blocks,
                    rule.pairs,
                    rule.largest_block
                );
            }
        }
        if let Some(gate) = &plan.gate {
            say!("\nchanges");
            for line in gate.lines() {
                say!("  {line}");
            }
            for past in &gate.past {
                say!("  would stop: {past}");
            }
        }
        say!("\nwrites {} tables\n  {}", plan.tables.len(), plan.tables.join(", "));
    }
    let mut json = serde_json::to_value(&plan)
        .map_err(|source| Error::bug("the plan cannot be written").because(source))?;
    json["outcome"] = json!("planned");
    Ok(Done::with(json))
}
