//! A run's bounds: the memory that it may hold and the time that it may take. Past either it ends
//! with an error that names who was at work; never by the kernel, never by hanging.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Project, Seeded};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

/// One source, and one block that holds every record: none is divided, windows are walked.
const PIPELINE: &str = "
version: 1
name: giant
inputs: in
sources:
  people: {path: 'people-{date}.csv', contract: people.odcs.yaml, load: snapshot}
records:
  - source: people
    sql: SELECT id AS record_id, 'person' AS kind, name, email, city, TIMESTAMP '2026-01-01' AS updated_at FROM raw_people
resolve:
  person:
    blocking:
      - {name: city, keys: [city], max_block: 20}
    comparisons:
      - {name: name, type: jaro_winkler, columns: [name]}
      - {name: email, type: email, columns: [email]}
golden:
  default_rule: most_recent
";

const CONTRACT: &str = "
kind: DataContract
apiVersion: v3.1.0
id: people
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: id, logicalType: string, primaryKey: true}
      - {name: name, logicalType: string}
      - {name: email, logicalType: string}
      - {name: city, logicalType: string}
";

const DATE: &str = "2026-11-01";

/// What came of a run that was watched while it worked.
struct Watched {
    code: Option<i32>,
    answer: Value,
    said: String,
    /// The most that it held, in bytes.
    peak: u64,
    took: Duration,
}

fn giant(project: &Project, records: u64) {
    let folder = project.folder();
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::write(folder.join("giant.yaml"), PIPELINE).unwrap();
    fs::write(folder.join("people.odcs.yaml"), CONTRACT).unwrap();
    let file = fs::File::create(folder.join(format!("in/people-{DATE}.csv"))).unwrap();
    let mut out = BufWriter::new(file);
    let mut seeded = Seeded(records);
    writeln!(out, "id,name,email,city").unwrap();
    let mut line = String::new();
    for n in 0..records {
        let (a, b) = (seeded.below(40_000), seeded.below(60_000));
        line.clear();
        writeln!(line, "P{n},given{a:05} family{b:05},user{a}.{b}@example.org,unknown").unwrap();
        out.write_all(line.as_bytes()).unwrap();
    }
    out.flush().unwrap();
}

fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

fn watched(project: &Project, place: &Place, memory: &str) -> Watched {
    let file = |name: &str| Stdio::from(fs::File::create(project.folder().join(name)).unwrap());
    let begun = Instant::now();
    let mut child = project
        .command(place)
        .args(["run", "giant.yaml", "--date", DATE, "--warehouse", &place.uri])
        .args(["--memory", memory, "--timeout", "2h"])
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_of(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let text = |name: &str| fs::read_to_string(project.folder().join(name)).unwrap();
    let answer = text("out").lines().last().and_then(|line| serde_json::from_str(line).ok());
    Watched {
        code: status.code(),
        answer: answer.unwrap_or(Value::Null),
        said: text("err"),
        peak,
        took: begun.elapsed(),
    }
}

/// Within what was asked for and half as much again, or 256 MB more where that is more; and if it
/// did not end well, then with an error that names an operator and a size.
fn held_to(ran: &Watched, asked: u64) {
    let said = format!("{:?} {}\n{}", ran.code, ran.answer, ran.said);
    let bound = asked + (asked / 2).max(256 << 20);
    assert!(ran.peak > 0 && ran.peak <= bound, "{} of {bound} bytes: {said}", ran.peak);
    match ran.code {
        Some(0) => {}
        Some(1) => {
            let error = ran.answer["error"].as_str().unwrap_or_default();
            let operators =
                ["extract", "collecting ", "writing ", "resolve", "stage ", "golden", "joining "];
            assert!(error.contains("out of memory"), "{said}");
            assert!(operators.iter().any(|own| error.contains(own)), "{said}");
            assert!(ran.answer["help"].as_str().unwrap_or_default().contains("--memory"), "{said}");
        }
        other => panic!("{other:?}: {said}"),
    }
}

/// The records of the giant block: few, unless `SIMURGH_MEMORY_RECORDS` says otherwise. Memory is
/// in proportion where there are few, and 512 MB where there are two million.
#[test]
fn one_giant_block_is_held_to_its_memory() {
    let asked = std::env::var("SIMURGH_MEMORY_RECORDS");
    let records = asked.map_or(60_000, |n| n.parse().expect("SIMURGH_MEMORY_RECORDS: a number"));
    let memory = std::env::var("SIMURGH_MEMORY").unwrap_or_else(|_| "512MB".to_owned());
    let bytes = simurgh::engine::parse_size(&memory).unwrap();
    let project = Project::tiny();
    giant(&project, records);
    let place = Store::disk().place();
    let ran = watched(&project, &place, &memory);
    eprintln!(
        "{records} records, --memory {memory}: exit code {:?}, at most {} MB, {:?}; {}",
        ran.code,
        ran.peak >> 20,
        ran.took,
        ran.answer["error"]
    );
    held_to(&ran, bytes);
    let _ = fs::remove_dir_all(&place.folder);
}

/// What is refused is refused before it is taken, or ended by the program itself; what was left
/// harms no later run that is given more.
#[test]
fn too_little_memory_is_an_error_that_names_the_operator() {
    let project = Project::tiny();
    giant(&project, 400_000);
    let store = Store::disk();
    let place = store.place();
    let ran = watched(&project, &place, "1MB");
    eprintln!("at most {} MB; {}", ran.peak >> 20, ran.answer["error"]);
    held_to(&ran, 1 << 20);
    assert_eq!(ran.code, Some(1), "400,000 records in 1 MB: {}", ran.answer);
    assert_eq!(ran.answer["outcome"], "stopped");
}

#[test]
fn a_run_that_takes_too_long_ends_with_75_and_is_gone_on_with() {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let store = Store::s3();
    let proxy = crate::fault::Proxy::start(store.address());
    proxy.delay(Duration::from_millis(200));
    let place = store.place().through(proxy.address());
    let metrics = project.folder().join("simurgh.prom");
    let arguments = ["--timeout", "2s", "--metrics", metrics.to_str().unwrap()];
    let ran = project.run(&place, date, &arguments).expect(75, "failed");
    assert!(ran.took < Duration::from_secs(10), "{:?}", ran.took);
    assert!(ran.said.contains("not done within --timeout 2s"), "{}", ran.said);
    assert!(fs::read_to_string(&metrics).unwrap().contains("simurgh_exit_code 75"));
    proxy.delay(Duration::ZERO);
    project.run(&place, date, &arguments[..0]).expect(0, "published");
    let whole = store.place();
    project.run(&whole, date, &[]).expect(0, "published");
    assert_eq!(Warehouse::at(&place).state(&[]), Warehouse::at(&whole).state(&[]));
}

#[test]
fn a_time_that_is_none_is_a_usage_error() {
    let project = Project::tiny();
    let place = Store::disk().place();
    for wrong in ["soon", "0s", "-5s", "90"] {
        let ran = project.run(&place, DATE, &[&format!("--timeout={wrong}")]).expect(2, "failed");
        assert!(ran.said.contains("--timeout") && ran.said.contains("2h"), "{}", ran.said);
        assert!(!Path::new(&place.uri).exists());
    }
}
