//! `timeout`: fires when so much time has passed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;

use crate::Reason;
use crate::timer::Countdown;

/// A source that fires when `after` has passed since it was first polled, for the reason
/// [`Reason::Timeout`].
///
/// It never fires early. It fires late by at most the larger of 1 ms and 1/512 of `after`, plus
/// whatever the scheduler takes. A timeout of zero fires at its first poll, before the work is
/// polled at all. One that is further off than the clock can tell, such as [`Duration::MAX`], never
/// fires.
///
/// Of two timeouts under [`any_of`](crate::any_of()) the shorter one fires, under
/// [`all_of`](crate::all_of()) the longer one.
///
/// # Implementation
///
/// Timeouts that end at about the same time share a slot, and all slots share one timer of the reactor
/// of `async-io`, on whatever runtime: setting one that does not fire costs about as much as taking two
/// locks.
/// Where more than four fire at once, those that are woken first wake the others when they are polled.
/// Whoever is left, because those were not polled in time, is woken a millisecond after the timeouts
/// have fired. One that is polled before it is woken has fired all the same.
///
/// # Cancel safety
///
/// Dropping it forgets how much time has passed. Use [`deadline`](crate::deadline()) where the end
/// must stay the same.
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

/// Source of [`timeout`].
///
/// # Panics
///
/// When polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Timeout {
    countdown: Countdown,
}

impl Future for Timeout {
    type Output = Reason;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.countdown.poll("Timeout", cx).map(Reason::timeout)
    }
}

impl FusedFuture for Timeout {
    fn is_terminated(&self) -> bool {
        self.countdown.is_done()
    }
}
