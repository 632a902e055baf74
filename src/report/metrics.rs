//! A run's results as a Prometheus text file, for a collector that reads a folder of them.
//!
//! Knows the run's last line and nothing else: what is counted there is what is told here. Written
//! under another name and renamed, so that nobody reads half of one.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// Numbers of the result that are told as they are: name, key, meaning.
const GAUGES: &[(&str, &str, &str)] = &[
    ("simurgh_run_seconds", "seconds", "How long the run took."),
    ("simurgh_rows_read", "rows_read", "Rows read from exports."),
    ("simurgh_rows_accepted", "rows_accepted", "Rows that keep their contract."),
    ("simurgh_rows_quarantined", "rows_quarantined", "Rows that do not."),
    ("simurgh_entities", "entities", "Golden customers."),
    ("simurgh_bytes_read", "bytes_read", "Bytes of the exports."),
    ("simurgh_bytes_written", "bytes_written", "Bytes of the tables that the stages wrote."),
    ("simurgh_memory_peak_bytes", "memory_peak_bytes", "The most memory the process held."),
];

/// Writes the metrics of a run that ended with an exit code; `result` is its last line.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, result: &Value, exit_code: u8) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::data(format!("{}: cannot be written: {}", path.display(), error.kind()))
            .help("--metrics names a file in a folder that is there and may be written")
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    std::fs::write(&beside, text(result, exit_code)).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn text(result: &Value, exit_code: u8) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, meaning: &str, samples: &[(String, String)]| {
        if samples.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: String| vec![(String::new(), value)];
    gauge("simurgh_exit_code", "The exit code of the last run.", &one(exit_code.to_string()));
    for (name, key, meaning) in GAUGES {
        if result[key].is_number() {
            gauge(name, meaning, &one(result[key].to_string()));
        }
    }
    for (name, key, meaning) in [
        ("simurgh_warnings", "warnings", "What the run warned of."),
        ("simurgh_stale_dates", "stale", "Dates to be run again."),
    ] {
        if let Some(list) = result[key].as_array() {
            gauge(name, meaning, &one(list.len().to_string()));
        }
    }
    let stages: Vec<(String, String)> = result["stages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|stage| (label("stage", stage["stage"].as_str()), stage["seconds"].to_string()))
        .collect();
    gauge("simurgh_stage_seconds", "How long a stage took.", &stages);
    let tables: Vec<(String, String)> = result["rows"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(table, rows)| (label("table", Some(table)), rows.to_string()))
        .collect();
    gauge("simurgh_table_rows", "Rows of a table.", &tables);
    text
}

fn label(name: &str, value: Option<&str>) -> String {
    let value = value.unwrap_or_default().replace('\\', "\\\\").replace('"', "\\\"");
    format!("{{{name}=\"{}\"}}", value.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_is_told_and_labels_are_escaped() {
        let result = json!({
            "rows_read": 10, "seconds": 1.5, "warnings": ["x"], "rows": {"a\"b": 3},
            "stages": [{"stage": "extract", "seconds": 0.5}],
        });
        let text = text(&result, 0);
        for line in [
            "simurgh_exit_code 0",
            "simurgh_rows_read 10",
            "simurgh_run_seconds 1.5",
            "simurgh_warnings 1",
            "simurgh_stage_seconds{stage=\"extract\"} 0.5",
            "simurgh_table_rows{table=\"a\\\"b\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("simurgh_entities"), "{text}");
    }

    #[test]
    fn the_file_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("simurgh.prom");
        for code in [75, 0] {
            write(&path, &json!({}), code).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap().contains("simurgh_exit_code 0"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/simurgh.prom"), &json!({}), 0).is_err());
    }
}
