//! A run's bounds: the time until which it is to be done, and the memory it may hold.
//!
//! Past either the program says so and ends at once, as by a signal: a run may be killed anywhere,
//! and is resumed or done again to the same result.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::interrupt;
use crate::error::{Error, Result};
use crate::memory;
use crate::report::metrics;

/// Ends the program once `timeout` has passed since now; with exit code 75, for what was done is
/// not done twice.
pub(super) fn timeout(timeout: Duration, metrics: Option<PathBuf>) {
    let wait = move || {
        std::thread::sleep(timeout);
        let error = Error::retry(format!(
            "not done within --timeout {}: {} was at work",
            words(timeout),
            memory::working()
        ))
        .help("run the same command again: what was done is not done twice; or give more time");
        end(&error, metrics);
    };
    let _ = std::thread::Builder::new().name("timeout".to_owned()).spawn(wait);
}

/// Ends the program where it holds more memory than was asked for allows.
pub(super) fn memory(asked: u64, metrics: Option<PathBuf>) {
    memory::watch(asked, move |error| end(error, metrics));
}

fn end(error: &Error, metrics: Option<PathBuf>) {
    interrupt::end(error, |code| {
        if let Some(path) = metrics {
            let _ = metrics::write(&path, &Value::Null, code);
        }
    });
}

/// A duration as it is given: `90s`, `15m`, `2h`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    let wrong = "not a time such as 90s, 15m, 2h or 1h30m";
    // Without its sign, and without a unit, jiff would take it for something.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong);
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| wrong)?;
    Duration::try_from(parsed).ok().filter(|own| !own.is_zero()).ok_or(wrong)
}

fn words(duration: Duration) -> String {
    jiff::SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |own| format!("{own:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400)] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_secs(seconds), "{text}");
            assert_eq!(duration(&words(read).replace(' ', "")), Ok(read), "{}", words(read));
        }
        for wrong in ["", "90", "-5s", "0s", "soon", "PT5S", "5 parsecs"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
