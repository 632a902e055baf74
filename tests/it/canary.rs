//! Personal data stays where it belongs: people with values that stand nowhere else are planted in
//! the exports, and everything that a run says of itself is searched for them.
//!
//! Searched: the log at its most talkative, standard output, errors, metrics, run results, the
//! report, manifests and commit plans, Delta's logs, OpenLineage events.

use std::fs;
use std::path::Path;

use crate::program::{Project, files_below};
use crate::store::{Place, Store};

/// What stands nowhere but in the planted rows, each in another column.
const CANARIES: &[&str] = &[
    "Zanzibarella",
    "Quetzalmann",
    "canary.7731",
    "+971557731773",
    "0557731773",
    "77 Canary Wharf",
    "Canaryville",
    "CAN-7731",
    "1931-07-31",
    "C-777731",
];

/// Rows of the export of contacts: one that is accepted, one that the contract refuses.
const ROWS: &str = "C-777731,person,Zanzibarella Quetzalmann,Zanzibarella,Quetzalmann,1931-07-31,female,en,canary.7731@mail.example.com,,0557731773,77 Canary Wharf,Canaryville,CAN-7731,AE,,web,,2024-01-01T00:00:00,2026-01-01T00:00:00\n\
C-777731,robot,Zanzibarella Quetzalmann,Zanzibarella,Quetzalmann,1931-07-31,female,en,canary.7731@mail.example.com,,0557731773,77 Canary Wharf,Canaryville,CAN-7731,AE,,web,,2024-01-01T00:00:00,2026-01-01T00:00:00\n";

/// The same person in the accounts, so that a pair is found and scored.
const ACCOUNT: &str = "77-77731,person,Zanzibarella Quetzalmann,,canary.7731@mail.example.com,0557731773,77 Canary Wharf,Canaryville,CAN-7731,AE,01/01/2026\n";

fn plant(project: &Project, date: &str) {
    let inputs = project.folder().join("fixtures/tiny/in");
    for (export, rows) in [("crm_contacts", ROWS), ("accounting_customers", ACCOUNT)] {
        let file = inputs.join(format!("{export}-{date}.csv"));
        let mut text = fs::read_to_string(&file).unwrap();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        fs::write(file, text + rows).unwrap();
    }
}

/// Fails where a text holds a canary.
#[track_caller]
fn clean(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for canary in CANARIES {
        assert!(!text.contains(canary), "{what} holds `{canary}`");
    }
}

/// Everything below a folder but tables' data and what waits for a stage.
fn clean_below(folder: &Path) -> usize {
    let told = |file: &&std::path::PathBuf| {
        let data = file.extension().is_some_and(|ending| ending == "parquet");
        !data
    };
    let files = files_below(folder);
    let told: Vec<_> = files.iter().filter(told).collect();
    for file in &told {
        clean(&file.display().to_string(), &fs::read(file).unwrap());
    }
    told.len()
}

fn said(project: &Project, place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = project.command(place);
    command.args(arguments).args(["--warehouse", &place.uri, "-vvvv"]);
    let output = command.output().unwrap();
    clean(&format!("{arguments:?}: standard output"), &output.stdout);
    clean(&format!("{arguments:?}: standard error"), &output.stderr);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn no_value_of_an_export_is_told_to_anybody() {
    let store = Store::disk();
    let project = Project::tiny();
    let date = &project.dates()[0];
    plant(&project, date);
    let mut place = store.place();
    let events = project.folder().join("events.jsonl");
    let metrics = project.folder().join("simurgh.prom");
    let url = format!("file://{}", events.display());
    place.environment.push(("OPENLINEAGE_URL".to_owned(), url));
    let run = ["run", "pipelines/tiny.yaml", "--date", date];
    let with = |more: &[&'static str]| -> Vec<&str> {
        run.iter().copied().chain(more.iter().copied()).collect()
    };

    let metrics_path = metrics.display().to_string();
    let mut whole = with(&[]);
    whole.extend(["--metrics", &metrics_path]);
    let (code, log) = said(&project, &place, &whole);
    assert_eq!(code, Some(0), "{log}");
    assert!(clean_below(&place.folder) > 30, "results, manifests and Delta's logs were read");
    for file in [&events, &metrics] {
        clean(&file.display().to_string(), &fs::read(file).unwrap());
    }
    // They were there to be told: the tables hold them.
    let rows = crate::warehouse::Warehouse::at(&place).rows("customers");
    assert!(rows.iter().any(|row| row["family_name"] == "Quetzalmann"));
    let refused = crate::warehouse::Warehouse::at(&place).rows("quarantine");
    assert!(refused.iter().any(|row| row["raw"].contains("Quetzalmann")));

    // What stops a run, at every stage, and what looks without running.
    said(&project, &place, &["plan", "pipelines/tiny.yaml", "--date", date]);
    said(&project, &place, &["verify"]);
    said(&project, &place, &["block", "pipelines/tiny.yaml", "--date", date]);
    let key = "--set";
    let wrong: &[(&str, i32)] = &[
        ("sources.crm_contacts.max_quarantined=0%", 1),
        (
            "records.0.sql=SELECT contact_id AS record_id, kind, CAST(CAST(full_name AS INT) AS VARCHAR) AS full_name, modified_at AS updated_at FROM raw_crm_contacts",
            1,
        ),
        (
            "records.0.sql=SELECT 'x' AS record_id, kind, full_name, modified_at AS updated_at FROM raw_crm_contacts",
            1,
        ),
        (
            "records.0.sql=SELECT contact_id AS record_id, family_name AS kind, full_name, modified_at AS updated_at FROM raw_crm_contacts",
            1,
        ),
        ("golden.attributes.name={rule: source_priority, columns: [full_name, nobody]}", 1),
        ("resolve.person.blocking.0.keys=[CAST(email AS INT)]", 1),
    ];
    let other = store.place();
    for (setting, expected) in wrong {
        let mut arguments = with(&[key]);
        arguments.push(setting);
        let (code, log) = said(&project, &other, &arguments);
        assert_eq!(code, Some(*expected), "{setting}\n{log}");
        clean_below(&other.folder);
    }
}
