//! How an operation learns its deadline. The source of an operation is a plain future and has no method that returns a
//! deadline, so the deadline is passed through thread-locals.
//!
//! Before the operation polls its source for the first time, it stores its start in a thread-local. A time limit that is
//! first polled in that poll starts at the stored time. The limit offers its end in a second thread-local, and the operation
//! reads it after the poll.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    /// The start of the operation that is polling its source for the first time, if there is one.
    static OPERATION_START: Cell<Option<Instant>> = const { Cell::new(None) };

    /// The earliest end among the limits that the source has offered so far in this poll.
    static EARLIEST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Guard that restores the previous values of both thread-locals, even if a poll panics.
struct LimitsOnExit {
    operation_start: Option<Instant>,
    earliest: Option<Instant>,
}

impl LimitsOnExit {
    #[inline]
    fn enter(operation_start: Option<Instant>) -> Self {
        let earliest = EARLIEST.replace(None);
        LimitsOnExit { operation_start: OPERATION_START.replace(operation_start), earliest }
    }
}

impl Drop for LimitsOnExit {
    #[inline]
    fn drop(&mut self) {
        OPERATION_START.set(self.operation_start);
        EARLIEST.set(self.earliest);
    }
}

/// Returns the start of the operation that is polling its source for the first time, if there is one. Limits in the source
/// start at that time.
#[inline]
pub(crate) fn operation_start() -> Option<Instant> {
    OPERATION_START.get()
}

/// Offers the end of a limit to the operation whose start is [`operation_start`].
#[inline]
pub(crate) fn offer_limit(at: Instant) {
    EARLIEST.set(Some(EARLIEST.get().map_or(at, |earliest| earliest.min(at))));
}

/// Runs `poll` for an operation that started at `since`. Also returns the earliest end of a limit that was offered in the
/// poll.
#[inline]
pub(crate) fn ask_for_limit<R>(since: Instant, poll: impl FnOnce() -> R) -> (R, Option<Instant>) {
    let outer = LimitsOnExit::enter(Some(since));
    let result = poll();
    let earliest = EARLIEST.get();
    drop(outer);
    (result, earliest)
}

/// Runs `poll`. Limits that are offered in the poll do not reach the operation.
pub(crate) fn ignore_limits<R>(poll: impl FnOnce() -> R) -> R {
    let _outer = LimitsOnExit::enter(None);
    poll()
}
