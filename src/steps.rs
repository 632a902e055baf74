//! How long the steps of a computation take, for whoever looks with `-v`.
//!
//! Knows names of steps; no value of an export and no result is told, and none depends on the clock.

use std::time::Instant;

/// A computation of several steps.
pub(crate) struct Steps {
    of: &'static str,
    begun: Instant,
}

impl Steps {
    /// The first step begins.
    pub(crate) fn of(of: &'static str) -> Self {
        Self { of, begun: Instant::now() }
    }

    /// A step ended, and the next begins.
    pub(crate) fn done(&mut self, step: &'static str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        tracing::info!(of = self.of, step, seconds = format!("{seconds:.3}"), "step");
        self.begun = Instant::now();
    }
}
