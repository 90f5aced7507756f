//! `deadline`: fires when a moment has come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::FusedFuture;

use crate::Reason;
use crate::timer::Countdown;

/// A source that fires at that moment, for the reason [`Reason::Timeout`], whose length is the time
/// from the first poll to the moment.
///
/// A moment that has passed fires at the first poll, before the work is polled at all. It never
/// fires early, and late by at most the larger of 1 ms and 1/512 of the time from the first poll to
/// the moment, plus whatever the scheduler takes. Many at the same moment are woken as
/// [`timeout`](crate::timeout()) tells.
///
/// # Cancel safety
///
/// A new one for the same moment goes on where a dropped one was.
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
/// let end = Instant::now() + Duration::from_millis(5);
/// let first = async { 1 }.cancelable(deadline(end)).await;
/// let second = std::future::pending::<i32>().cancelable(deadline(end)).await;
/// assert_eq!(first, Ok(1));
/// assert!(second.unwrap_err().is_timeout());
/// # });
/// ```
#[inline]
pub fn deadline(at: Instant) -> Deadline {
    Deadline { countdown: Countdown::until(at) }
}

/// Source of [`deadline`].
///
/// # Panics
///
/// When polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Deadline {
    countdown: Countdown,
}

impl Future for Deadline {
    type Output = Reason;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.countdown.poll("Deadline", cx).map(Reason::timeout)
    }
}

impl FusedFuture for Deadline {
    fn is_terminated(&self) -> bool {
        self.countdown.is_done()
    }
}
