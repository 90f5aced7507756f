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
    /// The deadline is not final, because the group had not started at the last poll.
    Unknown(Option<Box<WaitForDeadline>>),
    Until(Box<Countdown>),
}

/// Waits for the final deadline of the group. Until then, watches the deadline that the group has from its parent, if it has
/// one.
#[cfg(feature = "time")]
struct WaitForDeadline {
    latch: Waiter<Arc<Latch<()>>>,
    until: Option<Countdown>,
}

#[cfg(feature = "time")]
impl WaitForDeadline {
    fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        self.latch.is_unchanged(cx)
            && self.until.as_ref().is_none_or(|until| until.is_unchanged(cx))
    }
}

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

/// Resolves to the limit of the member once the deadline of the group is final. Resolves to `None` if the deadline that the
/// group has from its parent passes before.
#[cfg(feature = "time")]
#[cold]
fn poll_deadline(
    wait: &mut Option<Box<WaitForDeadline>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Limit>> {
    // At the first look nothing is registered, because the work may be ready at once.
    while !is_probe(cx.waker()) {
        if let Some(wait) = wait {
            if wait.latch.poll("TaskGroup", cx, |()| ()).is_pending() {
                let Some(until) = &mut wait.until else { break };
                ready!(ignore_limits(|| until.poll("TaskGroup", cx)));
                wait.until = None;
                return Poll::Ready(None);
            }
        }
        let Some(group) = Operation::current() else { break };
        let (at, latch) = group.await_deadline();
        let Some(latch) = latch else {
            return Poll::Ready(Some(at.map_or(Limit::None, Limit::until)));
        };
        let (latch, until) = (Waiter::new(latch), at.map(Countdown::until));
        *wait = Some(Box::new(WaitForDeadline { latch, until }));
    }
    Poll::Pending
}

/// Cancels the operation of the group, which is the current one, if its deadline has passed. Returns whether this call
/// cancelled it.
#[cfg(feature = "time")]
fn cancel_if_overdue() -> bool {
    Operation::current().is_some_and(|group| group.cancel_if_overdue())
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
                Poll::Ready(Some(limit)) => self.limit = limit,
                Poll::Ready(None) => return cancel_if_overdue(),
                Poll::Pending => return false,
            }
        }
        while let Limit::Until(countdown) = &mut self.limit {
            if ignore_limits(|| countdown.poll("TaskGroup", cx)).is_pending() {
                return false;
            }
            if cancel_if_overdue() {
                return true;
            }
            // The limit that has passed does not count any more, for example because the operation that it belonged to has
            // ended. Continue with the next limit.
            let next = Operation::current().and_then(|group| group.next_limit());
            self.limit = next.map_or(Limit::None, Limit::until);
        }
        false
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
