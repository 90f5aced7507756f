//! `ExtraLimits`: the time limits of an operation that are not in its source.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::operation::Operation;
use crate::reason::Reason;
use crate::source::WaitForLimit;
use crate::timer::Countdown;

#[derive(Default)]
pub(super) struct ExtraLimits {
    /// Fires when the operation has reported no progress for too long.
    stall: Option<WaitForLimit>,
    /// Ends at the deadline of a parent that is polled in another task. This operation has its own timer for that deadline,
    /// because the parent's task may be blocked when the deadline passes.
    inherited: Option<Countdown>,
}

impl ExtraLimits {
    pub(super) fn set_stall(&mut self, stall: WaitForLimit) {
        self.stall = Some(stall);
    }

    pub(super) fn set_inherited(&mut self, at: Instant) {
        self.inherited = Some(Countdown::until(at));
    }

    /// Resolves once one of the limits has passed.
    pub(super) fn poll(&mut self, operation: &Operation, cx: &mut Context<'_>) -> Poll<Reason> {
        if let Some(stall) = &mut self.stall {
            if let Poll::Ready(reason) = Pin::new(stall).poll(cx) {
                return Poll::Ready(reason);
            }
        }
        while let Some(inherited) = &mut self.inherited {
            if inherited.poll("Cancelable", cx).is_pending() {
                break;
            }
            if let Some(overdue) = operation.overdue() {
                self.inherited = None;
                return Poll::Ready(overdue.reason);
            }
            // The passed limit does not count any more: the operation that it belonged to has ended, or the source of that
            // operation needs more than this limit to fire. Continue with the next limit.
            self.inherited = operation.next_inherited_limit().map(Countdown::until);
        }
        Poll::Pending
    }
}
