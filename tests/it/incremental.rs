//! Days in a row, each resolved by what changed since the one before: the same tables, row for row, as
//! where every day compares every pair.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Project, Ran, Seeded};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

const PIPELINE: &str = "version: 1
name: days
inputs: exports
sources:
  members: {path: 'members-{date}.csv', contract: members.odcs.yaml, load: snapshot, max_removed: 50%}
records:
  - source: members
    sql: |
      SELECT id AS record_id, kind, given, family, CAST(born AS DATE) AS born, email,
             CAST(seen AS TIMESTAMP) AS updated_at
      FROM raw_members
resolve:
  person:
    blocking:
      - {name: email, keys: [email]}
      - {name: family, keys: [family], refine: [given], max_block: 12}
      - {name: born, keys: [born], max_block: 8}
    comparisons:
      - {name: name, type: person_name, columns: [given, family], term_frequency: true}
      - {name: born, type: date, columns: [born]}
      - {name: email, type: email, columns: [email]}
    rules:
      - {name: other_letter, then: separate, where: 'left(l.given, 1) <> left(r.given, 1)'}
  organisation:
    blocking: [{name: family, keys: [family]}]
    comparisons:
      - {name: family, type: exact, columns: [family]}
      - {name: email, type: email, columns: [email]}
golden: {source_priority: [members], default_rule: most_recent}
land: {export: [customers]}
";

const CONTRACT: &str = "kind: DataContract
apiVersion: v3.1.0
id: members
name: members
version: 1.0.0
status: active
domain: crm
schema:
  - name: members
    properties:
      - {name: id, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: kind, logicalType: string, required: true}
      - {name: given, logicalType: string}
      - {name: family, logicalType: string}
      - {name: born, logicalType: date}
      - {name: email, logicalType: string}
      - {name: seen, logicalType: string, required: true}
";

const GIVEN: &[&str] = &["Ana", "Anna", "Luis", "Omar", "Sara", "John", "Mary", "Reza"];
const FAMILY: &[&str] = &["Diaz", "Diazz", "Hassan", "Smith", "Karim", "Okoye", "Novak", "Lind"];

fn of<'a>(chance: &mut Seeded, list: &[&'a str]) -> &'a str {
    list[chance.below(list.len() as u64) as usize]
}

fn said(chance: &mut Seeded) -> String {
    let (given, family) = (of(chance, GIVEN), of(chance, FAMILY));
    let kind = if chance.below(12) == 0 { "organisation" } else { "person" };
    let born = format!("19{}-0{}-11", 50 + chance.below(20), 1 + chance.below(9));
    let email = format!("{given}.{family}{}@mail.example.org", chance.below(9));
    let email = if chance.below(4) == 0 { String::new() } else { email };
    format!("{kind},{given},{family},{born},{email}")
}

/// The exports of so many days, each with some records more, fewer and other than the day before.
fn write_days(folder: &Path, days: &[&str]) {
    let mut chance = Seeded(7);
    let mut members: BTreeMap<u64, String> = (0..220).map(|id| (id, said(&mut chance))).collect();
    for (day, date) in days.iter().enumerate() {
        if day > 0 {
            for _ in 0..4 {
                let keys: Vec<u64> = members.keys().copied().collect();
                let mut one = || keys[chance.below(keys.len() as u64) as usize];
                let (gone, other) = (one(), one());
                members.remove(&gone);
                members.insert(other, said(&mut chance));
                members.insert(chance.below(400), said(&mut chance));
            }
        }
        let mut text = "id,kind,given,family,born,email,seen\n".to_owned();
        for (id, said) in &members {
            // What changes every day without saying anything new.
            text.push_str(&format!("M{id:03},{said},{date}T00:00:00\n"));
        }
        fs::write(folder.join(format!("members-{date}.csv")), text).unwrap();
    }
}

fn project(days: &[&str]) -> Project {
    let project = Project::tiny();
    let folder = project.folder();
    fs::write(folder.join("pipelines/tiny.yaml"), PIPELINE).unwrap();
    fs::write(folder.join("pipelines/members.odcs.yaml"), CONTRACT).unwrap();
    fs::create_dir_all(folder.join("exports")).unwrap();
    write_days(&folder.join("exports"), days);
    project
}

/// The records of each golden id.
fn entities(place: &Place) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in Warehouse::at(place).rows("entity_members") {
        found.entry(row["golden_id"].clone()).or_default().insert(row["record_id"].clone());
    }
    found
}

/// What a run's resolution reports of each kind.
fn reported(place: &Place, ran: &Ran) -> BTreeMap<String, Value> {
    let path = place.folder.join(format!("runs/{}/run_results.json", ran.run_id()));
    let results: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let stages = results["stages"].as_array().unwrap();
    let resolve = stages.iter().find(|stage| stage["stage"] == "resolve").unwrap();
    let kinds = resolve["report"]["kinds"].as_object().unwrap();
    kinds.iter().map(|(kind, own)| (kind.clone(), own["incremental"].clone())).collect()
}

#[test]
fn days_resolved_by_what_changed_are_those_resolved_from_nothing() {
    let days = ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04"];
    let project = project(&days);
    let store = Store::disk();
    let (by_changes, from_nothing) = (store.place(), store.place());
    for (day, date) in days.iter().enumerate() {
        let ran = project.run(&by_changes, date, &[]).expect(0, "published");
        let full = project.run(&from_nothing, date, &["--full"]).expect(0, "published");
        assert_eq!(ran.answer["run_id"], full.answer["run_id"], "{date}");
        let state = |place| Warehouse::at(place).state(&[]);
        assert_eq!(state(&by_changes), state(&from_nothing), "{date}: every table, every row");
        for (kind, found) in reported(&from_nothing, &full) {
            assert_eq!(found["everything"], "--full asks for it", "{kind}");
        }
        for (kind, found) in reported(&by_changes, &ran) {
            if day == 0 {
                assert_eq!(found["everything"], "no run is before it", "{kind}");
                continue;
            }
            assert!(found["pairs_taken_over"].as_u64().unwrap() > 0, "{date} {kind}: {found}");
            if kind == "person" {
                let count = |name: &str| found[name].as_u64().unwrap();
                assert!(count("records_changed") > 0 && count("records_gone") > 0, "{found}");
                assert!(count("pairs_walked") > 0 && count("records_clustered") < 150, "{found}");
            }
        }
    }
    // Other settings decide otherwise: nothing is taken over from the day before.
    let other = ["--set", "resolve.person.thresholds.review=0.3"];
    let ran = project.run(&by_changes, days[3], &other).expect(0, "published");
    let found = reported(&by_changes, &ran);
    assert!(found["person"]["everything"].is_string(), "{found:?}");
    assert!(found["organisation"]["pairs_taken_over"].is_u64(), "{found:?}");
}

#[test]
fn unchanged_data_keep_their_ids_under_a_new_model_too() {
    let days = ["2026-11-01", "2026-11-02", "2026-11-03"];
    let project = project(&days[..1]);
    let exports = project.folder().join("exports");
    for date in &days[1..] {
        let first = exports.join("members-2026-11-01.csv");
        fs::copy(first, exports.join(format!("members-{date}.csv"))).unwrap();
    }
    let store = Store::disk();
    let place = store.place();
    project.run(&place, days[0], &[]).expect(0, "published");
    let (before, events) = (entities(&place), Warehouse::at(&place).rows("entity_events").len());
    assert_eq!(events, before.len(), "every entity was created");

    let ran = project.run(&place, days[1], &[]).expect(0, "published");
    assert_eq!(entities(&place), before);
    assert_eq!(Warehouse::at(&place).rows("entity_events").len(), events, "nothing happened");
    let found = reported(&place, &ran);
    for count in ["records_changed", "records_gone", "pairs_walked", "records_clustered"] {
        assert_eq!(found["person"][count], 0, "{count}");
    }

    let other = ["--set", "resolve.person.training.random_pairs=2000"];
    let ran = project.run(&place, days[2], &other).expect(0, "published");
    assert_eq!(reported(&place, &ran)["person"]["everything"], "the model is trained anew");
    let now = entities(&place);
    let same = before.iter().filter(|(id, records)| now.get(*id) == Some(records)).count();
    let whole = |all: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<BTreeSet<String>> {
        all.values().cloned().collect()
    };
    assert_eq!(same, whole(&before).intersection(&whole(&now)).count(), "the same keep their ids");
    let happened = Warehouse::at(&place).rows("entity_events").len() - events;
    assert_eq!(happened > 0, now != before, "events tell of what changed, and of nothing else");
}
