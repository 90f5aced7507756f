//! The virtual clock of a thread on which time is paused.

use std::cell::Cell;
use std::time::Instant;

#[cfg(feature = "testing-tokio")]
use super::followed::now as unpaused;
#[cfg(not(feature = "testing-tokio"))]
use super::real as unpaused;

thread_local! {
    // It has no destructor, so it can still be read while the thread ends.
    static MOMENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Returns the current time, on the clock that all time limits of this crate use.
pub(crate) fn now() -> Instant {
    virtual_now().unwrap_or_else(unpaused)
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
