//! The limit on each wait for an item.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::reason::Reason;
use crate::timer::Countdown;
use crate::{clock, poll_context};

/// A limit on each wait for an item.
///
/// An item ends the wait, but does not touch the timer. When the timer fires, the wait that it was set for may have ended
/// already. If so, the timer is set again, for the current wait. So the timer registers at most once per `limit`, no matter
/// how many items come. Each wait reads the clock once, when it begins.
#[derive(Debug)]
pub(crate) struct IdleTimeout {
    limit: Duration,
    /// When the current wait began.
    since: Option<Instant>,
    /// The timer, and the time at which it fires. That time is never later than the time at which the current wait reaches
    /// the limit.
    timer: Option<(Instant, Countdown)>,
}

impl IdleTimeout {
    pub(crate) fn new(limit: Duration) -> Self {
        IdleTimeout { limit, since: None, timer: None }
    }

    /// Ends the current wait, because there is an item. The next wait starts anew.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.since = None;
    }

    /// Polls the limit while the stream is pending. Ready once the wait has reached the limit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let since = *self.since.get_or_insert_with(clock::now);
        // If the end of the wait is later than an `Instant` can express, the limit never fires.
        let Some(end) = since.checked_add(self.limit) else { return Poll::Pending };
        loop {
            match &mut self.timer {
                None => self.timer = Some((end, Countdown::until(end))),
                Some((at, countdown)) => {
                    // This limit moves with each item, so it must not count as the deadline of the operation around the
                    // stream.
                    let poll = || countdown.poll("CancelableStream", cx);
                    if poll_context::ignore_limits(poll).is_pending() {
                        return Poll::Pending;
                    }
                    let at = *at;
                    self.timer = None;
                    if at >= end {
                        return Poll::Ready(Reason::timeout(self.limit));
                    }
                }
            }
        }
    }
}
