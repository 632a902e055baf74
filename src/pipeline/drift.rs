//! How much a run differs from the run of the date before: a few numbers, kept in each manifest,
//! and the limits on how they move.
//!
//! Knows counts only. What a run measured stands in its manifest, so that the next run compares
//! without reading a table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::allowed;
use super::run::Run;
use crate::engine::Done;
use crate::error::{Error, Result};
use crate::land::{Drift, DriftLimit, manifest_of};
use crate::limit::Limit;
use crate::tables;

/// What a run measures of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measures {
    /// Records.
    pub records: u64,
    /// Those that are in an entity with others.
    pub linked: u64,
    /// The records of the largest entity.
    pub largest: u64,
    /// Rows read, by source.
    pub rows_read: BTreeMap<String, u64>,
    /// Rows of the tables whose nulls are counted.
    pub rows: BTreeMap<String, u64>,
    /// Nulls by column, `table.column`; those of none are left out.
    pub nulls: BTreeMap<String, u64>,
}

/// A number that moved past a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drifted {
    /// The limit's key.
    pub limit: String,
    /// The column or source, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it was and what it is, in words.
    pub what: String,
    /// Whether it stops the run; else it warns.
    pub stops: bool,
}

/// What a run measured, and what of it moved too far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftReport {
    /// What it measured.
    pub measures: Measures,
    /// What the run of the date before had; none where there was none, or it did not measure.
    pub before: Option<Measures>,
    /// What moved past a limit.
    pub drifted: Vec<Drifted>,
}

/// Measures a run by what it has staged, and compares.
pub(super) async fn check(run: &Run, staged: &[Done]) -> Result<DriftReport> {
    let measures = measure(run, staged).await?;
    let before = match &run.predecessor {
        Some(entry) => {
            let manifest = manifest_of(&run.warehouse, entry).await?;
            serde_json::from_value(manifest["measures"].clone()).ok()
        }
        None => None,
    };
    let drifted = before
        .as_ref()
        .map_or_else(Vec::new, |before| compare(&run.loaded.pipeline.drift, before, &measures));
    Ok(DriftReport { measures, before, drifted })
}

async fn measure(run: &Run, staged: &[Done]) -> Result<Measures> {
    let mut measures = Measures::default();
    for done in staged {
        for (source, counts) in done.report["sources"].as_object().into_iter().flatten() {
            let rows = counts["rows_read"].as_u64().unwrap_or(0);
            measures.rows_read.insert(source.clone(), rows);
        }
        for table in &done.tables {
            if table.name != tables::RECORDS && !table.name.starts_with("raw_") {
                continue;
            }
            measures.rows.insert(table.name.clone(), table.file.rows);
            let nulls = table.file.nulls.iter();
            let named = nulls.map(|(column, count)| (format!("{}.{column}", table.name), *count));
            measures.nulls.extend(named);
        }
    }
    const WHAT: &str = "measuring entities";
    let sql = "SELECT coalesce(sum(n), 0), coalesce(sum(CASE WHEN n > 1 THEN n ELSE 0 END), 0), \
               coalesce(max(n), 0) FROM \
               (SELECT count(*) AS n FROM entity_members GROUP BY golden_id)";
    let counts = run.engine.collect_one(run.engine.sql(sql, WHAT).await?, WHAT).await?;
    let number = |column: usize| -> Result<u64> {
        let array =
            arrow::compute::cast(counts.column(column), &arrow::datatypes::DataType::UInt64)
                .map_err(|_| Error::bug("a count that is no number"))?;
        let array = arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt64Type>(&array);
        Ok(array.values().first().copied().unwrap_or(0))
    };
    measures.records = number(0)?;
    measures.linked = number(1)?;
    measures.largest = number(2)?;
    Ok(measures)
}

fn compare(drift: &Drift, before: &Measures, now: &Measures) -> Vec<Drifted> {
    let mut drifted = Vec::new();
    let mut check =
        |key: &str, limits: DriftLimit, of: Option<&str>, moved: u64, total: u64, what: String| {
            let past = |limit: Option<Limit>| limit.filter(|limit| limit.exceeded(moved, total));
            let (limit, stops) = match (past(limits.stop), past(limits.warn)) {
                (Some(limit), _) => (limit, true),
                (None, Some(limit)) => (limit, false),
                (None, None) => return,
            };
            drifted.push(Drifted {
                limit: format!("drift.{key}.{}", if stops { "stop" } else { "warn" }),
                of: of.map(str::to_owned),
                what: format!("{what}; {} are allowed", allowed(limit)),
                stops,
            });
        };
    // A share of before, in units of now: what moved is the difference.
    let as_before = |part: u64, whole: u64, now: u64| -> u64 {
        if whole == 0 { 0 } else { (part as f64 / whole as f64 * now as f64).round() as u64 }
    };
    if before.records > 0 {
        let expected = as_before(before.linked, before.records, now.records);
        let what = format!(
            "records in an entity with others: {} -> {}",
            share(before.linked, before.records),
            share(now.linked, now.records)
        );
        let moved = now.linked.abs_diff(expected);
        check("match_rate", drift.match_rate, None, moved, now.records, what);
    }
    let grown = now.largest.saturating_sub(before.largest);
    let what = format!("records of the largest entity: {} -> {}", before.largest, now.largest);
    check("largest_cluster", drift.largest_cluster, None, grown, before.largest, what);
    for (source, rows) in &now.rows_read {
        let Some(earlier) = before.rows_read.get(source) else { continue };
        let what = format!("rows read of {source}: {earlier} -> {rows}");
        check("rows", drift.rows, Some(source), rows.abs_diff(*earlier), *earlier, what);
    }
    for (column, nulls) in &now.nulls {
        let table = column.split('.').next().unwrap_or_default();
        let (Some(earlier), Some(rows)) = (before.rows.get(table), now.rows.get(table)) else {
            continue;
        };
        let of = before.nulls.get(column).copied().unwrap_or(0);
        let risen = nulls.saturating_sub(as_before(of, *earlier, *rows));
        let what =
            format!("nulls of {column}: {} -> {}", share(of, *earlier), share(*nulls, *rows));
        if *earlier > 0 {
            check("nulls", drift.nulls, Some(column), risen, *rows, what);
        }
    }
    drifted
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.1}%", part as f64 / (whole as f64).max(1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(linked: u64, largest: u64, rows: u64, nulls: u64) -> Measures {
        Measures {
            records: 100,
            linked,
            largest,
            rows_read: [("crm".to_owned(), rows)].into(),
            rows: [("records".to_owned(), 100)].into(),
            nulls: [("records.email".to_owned(), nulls)].into(),
        }
    }

    #[test]
    fn each_measure_warns_and_stops_by_its_own_limits() {
        let limit = |warn: f64, stop: f64| DriftLimit {
            warn: Some(Limit::Share(warn)),
            stop: Some(Limit::Share(stop)),
        };
        let drift = Drift {
            match_rate: limit(0.05, 0.2),
            nulls: limit(0.1, 0.5),
            largest_cluster: limit(0.5, 1.0),
            rows: limit(0.1, 0.5),
        };
        let before = measures(40, 10, 1000, 5);
        assert_eq!(compare(&drift, &before, &measures(45, 15, 1100, 15)), []);
        assert_eq!(compare(&drift, &before, &before), []);
        let keys = |now: &Measures| -> Vec<(String, bool)> {
            compare(&drift, &before, now).into_iter().map(|one| (one.limit, one.stops)).collect()
        };
        let warned = keys(&measures(34, 16, 880, 16));
        assert_eq!(warned.len(), 4);
        assert!(warned.iter().all(|(key, stops)| key.ends_with(".warn") && !stops), "{warned:?}");
        let stopped = keys(&measures(61, 21, 499, 56));
        assert!(stopped.len() == 4 && stopped.iter().all(|(_, stops)| *stops), "{stopped:?}");
        // Fewer nulls and a smaller largest entity are no drift.
        assert_eq!(compare(&drift, &before, &measures(40, 5, 1000, 0)), []);
        let what = &compare(&drift, &before, &measures(40, 10, 499, 5))[0].what;
        assert_eq!(what, "rows read of crm: 1000 -> 499; 50% are allowed");
        assert_eq!(compare(&Drift::default(), &before, &measures(61, 21, 499, 56)), []);
    }
}
