//! A run's results as one HTML page that opens offline: no script, no font, no link is fetched.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use crate::error::{Error, Result};

const TEMPLATE: &str = include_str!("report.html");

/// The page of a run's results (`run_results.json`).
pub(super) fn page(results: &serde_json::Value) -> Result<String> {
    let failed = |source| Error::bug("the report cannot be written").because(source);
    let mut environment = Environment::new();
    environment.add_template("report.html", TEMPLATE).map_err(failed)?;
    let template = environment.get_template("report.html").map_err(failed)?;
    let stages = results["stages"].as_array().cloned().unwrap_or_default();
    let longest = stages.iter().filter_map(|stage| stage["seconds"].as_f64()).fold(0.001, f64::max);
    template
        .render(context! { run => Value::from(Serde(results)), longest => longest })
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_counts_and_escapes_names() {
        let results = serde_json::json!({
            "run_id": "abc", "outcome": "published", "logical_date": "2026-11-01",
            "rows_read": 10, "rows_accepted": 9, "rows_quarantined": 1, "entities": 4,
            "seconds": 1.5, "head": "h", "rows": {"<b>": 3}, "tables": {"<b>": 0},
            "warnings": [], "stale": [],
            "stages": [{"stage": "extract", "seconds": 0.5, "resumed": false, "rows": {},
                        "report": {"sources": {"crm": {"rows_read": 10, "rows_accepted": 9,
                        "rows_quarantined": 1, "added": 9, "changed": 0, "removed": 0}}}}],
        });
        let page = super::page(&results).unwrap();
        assert!(page.contains("crm") && page.contains("&lt;b&gt;") && !page.contains("<td><b>"));
    }
}
