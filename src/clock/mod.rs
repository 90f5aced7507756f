//! The clock. No other file reads the time.

#[cfg(feature = "testing-tokio")]
mod followed;
#[cfg(feature = "testing")]
mod paused;

use std::time::Instant;

#[cfg(feature = "testing-tokio")]
pub(crate) use followed::{follow, follows, is_tokio_paused, unfollow};
#[cfg(feature = "testing")]
pub(crate) use paused::{now, set, virtual_now};

/// Returns the current time, on the clock that all time limits of this crate use.
#[cfg(not(feature = "testing"))]
pub(crate) use real as now;

/// Returns the current time of the machine, even if time is paused on this thread. It is for threads that
/// block, and so cannot move the virtual clock.
pub(crate) fn real() -> Instant {
    Instant::now()
}
