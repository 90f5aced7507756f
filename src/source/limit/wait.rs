//! `WaitForLimit`: the source that waits for a [`Limit`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::FusedFuture;

use super::Limit;
use super::state::{End, Look, Shared};
use crate::poll_context;
use crate::reason::Reason;
use crate::source::Source;
use crate::timer::Countdown;
use crate::wait::{Latch, Waiter, is_probe, polled_after_completion};

/// Future of [`Limit::reached`]. A [`Limit`] that is used as a source converts into this future.
///
/// # Cancel safety
///
/// Dropping the future removes its wakers. The clock of the limit keeps running.
///
/// # Panics
///
/// Panics if polled after completion. Like a [`timeout`](crate::timeout()), the first limit that needs the reactor panics
/// if the reactor cannot be created.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WaitForLimit {
    shared: Arc<Shared>,
    /// The round that this source has joined.
    round: Option<Waiter<Arc<Latch<()>>>>,
    /// A timer, and the instant at which it fires. The timer may fire before the end of the limit: see `poll_timer`.
    timer: Option<(Instant, Countdown)>,
    done: bool,
}

impl Future for WaitForLimit {
    type Output = Reason;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let is_unchanged = self.round.as_ref().is_some_and(|round| round.is_unchanged(cx))
            && self.timer.as_ref().is_none_or(|(_, timer)| timer.is_unchanged(cx));
        if is_unchanged { Poll::Pending } else { self.poll_slow(cx) }
    }
}

impl WaitForLimit {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        WaitForLimit { shared, round: None, timer: None, done: false }
    }

    #[inline(never)]
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if self.done {
            polled_after_completion("WaitForLimit");
        }
        let joins = !is_probe(cx.waker());
        loop {
            match self.shared.look(joins) {
                Look::Fired(reason) => {
                    (self.round, self.timer, self.done) = (None, None, true);
                    return Poll::Ready(reason);
                }
                Look::Pending(_, None) => return Poll::Pending,
                Look::Pending(end, Some(round)) => {
                    if self.poll_round(round, cx).is_pending()
                        && self.poll_timer(end, cx).is_pending()
                    {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Registers with the round. Ready if the round has ended.
    fn poll_round(&mut self, round: Arc<Latch<()>>, cx: &mut Context<'_>) -> Poll<()> {
        self.round.take_if(|joined| !Arc::ptr_eq(joined.latched(), &round));
        let joined = self.round.get_or_insert_with(|| Waiter::new(round));
        let polled = joined.poll("WaitForLimit", cx, |()| ());
        if polled.is_ready() {
            self.round = None;
        }
        polled
    }

    /// Registers with the deadline slot of `end`, unless a timer that fires earlier is set already. Ready if the timer has
    /// fired.
    fn poll_timer(&mut self, end: End, cx: &mut Context<'_>) -> Poll<()> {
        let End::At(end) = end else {
            self.timer = None;
            return Poll::Pending;
        };
        // A timer that fires before `end` is kept. When it fires, the source looks at the limit again. So a limit that is
        // often moved to a later end needs a new slot only when an old end passes, and not for each move.
        self.timer.take_if(|(at, _)| *at > end);
        let (_, timer) = self.timer.get_or_insert_with(|| (end, Countdown::until(end)));
        // The end may move, so the operation around this source must not report it as its deadline.
        let polled = poll_context::ignore_limits(|| timer.poll("WaitForLimit", cx));
        if polled.is_ready() {
            self.timer = None;
        }
        polled.map(drop)
    }
}

impl FusedFuture for WaitForLimit {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl IntoFuture for Limit {
    type Output = Reason;
    type IntoFuture = WaitForLimit;

    fn into_future(self) -> WaitForLimit {
        self.reached()
    }
}

impl IntoFuture for &Limit {
    type Output = Reason;
    type IntoFuture = WaitForLimit;

    fn into_future(self) -> WaitForLimit {
        self.reached()
    }
}

impl Source for Limit {
    type Future = WaitForLimit;

    fn into_source(self) -> WaitForLimit {
        self.reached()
    }
}

impl Source for &Limit {
    type Future = WaitForLimit;

    fn into_source(self) -> WaitForLimit {
        self.reached()
    }
}

impl fmt::Debug for WaitForLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.done, &self.round) {
            (true, _) => "Done",
            (false, None) => "Idle",
            (false, Some(_)) => "Waiting",
        };
        f.debug_tuple("WaitForLimit").field(&format_args!("{state}")).finish()
    }
}
