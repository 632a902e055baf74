//! What a run leaves for machines: `run_results.json` against its schema, and the metrics.

use std::path::Path;

use serde_json::Value;

use crate::program::Project;
use crate::store::Store;

fn value_of(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// An alert stops nothing, and what it says stands in the results; one without rows says nothing.
#[test]
fn alerts_stand_in_the_results() {
    let project = Project::tiny();
    let pipeline = project.folder().join("pipelines/tiny.yaml");
    let mut text = std::fs::read_to_string(&pipeline).unwrap();
    text.push_str(
        "alerts:\n  - name: crowded\n    sql: SELECT count(*) AS customers, 'all' AS whose FROM customers\n  \
         - name: quiet\n    sql: SELECT 1 AS never WHERE false\n",
    );
    std::fs::write(&pipeline, text).unwrap();
    let store = Store::disk();
    let place = store.place();
    let ran = project.run(&place, &project.dates()[0], &[]).expect(0, "published");
    let path = Path::new(&place.uri).join("runs").join(ran.run_id()).join("run_results.json");
    let results: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let land = results["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "land");
    let alerts = land.unwrap()["report"]["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["alert"], "crowded");
    assert_eq!(alerts[0]["count"], 1);
    let row = &alerts[0]["rows"][0];
    assert_eq!((&row["customers"], row["whose"].as_str()), (&results["entities"], Some("all")));
    let warnings = results["warnings"].to_string();
    assert!(warnings.contains("alert `crowded`: 1 rows") && !warnings.contains("quiet"));
}

#[test]
fn results_keep_their_schema_and_metrics_say_the_same() {
    let project = Project::tiny();
    let store = Store::disk();
    let place = store.place();
    let date = &project.dates()[0];
    let ran = project.run(&place, date, &["--metrics", "simurgh.prom"]).expect(0, "published");
    let folder = Path::new(&place.uri).join("runs").join(ran.run_id());
    let results = std::fs::read_to_string(folder.join("run_results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/run_results.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let judge = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = judge.iter_errors(&results).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(results["version"], 1);

    let exports = project.folder().join("fixtures/tiny/in");
    let bytes: u64 = std::fs::read_dir(exports)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(date.as_str()))
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(results["bytes_read"], bytes);
    assert!(results["bytes_written"].as_u64().unwrap() > 0);

    let metrics = std::fs::read_to_string(project.folder().join("simurgh.prom")).unwrap();
    for (name, key) in [
        ("simurgh_rows_read", "rows_read"),
        ("simurgh_rows_quarantined", "rows_quarantined"),
        ("simurgh_entities", "entities"),
        ("simurgh_bytes_read", "bytes_read"),
    ] {
        assert_eq!(value_of(&metrics, name), results[key].as_f64(), "{name}");
    }
    assert_eq!(value_of(&metrics, "simurgh_exit_code"), Some(0.0));

    // A run that cannot begin leaves its exit code.
    project.run(&place, "2031-01-01", &["--metrics", "simurgh.prom"]).expect(1, "stopped");
    let metrics = std::fs::read_to_string(project.folder().join("simurgh.prom")).unwrap();
    assert_eq!(value_of(&metrics, "simurgh_exit_code"), Some(1.0));
    assert_eq!(value_of(&metrics, "simurgh_rows_read"), None);
}
