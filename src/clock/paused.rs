//! The moment at which time is paused on this thread, if it is.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    // It needs no destructor, so that it can be asked at any time.
    static MOMENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The present moment, on the clock that every limit of this crate is measured against.
pub(crate) fn now() -> Instant {
    virtual_now().unwrap_or_else(super::real)
}

/// The present moment, where time is paused.
#[inline]
pub(crate) fn virtual_now() -> Option<Instant> {
    MOMENT.get()
}

/// Pauses time at that moment, or lets it go on.
pub(crate) fn set(moment: Option<Instant>) {
    MOMENT.set(moment);
}
