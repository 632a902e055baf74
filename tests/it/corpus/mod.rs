//! Thousands of malformed files, of every format that is read: none ends in more than an error
//! of the file, none takes more than five seconds or 256 MB, and no error shows a value.
//!
//! They are replayed in a process of their own, this binary again, so that a stack that overflows or
//! a memory that runs out is an outcome like others, and so that memory is this test's alone.

mod feed;
mod make;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use feed::{READERS, feed};
use make::{COUNTS, Maker};

const LONGEST: Duration = Duration::from_secs(5);
const MOST: u64 = 256 << 20;

/// How many times as many files, from other seeds, as are replayed unless `SIMURGH_CORPUS` says so.
fn times() -> u64 {
    std::env::var("SIMURGH_CORPUS").map_or(1, |n| n.parse().expect("SIMURGH_CORPUS: a number"))
}

#[test]
fn every_reader_has_files_and_they_are_five_thousand() {
    let readers: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
    let counted: Vec<&str> = COUNTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(readers, counted);
    assert!(readers.is_sorted());
    assert!(COUNTS.iter().map(|(_, count)| count).sum::<u64>() >= 5_000);
}

#[test]
fn malformed_files_are_refused_in_time_and_in_bounds() {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["corpus::replay", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = said.lines().rev().take(40).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    assert!(done.status.success(), "{:?}\n{}", done.status, last.join("\n"));
    eprintln!("{}", last.join("\n"));
}

/// The process that replays.
#[test]
#[ignore = "started by malformed_files_are_refused_in_time_and_in_bounds"]
fn replay() {
    // The program's own main thread has as much.
    let work = std::thread::Builder::new().stack_size(8 << 20).spawn(replay_all).unwrap();
    work.join().unwrap();
}

/// Files to begin fuzzing with, a folder a reader, where `SIMURGH_CORPUS_OUT` names a folder.
#[test]
#[ignore = "writes files; fuzz/README.md"]
fn written() {
    let folder = std::env::var_os("SIMURGH_CORPUS_OUT").expect("SIMURGH_CORPUS_OUT: a folder");
    for (reader, count) in COUNTS {
        let folder = std::path::Path::new(&folder).join(reader);
        fs::create_dir_all(&folder).unwrap();
        let maker = Maker::of(reader);
        for n in 0..*count {
            fs::write(folder.join(n.to_string()), maker.file(n)).unwrap();
        }
    }
}

#[derive(Default)]
struct Outcome {
    files: u64,
    accepted: u64,
    /// Panics of foreign readers that ended as an error of the file.
    contained: u64,
    longest: Duration,
    most: u64,
}

fn replay_all() {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        eprintln!("panic: {panic}");
    }));
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut failed: Vec<String> = Vec::new();
    for (reader, count) in COUNTS {
        let maker = Maker::of(reader);
        // What is made once for all files of a reader is not theirs.
        let _ = catch_unwind(|| feed(reader, b""));
        let outcome = outcomes.entry(reader).or_default();
        for n in 0..count * times() {
            let bytes = maker.file(n);
            let before = memory_now();
            let panics = PANICS.load(Ordering::Relaxed);
            let begun = processor_time();
            let fed = catch_unwind(AssertUnwindSafe(|| feed(reader, &bytes)));
            let took = processor_time() - begun;
            let more = memory_peak().saturating_sub(before);
            outcome.files += 1;
            outcome.accepted += u64::from(matches!(fed, Ok(true)));
            outcome.longest = outcome.longest.max(took);
            outcome.most = outcome.most.max(more);
            let panicked = fed.is_err();
            let new = PANICS.load(Ordering::Relaxed) - panics;
            outcome.contained += u64::from(!panicked && new > 0);
            if panicked || took > LONGEST || more > MOST {
                let what =
                    format!("{reader} {n}: panicked {panicked}, {took:?}, {} MB", more >> 20);
                eprintln!("{what}");
                failed.push(what);
            }
        }
    }
    let mut files = 0;
    for (reader, own) in &outcomes {
        files += own.files;
        eprintln!(
            "{reader:<14} {:>5} files, {:>4} accepted, longest {:>8.1?}, most {:>4} MB, {} panics of a reader contained",
            own.files,
            own.accepted,
            own.longest,
            own.most >> 20,
            own.contained
        );
    }
    eprintln!("{files} files, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Damage that nothing minds, or that nothing survives, would test little.
    for (reader, own) in &outcomes {
        assert!(own.accepted < own.files, "{reader}: every file was accepted");
    }
}

fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// What the process has computed for, which is its own whatever else the machine does. Linux counts
/// it in hundredths of a second.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * fields.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>())
}

/// What the process holds; from here on the peak is counted anew.
fn memory_now() -> u64 {
    let _ = fs::write("/proc/self/clear_refs", "5");
    field("VmRSS:")
}

fn memory_peak() -> u64 {
    field("VmHWM:")
}
