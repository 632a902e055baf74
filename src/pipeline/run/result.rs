//! What a run tells of itself: its outcome, counts, warnings and stages.
//!
//! Knows what stages reported and what is published; refuses to know how a run came to it.

use std::collections::BTreeMap;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::drift::DriftReport;
use super::super::gate::GateReport;
use super::Run;
use crate::engine::Done;
use crate::error::{Error, Kind};
use crate::land::{History, Published};
use crate::memory;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The tables are published.
    Published,
    /// The same run was published before; nothing was done.
    Unchanged,
    /// The stages asked for are done; a later process publishes.
    Staged,
}

/// The run's result: the last line of standard output, but for errors.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunResult {
    /// The run.
    pub run_id: String,
    /// What it came to.
    pub outcome: Outcome,
    /// The logical date.
    pub logical_date: String,
    /// Rows read from exports.
    pub rows_read: u64,
    /// Rows that keep their contract.
    pub rows_accepted: u64,
    /// Rows that do not.
    pub rows_quarantined: u64,
    /// Golden customers.
    pub entities: u64,
    /// The version of each table.
    pub tables: BTreeMap<String, u64>,
    /// The head of the chain of manifests.
    pub head: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// Bytes of the exports.
    pub bytes_read: u64,
    /// Bytes of what the stages wrote.
    pub bytes_written: u64,
    /// The most memory that the process held, where the system says so.
    pub memory_peak_bytes: Option<u64>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// What the reader should know: never a value.
    pub warnings: Vec<String>,
    /// Dates whose runs build on a run that is no longer in force.
    pub stale: Vec<String>,
    /// What the run changes of what readers had; none for the first, or where nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
    /// What the run measured of itself, and what of that moved too far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
    /// What each stage reports.
    pub stages: Vec<StageResult>,
}

/// One stage of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StageResult {
    /// The stage.
    pub stage: String,
    /// How long it took; zero where an earlier process did it.
    pub seconds: f64,
    /// Whether an earlier process did it.
    pub resumed: bool,
    /// Rows by table that it handed over.
    pub rows: BTreeMap<String, u64>,
    /// What it reports.
    pub report: serde_json::Value,
}

/// What is told of a stage; without `seconds`, an earlier process did it.
pub(super) fn stage_result(done: &Done, seconds: Option<f64>) -> StageResult {
    StageResult {
        stage: done.stage.clone(),
        seconds: seconds.unwrap_or(0.0),
        resumed: seconds.is_none(),
        rows: done.tables.iter().map(|t| (t.name.clone(), t.file.rows)).collect(),
        report: done.report.clone(),
    }
}

pub(super) fn base(
    entry: &Published,
    history: &History,
    outcome: Outcome,
    started: Instant,
) -> RunResult {
    RunResult {
        run_id: entry.run_id.clone(),
        outcome,
        logical_date: entry.logical_date.clone(),
        rows_read: 0,
        rows_accepted: 0,
        rows_quarantined: 0,
        entities: entry.rows.get(crate::tables::CUSTOMERS).copied().unwrap_or(0),
        tables: entry.tables.clone(),
        head: Some(entry.head.clone()),
        seconds: started.elapsed().as_secs_f64(),
        bytes_read: 0,
        bytes_written: 0,
        memory_peak_bytes: memory::peak(),
        rows: entry.rows.clone(),
        warnings: Vec::new(),
        gate: None,
        drift: None,
        stale: history
            .stale(&entry.pipeline)
            .iter()
            .map(|entry| entry.logical_date.clone())
            .collect(),
        stages: Vec::new(),
    }
}

pub(super) fn staged(run: &Run, stages: Vec<StageResult>, started: Instant) -> RunResult {
    let rows = stages.iter().flat_map(|stage| stage.rows.clone()).collect();
    let mut result = RunResult {
        run_id: run.identity.run_id.clone(),
        outcome: Outcome::Staged,
        logical_date: run.identity.logical_date.clone(),
        rows_read: 0,
        rows_accepted: 0,
        rows_quarantined: 0,
        entities: 0,
        tables: BTreeMap::new(),
        head: None,
        seconds: started.elapsed().as_secs_f64(),
        bytes_read: 0,
        bytes_written: 0,
        memory_peak_bytes: memory::peak(),
        rows,
        warnings: Vec::new(),
        stale: Vec::new(),
        gate: None,
        drift: None,
        stages,
    };
    result.entities = result.rows.get(crate::tables::CUSTOMERS).copied().unwrap_or(0);
    summarise(&mut result);
    result
}

pub(super) fn count_bytes(result: &mut RunResult, run: &Run, done: &[Done]) {
    result.bytes_read = run.identity.inputs.iter().map(|input| input.size).sum();
    result.bytes_written =
        done.iter().flat_map(|done| &done.tables).map(|table| table.file.bytes).sum();
}

/// Takes the counts and warnings out of the stages' reports.
pub(super) fn summarise(result: &mut RunResult) {
    for stage in &result.stages {
        if let Some(sources) = stage.report["sources"].as_object() {
            for counts in sources.values() {
                result.rows_read += counts["rows_read"].as_u64().unwrap_or(0);
                result.rows_accepted += counts["rows_accepted"].as_u64().unwrap_or(0);
                result.rows_quarantined += counts["rows_quarantined"].as_u64().unwrap_or(0);
            }
        }
        let part = |key: &str| stage.report.get(key).cloned().unwrap_or_default();
        if stage.stage == "land" {
            result.gate = serde_json::from_value(part("gate")).unwrap_or_default();
            result.drift = serde_json::from_value(part("drift")).unwrap_or_default();
        }
        let warnings = stage.report["warnings"].as_array().into_iter().flatten();
        result.warnings.extend(warnings.filter_map(|text| text.as_str().map(str::to_owned)));
    }
}

/// The outcome word of a run that ended in this error.
pub fn outcome_of(error: &Error) -> &'static str {
    match error.kind() {
        Kind::Data | Kind::Configuration => "stopped",
        Kind::Usage | Kind::Retry | Kind::Bug => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `run_results.json` as it is written: the result, with the layout's version before it.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    struct RunResults {
        /// The layout of this file.
        version: u32,
        #[serde(flatten)]
        result: RunResult,
    }

    #[test]
    fn the_schema_of_run_results_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/run_results.schema.json");
        let made = format!("{:#}\n", schemars::schema_for!(RunResults).to_value());
        if std::env::var_os("SIMURGH_UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == made, "run this test with SIMURGH_UPDATE=1 and commit {path}");
    }
}
