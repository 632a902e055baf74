//! Runs killed (SIGKILL) at any moment and at named points, then run again: the same tables, one commit
//! a run, and nothing left behind that harms the next run.

use std::time::{Duration, Instant};

use crate::fault::{Fault, Proxy};
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

/// The named points: each request that changes something, before the store sees it and after it was
/// applied. About as many of them as a fifth of the kills.
#[test]
fn a_run_killed_at_a_request_is_run_again_to_the_same() {
    let (project, store) = (Project::tiny(), Store::s3());
    let dates = project.dates();
    let proxy = Proxy::start(store.address());
    let before = store.place();
    project.run(&before, &dates[0], &[]).expect(0, "published");
    let place = store.place_like(&before).through(proxy.address());
    proxy.arm(None);
    project.run(&place, &dates[1], &[]).expect(0, "published");
    let (requests, expected) = (proxy.mutations(), Warehouse::at(&place).state(&[]));
    let points = (1..=requests).flat_map(|n| [(n, Fault::Held), (n, Fault::AppliedThenHeld)]);
    // Odd, so that both have their turn.
    let step = (2 * requests).div_ceil(kills().div_ceil(5)).max(1) as usize | 1;
    let mut killed = 0;
    for (n, fault) in points.step_by(step) {
        let place = store.place_like(&before).through(proxy.address());
        proxy.arm(Some((n, fault)));
        let due = project.run_and_kill(&place, &dates[1], || proxy.held().is_some());
        assert!(due, "{fault:?} at {n} of {requests}: never met");
        let at = proxy.held().unwrap_or_default();
        proxy.arm(None);
        project.run(&place, &dates[1], &[]).expect(0, "");
        assert_eq!(Warehouse::at(&place).state(&[]), expected, "{fault:?} at {n}, {at}");
        project.run(&place, &dates[1], &[]).expect(0, "unchanged");
        killed += 1;
        place.remove();
    }
    eprintln!("killed at {killed} of {} points", 2 * requests);
    assert!(killed * 5 >= kills().min(2 * requests), "only {killed} points were tried");
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
        let begun = Instant::now();
        killed += u64::from(project.run_and_kill(&place, date, || begun.elapsed() >= after));
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
