//! Runs killed (SIGKILL) at any moment, then run again: the same tables, one commit a run, and
//! nothing left behind that harms the next run.

use std::time::Duration;

use crate::fault::Proxy;
use crate::program::{Project, Seeded};
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

/// Kills runs of the first date over nothing and of the second date over the first, in turn.
fn walk(store: &Store, proxy: Option<&Proxy>, kills: u64) {
    let project = Project::tiny();
    let dates = project.dates();
    let through = |place: Place| proxy.map_or(place.clone(), |p| place.through(p.address()));

    let nothing = store.place();
    let first = through(store.place());
    let took_first = project.run(&first, &dates[0], &[]).expect(0, "published").took;
    let second = through(store.place_like(&first));
    let took_second = project.run(&second, &dates[1], &[]).expect(0, "published").took;
    let state = |place: &Place| Warehouse::at(place).state(&[]);
    let after_first = state(&first);
    let after_second = state(&second);
    let cases = [
        (&nothing, &dates[0], took_first, &after_first),
        (&first, &dates[1], took_second, &after_second),
    ];

    let mut seeded = Seeded(20_261_122);
    let mut killed = 0;
    for n in 0..kills {
        let (before, date, took, expected) = cases[(n % 2) as usize];
        let place = through(store.place_like(before));
        let after = Duration::from_micros(seeded.below(took.as_micros() as u64));
        killed += u64::from(project.run_and_kill(&place, date, after));
        project.run(&place, date, &[]).expect(0, "");
        assert_eq!(&state(&place), expected, "kill {n}, {after:?} into a run of {took:?}");
        project.run(&place, date, &[]).expect(0, "unchanged");
        if *date == dates[0] {
            project.run(&place, &dates[1], &[]).expect(0, "published");
            assert_eq!(state(&place), after_second, "the run after kill {n}");
        }
        place.remove();
    }
    eprintln!("{killed} of {kills} runs were killed before their end");
    assert!(killed * 2 > kills, "only {killed} of {kills} runs were killed before their end");
}
