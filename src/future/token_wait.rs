//! `TokenWait`: how a cancellation of an operation wakes the task that polls the race.

use std::pin::Pin;
use std::task::{Context, Waker};

use crate::operation::Operation;
use crate::panic::{discard, wake};
use crate::source::WaitForCancellationOwned;
use crate::wait::is_probe;

/// The number of handles that the race of an operation has during its polls and after its first poll. They are `operation`
/// and `current` of the [`OperationRun`](super::operation_run::OperationRun).
pub(super) const HANDLES: usize = 2;

/// The wait for the token of an operation. Handles and the parent cancel that token.
pub(super) enum TokenWait {
    /// The work has not been pending, or is gone.
    None,
    /// The operation is private, so only its race can cancel it. The waker of the task is kept, because a handle may be made
    /// later.
    Private(Waker),
    Listening(WaitForCancellationOwned),
}

impl TokenWait {
    /// Returns whether the operation is cancelled. If it is not, makes sure that a cancellation wakes the task.
    #[inline]
    pub(super) fn poll(&mut self, operation: &Operation, cx: &mut Context<'_>) -> bool {
        match self {
            TokenWait::Private(waker) if waker.will_wake(cx.waker()) && !operation.has_token() => {
                false
            }
            TokenWait::Listening(wait) if wait.is_unchanged(cx) => false,
            _ => self.poll_slow(operation, cx),
        }
    }

    // Not inlined, so that the fast path, which is a later poll with the same waker, need not save registers for this call.
    #[inline(never)]
    fn poll_slow(&mut self, operation: &Operation, cx: &mut Context<'_>) -> bool {
        if is_probe(cx.waker()) {
            return operation.is_cancelled();
        }
        if operation.is_private(HANDLES) {
            let waker = cx.waker().clone();
            self.end();
            *self = TokenWait::Private(waker);
            return false;
        }
        if !matches!(self, TokenWait::Listening(_)) {
            self.end();
            *self = TokenWait::Listening(operation.cancelled_owned());
        }
        let TokenWait::Listening(wait) = self else { unreachable!("just set") };
        Pin::new(wait).poll(cx).is_ready()
    }

    /// Returns whether the operation was private in the last poll, and is not private any more. The race calls this after
    /// each poll, because the poll may have made a handle.
    #[inline(always)]
    pub(super) fn is_out_of_date(&self, operation: &Operation) -> bool {
        matches!(self, TokenWait::Private(_)) && !operation.is_private(HANDLES)
    }

    /// Takes the waker that was kept while the operation was private.
    pub(super) fn take_private(&mut self) -> Option<Waker> {
        if !matches!(self, TokenWait::Private(_)) {
            return None;
        }
        match std::mem::replace(self, TokenWait::None) {
            TokenWait::Private(waker) => Some(waker),
            _ => None,
        }
    }

    /// Begins to wait for the token with this waker. Wakes the task if the operation is cancelled already.
    pub(super) fn listen(operation: &Operation, waker: Waker) -> Self {
        let mut wait = operation.cancelled_owned();
        // The next poll of the race looks for the cancellation.
        if wait.register(&Context::from_waker(&waker)) {
            discard(waker);
        } else {
            wake(waker);
        }
        TokenWait::Listening(wait)
    }

    /// Stops waiting.
    #[inline]
    pub(super) fn end(&mut self) {
        // Work that is ready at once has not waited.
        if !matches!(self, TokenWait::None) {
            discard(std::mem::replace(self, TokenWait::None));
        }
    }
}
