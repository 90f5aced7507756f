//! `ExtraLimits`: the time limits of an operation that are not in its source.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::operation::{Inherited, Operation};
use crate::reason::Reason;
use crate::source::WaitForLimit;
use crate::timer::Countdown;
use crate::wait::{Latch, Waiter};

#[derive(Default)]
pub(super) struct ExtraLimits {
    /// Fires when the operation has reported no progress for too long.
    stall: Option<WaitForLimit>,
    /// Ends at the deadline of a parent that is polled in another task. This operation has its own timer for that deadline,
    /// because the parent's task may be blocked when the deadline passes.
    inherited: Option<Countdown>,
    /// Waits for a change of the deadline of the parent, if that deadline was not final when this operation started.
    parents_deadline: Option<Waiter<Arc<Latch<()>>>>,
}

impl ExtraLimits {
    pub(super) fn set_stall(&mut self, stall: WaitForLimit) {
        self.stall = Some(stall);
    }

    /// Sets the deadline of the parent, for an operation that starts and must watch that deadline by itself.
    pub(super) fn set_inherited(&mut self, inherited: Inherited, operation: &Operation) {
        match inherited {
            Inherited::None => {}
            Inherited::Until(at) => self.inherited = Some(Countdown::until(at)),
            Inherited::Unknown => self.inherit(operation),
        }
    }

    /// Takes over the deadline of the parent. If that deadline may still become earlier, also begins to wait for the change.
    fn inherit(&mut self, operation: &Operation) {
        let (at, latch) = operation.inherit_deadline();
        self.inherited = at.map(Countdown::until);
        self.parents_deadline = latch.map(Waiter::new);
    }

    /// Returns whether the deadline of the parent may still become earlier.
    pub(super) fn awaits_deadline(&self) -> bool {
        self.parents_deadline.is_some()
    }

    /// Resolves once one of the limits has passed.
    pub(super) fn poll(&mut self, operation: &Operation, cx: &mut Context<'_>) -> Poll<Reason> {
        if let Some(stall) = &mut self.stall {
            if let Poll::Ready(reason) = Pin::new(stall).poll(cx) {
                return Poll::Ready(reason);
            }
        }
        while let Some(latch) = &mut self.parents_deadline {
            if latch.poll("Cancelable", cx, |()| ()).is_pending() {
                break;
            }
            self.inherit(operation);
            operation.note_deadline(!self.awaits_deadline());
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
