//! The operation that is being polled on this thread.
//!
//! It is set around each poll and restored by a guard, even if the poll panics.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::Waker;

use super::Operation;
use super::activity::Activity;
use super::inner::Inner;

thread_local! {
    /// `ManuallyDrop`, so that the cell needs no destructor and stays usable while its thread ends.
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

type Current = (ManuallyDrop<Arc<Inner>>, PolledBy);

/// The waker with which an operation is polled. It distinguishes the operation's own task from tasks that an
/// executor polls inside it.
///
/// These are the addresses of the waker's data and vtable. The caller of the poll holds the waker, so the addresses
/// are not reused meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PolledBy {
    data: usize,
    vtable: usize,
}

// An enum would take another word, which every poll of an operation would store and load several times.
impl PolledBy {
    /// The operation is not being polled: one of its hooks is running. The address of a vtable is never null.
    pub(crate) const NOTHING: PolledBy = PolledBy { data: 0, vtable: 0 };

    /// Everything inside belongs to the operation: a closure on the thread pool, or a future of `in_scope`.
    pub(crate) const ANYTHING: PolledBy = PolledBy { data: 1, vtable: 0 };

    #[inline]
    pub(crate) fn waker(waker: &Waker) -> Self {
        let vtable = std::ptr::from_ref(waker.vtable()).addr();
        PolledBy { data: waker.data().addr(), vtable }
    }
}

/// Returns the innermost operation that is being polled on this thread.
#[inline]
pub(super) fn current() -> Option<Operation> {
    Some(current_and_waker()?.0)
}

/// Returns the current operation, and the waker with which it is being polled.
pub(super) fn current_and_waker() -> Option<(Operation, PolledBy)> {
    let current = CURRENT.take();
    let found = current.as_ref().map(|(inner, polled_by)| (Arc::clone(inner), *polled_by));
    CURRENT.set(current);
    let (inner, polled_by) = found?;
    Some((Operation { inner }, polled_by))
}

/// Returns whether this is the innermost operation that is being polled on this thread.
pub(super) fn is_current(inner: &Arc<Inner>) -> bool {
    let current = CURRENT.take();
    let is_current = current.as_ref().is_some_and(|(current, _)| Arc::ptr_eq(current, inner));
    CURRENT.set(current);
    is_current
}

/// Makes an operation the current one on this thread for as long as it lives.
#[derive(Debug)]
pub(crate) struct InOperation {
    outer: Option<Current>,
}

impl InOperation {
    /// Takes a handle. [`leave`](Self::leave) returns it, so a poll does not clone a handle.
    #[inline]
    pub(crate) fn enter(operation: Operation, polled_by: PolledBy) -> Self {
        let inner = ManuallyDrop::new(operation.inner);
        InOperation { outer: CURRENT.replace(Some((inner, polled_by))) }
    }

    #[inline]
    fn leave(self) -> Option<Operation> {
        // `ManuallyDrop`, so that the destructor does not restore it a second time.
        ManuallyDrop::new(self).restore()
    }

    #[inline]
    fn restore(&mut self) -> Option<Operation> {
        let (inner, _) = CURRENT.replace(self.outer.take())?;
        let inner = ManuallyDrop::into_inner(inner);
        Some(Operation { inner })
    }
}

impl Drop for InOperation {
    #[inline]
    fn drop(&mut self) {
        drop(self.restore());
    }
}

/// Makes an operation the current one while its race is polled. Times the poll if a registry watches the operation.
pub(crate) struct InPoll {
    inside: InOperation,
    timed: TimedPoll,
}

impl InPoll {
    /// Begins the poll. `watched` is the operation if a registry watches it, else `None`.
    #[inline(always)]
    pub(crate) fn enter(operation: Operation, watched: Option<&Operation>, waker: &Waker) -> Self {
        let timed = TimedPoll(watched.map(poll_begins));
        InPoll { inside: InOperation::enter(operation, PolledBy::waker(waker)), timed }
    }

    /// Ends the poll and returns the handle it was entered with.
    #[inline(always)]
    pub(crate) fn leave(self) -> Option<Operation> {
        drop(self.timed);
        self.inside.leave()
    }
}

/// Times a poll, even if it panics. `None` if the operation is not watched.
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
fn poll_begins(operation: &Operation) -> Operation {
    operation.activity().into_iter().for_each(Activity::poll_begins);
    operation.clone()
}

#[cold]
fn poll_returned(operation: Operation) {
    operation.activity().into_iter().for_each(Activity::poll_returns);
}
