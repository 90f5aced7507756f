//! How an operation learns its deadline from a source that is a plain future.
//!
//! At its first poll an operation asks its source: it stores the time at which it started. A time limit whose first
//! poll is inside that poll takes this time as its own start, and offers its end.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    /// The start of the operation that is asking its source for limits, if there is one.
    static ASKED_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };

    /// The earliest limit that was offered since the operation asked.
    static EARLIEST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Puts the previous values back, even if a poll panics.
struct LimitsOnExit {
    asked_since: Option<Instant>,
    earliest: Option<Instant>,
}

impl LimitsOnExit {
    #[inline]
    fn enter(asked_since: Option<Instant>) -> Self {
        let earliest = EARLIEST.replace(None);
        LimitsOnExit { asked_since: ASKED_SINCE.replace(asked_since), earliest }
    }
}

impl Drop for LimitsOnExit {
    #[inline]
    fn drop(&mut self) {
        ASKED_SINCE.set(self.asked_since);
        EARLIEST.set(self.earliest);
    }
}

/// Returns the start of the operation that is asking for limits, if there is one. Clocks in its source start at
/// that time.
#[inline]
pub(crate) fn asked_since() -> Option<Instant> {
    ASKED_SINCE.get()
}

/// Offers the end of a limit to the operation that [asks](asked_since).
#[inline]
pub(crate) fn offer_limit(at: Instant) {
    EARLIEST.set(Some(EARLIEST.get().map_or(at, |earliest| earliest.min(at))));
}

/// Runs `poll`, and returns the earliest limit that was offered meanwhile.
#[inline]
pub(crate) fn ask_for_limit<R>(since: Instant, poll: impl FnOnce() -> R) -> (R, Option<Instant>) {
    let outer = LimitsOnExit::enter(Some(since));
    let result = poll();
    let earliest = EARLIEST.get();
    drop(outer);
    (result, earliest)
}

/// Runs `poll`. Limits that it offers are not passed on.
pub(crate) fn ignore_limits<R>(poll: impl FnOnce() -> R) -> R {
    let _outer = LimitsOnExit::enter(None);
    poll()
}
