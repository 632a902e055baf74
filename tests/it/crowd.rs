//! Eight processes at once: of one run, one commit; of eight runs, one each.

use std::collections::BTreeMap;

use crate::program::{Project, Ran};
use crate::store::{Place, Store};
use crate::warehouse::{State, Warehouse};

const PROCESSES: usize = 8;

/// How many crowds there are on each store, unless `SIMURGH_CROWDS` says otherwise.
fn crowds() -> usize {
    std::env::var("SIMURGH_CROWDS").map_or(1, |n| n.parse().expect("SIMURGH_CROWDS: a number"))
}

/// As a scheduler does: tries again while the exit code is 75.
fn until_done(project: &Project, place: &Place, date: &str, arguments: &[&str]) -> Ran {
    for _ in 0..20 {
        let ran = project.run(place, date, arguments);
        if ran.code != Some(75) {
            return ran;
        }
    }
    panic!("a run was tried 20 times");
}

/// Runs at once, each with arguments of its own.
fn at_once(project: &Project, place: &Place, date: &str, arguments: &[Vec<String>]) -> Vec<Ran> {
    std::thread::scope(|scope| {
        let started: Vec<_> = arguments
            .iter()
            .map(|own| {
                scope.spawn(move || {
                    let own: Vec<&str> = own.iter().map(String::as_str).collect();
                    until_done(project, place, date, &own)
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The chain of manifests and every file that it names are whole.
fn verified(project: &Project, place: &Place) {
    let done = project.command(place).args(["verify", "--warehouse", &place.uri]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
}

fn the_same_run(store: &Store) {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let calm = store.place();
    let run = project.run(&calm, date, &[]).expect(0, "published");
    let expected = Warehouse::at(&calm).state(&[]);
    for _ in 0..crowds() {
        let place = store.place();
        let ends = at_once(&project, &place, date, &vec![Vec::new(); PROCESSES]);
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for ran in ends {
            let ran = ran.expect(0, "");
            assert_eq!(ran.run_id(), run.run_id());
            *outcomes.entry(ran.outcome().to_owned()).or_default() += 1;
        }
        eprintln!("{PROCESSES} processes of one run: {outcomes:?}");
        assert!(outcomes.contains_key("published"), "{outcomes:?}");
        // It holds that every table has one commit of the run.
        assert_eq!(Warehouse::at(&place).state(&[]), expected);
        verified(&project, &place);
        place.remove();
    }
}

fn eight_different_runs(store: &Store) {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let arguments: Vec<Vec<String>> = (0..PROCESSES)
        .map(|n| {
            let review = format!("resolve.person.thresholds.review=0.4{n}");
            vec!["--set".to_owned(), review]
        })
        .collect();
    for _ in 0..crowds() {
        let place = store.place();
        let ends = at_once(&project, &place, date, &arguments);
        let ends: Vec<Ran> = ends.into_iter().map(|ran| ran.expect(0, "")).collect();
        let warehouse = Warehouse::at(&place);
        let entries = warehouse.sequence();
        assert_eq!(entries.len(), PROCESSES);
        let state = warehouse.state(&[]);
        assert_eq!(state.published, PROCESSES);
        verified(&project, &place);
        for table in state.tables.values() {
            // One commit a run is held where the state is read; here, that none is missing.
            assert_eq!(table.commits.len(), PROCESSES);
        }
        for (ran, own) in ends.into_iter().zip(&arguments) {
            let entry = entries.iter().find(|entry| entry["run_id"] == ran.run_id()).unwrap();
            let alone = store.place();
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            project.run(&alone, date, &own).expect(0, "published");
            let alone: State = Warehouse::at(&alone).state(&[]);
            for (name, table) in &alone.tables {
                let version = entry["tables"][name].as_u64().unwrap();
                assert_eq!(warehouse.hash_at(name, version), table.hash, "{name}");
            }
        }
        place.remove();
    }
}

#[test]
fn the_same_run_on_disk() {
    the_same_run(&Store::disk());
}

#[test]
fn the_same_run_on_s3() {
    the_same_run(&Store::s3());
}

#[test]
fn eight_different_runs_on_disk() {
    eight_different_runs(&Store::disk());
}

#[test]
fn eight_different_runs_on_s3() {
    eight_different_runs(&Store::s3());
}
