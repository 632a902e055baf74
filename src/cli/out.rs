//! What the program prints: lines on standard output and standard error, from one place.
//!
//! `println!` panics where a pipe is closed, as by `simurgh tables | head`: here a reader who has
//! seen enough ends nothing. The last line of standard output is written once, whoever is first:
//! the command that ends, or the signal that ends it.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

/// Whether something could not be written, for another reason than a closed pipe.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether the last line has been written.
static ANSWERED: Mutex<bool> = Mutex::new(false);

/// Prints a line of results on standard output.
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::out::line(format_args!($($argument)*)) };
}

/// Prints a line for people on standard error.
macro_rules! complain {
    ($($argument:tt)*) => { $crate::cli::out::complaint(format_args!($($argument)*)) };
}

pub(super) use {complain, say};

/// A line on standard output.
pub(super) fn line(text: Arguments<'_>) {
    bytes(format!("{text}\n").as_bytes());
}

/// Bytes on standard output, as they are.
pub(super) fn bytes(bytes: &[u8]) {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => LOST.store(true, Ordering::Relaxed),
        _ => {}
    }
}

/// A line on standard error; there is nowhere to say that it cannot be written.
pub(super) fn complaint(text: Arguments<'_>) {
    let _ = stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Writes the last line, after `before`, if none has been written. Then none is written again.
/// True if this call wrote it.
pub(super) fn answer(json: Option<&Value>, before: impl FnOnce()) -> bool {
    let mut answered = ANSWERED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = !*answered;
    if first {
        *answered = true;
        before();
        if let Some(json) = json {
            line(format_args!("{json}"));
        }
    }
    first
}

/// Whether results were lost: standard output is a file on a full disk, or closed.
pub(super) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
