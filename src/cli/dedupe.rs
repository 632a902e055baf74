//! `simurgh dedupe`: files in, entities out, without a pipeline.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global, bounds};
use crate::engine::{Options, run_blocking};
use crate::error::Result;
use crate::pipeline::dedupe::{Found, Request, Roles, dedupe};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The files: CSV, NDJSON, Parquet or XLSX, each a source
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the results go: a folder, made where there is none
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The column that identifies a record; else one is found, or row numbers are used
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// The column that names the source of a record; else each file is a source
    #[arg(long, value_name = "COLUMN")]
    source: Option<String>,
    /// Compares records of different sources only, each source holding an entity once
    #[arg(long)]
    link_only: bool,
    /// The column of true entities: evaluates the result, and is never seen by the model
    #[arg(long, value_name = "COLUMN")]
    labels: Option<String>,
    /// A column that is not looked at; may be given several times
    #[arg(long, value_name = "COLUMN")]
    exclude: Vec<String>,
    /// How to resolve: a pipeline file, such as the one that this command writes
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How to resolve: settings that Splink 4 or 5 saved (`linker.misc.save_model_to_json`)
    #[arg(long, value_name = "FILE", conflicts_with = "settings")]
    splink: Option<PathBuf>,
    /// Threads
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let mut options = Options::default();
    options.threads = arguments.threads.unwrap_or(options.threads).max(1);
    bounds::memory(options.memory, None);
    let request = Request {
        files: &arguments.files,
        out: &arguments.out,
        roles: Roles {
            id: arguments.id.as_deref(),
            source: arguments.source.as_deref(),
            labels: arguments.labels.as_deref(),
            exclude: &arguments.exclude,
            ..Roles::default()
        },
        link_only: arguments.link_only,
        settings: arguments.settings.as_deref(),
        splink: arguments.splink.as_deref(),
        options,
    };
    let found = run_blocking(dedupe(&request))?;
    if !global.json {
        show(&found);
    }
    let done = Done::with(json!({
        "outcome": "resolved",
        "rows_read": found.rows,
        "pairs_compared": found.pairs_compared,
        "pairs_written": found.pairs_written,
        "entities": found.entities,
        "id": found.id,
        "duplicate_free": found.duplicate_free,
        "converged": found.converged,
        "evaluation": found.evaluation,
        "seconds": (found.seconds.iter().map(|phase| phase.1).sum::<f64>() * 1000.0).round() / 1000.0,
        "phases": found.seconds.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "warnings": found.warnings,
    }));
    // The process ends: a model of many values need not be taken apart first.
    std::mem::forget(found);
    Ok(done)
}

/// A count with a mark between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn show(found: &Found) {
    if let Some(proposal) = &found.proposal {
        let width = found
            .understood
            .iter()
            .map(|own| own.name.chars().count())
            .max()
            .unwrap_or(6)
            .clamp(6, 24);
        say!("{:<width$}  {:<22} {:>7} {:>9}  why", "column", "meaning", "filled", "distinct");
        for own in &found.understood {
            let name: String = own.name.chars().take(24).collect();
            say!(
                "{name:<width$}  {:<22} {:>6.1}% {:>9}  {}",
                own.meaning.words(),
                own.profile.filled_share() * 100.0,
                count(own.profile.distinct as u64),
                own.why
            );
        }
        let by =
            found.id.as_ref().map_or("by row number".to_owned(), |id| format!("by column `{id}`"));
        say!("\n{} records of kind `{}`, identified {by}", count(found.rows as u64), proposal.kind);
    }
    say!("\n{:<28} {:>14} {:>9}", "blocking rule", "pairs", "largest");
    for rule in &found.blocking {
        say!("{:<28} {:>14} {:>9}", rule.rule, count(rule.pairs), count(rule.largest_block));
    }
    say!("\n{:<28} {:<20} m and u of the first level", "comparison", "type");
    for own in &found.model.comparisons {
        let (m, u) = own.levels.first().map_or((0.0, 0.0), |level| (level.m, level.u));
        say!("{:<28} {:<20} {m:.3} {u:.6}", own.name, own.kind);
    }
    let end = if found.converged { "converged" } else { "not converged" };
    say!(
        "\ntrained in {} iterations, {end}; {} pairs compared, {} written",
        found.iterations,
        count(found.pairs_compared),
        count(found.pairs_written as u64)
    );
    say!(
        "{} entities: {} of several records, the largest of {}",
        count(found.entities as u64),
        count(found.merged as u64),
        found.largest
    );
    if !found.duplicate_free.is_empty() {
        say!(
            "free of duplicates, so that each entity is there once: {}",
            found.duplicate_free.join(", ")
        );
    }
    if let Some(own) = &found.evaluation {
        say!("\n{:<10} {:>9} {:>9} {:>9}", "labels", "precision", "recall", "F1");
        for (name, score) in
            [("pairwise", own.pairwise), ("clusters", own.clusters), ("B-cubed", own.b_cubed)]
        {
            say!("{name:<10} {:>9.4} {:>9.4} {:>9.4}", score.precision, score.recall, score.f1);
        }
    }
    for warning in &found.warnings {
        say!("warning: {warning}");
    }
}
