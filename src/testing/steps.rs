//! The steps of a scenario, and what is expected of its run.

use std::fmt;
use std::time::Duration;

use super::transcript::Transcript;
use crate::{CancellationToken, Cancelled, Reason};

/// Something that happens at a moment, counted from the start, or before the first poll.
pub(super) struct Step<'a> {
    pub(super) at: Option<Duration>,
    pub(super) action: Action<'a>,
}

/// What happens.
pub(super) enum Action<'a> {
    Cancel(Reason),
    Call(Box<dyn FnOnce() + 'a>),
    ExpectPending,
}

/// What is expected of the end.
pub(super) enum Expected<'a> {
    Completed,
    Cancelled(Reason),
    Within(String, Box<dyn Fn(Duration) -> bool + 'a>),
}

impl Action<'_> {
    pub(super) fn happen(self, token: &CancellationToken, transcript: &mut Transcript) {
        match self {
            Action::Cancel(reason) => {
                transcript.note(format_args!("the source fires: {reason}"));
                token.cancel_with(reason);
            }
            Action::Call(call) => {
                transcript.note("a function is called");
                call();
            }
            Action::ExpectPending => transcript.note("the run is pending"),
        }
    }
}

impl Expected<'_> {
    pub(super) fn holds<T>(&self, outcome: &Result<T, Cancelled>, end: Duration) -> bool {
        match (self, outcome) {
            (Expected::Completed, outcome) => outcome.is_ok(),
            (Expected::Cancelled(_), Ok(_)) => false,
            (Expected::Cancelled(expected), Err(cancelled)) => {
                let reason = cancelled.reason();
                reason == expected || reason.root() == expected
            }
            (Expected::Within(_, contains), _) => contains(end),
        }
    }
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Completed => f.write_str("that the run returns a value"),
            Expected::Cancelled(reason) => write!(f, "that the run is cancelled for: {reason}"),
            Expected::Within(when, _) => write!(f, "that the run ends at {when}"),
        }
    }
}
