//! `Ending`: what a race does once its work is gone. It looks for an error in the value that the work
//! returned, waits for the children of the operation, and runs asynchronous clean-up.

mod finally;
mod finally_or_spawn;
mod joins_children;

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

pub use finally::Finally;
pub use finally_or_spawn::FinallyOrSpawn;
pub use joins_children::JoinsChildren;
pub(crate) use sealed::ErrorOf;

use crate::error::Cancelled;
use crate::text::Text;

/// Decides what a race does once its work is gone. This trait is sealed. Methods such as
/// [`finally`](crate::Cancelable::finally) and [`joins_children`](crate::Cancelable::joins_children) wrap one implementation
/// in another.
pub trait Ending<T>: sealed::Ending<T> {}

impl<T, E: sealed::Ending<T>> Ending<T> for E {}

pub(crate) mod sealed {
    use super::*;

    /// A function that looks for an error in a value. If there is one, the function passes the error to its second argument,
    /// a closure. It does not return the `&dyn Display`, because that may borrow from a temporary.
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub type ErrorOf<T> = fn(&T, &mut dyn FnMut(&dyn Display));

    pub trait Ending<T> {
        /// Whether there is clean-up, or the operation waits for its children.
        const CLEANS_UP: bool;

        /// Whether the operation waits for its children before its clean-up.
        const JOINS: bool = false;

        /// Sets the function that finds the error in the value of the work.
        fn set_error_of(&self, error_of: ErrorOf<T>);

        /// Returns the function that finds the error in the value of the work, or `None` if the work cannot
        /// fail.
        fn error_of(&self) -> Option<ErrorOf<T>>;

        /// Returns whether the work has returned an error.
        fn has_failed(&self, value: &T) -> bool {
            let mut failed = false;
            if let Some(error_of) = self.error_of() {
                error_of(value, &mut |_| failed = true);
            }
            failed
        }

        /// Returns the text of a failure, if there is one. The operation then ends as failed, whatever its outcome.
        fn failure(&self) -> Option<Text> {
            None
        }

        /// Notes that the operation has started. From then on, there is something to clean up.
        fn note_started(self: Pin<&mut Self>) {}

        /// Stores the outcome, if this ending has a place for it. Called if the code that awaits the race must not continue.
        fn store_outcome(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Moves the stored outcome, if there is one, back into `_outcome`.
        fn restore_outcome(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Returns whether there is unfinished clean-up that has no spawner.
        fn owes_clean_up(&self) -> bool {
            false
        }

        /// Hands unfinished clean-up to its spawners, in the order in which it was added.
        fn hand_over(self: Pin<&mut Self>) {}

        /// Polls those children that only this operation polls, such as the members of a group. Called in each poll in which
        /// the operation waits for its children.
        fn poll_while_joining(
            self: Pin<&mut Self>,
            _outcome: &Result<T, Cancelled>,
            _cx: &mut Context<'_>,
        ) {
        }

        /// Runs the clean-up. While the clean-up is pending, this ending stores the outcome. Once the clean-up is ready, the
        /// outcome is back in `_outcome`.
        fn poll_clean_up(
            self: Pin<&mut Self>,
            _outcome: &mut Option<Result<T, Cancelled>>,
            _cx: &mut Context<'_>,
        ) -> Poll<()> {
            Poll::Ready(())
        }
    }
}

/// The methods of `Ending` that every kind of clean-up shares. The wrapped ending, `earlier`, finds the error. This ending
/// stores the outcome. `joins` says whether the operation waits for its children.
macro_rules! clean_up_after_earlier {
    ($T:ty, joins: $joins:expr) => {
        const CLEANS_UP: bool = true;
        const JOINS: bool = $joins;

        fn set_error_of(&self, error_of: ErrorOf<$T>) {
            self.earlier.set_error_of(error_of);
        }

        fn error_of(&self) -> Option<ErrorOf<$T>> {
            self.earlier.error_of()
        }

        fn store_outcome(self: Pin<&mut Self>, outcome: &mut Option<Result<$T, Cancelled>>) {
            *self.project().outcome = outcome.take();
        }

        fn restore_outcome(self: Pin<&mut Self>, outcome: &mut Option<Result<$T, Cancelled>>) {
            if let Some(stored) = self.project().outcome.take() {
                *outcome = Some(stored);
            }
        }
    };
}
pub(crate) use clean_up_after_earlier;

/// The methods of `Ending` that clean-up passes on to the `earlier` ending. The ending of a task group does not use this
/// macro, because it implements these methods itself.
macro_rules! passed_to_earlier {
    ($T:ty) => {
        fn failure(&self) -> Option<Text> {
            self.earlier.failure()
        }

        fn poll_while_joining(
            self: Pin<&mut Self>,
            outcome: &Result<$T, Cancelled>,
            cx: &mut Context<'_>,
        ) {
            self.project().earlier.poll_while_joining(outcome, cx);
        }
    };
}
use passed_to_earlier;

/// Work that cannot fail, without clean-up.
impl<T> sealed::Ending<T> for () {
    const CLEANS_UP: bool = false;

    fn set_error_of(&self, _error_of: ErrorOf<T>) {}

    fn error_of(&self) -> Option<ErrorOf<T>> {
        None
    }
}

/// Fallible work, without clean-up. If the work returns `Err`, the operation ends as cancelled if it has been cancelled, and
/// as failed otherwise.
///
/// Only an operation needs the text of an error, so the error of a plain race needs no `Display`.
pub struct Fallible<T> {
    error_of: OnceLock<ErrorOf<T>>,
}

impl<T> Fallible<T> {
    pub(crate) fn new() -> Self {
        Fallible { error_of: OnceLock::new() }
    }

    pub(crate) fn with(error_of: ErrorOf<T>) -> Self {
        Fallible { error_of: OnceLock::from(error_of) }
    }
}

/// Implements [`ErrorOf`] for a `Result` whose error has `Display`.
pub(crate) fn error_of_result<T, X: Display>(
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
        // This may be set already. All callers with the same `T` set the same function, so it does not matter which call
        // comes first.
        let _ = self.error_of.set(error_of);
    }

    fn error_of(&self) -> Option<ErrorOf<T>> {
        self.error_of.get().copied()
    }
}

impl<T> fmt::Debug for Fallible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}
