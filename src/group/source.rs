//! `GroupSource`: the source of a member that is not an operation itself.

use std::pin::Pin;
#[cfg(feature = "time")]
use std::sync::Arc;
#[cfg(feature = "time")]
use std::task::ready;
use std::task::{Context, Poll};
#[cfg(feature = "time")]
use std::time::Instant;

#[cfg(feature = "time")]
use crate::operation::{Inherited, Operation, current_deadline};
#[cfg(feature = "time")]
use crate::poll_context::ignore_limits;
use crate::reason::Reason;
use crate::source::{CancellationToken, WaitForCancellationOwned};
#[cfg(feature = "time")]
use crate::timer::Countdown;
#[cfg(feature = "time")]
use crate::wait::{Latch, Waiter, is_probe};

/// Fires when the token of the group is cancelled, or at the deadline of the group's operation. The source finds the
/// deadline because that operation is the current one while the member is polled. If the group has not started by then, the
/// group wakes the member once it has a deadline. So the member is cancelled in time even if nothing polls the group.
pub(super) struct GroupSource {
    cancelled: WaitForCancellationOwned,
    #[cfg(feature = "time")]
    limit: Limit,
}

#[cfg(feature = "time")]
enum Limit {
    /// Not polled yet.
    New,
    None,
    /// The deadline is not known, because the group had not started at the last poll.
    Unknown(Option<WaitForDeadline>),
    Until(Box<Countdown>),
}

#[cfg(feature = "time")]
type WaitForDeadline = Box<Waiter<Arc<Latch<()>>>>;

#[cfg(feature = "time")]
impl Limit {
    fn until(at: Instant) -> Self {
        Limit::Until(Box::new(Countdown::until(at)))
    }

    /// Returns whether a poll with this waker would change nothing.
    #[inline]
    fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        match self {
            Limit::None => true,
            Limit::New | Limit::Unknown(None) => false,
            Limit::Unknown(Some(wait)) => wait.is_unchanged(cx),
            Limit::Until(countdown) => countdown.is_unchanged(cx),
        }
    }
}

/// Resolves to the deadline of the group once there is one.
#[cfg(feature = "time")]
#[cold]
fn poll_deadline(wait: &mut Option<WaitForDeadline>, cx: &mut Context<'_>) -> Poll<Instant> {
    // At the first look nothing is registered, because the work may be ready at once.
    while !is_probe(cx.waker()) {
        if let Some(wait) = wait {
            ready!(wait.poll("TaskGroup", cx, |()| ()));
        }
        match Operation::current().map(|group| group.await_deadline()) {
            Some(Ok(at)) => return Poll::Ready(at),
            Some(Err(latch)) => *wait = Some(Box::new(Waiter::new(latch))),
            None => break,
        }
    }
    Poll::Pending
}

impl GroupSource {
    /// `keeps_limit` says whether the source watches the deadline. It is false for a member that the group polls, because
    /// the group is then polled too, and watches the deadline itself.
    pub(super) fn new(token: &CancellationToken, keeps_limit: bool) -> Self {
        #[cfg(not(feature = "time"))]
        let _ = keeps_limit;
        GroupSource {
            cancelled: token.clone().cancelled_owned(),
            #[cfg(feature = "time")]
            limit: if keeps_limit { Limit::New } else { Limit::None },
        }
    }

    /// Cancels the operation of the group if its deadline has passed. Returns whether this call cancelled the operation.
    #[cfg(feature = "time")]
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> bool {
        if let Limit::New = self.limit {
            self.limit = match current_deadline() {
                Inherited::None => Limit::None,
                Inherited::Until(at) => Limit::until(at),
                Inherited::Unknown => Limit::Unknown(None),
            };
        }
        if let Limit::Unknown(wait) = &mut self.limit {
            match poll_deadline(wait, cx) {
                Poll::Ready(at) => self.limit = Limit::until(at),
                Poll::Pending => return false,
            }
        }
        let Limit::Until(countdown) = &mut self.limit else { return false };
        if ignore_limits(|| countdown.poll("TaskGroup", cx)).is_pending() {
            return false;
        }
        self.limit = Limit::None;
        Operation::current().is_some_and(|group| group.cancel_if_overdue())
    }
}

impl Future for GroupSource {
    type Output = Reason;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let polled = Pin::new(&mut self.cancelled).poll(cx);
        #[cfg(feature = "time")]
        if polled.is_pending() && !self.limit.is_unchanged(cx) && self.poll_limit(cx) {
            return Pin::new(&mut self.cancelled).poll(cx);
        }
        polled
    }
}
