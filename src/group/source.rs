//! `GroupSource`: the source of a member that is not an operation itself.

use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(feature = "time")]
use crate::operation::{Operation, current_deadline};
#[cfg(feature = "time")]
use crate::poll_context::ignore_limits;
use crate::reason::Reason;
use crate::source::{CancellationToken, WaitForCancellationOwned};
#[cfg(feature = "time")]
use crate::timer::Countdown;

/// Fires when the token of the group is cancelled, or at the deadline of the group's operation. The source finds the
/// deadline because that operation is the current one while the member is polled. So the member stops in time even if
/// nothing polls the group.
pub(super) struct GroupSource {
    cancelled: WaitForCancellationOwned,
    #[cfg(feature = "time")]
    limit: Limit,
}

#[cfg(feature = "time")]
enum Limit {
    /// Not polled yet.
    Unknown,
    None,
    Until(Box<Countdown>),
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
            limit: if keeps_limit { Limit::Unknown } else { Limit::None },
        }
    }

    /// Cancels the operation of the group if its deadline has passed. Returns whether this call cancelled the operation.
    #[cfg(feature = "time")]
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> bool {
        if let Limit::Unknown = self.limit {
            self.limit = match current_deadline() {
                Some(at) => Limit::Until(Box::new(Countdown::until(at))),
                None => Limit::None,
            };
        }
        let Limit::Until(countdown) = &mut self.limit else { return false };
        if ignore_limits(|| countdown.poll("TaskGroup", cx)).is_pending() {
            return false;
        }
        self.limit = Limit::None;
        // `overdue` returns `None` if the race of the group's operation is over. It also returns `None` if the group's
        // source did not fire at this limit, because that source waits for other sources too, as `all_of` does.
        let Some(operation) = Operation::current() else { return false };
        match operation.overdue() {
            Some(overdue) => operation.cancel_with(overdue.reason),
            None => false,
        }
    }
}

impl Future for GroupSource {
    type Output = Reason;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let polled = Pin::new(&mut self.cancelled).poll(cx);
        #[cfg(feature = "time")]
        if polled.is_pending() && !matches!(self.limit, Limit::None) && self.poll_limit(cx) {
            return Pin::new(&mut self.cancelled).poll(cx);
        }
        polled
    }
}
