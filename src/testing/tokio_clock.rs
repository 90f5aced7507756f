//! `follow_tokio_clock`: makes the current thread use tokio's clock.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::clock;

/// Makes this crate measure all time on this thread with tokio's clock, until the returned guard is dropped.
///
/// Call it first in a test with `#[tokio::test(start_paused = true)]`, or after `tokio::time::pause()`. Then
/// [`timeout`](crate::timeout()), [`deadline`](crate::deadline()), [`grace`](crate::Cancelable::grace),
/// [`shield_for`](crate::shield_for()) and all other limits stand still with tokio's clock and advance with it. When every
/// task is idle, tokio advances the clock to the next timer, which may be one of tokio's timers or a limit of this crate.
/// Operations and registries report times of tokio's clock.
///
/// To test without tokio's timers, use [`pause`](crate::testing::pause), which needs no runtime.
///
/// # The clock
///
/// Limits have the precision of tokio's timers: they end at a whole millisecond of tokio's clock. Compute a
/// [`deadline`](crate::deadline()) from [`FollowedClock::now`], because [`Instant::now`] is not the time of that clock.
/// Limits follow tokio's clock even if it is not paused.
///
/// Tokio can pause its clock only in a runtime with one thread. Other threads, such as those of
/// [`condition_blocking`](crate::condition_blocking()), use real time. This thread also uses real time while it is outside
/// of a runtime.
///
/// Limits that were pending before the call use real time. Limits that are pending when the guard is dropped still follow
/// tokio's clock. If the runtime ends before such a limit does, the rest of the limit passes in real time.
///
/// # Without it
///
/// If tokio's clock is paused and a limit starts on a thread that does not follow that clock, this crate prints a warning to
/// stderr, once for each thread. The crate can detect this only with the feature `testing-tokio`.
///
/// # Panics
///
/// Panics if there is no tokio runtime, if its timers are disabled, or if time is [paused](crate::testing::pause) on
/// this thread.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing;
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() {
///     let clock = testing::follow_tokio_clock();
///     let minute = Duration::from_secs(60);
///
///     let slow = tokio::time::sleep(60 * minute);
///     let cancelled = slow.cancelable(timeout(minute)).await.unwrap_err();
///     assert!(cancelled.is_timeout());
///     assert_eq!(clock.elapsed(), minute);
/// }
/// ```
#[must_use = "the thread follows tokio's clock until it is dropped"]
#[track_caller]
pub fn follow_tokio_clock() -> FollowedClock {
    assert!(clock::virtual_now().is_none(), "time is paused on this thread");
    // This panics if there is no runtime, or if the runtime has no timers.
    drop(tokio::time::sleep(Duration::ZERO));
    clock::follow();
    FollowedClock { start: clock::now(), not_send: PhantomData }
}

/// Guard of [`follow_tokio_clock`]: this thread follows tokio's clock until the guard is dropped.
///
/// The guard cannot be sent to another thread, so a task that holds it cannot be spawned with `tokio::spawn`. Hold the guard
/// in the test itself.
#[must_use = "the thread follows tokio's clock until it is dropped"]
pub struct FollowedClock {
    start: Instant,
    /// Keeps the guard on its thread.
    not_send: PhantomData<*const ()>,
}

impl FollowedClock {
    /// Returns the current instant of tokio's clock.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing;
    /// use std::time::Duration;
    ///
    /// #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// async fn main() {
    ///     let clock = testing::follow_tokio_clock();
    ///     let end = clock.now() + Duration::from_secs(5);
    ///     deadline(end).await;
    ///     assert!(clock.now() >= end);
    /// }
    /// ```
    pub fn now(&self) -> Instant {
        clock::now()
    }

    /// Returns the time that has passed on tokio's clock since the guard was created.
    ///
    /// ```
    /// use cancelable::testing;
    /// use std::time::Duration;
    ///
    /// #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// async fn main() {
    ///     let clock = testing::follow_tokio_clock();
    ///     tokio::time::advance(Duration::from_secs(5)).await;
    ///     assert_eq!(clock.elapsed(), Duration::from_secs(5));
    /// }
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.start)
    }
}

impl Drop for FollowedClock {
    fn drop(&mut self) {
        clock::unfollow();
    }
}

impl fmt::Debug for FollowedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedClock").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}
