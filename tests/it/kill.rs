//! Runs killed (SIGKILL) at any moment, then run again: the same tables, one commit a run, and
//! nothing left behind that harms the next run.

use std::time::Duration;

use crate::fault::Proxy;
use crate::program::{Project, Seeded, UP_TO_LAND};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

/// How many runs are killed unless `SIMURGH_KILLS` says otherwise.
const KILLS: u64 = 50;

fn kills() -> u64 {
    std::env::var("SIMURGH_KILLS").map_or(KILLS, |n| n.parse().expect("SIMURGH_KILLS: a number"))
}

#[test]
fn a_killed_run_on_disk_is_run_again_to_the_same() {
    walk(&Store::disk(), None, kills());
}

/// Each request is held back a little, so that more kills fall between requests.
#[test]
fn a_killed_run_on_s3_is_run_again_to_the_same() {
    let store = Store::s3();
    let proxy = Proxy::start(store.address());
    proxy.delay(Duration::from_millis(2));
    walk(&store, Some(&proxy), kills().div_ceil(5));
}

/// Kills whole runs and runs that only publish, of the first date over nothing and of the second
/// over the first, in turn.
fn walk(store: &Store, proxy: Option<&Proxy>, kills: u64) {
    let project = Project::tiny();
    let dates = project.dates();
    let through = |place: Place| proxy.map_or(place.clone(), |p| place.through(p.address()));
    let state = |place: &Place| Warehouse::at(place).state(&[]);
    // A warehouse, the date to run over it, how long that takes undisturbed, what comes of it.
    let mut cases = Vec::new();
    let mut published = store.place();
    for date in &dates[..2] {
        let staged = through(store.place_like(&published));
        project.run(&staged, date, UP_TO_LAND).expect(0, "staged");
        for before in [&published, &staged] {
            let after = through(store.place_like(before));
            let took = project.run(&after, date, &[]).expect(0, "published").took;
            cases.push((before.clone(), date, took, state(&after)));
        }
        published = through(store.place_like(&published));
        project.run(&published, date, &[]).expect(0, "published");
    }
    let after_second = state(&published);

    let mut seeded = Seeded(20_261_122);
    let mut killed = 0;
    for n in 0..kills {
        let (before, date, took, expected) = &cases[n as usize % cases.len()];
        let place = through(store.place_like(before));
        let after = Duration::from_micros(seeded.below(took.as_micros() as u64));
        killed += u64::from(project.run_and_kill(&place, date, after));
        project.run(&place, date, &[]).expect(0, "");
        assert_eq!(&state(&place), expected, "kill {n}, {after:?} into a run of {took:?}");
        project.run(&place, date, &[]).expect(0, "unchanged");
        if **date == dates[0] {
            project.run(&place, &dates[1], &[]).expect(0, "published");
            assert_eq!(state(&place), after_second, "the run after kill {n}");
        }
        place.remove();
    }
    eprintln!("{killed} of {kills} runs were killed before their end");
    // Fewer than were meant: a machine that was busy when the undisturbed runs were timed.
    assert!(killed * 4 >= kills, "only {killed} of {kills} runs were killed before their end");
}
