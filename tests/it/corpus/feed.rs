//! What reads bytes that nobody vouches for, each as one function of them: the corpus and the fuzz
//! targets (`fuzz/`) feed them alike. A fault of the bytes is an error; a bug of the program, or
//! an error that shows a value of an export, is a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use simurgh::contract::Contract;
use simurgh::engine::{Engine, Options, run_blocking};
use simurgh::error::{Kind, Result};
use simurgh::extract::{self, InputFile, Source};
use simurgh::pipeline::{PublishedTables, Request, STAGES};
use tempfile::TempDir;

/// A value that exports hold, and no error may.
pub(crate) const CANARY: &str = "Zyxcanary";

/// The largest export, after decompression.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// Reads bytes; gives the error that it came to.
pub(crate) type Feed = fn(&[u8]) -> Result<()>;

/// Every reader, by name.
pub(crate) const READERS: &[(&str, Feed)] = &[
    ("configuration", configuration),
    ("contract", contract),
    ("csv", |bytes| export("people.csv", bytes)),
    ("functions", functions),
    ("gzip", |bytes| export("people.csv.gz", bytes)),
    ("match_log", match_log),
    ("ndjson", |bytes| export("people.ndjson", bytes)),
    ("parquet", |bytes| export("people.parquet", bytes)),
    ("xlsx", |bytes| export("people.xlsx", bytes)),
    ("zstd", |bytes| export("people.csv.zst", bytes)),
];

/// Feeds one reader. True if the bytes were accepted.
///
/// # Panics
/// Where the reader panics, calls its own bug, or shows a value.
pub(crate) fn feed(name: &str, bytes: &[u8]) -> bool {
    let (_, reader) = READERS.iter().find(|(own, _)| *own == name).expect("a reader's name");
    let Err(error) = reader(bytes) else { return true };
    let said = format!("{error:?} {}", error.advice().unwrap_or_default());
    assert!(error.kind() != Kind::Bug, "{said}");
    assert!(!said.contains(CANARY), "a value is shown: {said}");
    false
}

/// The house's own folder: of the crate that these functions are compiled in, or above it.
fn house() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    if own.join("fixtures").exists() { own } else { own.parent().expect("a folder above") }
}

const CONTRACT: &str = r#"
kind: DataContract
apiVersion: v3.1.0
id: people
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: id, logicalType: string, primaryKey: true}
      - {name: email, logicalType: string, logicalTypeOptions: {maxLength: 40}}
      - {name: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}
      - {name: amount, logicalType: number, physicalType: "decimal(18,2)"}
      - {name: born, logicalType: date}
      - {name: at, logicalType: timestamp}
"#;

/// An export of the contract's columns.
fn export(name: &str, bytes: &[u8]) -> Result<()> {
    static READ: OnceLock<(Source, Contract)> = OnceLock::new();
    let (source, contract) = READ.get_or_init(|| {
        let source = serde_saphyr::from_str(&format!(
            "{{path: x, contract: y, load: snapshot, max_quarantined: 100%, extra_columns: ignore, max_bytes: {MAX_BYTES}}}"
        ));
        (source.expect("a source"), Contract::parse(CONTRACT, "people").expect("a contract"))
    });
    let file = InputFile { path: name.to_owned(), bytes: Bytes::copy_from_slice(bytes) };
    let read = extract::read("people", source, contract, &[file])?;
    assert_eq!(read.rows_read, read.rows_accepted + read.rows_quarantined);
    let rows: usize = read.batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows as u64, read.rows_accepted);
    let refused = format!("{:?}", read.quarantine.first().map(|row| &row.reason));
    assert!(!refused.contains(CANARY), "a value is shown: {refused}");
    Ok(())
}

/// A pipeline file, as far as it can be checked without an export.
fn configuration(bytes: &[u8]) -> Result<()> {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| TempDir::new().expect("a folder"));
    let file = folder.path().join("pipeline.yaml");
    fs::write(&file, bytes).expect("a file");
    let loaded = simurgh::config::load(&file, &[], &|_| None)?;
    loaded.check(&simurgh::config::Known::default())
}

fn contract(bytes: &[u8]) -> Result<()> {
    Contract::parse(&String::from_utf8_lossy(bytes), "contract.yaml").map(drop)
}

fn options() -> Options {
    Options { threads: 1, memory: 128 << 20 }
}

/// A SQL function, as in one of its examples: the first two bytes choose, the others are its text.
fn functions(bytes: &[u8]) -> Result<()> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(&options()).expect("an engine"));
    let [function, example, rest @ ..] = bytes else { return Ok(()) };
    let all = simurgh::functions::FUNCTIONS;
    let function = &all[usize::from(*function) % all.len()];
    let (sql, _) = function.examples[usize::from(*example) % function.examples.len()];
    // A NUL ends what SQL's parser reads of a text.
    let text = String::from_utf8_lossy(rest).replace('\0', " ").replace('\'', "''");
    let parts: Vec<&str> = sql.split('\'').collect();
    let mut given = String::new();
    for (place, part) in parts.iter().enumerate() {
        match place % 2 {
            0 => given.push_str(part),
            // The first text is replaced; those after it are formats and countries more often.
            _ if place == 1 => given.push_str(&format!("'{text}'")),
            _ => given.push_str(&format!("'{part}'")),
        }
    }
    run_blocking(async {
        let frame = engine.sql(&format!("SELECT {given} AS value"), "a function").await?;
        engine.collect(frame, "a function").await.map(drop)
    })
}

/// A warehouse with a match log, its data file and its Delta log.
fn published() -> &'static (TempDir, PathBuf, PathBuf) {
    static PUBLISHED: OnceLock<(TempDir, PathBuf, PathBuf)> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let exports = house().join("fixtures/tiny/in");
        let request = Request {
            pipeline: house().join("pipelines/tiny.yaml"),
            sets: vec![format!("inputs={}", exports.display())],
            warehouse: folder.path().display().to_string(),
            date: "2026-11-01".parse().expect("a date"),
            stages: 0..=STAGES.len() - 1,
            run_id: None,
            cascade: false,
            full: false,
            accept: false,
            engine: options(),
        };
        run_blocking(simurgh::pipeline::run(&request)).expect("a run");
        let table = folder.path().join("tables/match_log");
        let log = table.join("_delta_log/00000000000000000000.json");
        let below = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).expect("a folder");
            entries.map(|entry| entry.expect("an entry").path()).collect()
        };
        let days = below(&table).into_iter().filter(|path| path.to_string_lossy().contains('='));
        let data = days.flat_map(|day| below(&day)).next();
        (folder, data.expect("a data file"), log)
    })
}

/// What stands in the place of the match log: bytes that begin with a brace in that of Delta's log,
/// others in that of the data.
fn match_log(bytes: &[u8]) -> Result<()> {
    let (folder, data, log) = published();
    let target = if bytes.first() == Some(&b'{') { log } else { data };
    let before = fs::read(target).expect("a file");
    fs::write(target, bytes).expect("a file");
    let uri = folder.path().display().to_string();
    let read = run_blocking(async {
        let tables = PublishedTables::open(&uri, None).await?;
        tables.register(&["match_log"]).await?;
        tables.query("SELECT * FROM match_log", "match_log").await.map(drop)
    });
    fs::write(target, before).expect("a file");
    read
}

/// The match log's files as they are: data, Delta's log.
pub(crate) fn match_log_files() -> [Vec<u8>; 2] {
    let (_, data, log) = published();
    [data, log].map(|path| fs::read(path).expect("a file"))
}
