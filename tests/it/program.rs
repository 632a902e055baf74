//! Runs the program as a scheduler does: a child process, its exit code, the last line of its
//! standard output. Knows the pipeline `tiny` and how to disturb its exports; knows nothing of
//! what a run leaves behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::store::Place;

/// No run over `tiny` takes this long: one that does hangs.
const DEADLINE: Duration = Duration::from_secs(300);

/// Arguments of a run that does everything but publish.
pub(crate) const UP_TO_LAND: &[&str] = &["--to", "profile"];

/// A copy of the pipeline `tiny` with its contracts and exports, so that a test may change them.
pub(crate) struct Project {
    folder: TempDir,
}

/// What one run said.
pub(crate) struct Ran {
    /// The exit code; none if it was killed.
    pub(crate) code: Option<i32>,
    /// The last line of its standard output; null if that was not JSON.
    pub(crate) answer: Value,
    /// Its standard error, for the test's own message.
    pub(crate) said: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ran {
    /// The run's outcome: published, unchanged, stopped, failed; empty if it said nothing.
    pub(crate) fn outcome(&self) -> &str {
        self.answer["outcome"].as_str().unwrap_or_default()
    }

    /// The run's id.
    pub(crate) fn run_id(&self) -> &str {
        self.answer["run_id"].as_str().unwrap_or_default()
    }

    /// Itself, if it ended as expected.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, outcome: &str) -> Self {
        assert!(
            self.code == Some(code) && (outcome.is_empty() || self.outcome() == outcome),
            "expected {code} {outcome}, got {:?} {}\n{}",
            self.code,
            self.answer,
            self.said
        );
        self
    }
}

impl Project {
    /// A fresh copy of `tiny`.
    pub(crate) fn tiny() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = TempDir::new().unwrap();
        for part in ["pipelines", "schemas", "fixtures/tiny"] {
            copy_folder(&root.join(part), &folder.path().join(part));
        }
        Self { folder }
    }

    /// The project's folder, which commands run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn exports(&self) -> PathBuf {
        self.folder.path().join("fixtures/tiny/in")
    }

    /// The logical dates that the exports cover, ascending, read from the files' names.
    pub(crate) fn dates(&self) -> Vec<String> {
        let mut dates: Vec<String> = files_below(&self.exports())
            .iter()
            .filter_map(|file| file.file_stem()?.to_str()?.get(..).and_then(date_at_end))
            .collect();
        dates.sort();
        dates.dedup();
        assert!(dates.len() >= 2, "the exports of tiny cover two dates at least, got {dates:?}");
        dates
    }

    /// Puts the rows of every CSV export into another order; the header stays first.
    pub(crate) fn shuffle(&self, seed: u64) {
        let mut seeded = Seeded(seed);
        let files = files_below(&self.exports());
        let tables = files.iter().filter(|file| file.extension().is_some_and(|e| e == "csv"));
        let mut moved = 0;
        for file in tables {
            let text = fs::read(file).unwrap();
            let mut rows = split_rows(&text);
            let header = rows.remove(0);
            let before = rows.clone();
            for last in (1..rows.len()).rev() {
                rows.swap(last, seeded.below(last as u64 + 1) as usize);
            }
            moved += usize::from(rows != before);
            let mut shuffled = header;
            shuffled.extend(rows.concat());
            fs::write(file, shuffled).unwrap();
        }
        assert!(moved > 0, "no export of tiny has rows to shuffle");
    }

    /// Runs the pipeline for a date to its end, with further arguments.
    pub(crate) fn run(&self, place: &Place, date: &str, arguments: &[&str]) -> Ran {
        let begun = Instant::now();
        let mut running = self.start(place, date, arguments);
        let mut status = None;
        while status.is_none() && begun.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(5));
            status = running.child.try_wait().unwrap();
        }
        if status.is_none() {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        }
        let took = begun.elapsed();
        let (out, said) = running.texts();
        assert!(status.is_some(), "a run did not end in {DEADLINE:?}\n{said}");
        let answer = out.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let answer = serde_json::from_str(answer).unwrap_or(Value::Null);
        Ran { code: status.and_then(|s| s.code()), answer, said, took }
    }

    /// Starts a run and kills it (SIGKILL) once it is due. True if it was killed before its end.
    pub(crate) fn run_and_kill(&self, place: &Place, date: &str, due: impl Fn() -> bool) -> bool {
        let mut running = self.start(place, date, &[]);
        while !due() && running.child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let ended = running.child.try_wait().unwrap().is_some();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        !ended
    }

    /// The program, in this folder, with no settings but what the place asks for.
    pub(crate) fn command(&self, place: &Place) -> Command {
        let built = || env!("CARGO_BIN_EXE_simurgh").into();
        let mut command = Command::new(std::env::var_os("SIMURGH_PROGRAM").unwrap_or_else(built));
        let ours = ["AWS_", "OPENLINEAGE_", "SIMURGH_"];
        let own = |name: &str| ours.iter().any(|prefix| name.starts_with(prefix));
        for (name, _) in std::env::vars().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        command.envs(place.environment.iter().cloned()).current_dir(self.folder.path());
        command
    }

    /// Runs the program on a place to its end: what it printed, and the last line as JSON.
    #[track_caller]
    pub(crate) fn ask(&self, place: &Place, arguments: &[&str]) -> (Output, Value) {
        let mut command = self.command(place);
        let output = command.args(arguments).args(["--warehouse", &place.uri]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap();
        (output, answer)
    }

    fn start(&self, place: &Place, date: &str, arguments: &[&str]) -> Running {
        let output = TempDir::new().unwrap();
        let file = |name: &str| Stdio::from(File::create(output.path().join(name)).unwrap());
        let child = self
            .command(place)
            .args(["run", "pipelines/tiny.yaml", "--date", date, "--warehouse", &place.uri])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        Running { child, output }
    }
}

struct Running {
    child: Child,
    output: TempDir,
}

impl Running {
    fn texts(&self) -> (String, String) {
        let text = |name: &str| {
            let bytes = fs::read(self.output.path().join(name)).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        (text("out"), text("err"))
    }
}

/// Small seeded randomness (splitmix64, Steele, Lea and Flood 2014).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; its slight bias does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Copies a folder and all below it; the target may exist.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// All files below a folder, sorted; none if it does not exist.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn date_at_end(stem: &str) -> Option<String> {
    let date = stem.get(stem.len().checked_sub(10)?..)?;
    date.parse::<jiff::civil::Date>().ok().map(|date| date.to_string())
}

/// CSV text into rows, each with its line end; a line end within quotes does not end a row.
fn split_rows(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut rows, mut row, mut quoted) = (Vec::new(), Vec::new(), false);
    for &byte in text {
        row.push(byte);
        quoted ^= byte == b'"';
        if byte == b'\n' && !quoted {
            rows.push(std::mem::take(&mut row));
        }
    }
    if !row.is_empty() {
        row.push(b'\n');
        rows.push(row);
    }
    rows
}

#[test]
fn rows_are_split_at_line_ends_outside_quotes() {
    let rows = split_rows(b"a,b\r\n1,\"x\n\"\"y\"\r\n2,z");
    assert_eq!(rows, [&b"a,b\r\n"[..], b"1,\"x\n\"\"y\"\r\n", b"2,z\n"]);
}

#[test]
fn dates_are_read_from_the_end_of_a_name() {
    assert_eq!(date_at_end("contacts-2026-03-01").as_deref(), Some("2026-03-01"));
    assert_eq!(date_at_end("contacts-2026-13-01"), None);
    assert_eq!(date_at_end("stores"), None);
}
