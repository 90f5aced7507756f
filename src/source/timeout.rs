//! `timeout` and `deadline`: sources that fire after a length of time, or at a point in time.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::FusedFuture;

use crate::reason::{Reason, TimeoutLabel};
use crate::timer::Countdown;

/// Creates a source that fires once `after` has passed since its first poll, with the reason
/// [`Reason::Timeout`].
///
/// It never fires early, and at most 1 ms late, plus scheduling delays. Beyond four seconds, it may be late by 1 ms
/// or by 1/512 of the time over four seconds, whichever is more. A timeout of zero fires in its first poll, before
/// the work is polled. A timeout that overflows the clock, such as [`Duration::MAX`], never fires.
///
/// Of two timeouts, [`any_of`](crate::any_of()) fires with the shorter and
/// [`all_of`](crate::all_of()) with the longer one.
///
/// # Implementation
///
/// Timeouts that end at about the same time share a slot, and all slots share one timer of the
/// `async-io` reactor, on every runtime. Setting a timeout that does not fire costs about as much as
/// taking two locks.
///
/// # Cancel safety
///
/// Dropping it forgets how much time has passed. Use [`deadline`](crate::deadline()) if the end must
/// stay the same.
///
/// # Panics
///
/// The first limit of a process creates the reactor. If that fails because no file descriptor is left, the poll
/// panics. That timeout then never fires, and does not panic again.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let limit = Duration::from_millis(5);
/// let slow = std::future::pending::<()>();
/// let cancelled = slow.cancelable(timeout(limit)).await.unwrap_err();
/// assert_eq!(cancelled.reason(), &Reason::timeout(limit));
/// # });
/// ```
#[inline]
pub fn timeout(after: Duration) -> Timeout {
    Timeout { countdown: Countdown::lasting(after) }
}

/// Creates a source that fires at `at`, with the reason [`Reason::Timeout`]. The length in that reason
/// is the time from the first poll to `at`. Its text is rounded, as in "deadline passed after 1.5s".
///
/// A deadline that has already passed fires in its first poll, before the work is polled. A deadline never fires
/// early. It may be as late as a [`timeout`] of the same remaining time.
///
/// # Cancel safety
///
/// Dropping it loses nothing: a new source for the same instant fires at the same time.
///
/// # Examples
///
/// One deadline for several steps:
///
/// ```
/// use cancelable::prelude::*;
/// use std::time::{Duration, Instant};
///
/// # smol::block_on(async {
/// let end = Instant::now() + Duration::from_millis(100);
/// let first = async { 1 }.cancelable(deadline(end)).await;
/// let second = std::future::pending::<i32>().cancelable(deadline(end)).await;
/// assert_eq!(first, Ok(1));
/// assert!(second.unwrap_err().to_string().starts_with("deadline passed"));
/// # });
/// ```
#[inline]
pub fn deadline(at: Instant) -> Deadline {
    Deadline { countdown: Countdown::until(at) }
}

impl Timeout {
    /// Starts the timeout now instead of at its first poll. Use it if the first poll may come late, for example when
    /// the work is handed to another task.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # cancelable::testing::run(async {
    /// let limit = timeout(Duration::from_secs(2)).started();
    /// timeout(Duration::from_secs(3)).await;
    /// let late = async { "not polled" }.cancelable(limit).await;
    /// assert_eq!(late.unwrap_err().to_string(), "timed out after 2s");
    /// # });
    /// ```
    pub fn started(mut self) -> Self {
        self.countdown.start_now();
        self
    }
}

thread_local! {
    /// How many time limits have fired on this thread.
    static FIRED: Cell<usize> = const { Cell::new(0) };
}

/// Returns how many time limits have fired on this thread. A race compares the counts before and after it polls its
/// source. If a limit has fired and the source is still pending, the source continues after its limit.
#[inline]
pub(crate) fn timeouts_fired() -> usize {
    FIRED.get()
}

#[cold]
fn fire(after: Duration) -> Reason {
    FIRED.set(FIRED.get().wrapping_add(1));
    Reason::timeout(after)
}

#[cold]
fn fire_deadline(after: Duration) -> Reason {
    fire(after).labelled(TimeoutLabel::of_deadline())
}

macro_rules! limits {
    ($($(#[$doc:meta])* $source:ident, $fire:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        ///
        /// Panics if polled after completion.
        #[derive(Debug)]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $source {
            countdown: Countdown,
        }

        impl Future for $source {
            type Output = Reason;

            #[inline(always)]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
                self.countdown.poll(stringify!($source), cx).map($fire)
            }
        }

        impl FusedFuture for $source {
            fn is_terminated(&self) -> bool {
                self.countdown.is_done()
            }
        }
    )*};
}

limits! {
    /// Source of [`timeout`].
    Timeout, fire;
    /// Source of [`deadline`].
    Deadline, fire_deadline;
}
