//! Runs that meet broken answers all the way: each ends right, or with exit code 75 before its
//! time is over, and the same command in calm weather ends in the same tables.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::{Proxy, Weather};
use crate::program::Project;
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

/// How many runs meet each weather, unless `SIMURGH_STORMS` says otherwise.
const STORMS: u64 = 1;

/// A run's own time, and how long after it the process must be gone on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(15);

fn storms() -> u64 {
    let asked = std::env::var("SIMURGH_STORMS");
    asked.map_or(STORMS, |n| n.parse().expect("SIMURGH_STORMS: a number"))
}

/// The second date over the first, so that what an earlier run left is read too.
struct Case {
    project: Project,
    store: Store,
    before: Place,
    date: String,
    run_id: String,
    requests: u64,
}

impl Case {
    fn new(proxy_of: impl Fn(&Store) -> Proxy) -> (Self, Proxy, crate::warehouse::State) {
        let project = Project::tiny();
        let date = project.dates()[1].clone();
        let store = Store::s3();
        let proxy = proxy_of(&store);
        let before = store.place();
        project.run(&before, &project.dates()[0], &[]).expect(0, "published");
        let place = store.place_like(&before).through(proxy.address());
        proxy.weather(None, 0);
        let calm = project.run(&place, &date, &[]).expect(0, "published");
        let expected = Warehouse::at(&place).state(&[]);
        let (requests, _) = proxy.met();
        let run_id = calm.run_id().to_owned();
        (Self { project, store, before, date, run_id, requests }, proxy, expected)
    }
}

#[test]
fn a_run_in_any_weather_ends_right_or_is_tried_again() {
    let (case, proxy, expected) = Case::new(|store| Proxy::start(store.address()));
    let mut ends: BTreeMap<(Weather, Option<i32>), usize> = BTreeMap::new();
    for seed in 0..storms() {
        let expired = Weather::Expired((1 + seed % 9) * case.requests / 10);
        for (weather, timeout) in [
            (Weather::Busy, TIMEOUT),
            (Weather::Resets, TIMEOUT),
            // Its answers would take minutes: the end of its time is what is tested.
            (Weather::Slow, Duration::from_secs(4)),
            (Weather::Torn, TIMEOUT),
            (Weather::Short, TIMEOUT),
            (Weather::StaleLists, TIMEOUT),
            (expired, TIMEOUT),
        ] {
            let place = case.store.place_like(&case.before).through(proxy.address());
            proxy.weather(Some(weather), seed);
            let time = format!("{}s", timeout.as_secs());
            let ran = case.project.run(&place, &case.date, &["--timeout", &time]);
            let (requests, broken) = proxy.met();
            let said = || format!("{weather:?}: {:?} {}\n{}", ran.code, ran.answer, ran.said);
            assert!(broken > 0, "none of {requests} requests met it: {}", said());
            assert!(matches!(ran.code, Some(0 | 75)), "{}", said());
            assert!(ran.took < timeout + GRACE, "{:?}: {}", ran.took, said());
            if matches!(weather, Weather::Expired(_)) {
                assert_eq!(ran.code, Some(75), "{}", said());
                assert!(ran.said.contains("credentials have expired"), "{}", said());
            }
            if weather == Weather::Slow {
                assert!(ran.code == Some(75) && ran.said.contains("--timeout 4s"), "{}", said());
            }
            *ends.entry((kind(weather), ran.code)).or_default() += 1;
            let outcome = if ran.code == Some(0) { "unchanged" } else { "" };
            proxy.weather(None, seed);
            let again = case.project.run(&place, &case.date, &[]).expect(0, outcome);
            assert_eq!(again.run_id(), case.run_id);
            assert_eq!(Warehouse::at(&place).state(&[]), expected, "{weather:?}, seed {seed}");
            place.remove();
        }
    }
    eprintln!("runs by weather and exit code: {ends:?}");
}

fn kind(weather: Weather) -> Weather {
    match weather {
        Weather::Expired(_) => Weather::Expired(0),
        other => other,
    }
}

#[test]
fn exports_that_come_through_a_short_answer_are_read_whole() {
    let (case, proxy, expected) = Case::new(|store| Proxy::start(store.address()));
    let inputs = case.store.place().through(proxy.address());
    std::fs::create_dir_all(&inputs.folder).unwrap();
    crate::program::copy_folder(&case.project.folder().join("fixtures/tiny/in"), &inputs.folder);
    for weather in [Weather::Short, Weather::Torn] {
        let place = case.store.place_like(&case.before).through(proxy.address());
        let place = place.with("TINY_INPUTS", &inputs.uri);
        proxy.weather(Some(weather), 7);
        // Short of nothing: the run is known by what it read.
        let ran = case.project.run(&place, &case.date, &["--timeout", "60s"]);
        assert!(matches!(ran.code, Some(0 | 75)), "{:?} {}\n{}", ran.code, ran.answer, ran.said);
        proxy.weather(None, 7);
        let again = case.project.run(&place, &case.date, &[]).expect(0, "");
        assert_eq!(again.run_id(), case.run_id, "{weather:?}");
        assert_eq!(Warehouse::at(&place).state(&[]), expected, "{weather:?}");
    }
}

/// The keys of server-side encryption are the store's business: they reach it with every object.
#[test]
fn encryption_asked_for_by_the_environment_reaches_every_object() {
    let project = Project::tiny();
    let store = Store::s3();
    let proxy = Proxy::start(store.address());
    proxy.weather(None, 0);
    let place = store
        .place()
        .through(proxy.address())
        .with("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms")
        .with("AWS_SSE_KMS_KEY_ID", "arn:aws:kms:us-east-1:111122223333:key/simurgh-test")
        .with("AWS_SSE_BUCKET_KEY_ENABLED", "true");
    let ran = project.run(&place, &project.dates()[0], &[]);
    let puts: Vec<_> = proxy.seen().into_iter().filter(|own| own.method == "PUT").collect();
    assert!(!puts.is_empty(), "{:?} {}\n{}", ran.code, ran.answer, ran.said);
    for put in &puts {
        let path = &put.uri;
        let value = |name: &str| put.headers.get(name).and_then(|own| own.to_str().ok());
        let algorithm = value("x-amz-server-side-encryption");
        let key = value("x-amz-server-side-encryption-aws-kms-key-id");
        assert_eq!(algorithm, Some("aws:kms"), "{path}");
        assert!(key.is_some_and(|key| key.ends_with("key/simurgh-test")), "{path}: {key:?}");
    }
    eprintln!("{} objects were written with the key, exit code {:?}", puts.len(), ran.code);
    ran.expect(0, "published");
}

/// What docs/security.md allows: nothing of the exports is changed, and of the warehouse nothing is
/// deleted but what was staged and what no version of a table names.
#[test]
fn requests_stay_within_the_least_rights() {
    let project = Project::tiny();
    let store = Store::s3();
    let proxy = Proxy::start(store.address());
    let inputs = store.place();
    crate::program::copy_folder(&project.folder().join("fixtures/tiny/in"), &inputs.folder);
    let place = store.place().through(proxy.address()).with("TINY_INPUTS", &inputs.uri);
    proxy.weather(None, 0);
    for date in &project.dates()[..2] {
        project.run(&place, date, &[]).expect(0, "published");
    }
    let seen = proxy.seen();
    let root = place.uri.trim_start_matches("s3:/").to_owned() + "/";
    let mut deleted = 0;
    for own in &seen {
        let path = own.uri.split('?').next().unwrap_or_default();
        let bulk = own.uri.contains("?delete");
        if bulk || own.method == "DELETE" {
            let body = String::from_utf8_lossy(&own.body);
            let keys = body.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap());
            let bucket = root.trim_start_matches('/').split('/').next().unwrap();
            let named = keys.map(|key| format!("/{bucket}/{key}"));
            let all: Vec<String> = if bulk { named.collect() } else { vec![path.to_owned()] };
            assert!(!all.is_empty(), "{own:?}");
            for path in all {
                let inner = path.strip_prefix(&root).unwrap_or_else(|| panic!("{path}"));
                assert!(inner.starts_with("staging/") || inner.starts_with("tables/"), "{path}");
                deleted += 1;
            }
        } else {
            assert!(path.starts_with(&root), "{own:?}");
            assert!(own.method == "PUT" || own.uri.contains("upload"), "{own:?}");
        }
    }
    assert!(deleted > 0 && seen.len() > 100, "{deleted} of {}", seen.len());
}
