//! The operation that is being polled on this thread.
//!
//! Each poll sets the current operation. A guard sets the earlier one again after the poll, even if the poll panics.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::Waker;

use super::Operation;
#[cfg(feature = "time")]
use super::deadline::Inherited;
use super::inner::Inner;
use super::observe::Entered;
use crate::clock;
use crate::frame::{is_shielded, sections};
use crate::sync::{AtomicU64, Ordering, this_thread};

thread_local! {
    /// `ManuallyDrop`, so that the cell needs no destructor and stays usable while its thread ends.
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

type Current = (ManuallyDrop<Arc<Inner>>, PolledBy);

/// The waker with which an operation is polled. It distinguishes the task of the operation from tasks of an executor that
/// are polled inside the operation.
///
/// The fields are the addresses of the waker's data and vtable. The caller of the poll holds the waker, so the addresses are
/// not reused meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PolledBy {
    data: usize,
    vtable: usize,
}

// An enum would take another word, which every poll of an operation would store and load several times.
impl PolledBy {
    /// The operation is not being polled: one of its hooks is running. The address of a vtable is never null.
    pub(crate) const NOTHING: PolledBy = PolledBy { data: 0, vtable: 0 };

    /// The operation is entered by a closure on the thread pool, or by a future of `in_scope`. Every poll inside is part of the
    /// operation, whatever its waker.
    pub(crate) const ANYTHING: PolledBy = PolledBy { data: 1, vtable: 0 };

    /// Returns whether the operation itself is being polled.
    #[inline]
    pub(super) fn is_task(self) -> bool {
        self.vtable != 0
    }

    #[inline]
    pub(crate) fn waker(waker: &Waker) -> Self {
        let vtable = std::ptr::from_ref(waker.vtable()).addr();
        PolledBy { data: waker.data().addr(), vtable }
    }
}

/// Where an operation is being polled. Only the thread that polls the operation writes the fields.
#[derive(Debug, Default)]
pub(super) struct PollPlace {
    /// The number of the thread, or 0 if no thread polls the operation.
    thread: AtomicU64,
    /// The number of sections, which are shields and clean-up, around the poll.
    sections: AtomicU64,
}

impl PollPlace {
    #[inline]
    fn enter(&self) {
        self.sections.store(u64::from(sections()), Ordering::Relaxed);
        self.thread.store(this_thread() as u64, Ordering::Relaxed);
    }

    #[inline]
    fn leave(&self) {
        self.thread.store(0, Ordering::Relaxed);
    }

    /// Returns whether this thread is polling the operation, and the caller is in a section inside that poll.
    fn is_outside_section(&self) -> bool {
        // If another thread polls the operation, `thread` is the number of that thread.
        self.thread.load(Ordering::Relaxed) == this_thread() as u64
            && self.sections.load(Ordering::Relaxed) < u64::from(sections())
    }
}

/// Returns whether the calling code is in a section that protects it from the cancellation of this operation: in a
/// shield or in clean-up that the operation polls, even if other operations are in between.
pub(super) fn is_protected_from(inner: &Arc<Inner>) -> bool {
    if sections() == 0 {
        return false;
    }
    if is_current(inner) { is_shielded() } else { inner.poll_place.is_outside_section() }
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

/// Returns the deadline of the innermost operation that is being polled on this thread. The caller is a task of that
/// operation, and watches the deadline by itself.
#[cfg(feature = "time")]
#[inline]
pub(crate) fn current_deadline() -> Inherited {
    // No handle is cloned: every member of a group calls this.
    let current = CURRENT.take();
    let deadline =
        current.as_ref().map_or(Inherited::None, |(inner, _)| inner.deadline_for_child());
    CURRENT.set(current);
    deadline
}

/// Returns whether this is the innermost operation that is being polled on this thread.
pub(super) fn is_current(inner: &Arc<Inner>) -> bool {
    let current = CURRENT.take();
    let is_current = current.as_ref().is_some_and(|(current, _)| Arc::ptr_eq(current, inner));
    CURRENT.set(current);
    is_current
}

/// Makes an operation the current one on this thread, from [`enter`](Self::enter) until [`leave`](Self::leave), or until
/// this guard is dropped.
// The guard is filled in place, because moving it would copy it several times in each poll.
#[derive(Debug)]
pub(crate) struct InOperation {
    entered: bool,
    outer: Option<Current>,
}

impl InOperation {
    /// Creates a guard that has not entered an operation.
    #[inline]
    fn new() -> Self {
        InOperation { entered: false, outer: None }
    }

    #[inline]
    pub(super) fn of(operation: Operation, polled_by: PolledBy) -> Self {
        let mut inside = InOperation::new();
        inside.enter(operation, polled_by);
        inside
    }

    /// Takes the handle of the operation. [`leave`](Self::leave) returns it, so a poll does not have to clone a handle.
    #[inline]
    fn enter(&mut self, operation: Operation, polled_by: PolledBy) {
        if polled_by.is_task() {
            operation.inner.poll_place.enter();
        }
        let inner = ManuallyDrop::new(operation.inner);
        self.outer = CURRENT.replace(Some((inner, polled_by)));
        self.entered = true;
    }

    #[inline]
    fn leave(&mut self) -> Option<Operation> {
        if !std::mem::take(&mut self.entered) {
            return None;
        }
        let (inner, polled_by) = CURRENT.replace(self.outer.take())?;
        if polled_by.is_task() {
            inner.poll_place.leave();
        }
        let inner = ManuallyDrop::into_inner(inner);
        Some(Operation { inner })
    }
}

impl Drop for InOperation {
    #[inline]
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// Keeps an operation the current one on this thread, and its span entered, until this guard is dropped.
pub(crate) struct Inside {
    _span: Option<Entered>,
    _inside: InOperation,
}

impl Inside {
    pub(super) fn of(operation: Operation, polled_by: PolledBy) -> Self {
        Inside {
            _span: operation.activity().map(|activity| activity.observed.enter()),
            _inside: InOperation::of(operation, polled_by),
        }
    }
}

/// Makes an operation the current one while its race is polled. Times the poll and enters the span, if the operation is
/// watched.
pub(crate) struct InPoll {
    inside: InOperation,
    timed: TimedPoll,
}

impl InPoll {
    /// Creates a guard for a poll that has not begun.
    #[inline]
    pub(crate) fn new() -> Self {
        InPoll { inside: InOperation::new(), timed: TimedPoll(None) }
    }

    /// Begins the poll. `watched` is the operation if a registry watches it, else `None`.
    #[inline(always)]
    pub(crate) fn enter(
        &mut self,
        operation: Operation,
        watched: Option<&Operation>,
        waker: &Waker,
    ) {
        self.timed.0 = watched.map(poll_begins);
        self.inside.enter(operation, PolledBy::waker(waker));
    }

    /// Ends the poll, and returns the handle that [`enter`](Self::enter) has taken.
    #[inline]
    pub(crate) fn leave(mut self) -> Option<Operation> {
        self.timed.end();
        let operation = self.inside.leave();
        // There is nothing left to restore. Forgetting the guard saves the check in its destructor.
        std::mem::forget(self);
        operation
    }
}

/// Times a poll, even if it panics. `None` if the operation is not watched.
pub(super) struct TimedPoll(Option<(Operation, Entered)>);

impl TimedPoll {
    #[inline(always)]
    pub(super) fn begin(watched: Option<&Operation>) -> Self {
        TimedPoll(watched.map(poll_begins))
    }

    #[inline]
    fn end(&mut self) {
        if let Some((operation, entered)) = self.0.take() {
            poll_returned(operation, entered);
        }
    }
}

impl Drop for TimedPoll {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}

#[cold]
fn poll_begins(operation: &Operation) -> (Operation, Entered) {
    let Some(activity) = operation.activity() else { unreachable!("it is watched") };
    activity.poll_begins();
    (operation.clone(), activity.observed.enter())
}

#[cold]
fn poll_returned(operation: Operation, _entered: Entered) {
    // An operation ends inside a poll, and what reports its polls runs before that poll returns.
    if !operation.has_ended() {
        operation.activity().into_iter().for_each(|activity| activity.poll_returns(clock::now()));
    }
}
