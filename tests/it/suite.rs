//! What must hold on every store: the same bodies for a local disk and for S3.

use std::collections::{BTreeMap, BTreeSet};

use simurgh::pipeline::STAGES;

use crate::program::Project;
use crate::store::Store;
use crate::warehouse::{OF_THE_RUN, State, Warehouse};

fn a_rerun_changes_nothing(store: &Store) {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let place = store.place();
    let first = project.run(&place, date, &[]).expect(0, "published");
    let state = Warehouse::at(&place).state(&[]);
    let tables = first.answer["tables"].as_object().expect("the answer names the tables");
    let named: BTreeMap<String, u64> =
        tables.iter().map(|(name, version)| (name.clone(), version.as_u64().unwrap())).collect();
    assert_eq!(named, Warehouse::at(&place).versions());
    let (read, accepted, quarantined) = (
        first.answer["rows_read"].as_u64().unwrap(),
        first.answer["rows_accepted"].as_u64().unwrap(),
        first.answer["rows_quarantined"].as_u64().unwrap(),
    );
    assert!(accepted > 0 && read == accepted + quarantined, "{read} {accepted} {quarantined}");

    let again = project.run(&place, date, &[]).expect(0, "unchanged");
    assert_eq!(again.run_id(), first.run_id());
    assert_eq!(Warehouse::at(&place).state(&[]), state);
    project.run(&place, date, &["--skip-unchanged"]).expect(99, "unchanged");
    assert_eq!(Warehouse::at(&place).state(&[]), state);
}

fn a_later_date_keeps_the_ids(store: &Store) {
    let project = Project::tiny();
    let dates = project.dates();
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    project.run(&place, &dates[0], &[]).expect(0, "published");
    let before = warehouse.values("customers", "golden_id");
    project.run(&place, &dates[1], &[]).expect(0, "published");
    assert_eq!(warehouse.sequence().len(), 2);
    let after = warehouse.values("customers", "golden_id");
    let redirected = warehouse.values("id_redirects", "old_golden_id");
    let retired: BTreeSet<String> = warehouse
        .rows("entity_events")
        .into_iter()
        .filter(|event| event["event"] == "retired")
        .map(|event| event["golden_id"].clone())
        .collect();
    assert!(before.intersection(&after).next().is_some(), "no golden id was kept");
    for id in before.difference(&after) {
        assert!(redirected.contains(id) || retired.contains(id), "{id} vanished");
    }
    let unchanged = project.run(&place, &dates[1], &[]).expect(0, "unchanged");
    assert_eq!(warehouse.current()["run_id"], unchanged.run_id());
}

fn a_later_date_uses_the_model_of_the_date_before(store: &Store) {
    let project = Project::tiny();
    let dates = project.dates();
    let always = ["--set", "resolve.person.training.retrain=always"];
    let models = |arguments: &[&str]| {
        let place = store.place();
        let run = |date: &String, arguments: &[&str]| {
            let ran = project.run(&place, date, arguments).expect(0, "published");
            let stages = ran.answer["stages"].as_array().expect("stages").clone();
            let resolve =
                stages.into_iter().find(|own| own["stage"] == "resolve").expect("resolve");
            let origin = resolve["report"]["kinds"]["person"]["model"]["origin"].clone();
            let named = resolve["report"]["models"].as_array().expect("models")[0]["path"].clone();
            (origin.as_str().expect("an origin").to_owned(), named)
        };
        [run(&dates[0], &[]), run(&dates[1], arguments)]
    };
    let [(first, trained), (second, used)] = models(&[]);
    assert_eq!((first.as_str(), second.as_str()), ("trained", "reused"));
    assert_eq!(used, trained, "the model of the day before");
    let [_, (second, used)] = models(&always);
    assert_eq!(second, "trained");
    assert_ne!(used, trained, "the records differ, and so does a model of them");
}

fn stages_in_processes_of_their_own_give_the_same(store: &Store) {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let whole = store.place();
    let run = project.run(&whole, date, &[]).expect(0, "published");
    let parts = store.place();
    let extract = project.run(&parts, date, &["--stage", STAGES[0]]).expect(0, "staged");
    assert_eq!(extract.run_id(), run.run_id());
    for stage in &STAGES[1..] {
        let outcome = if *stage == "land" { "published" } else { "staged" };
        let arguments = ["--stage", stage, "--run-id", run.run_id()];
        project.run(&parts, date, &arguments).expect(0, outcome);
    }
    assert_eq!(Warehouse::at(&parts).state(&[]), Warehouse::at(&whole).state(&[]));
}

fn threads_memory_and_order_do_not_matter(store: &Store) {
    let project = Project::tiny();
    let dates = project.dates();
    let state = |project: &Project, arguments: &[&str], ignored: &[&str]| -> Vec<State> {
        let place = store.place();
        let run = |date: &String| {
            project.run(&place, date, arguments).expect(0, "published");
            Warehouse::at(&place).state(ignored)
        };
        dates[..2].iter().map(run).collect()
    };
    let one = state(&project, &["--threads", "1", "--memory", "4GB"], &[]);
    assert_eq!(state(&project, &["--threads", "2", "--memory", "4GB"], &[]), one);
    assert_eq!(state(&project, &["--threads", "2", "--memory", "512MB"], &[]), one);

    let one = state(&project, &[], OF_THE_RUN);
    for seed in [1, 2] {
        let shuffled = Project::tiny();
        shuffled.shuffle(seed);
        assert_eq!(state(&shuffled, &[], OF_THE_RUN), one, "shuffled by seed {seed}");
    }
}

macro_rules! on_every_store {
    ($($body:ident),* $(,)?) => {
        mod disk {
            $(#[test] fn $body() { super::$body(&super::Store::disk()); })*
        }
        mod s3 {
            $(#[test] fn $body() { super::$body(&super::Store::s3()); })*
        }
    };
}

on_every_store!(
    a_rerun_changes_nothing,
    a_later_date_keeps_the_ids,
    a_later_date_uses_the_model_of_the_date_before,
    stages_in_processes_of_their_own_give_the_same,
    threads_memory_and_order_do_not_matter,
);

#[test]
fn every_store_gives_the_same_tables() {
    let project = Project::tiny();
    let states = [Store::disk(), Store::s3()].map(|store| {
        let place = store.place();
        for date in &project.dates()[..2] {
            project.run(&place, date, &[]).expect(0, "published");
        }
        Warehouse::at(&place).state(&[])
    });
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_refused_secret_is_an_error_that_names_no_secret() {
    let project = Project::tiny();
    let store = Store::s3();
    let place = store.place().with("AWS_SECRET_ACCESS_KEY", "not-the-right-one");
    let ran = project.run(&place, &project.dates()[0], &[]);
    assert!(matches!(ran.code, Some(1 | 75)), "{:?}\n{}", ran.code, ran.said);
    assert!(!ran.said.contains("not-the-right-one") && !ran.said.contains("test-access-key"));
}
