//! Which operation is being polled on this thread.
//!
//! Like the rest of the ambient frame it is changed around each poll and put back by a guard, and
//! needs no destructor.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::Operation;
use super::inner::Inner;

thread_local! {
    static CURRENT: Cell<Option<ManuallyDrop<Arc<Inner>>>> = const { Cell::new(None) };
}

/// While it lives, an operation is the current one on this thread.
#[derive(Debug)]
pub(crate) struct InOperation {
    outer: Option<ManuallyDrop<Arc<Inner>>>,
}

impl InOperation {
    /// The handle is taken, so that who enters often can do it each time with the same one.
    #[inline]
    pub(crate) fn enter(operation: Operation) -> Self {
        InOperation { outer: CURRENT.replace(Some(ManuallyDrop::new(operation.inner))) }
    }

    /// Ends it, and gives back what it was entered with.
    #[inline]
    pub(crate) fn leave(self) -> Option<Operation> {
        // It is restored here, and not once more when it is dropped.
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

impl Operation {
    /// The innermost operation that is being polled on this thread, or that a closure of
    /// [`run_blocking`](Self::run_blocking) belongs to.
    ///
    /// ```
    /// assert!(cancelable::Operation::current().is_none());
    /// ```
    #[inline]
    pub fn current() -> Option<Operation> {
        let current = CURRENT.take();
        let inner = current.as_deref().cloned();
        CURRENT.set(current);
        Some(Operation { inner: inner? })
    }

    /// Makes it the current one on this thread while the guard lives.
    pub(crate) fn enter(&self) -> InOperation {
        InOperation::enter(self.clone())
    }
}
