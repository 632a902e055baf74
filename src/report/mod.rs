//! What people and schedulers are told: progress on standard error, `run_results.json` and an HTML
//! page for each run. Counts, ids and positions only; never a value.

mod dictionary;
mod html;
mod lineage;
pub mod metrics;
mod progress;

use serde::{Deserialize, Serialize};

use crate::engine::Store;
use crate::error::{Error, Result};
use crate::tables::RESULT_SUMS;

pub use dictionary::markdown;
pub use lineage::{Dataset, Facets, Job, Lineage};
pub use progress::{Progress, set_quiet};

/// How often results are written until they are one process's.
const ATTEMPTS: usize = 10;

/// The version of `run_results.json`; its schema is `schemas/run_results.schema.json`.
const VERSION: u32 = 1;

/// Writes `runs/<run_id>/run_results.json` and `report.html`, what a run came to, and their sums.
pub async fn write(warehouse: &Store, run_id: &str, result: &impl Serialize) -> Result<()> {
    let folder = format!("runs/{run_id}");
    let mut json = serde_json::json!({ "version": VERSION });
    let body = serde_json::to_value(result)
        .map_err(|source| Error::bug("run results cannot be written").because(source))?;
    if let (Some(json), serde_json::Value::Object(body)) = (json.as_object_mut(), body) {
        json.extend(body);
    }
    let text = serde_json::to_string_pretty(&json)
        .map_err(|source| Error::bug("run results cannot be written").because(source))?;
    let files = [("report.html", html::page(&json)?), ("run_results.json", text + "\n")];
    // The results, which say that all are there, come last.
    let sums = (RESULT_SUMS, sums(&files));
    let all: Vec<(String, String)> = std::iter::once(sums)
        .chain(files)
        .map(|(name, content)| (format!("{folder}/{name}"), content))
        .collect();
    for _ in 0..ATTEMPTS {
        for (path, content) in &all {
            warehouse.put(path, content.clone()).await?;
        }
        // Another process of the same run may write its own between: whoever writes last finds all
        // of them its own.
        let mut whole = true;
        for (path, content) in &all {
            let there = warehouse.get_if_exists(path).await?;
            whole &= there.is_some_and(|there| there == content.as_bytes());
        }
        if whole {
            break;
        }
    }
    Ok(())
}

/// BLAKE3 of each file, as `b3sum` writes it.
fn sums(files: &[(&str, String)]) -> String {
    let line = |(name, content): &(&str, String)| {
        format!("{}  {name}\n", blake3::hash(content.as_bytes()).to_hex())
    };
    files.iter().map(line).collect()
}

/// The row counts of a run that was published before.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Counts {
    /// Rows read from exports.
    pub rows_read: u64,
    /// Rows that keep their contract.
    pub rows_accepted: u64,
    /// Rows that do not.
    pub rows_quarantined: u64,
}

/// The row counts of a run, where its results are still there.
pub async fn read_counts(warehouse: &Store, run_id: &str) -> Option<Counts> {
    let path = format!("runs/{run_id}/run_results.json");
    let bytes = warehouse.get_if_exists(&path).await.ok()??;
    serde_json::from_slice(&bytes).ok()
}
