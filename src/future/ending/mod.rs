//! What runs after the work is gone: clean-up that awaits, and the search for an error in what the
//! work returned.

mod finally;
mod finally_or_spawn;

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

pub use finally::Finally;
pub use finally_or_spawn::{FinallyOrSpawn, Spawner};

use crate::error::Cancelled;

/// What a run does once its work is gone. This trait is sealed: it is what
/// [`finally`](crate::Cancelable::finally) and its relatives put together.
pub trait Ending<T>: sealed::Ending<T> {}

impl<T, E: sealed::Ending<T>> Ending<T> for E {}

pub(super) use sealed::ErrorOf;

mod sealed {
    use super::*;

    /// Calls its second argument with the error, if the value holds one. The error is handed to a
    /// closure because its text may come from a temporary.
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub type ErrorOf<T> = fn(&T, &mut dyn FnMut(&dyn Display));

    pub trait Ending<T> {
        /// Whether there is anything to run.
        const CLEANS_UP: bool;

        /// Sets the function that finds the error in what the work returned.
        fn set_error_of(&self, error_of: ErrorOf<T>);

        /// Returns the function that finds the error in what the work returned, or `None` if such
        /// work does not fail.
        fn error_of(&self) -> Option<ErrorOf<T>>;

        /// Notes that the run has started: from here on there is something to clean up.
        fn start(self: Pin<&mut Self>);

        /// Keeps the outcome of a run that is stopped, where there is a place for it.
        fn keep(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Gives that back.
        fn give_back(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Whether there is clean-up that is not finished, and that nobody would take over.
        fn owes(&self) -> bool {
            false
        }

        /// Hands on what may be taken over, in the order in which it was given.
        fn hand_on(self: Pin<&mut Self>) {}

        /// Runs what is to run, and is ready when that is done. Where it is not, it keeps the
        /// outcome; where it is, it has given it back.
        fn poll_end(
            self: Pin<&mut Self>,
            outcome: &mut Option<Result<T, Cancelled>>,
            cx: &mut Context<'_>,
        ) -> Poll<()>;
    }
}

/// Work that cannot fail, and nothing to clean up.
impl<T> sealed::Ending<T> for () {
    const CLEANS_UP: bool = false;

    fn set_error_of(&self, _error_of: ErrorOf<T>) {}

    fn error_of(&self) -> Option<ErrorOf<T>> {
        None
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Work that may fail: if it returns `Err`, its operation has failed, or was cancelled if it has a
/// cause.
///
/// Only an operation asks for the text of an error, so the error of a plain race needs no `Display`.
pub struct Fallible<T> {
    error_of: OnceLock<ErrorOf<T>>,
}

impl<T> Fallible<T> {
    pub(super) fn new() -> Self {
        Fallible { error_of: OnceLock::new() }
    }

    #[cfg(feature = "macros")]
    pub(super) fn with(error_of: ErrorOf<T>) -> Self {
        Fallible { error_of: OnceLock::from(error_of) }
    }
}

/// The [`ErrorOf`] of a `Result` whose error has `Display`.
pub(super) fn error_of_result<T, X: Display>(
    value: &Result<T, X>,
    found: &mut dyn FnMut(&dyn Display),
) {
    if let Err(error) = value {
        found(error);
    }
}

impl<T> sealed::Ending<T> for Fallible<T> {
    const CLEANS_UP: bool = false;

    fn set_error_of(&self, error_of: ErrorOf<T>) {
        // All callers of one type set the same function, so the first one may win.
        let _ = self.error_of.set(error_of);
    }

    fn error_of(&self) -> Option<ErrorOf<T>> {
        self.error_of.get().copied()
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<T> fmt::Debug for Fallible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}
