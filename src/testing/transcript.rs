//! `Transcript`: what happened in a scenario, for the message of the panic.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::task::Stuck;
use crate::clock;

/// What happened since it was begun, and when.
pub(super) struct Transcript {
    start: Instant,
    lines: Vec<String>,
}

impl Transcript {
    pub(super) fn begin() -> Self {
        Transcript { start: clock::now(), lines: Vec::new() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// The moment that is so much later than the start. `None` is never.
    pub(super) fn moment(&self, at: Duration) -> Option<Instant> {
        self.start.checked_add(at)
    }

    pub(super) fn note(&mut self, what: impl Display) {
        self.lines.push(format!("  {:>10} {what}", format!("{:?}", self.elapsed())));
    }

    /// Panics, for this does not hold.
    #[track_caller]
    pub(super) fn fail(&self, expected: &dyn Display) -> ! {
        panic!("expected {expected}; what happened:\n{}", self.lines.join("\n"))
    }

    /// Panics, for the run does not end.
    #[track_caller]
    pub(super) fn fail_to_end(mut self, stuck: Stuck) -> ! {
        self.note("the run is pending");
        self.fail(&format_args!("that the run ends: {stuck}"))
    }
}
