//! `Idle`: the limit between two items.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::timer::Countdown;
use crate::{Reason, ambient, clock};

/// A limit on each wait for an item.
///
/// An item that comes only ends the wait. What has been registered stays: when it strikes, that is
/// for a wait that is over, and it is set again for the wait of that moment. So there is at most one
/// registration for each limit that passes, however many items come meanwhile. A wait costs a look
/// at the clock when it begins.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    /// When the wait began.
    waiting: Option<Instant>,
    /// What wakes, and when: not after the end of the wait.
    alarm: Option<(Instant, Countdown)>,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        Idle { limit, waiting: None, alarm: None }
    }

    /// An item has come: the next wait is another one.
    #[inline]
    pub(super) fn restart(&mut self) {
        self.waiting = None;
    }

    /// The stream is pending. Ready when the wait has taken too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let since = *self.waiting.get_or_insert_with(clock::now);
        // What overflows never comes.
        let Some(end) = since.checked_add(self.limit) else { return Poll::Pending };
        loop {
            match &mut self.alarm {
                None => self.alarm = Some((end, Countdown::until(end))),
                Some((at, countdown)) => {
                    // It is no limit of an operation: it moves.
                    let poll = || countdown.poll("CancelableStream", cx);
                    if ambient::ignore_limits(poll).is_pending() {
                        return Poll::Pending;
                    }
                    let at = *at;
                    self.alarm = None;
                    if at >= end {
                        return Poll::Ready(Reason::timeout(self.limit));
                    }
                }
            }
        }
    }
}
