//! Tables that remember: a table that grows by what each run adds to the run before.

use std::fs;

use crate::program::Project;
use crate::store::Store;
use crate::warehouse::Warehouse;

const CONTRACT: &str = "kind: DataContract
apiVersion: v3.1.0
id: seen
name: seen
version: 1.0.0
status: active
domain: profile
schema:
  - name: seen
    properties:
      - {name: golden_id, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: seen_on, logicalType: date, required: true}
";

/// Whom no earlier run saw, with the day; and a column that the first version does not have.
const SEEN: &str = "
profile:
  seen:
    key: [golden_id]
    growth: log
    sql: |
      SELECT c.golden_id, $logical_date AS seen_on
      FROM customers c
      LEFT JOIN previous_seen p ON p.golden_id = c.golden_id
      WHERE p.golden_id IS NULL
";

#[test]
fn a_log_grows_by_what_the_run_before_did_not_have() {
    let store = Store::disk();
    let project = Project::tiny();
    let dates = project.dates();
    let folder = project.folder();
    let contracts = folder.join("contracts");
    fs::create_dir_all(&contracts).unwrap();
    fs::write(contracts.join("seen.odcs.yaml"), CONTRACT).unwrap();
    let pipeline = folder.join("pipelines/tiny.yaml");
    let text = fs::read_to_string(&pipeline).unwrap();
    let text =
        text.replace("  export: [customers]", "  export: [customers]\n  contracts: ../contracts");
    fs::write(&pipeline, text + SEEN).unwrap();

    let place = store.place();
    let warehouse = Warehouse::at(&place);
    project.run(&place, &dates[0], &[]).expect(0, "published");
    let first = warehouse.rows("seen");
    assert_eq!(first.len(), warehouse.rows("customers").len());
    assert!(first.iter().all(|row| row["seen_on"] == dates[0]));

    project.run(&place, &dates[1], &[]).expect(0, "published");
    let both = warehouse.rows("seen");
    let later = both.iter().filter(|row| row["seen_on"] == dates[1]).count();
    let known: std::collections::BTreeSet<_> = first.iter().map(|row| &row["golden_id"]).collect();
    let new =
        warehouse.rows("customers").iter().filter(|c| !known.contains(&c["golden_id"])).count();
    assert!(new > 0, "the second day of tiny brings somebody new");
    assert_eq!((both.len(), later), (first.len() + new, new));

    // Run again it is the same: a run builds on the one before its date, and not on itself.
    project.run(&place, &dates[1], &[]).expect(0, "unchanged");
    assert_eq!(warehouse.rows("seen").len(), both.len());
}
