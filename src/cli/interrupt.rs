//! Ctrl-C and SIGTERM: the program says so and ends at once, wherever it is.
//!
//! Nothing is tidied up. A run may be killed anywhere, and is resumed or done again to the same
//! result; an orderly end would be a second way to end that is used, and tested, less.

use super::out;
use crate::error::Error;

/// Listens, on a thread of its own: a command may compute for long without looking up.
pub(super) fn listen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without it the signals do what they do to any program: end it, in silence.
    let Ok(runtime) = runtime else { return };
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if runtime.block_on(signal()).is_ok() {
            let error = Error::retry("interrupted")
                .help("run the same command again: what was done is not done twice");
            end(&error, |_| {});
        }
    });
}

/// Says what went wrong and ends the program at once, unless it has said what it came to and is
/// ending; `before` is called with the exit code.
pub(super) fn end(error: &Error, before: impl FnOnce(u8)) {
    if !out::answer(Some(&super::failure(error)), || super::show(error)) {
        return;
    }
    let code = error.kind().exit_code();
    before(code);
    #[expect(clippy::disallowed_methods, reason = "main waits for work that goes on")]
    std::process::exit(i32::from(code));
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
