//! The operation that is being polled on this thread.
//!
//! It is set around each poll and restored by a guard, also if the poll panics.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::Operation;
use super::activity::Activity;
use super::inner::Inner;

thread_local! {
    /// `ManuallyDrop`, so that the cell needs no destructor and stays usable while its thread ends.
    static CURRENT: Cell<Option<ManuallyDrop<Arc<Inner>>>> = const { Cell::new(None) };
}

/// Returns the innermost operation that is being polled on this thread.
#[inline]
pub(super) fn current() -> Option<Operation> {
    let current = CURRENT.take();
    let inner = current.as_deref().cloned();
    CURRENT.set(current);
    Some(Operation { inner: inner? })
}

/// Returns whether that is the operation that is being polled on this thread.
pub(super) fn is_current(inner: &Arc<Inner>) -> bool {
    let current = CURRENT.take();
    let is_current = current.as_deref().is_some_and(|current| Arc::ptr_eq(current, inner));
    CURRENT.set(current);
    is_current
}

/// Makes an operation the current one on this thread for as long as it lives.
#[derive(Debug)]
pub(crate) struct InOperation {
    outer: Option<ManuallyDrop<Arc<Inner>>>,
}

impl InOperation {
    /// Takes a handle; [`leave`](Self::leave) returns it. So a run that is polled often clones none.
    #[inline]
    pub(crate) fn enter(operation: Operation) -> Self {
        InOperation { outer: CURRENT.replace(Some(ManuallyDrop::new(operation.inner))) }
    }

    #[inline]
    fn leave(self) -> Option<Operation> {
        // Restored here, so not once more by its destructor.
        ManuallyDrop::new(self).restore()
    }

    #[inline]
    fn restore(&mut self) -> Option<Operation> {
        let inner = ManuallyDrop::into_inner(CURRENT.replace(self.outer.take())?);
        Some(Operation { inner })
    }
}

impl Drop for InOperation {
    #[inline]
    fn drop(&mut self) {
        drop(self.restore());
    }
}

/// Makes the operation of a run the current one while the run is polled, and times the poll if a registry
/// watches the operation.
pub(crate) struct InPoll {
    inside: InOperation,
    timed: TimedPoll,
}

impl InPoll {
    /// `watched` is the operation, if a registry watches it.
    #[inline]
    pub(crate) fn enter(operation: Operation, watched: Option<&Operation>) -> Self {
        let timed = TimedPoll(watched.map(|operation| {
            operation.activity().into_iter().for_each(Activity::poll_begins);
            operation.clone()
        }));
        InPoll { inside: InOperation::enter(operation), timed }
    }

    /// Ends the poll and returns the handle it was entered with.
    #[inline]
    pub(crate) fn leave(self) -> Option<Operation> {
        drop(self.timed);
        self.inside.leave()
    }
}

/// Times a poll, also if it panics. `None` if the operation is not watched.
struct TimedPoll(Option<Operation>);

impl Drop for TimedPoll {
    #[inline]
    fn drop(&mut self) {
        if let Some(operation) = self.0.take() {
            poll_returned(operation);
        }
    }
}

#[cold]
fn poll_returned(operation: Operation) {
    operation.activity().into_iter().for_each(Activity::poll_returns);
}
