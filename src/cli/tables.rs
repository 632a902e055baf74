//! `simurgh tables`: the published tables, one of them, or what SQL gives over them.

use arrow::util::pretty::pretty_format_batches;
use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::config::suggestion;
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::land::Published;
use crate::pipeline::PublishedTables;

/// How many rows of a table are shown.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shows this table's columns and first rows
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Shows what this SELECT gives over the published tables
    #[arg(long, value_name = "SQL", conflicts_with = "name")]
    sql: Option<String>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(show(arguments, global))
}

async fn show(arguments: &Arguments, global: &Global) -> Result<Done> {
    let published = PublishedTables::open(&global.warehouse, None).await?;
    let current = &published.entry;
    match (&arguments.name, &arguments.sql) {
        (None, None) => Ok(list(current, global)),
        (Some(name), _) => {
            if !current.tables.contains_key(name) {
                let names: Vec<&str> = current.tables.keys().map(String::as_str).collect();
                return Err(Error::usage(format!("`{name}` is not a published table"))
                    .help(suggestion(name, &names, "published tables")));
            }
            let sql = format!("SELECT * FROM \"{name}\"");
            published.register(&[name]).await?;
            query(&published, &sql, Some(SHOWN), global).await
        }
        (None, Some(sql)) => {
            published.register(&[]).await?;
            query(&published, sql, None, global).await
        }
    }
}

fn list(current: &Published, global: &Global) -> Done {
    if !global.json {
        say!("{}: run {}", current.logical_date, current.run_id);
        say!("{:<26} {:>8} {:>10}", "table", "version", "rows added");
        for (name, version) in &current.tables {
            say!("{name:<26} {version:>8} {:>10}", current.rows.get(name).unwrap_or(&0));
        }
    }
    Done::with(json!({
        "run_id": current.run_id,
        "logical_date": current.logical_date,
        "tables": current.tables,
    }))
}

async fn query(
    published: &PublishedTables,
    sql: &str,
    shown: Option<usize>,
    global: &Global,
) -> Result<Done> {
    let batches = published.query(sql, "--sql").await?;
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let mut left = shown.unwrap_or(usize::MAX);
    let first: Vec<_> = batches
        .iter()
        .map(|batch| {
            let take = batch.num_rows().min(left);
            left -= take;
            batch.slice(0, take)
        })
        .collect();
    if !global.json {
        let table = pretty_format_batches(&first)
            .map_err(|_| Error::data("a value cannot be shown as text"))?;
        say!("{table}");
        if rows > shown.unwrap_or(rows) {
            say!("the first {SHOWN} of {rows} rows; --sql shows what you ask for");
        }
    }
    Ok(Done::with(json!({ "run_id": published.entry.run_id, "rows": rows })))
}
