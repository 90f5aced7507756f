//! The only place that asks what time it is.

#[cfg(feature = "testing")]
mod paused;

use std::time::Instant;

#[cfg(feature = "testing")]
pub(crate) use paused::{now, set, virtual_now};

/// The present moment, on the clock that every limit of this crate is measured against.
#[cfg(not(feature = "testing"))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The present moment of the machine, also where time is paused: for a thread that blocks, and so
/// cannot move the clock.
pub(crate) fn real() -> Instant {
    Instant::now()
}
