//! The clock. No other file reads the time.

#[cfg(feature = "testing-tokio")]
mod followed;
#[cfg(feature = "testing")]
mod paused;

#[cfg(feature = "time")]
use std::time::Duration;
use std::time::Instant;

#[cfg(feature = "testing-tokio")]
pub(crate) use followed::{follow, follows, is_tokio_paused, unfollow};
#[cfg(feature = "testing")]
pub(crate) use paused::{now, set, virtual_now};

/// Returns the current time, on the clock that all time limits of this crate use.
#[cfg(not(feature = "testing"))]
pub(crate) use real as now;

/// Returns the current time of the machine, even if time is paused on this thread. Use it on threads that block, because
/// such a thread cannot move the virtual clock.
pub(crate) fn real() -> Instant {
    Instant::now()
}

/// Returns the instant `length` after `start`. If the clock cannot represent that instant, returns one that is centuries
/// away.
#[cfg(feature = "time")]
pub(crate) fn after(start: Instant, mut length: Duration) -> Instant {
    loop {
        match start.checked_add(length) {
            Some(end) => return end,
            None => length /= 2,
        }
    }
}
