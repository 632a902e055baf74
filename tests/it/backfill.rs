//! Dates out of order: a backfill, what it makes stale, and a cascade that puts it right.

use std::collections::BTreeMap;

use serde_json::json;

use crate::program::Project;
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

fn rows(place: &Place, table: &str, version: u64) -> Vec<String> {
    let found = Warehouse::at(place).rows_at(table, version);
    let mut rows: Vec<String> = found.into_iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// What the latest version of a table holds, for a reader who knows nothing of `runs/`.
fn latest_rows(place: &Place, table: &str) -> Vec<String> {
    rows(place, table, Warehouse::at(place).latest(table))
}

/// All that the newest date's set of versions holds.
fn current_rows(place: &Place) -> BTreeMap<String, Vec<String>> {
    let current = Warehouse::at(place).current();
    let tables = current["tables"].as_object().unwrap();
    tables
        .iter()
        .map(|(name, version)| (name.clone(), rows(place, name, version.as_u64().unwrap())))
        .collect()
}

#[test]
fn a_backfill_leaves_the_newest_date_current_and_a_cascade_is_as_if_run_in_order() {
    let store = Store::disk();
    let project = Project::tiny();
    let dates = project.dates();
    let (first, second) = (&dates[0], &dates[1]);

    let in_order = store.place();
    project.run(&in_order, first, &[]).expect(0, "published");
    project.run(&in_order, second, &[]).expect(0, "published");
    let expected = current_rows(&in_order);

    let place = store.place();
    let warehouse = Warehouse::at(&place);
    project.run(&place, second, &[]).expect(0, "published");
    let newest = latest_rows(&place, "customers");
    let log = latest_rows(&place, "match_log");

    // The older date: a set of its own, and nothing that the newest date's readers see changes.
    let backfill = project.run(&place, first, &[]).expect(0, "published");
    assert_eq!(backfill.answer["stale"], json!([second]));
    assert_eq!(warehouse.current()["logical_date"], json!(second));
    assert_eq!(latest_rows(&place, "customers"), newest);
    assert_eq!(latest_rows(&place, "match_log"), log);

    // Run again, the newest date builds on the older one: as if they had been run in order.
    let cascade = project.run(&place, first, &["--cascade"]).expect(0, "unchanged");
    assert_eq!(cascade.answer["stale"], json!([]));
    let found = current_rows(&place);
    for (name, rows) in &expected {
        assert_eq!(&found[name], rows, "{name}");
        assert_eq!(&latest_rows(&place, name), rows, "{name}, latest");
    }
    project.run(&place, second, &[]).expect(0, "unchanged");
    project.run(&place, first, &[]).expect(0, "unchanged");
}

#[test]
fn a_cascade_of_the_last_stage_alone_runs_later_dates_whole() {
    let store = Store::disk();
    let project = Project::tiny();
    let dates = project.dates();
    let (first, second) = (&dates[0], &dates[1]);
    let in_order = store.place();
    project.run(&in_order, first, &[]).expect(0, "published");
    project.run(&in_order, second, &[]).expect(0, "published");

    let place = store.place();
    project.run(&place, second, &[]).expect(0, "published");
    let staged = project.run(&place, first, &["--to", "profile"]).expect(0, "staged");
    let arguments = ["--stage", "land", "--run-id", staged.run_id(), "--cascade"];
    let cascade = project.run(&place, first, &arguments).expect(0, "published");
    assert_eq!(cascade.answer["stale"], json!([]));
    assert_eq!(current_rows(&place), current_rows(&in_order));
}
