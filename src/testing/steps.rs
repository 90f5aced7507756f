//! The parts of a scenario: its steps, its expectations, and a transcript for its panics.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::time::{Duration, Instant};

use super::task::Stuck;
use crate::clock;
use crate::error::Cancelled;
use crate::reason::Reason;
use crate::source::CancellationToken;

/// An action and its time since the start. `None` is before the first poll.
pub(super) struct Step<'a> {
    pub(super) at: Option<Duration>,
    pub(super) action: Action<'a>,
}

pub(super) enum Action<'a> {
    Cancel(Reason),
    Call(Box<dyn FnOnce() + 'a>),
    ExpectPending,
}

impl Action<'_> {
    pub(super) fn perform(self, token: &CancellationToken, transcript: &mut Transcript) {
        match self {
            Action::Cancel(reason) => {
                transcript.note(format_args!("the source fires: {reason}"));
                token.cancel_with(reason);
            }
            Action::Call(call) => {
                transcript.note("a function is called");
                call();
            }
            Action::ExpectPending => transcript.note("the operation is pending"),
        }
    }
}

/// An expectation of how or when the operation ends.
pub(super) enum Expected<'a> {
    Completed,
    Cancelled(Reason),
    /// The operation returns an error with this text.
    Error(String),
    /// The operation ends at a time that the closure accepts.
    Within(String, Box<dyn Fn(Duration) -> bool + 'a>),
}

impl Expected<'_> {
    pub(super) fn is_met<T, E>(&self, outcome: &Result<T, E>, end: Duration) -> bool
    where
        E: Error + 'static,
    {
        match (self, outcome) {
            (Expected::Completed, outcome) => outcome.is_ok(),
            (Expected::Cancelled(_) | Expected::Error(_), Ok(_)) => false,
            (Expected::Cancelled(expected), Err(error)) => {
                cancelled_in(error).is_some_and(|cancelled| {
                    let reason = cancelled.reason();
                    reason == expected || reason.root() == expected
                })
            }
            (Expected::Error(expected), Err(error)) => error.to_string() == *expected,
            (Expected::Within(..), _) => self.allows_end_at(end),
        }
    }

    /// Returns whether the operation may end at `end`, however it ends.
    pub(super) fn allows_end_at(&self, end: Duration) -> bool {
        match self {
            Expected::Within(_, contains) => contains(end),
            _ => true,
        }
    }
}

/// Finds the cancellation in an error, in its sources, or in the error that an `io::Error` wraps.
fn cancelled_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Cancelled> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cancelled) = error.downcast_ref() {
            return Some(cancelled);
        }
        // The `source` of an `io::Error` is the source of the error that it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

impl Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Completed => f.write_str("that the operation returns a value"),
            Expected::Cancelled(reason) => {
                write!(f, "that the operation is cancelled with: {reason}")
            }
            Expected::Error(text) => write!(f, "that the operation fails with: {text}"),
            Expected::Within(when, _) => write!(f, "that the operation ends at {when}"),
        }
    }
}

/// What happened in a scenario, and when. Printed when an expectation is not met.
pub(super) struct Transcript {
    start: Instant,
    lines: Vec<String>,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Transcript { start: clock::now(), lines: Vec::new() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// Returns the instant `after` the start, or `None` if the clock cannot represent it.
    pub(super) fn instant(&self, after: Duration) -> Option<Instant> {
        self.start.checked_add(after)
    }

    pub(super) fn note(&mut self, what: impl Display) {
        self.lines.push(format!("  {:>10} {what}", format!("{:?}", self.elapsed())));
    }

    /// Panics because an expectation is not met.
    #[track_caller]
    pub(super) fn fail(&self, expected: &dyn Display) -> ! {
        panic!("expected {expected}; what happened:\n{}", self.lines.join("\n"))
    }

    /// Panics because the operation does not end.
    #[track_caller]
    pub(super) fn fail_to_end(mut self, stuck: Stuck) -> ! {
        self.note("the operation is pending");
        self.fail(&format_args!("that the operation ends: {stuck}"))
    }
}
