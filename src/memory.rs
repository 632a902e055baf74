//! What the process may hold, and who is at work.
//!
//! SQL operators account for what they hold and spill past their share; rows of an export, records
//! to resolve and what foreign crates buffer do not. So the bound is on what the system says that
//! the process holds. It is looked at before something large is taken ([`need`]), which ends in an
//! ordinary error, and all the time by a thread ([`watch`]), which ends the process before the
//! kernel would. Either names the operator at work and a size that would do.
//!
//! Knows bytes and words; refuses to know what an operator is. Nothing here changes a result.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::allocator;
use crate::error::{Error, Result};

/// What was asked for; 0 where nothing bounds the process.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// Who is at work, the innermost last.
static WORK: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

const MEBIBYTE: u64 = 1 << 20;

/// Room for the program itself, its threads and what it reads ahead, where half of what was asked
/// for would be less.
const FLOOR: u64 = 256 * MEBIBYTE;

/// Who is given less than this gives back what is free at once: it is short of memory, not of time.
const PLENTY: u64 = 1024 * MEBIBYTE;

/// Milliseconds for which what is free is kept where there is plenty: longer than anything is made
/// and the next is, so that what a step drops the next one takes.
const KEPT: u16 = 10_000;

/// How often the thread looks. Memory is taken at some gigabytes a second at most.
const INTERVAL: Duration = Duration::from_millis(5);

/// The most that a process holds that was given `asked`: half as much again.
fn bound(asked: u64) -> u64 {
    asked.saturating_add((asked / 2).max(FLOOR))
}

/// Where the process ends: a little before its bound, for what is taken between two looks.
fn end(asked: u64) -> u64 {
    bound(asked) - bound(asked) / 12
}

/// What would have to be asked for to hold `bytes`, in steps of 128 MB.
fn enough(bytes: u64) -> u64 {
    let step = 128 * MEBIBYTE;
    let mut asked = step;
    while end(asked) < bytes {
        asked += step.max(asked / 8 / step * step);
    }
    asked
}

/// Half of the memory of the machine, or of the container that the process is in; 2 GB where
/// neither says.
pub fn half_of_the_machine() -> u64 {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    });
    let container = number("/sys/fs/cgroup/memory.max")
        .or_else(|| number("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let least = machine.into_iter().chain(container).min();
    least.map_or(2 << 30, |bytes| (bytes / 2).max(FLOOR))
}

/// What the process holds now, where the system says so: Linux does.
pub fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// The most that the process has held, where the system says so.
pub fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// A size of the process. `statm` would be shorter to read, but is in pages, whose size only libc
/// tells.
fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// An operator at work, until it is dropped.
#[derive(Debug)]
pub struct Work(u64);

impl Drop for Work {
    fn drop(&mut self) {
        work().retain(|(number, _)| *number != self.0);
    }
}

fn work() -> std::sync::MutexGuard<'static, Vec<(u64, String)>> {
    WORK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Says who is at work: an operator's name and what it works on, never a value.
#[must_use = "it is at work until this is dropped"]
pub fn at(what: impl Into<String>) -> Work {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let what = what.into();
    // The log's times say how long each took.
    tracing::debug!("at work: {what}");
    work().push((number, what));
    Work(number)
}

/// Who is at work now: the innermost operator.
pub fn working() -> String {
    work().last().map_or_else(|| "the start of the program".to_owned(), |(_, what)| what.clone())
}

/// Whether `bytes` more would stay within the bound.
pub fn has_room(bytes: u64) -> bool {
    let asked = ASKED.load(Ordering::Relaxed);
    asked == 0 || held_beyond(end(asked).saturating_sub(bytes)).is_none()
}

/// What the process holds where that is more than `most`; what is free is no part of it.
fn held_beyond(most: u64) -> Option<u64> {
    let beyond = || resident().filter(|held| *held > most);
    beyond()?;
    allocator::give_back();
    beyond()
}

/// Refuses to begin what needs `bytes` more than there are.
///
/// # Errors
/// Where they are not there; it names the operator at work and a size that would do.
pub fn need(bytes: u64) -> Result<()> {
    let asked = ASKED.load(Ordering::Relaxed);
    if has_room(bytes) {
        return Ok(());
    }
    let held = resident().unwrap_or_default();
    Err(exceeded(
        asked,
        &format!("needs {} beside the {} that are held", size(bytes), size(held)),
        held + bytes,
    ))
}

/// What was held, and who was at work.
fn exceeded(asked: u64, what: &str, whole: u64) -> Error {
    Error::data(format!(
        "out of memory: {} {what}, and --memory {} allows {} in all",
        working(),
        size(asked),
        size(bound(asked))
    ))
    .help(format!("give more: --memory {}", size(enough(whole))))
}

/// A size as `--memory` takes it.
fn size(bytes: u64) -> String {
    format!("{}MB", bytes.div_ceil(MEBIBYTE))
}

/// Bounds the process, from now on; `excess` is called once, on a thread of its own, where it holds
/// more, and is to end it. Where the system does not say what is held, nothing is bounded.
pub fn watch(asked: u64, excess: impl FnOnce(&Error) + Send + 'static) {
    ASKED.store(asked.max(1), Ordering::Relaxed);
    allocator::keep_free(if asked < PLENTY { 0 } else { KEPT });
    // What was freed so far was to be given back sooner, and all that is free then with it.
    allocator::give_back();
    let look = move || {
        while let Some(held) = resident() {
            if held > end(asked)
                && let Some(held) = held_beyond(end(asked))
            {
                // How much it would have come to is not known: the next step up, at least.
                let error =
                    exceeded(asked, &format!("holds {}", size(held)), (held * 2).max(bound(asked)));
                excess(&error);
                return;
            }
            std::thread::sleep(INTERVAL);
        }
    };
    let _ = std::thread::Builder::new().name("memory".to_owned()).spawn(look);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_much_again_is_the_most_that_is_held() {
        assert_eq!(bound(512 * MEBIBYTE), 768 * MEBIBYTE);
        assert_eq!(bound(64 * MEBIBYTE), 320 * MEBIBYTE);
        for asked in [1, 512 * MEBIBYTE, 4 << 30] {
            assert!(end(asked) < bound(asked));
        }
    }

    #[test]
    fn a_size_that_would_do_does() {
        for bytes in [1, 700 * MEBIBYTE, 3 << 30, 100 << 30] {
            assert!(end(enough(bytes)) >= bytes, "{bytes}");
        }
        assert_eq!(size(enough(1)), "128MB");
    }

    #[test]
    fn the_innermost_operator_is_named() {
        let outer = at("the outer of this test");
        let inner = at("the inner of this test");
        let named = |what: &str| work().iter().any(|(_, own)| own == what);
        assert!(named("the outer of this test") && named("the inner of this test"));
        drop(inner);
        assert!(!named("the inner of this test"));
        drop(outer);
        assert!(!named("the outer of this test"));
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert!(half_of_the_machine() >= FLOOR);
        assert!(resident().is_none_or(|held| held > MEBIBYTE));
    }
}
