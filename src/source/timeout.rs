//! `timeout` and `deadline`: sources that fire after a length of time, or at a point in time.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::FusedFuture;

use crate::reason::{Reason, TimeoutLabel};
use crate::timer::Countdown;

/// Creates a source that fires once the time `after` has passed since the source's first poll. The reason is
/// [`Reason::Timeout`].
///
/// A timeout never fires early. Apart from scheduling delays, it fires at most 1 ms late. If the timeout is longer than four
/// seconds, it may be late by 1 ms or by 1/512 of the time over four seconds, whichever is more. A timeout of zero fires in
/// its first poll, before the work is polled. A timeout that overflows the clock, such as [`Duration::MAX`], never fires.
///
/// Given two timeouts, [`any_of`](crate::any_of()) fires when the shorter one does, and [`all_of`](crate::all_of()) when the
/// longer one does.
///
/// # Implementation
///
/// Timeouts that end at about the same time are kept together in a *deadline slot*. All slots share one timer of the
/// `async-io` reactor, on every runtime. Setting a timeout that does not fire costs about as much as taking two locks.
///
/// # Cancel safety
///
/// Dropping the source forgets how much time has passed. Use [`deadline`](crate::deadline()) if the end must stay the same.
///
/// # Panics
///
/// The reactor is created for the first time limit in the process. If it cannot be created because no file descriptor is
/// left, the poll of the timeout panics. After that, this timeout never fires, and does not panic again.
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

/// Creates a source that fires at `at`, with the reason [`Reason::Timeout`]. The reason contains the time from the first
/// poll to `at`. The text of the reason rounds that time, as in "deadline passed after 1.5s".
///
/// A deadline that has already passed fires in its first poll, before the work is polled. A deadline never fires early. It
/// may be late by as much as a [`timeout`] of the remaining time.
///
/// # Cancel safety
///
/// Dropping the source loses nothing: a new source for the same instant fires at the same time.
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
    /// Starts the timeout now instead of at its first poll. Use this if the first poll may come late, for example when the
    /// work is handed to another task.
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
    /// The number of time limits that have fired on this thread.
    static FIRED: Cell<usize> = const { Cell::new(0) };
}

/// Returns how many time limits have fired on this thread. An operation compares the counts before and after it polls its
/// source. If a limit has fired but the source is still pending (an `all_of`, for example), that limit alone does not end
/// the operation. The operation then no longer reports the limit as its deadline.
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
