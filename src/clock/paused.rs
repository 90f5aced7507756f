//! The virtual clock of a thread on which time is paused.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    // It has no destructor, so it can still be read while the thread ends.
    static MOMENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Returns the current time, on the clock that all time limits of this crate use.
pub(crate) fn now() -> Instant {
    virtual_now().unwrap_or_else(super::real)
}

/// Returns the time of the virtual clock, if time is paused on this thread.
#[inline]
pub(crate) fn virtual_now() -> Option<Instant> {
    MOMENT.get()
}

/// Pauses time at `moment`, or resumes it if there is none.
pub(crate) fn set(moment: Option<Instant>) {
    MOMENT.set(moment);
}
