//! `Waiter`: a future that waits for a latch. Dropping the future takes its waker out of the wait list.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Latch, is_probe, polled_after_completion};

/// A type with a latch that a future can wait for.
pub(crate) trait HasLatch {
    type Value;
    type Extra;

    fn latch(&self) -> &Latch<Self::Value, Self::Extra>;

    /// Returns the value if the latch is set. Types whose latch may be set without a value override this.
    #[inline]
    fn value(&self) -> Option<&Self::Value> {
        self.latch().get()
    }
}

impl<T, X> HasLatch for Latch<T, X> {
    type Value = T;
    type Extra = X;

    #[inline]
    fn latch(&self) -> &Latch<T, X> {
        self
    }
}

impl<L: HasLatch> HasLatch for &L {
    type Value = L::Value;
    type Extra = L::Extra;

    #[inline]
    fn latch(&self) -> &Latch<L::Value, L::Extra> {
        (**self).latch()
    }

    #[inline]
    fn value(&self) -> Option<&L::Value> {
        (**self).value()
    }
}

impl<L: HasLatch> HasLatch for Arc<L> {
    type Value = L::Value;
    type Extra = L::Extra;

    #[inline]
    fn latch(&self) -> &Latch<L::Value, L::Extra> {
        (**self).latch()
    }

    #[inline]
    fn value(&self) -> Option<&L::Value> {
        (**self).value()
    }
}

/// A future that waits for a latch. `L` is a latch, or owns or borrows one.
pub(crate) struct Waiter<L: HasLatch> {
    latch: L,
    /// The waker that is in the wait list, or `WakerId::NONE`. It is kept outside `state`, so that one comparison tells
    /// whether the list has the task's waker.
    waker: WakerId,
    state: State,
}

#[derive(Debug)]
enum State {
    Unregistered,
    /// The waker is in the wait list, at this index.
    Registered(usize),
    /// The value has been returned.
    Done,
}

impl<L: HasLatch> Waiter<L> {
    #[inline]
    pub(crate) fn new(latch: L) -> Self {
        Waiter { latch, waker: WakerId::NONE, state: State::Unregistered }
    }

    /// Resolves to the result of `map` once the value is set. `what` names the future in the panic for a poll after
    /// completion (guarantee 15).
    ///
    /// If nothing has changed since the last poll, this loads the flag and compares the waker: no lock, no
    /// allocation (guarantee 8).
    #[inline(always)]
    pub(crate) fn poll<R>(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
        map: impl FnOnce(&L::Value) -> R,
    ) -> Poll<R> {
        if self.is_unchanged(cx) || self.is_unset_probe(cx) {
            Poll::Pending
        } else {
            self.poll_slow(what, cx, map)
        }
    }

    /// Returns true if the task polls with the probe and the value is not set.
    ///
    /// This method checks for the probe first. If the poll with the probe is inlined, the compiler knows the result of that
    /// check, and only one load is left.
    #[inline(always)]
    fn is_unset_probe(&self, cx: &Context<'_>) -> bool {
        is_probe(cx.waker()) && !self.latch.latch().is_set_relaxed()
    }

    /// Returns true if the list has this waker and the value is not set.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        self.waker == WakerId::of(cx.waker()) && !self.latch.latch().is_set_relaxed()
    }

    // Not inlined, so that the fast path is small enough to be inlined into the poll of the race.
    #[inline(never)]
    fn poll_slow<R>(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
        map: impl FnOnce(&L::Value) -> R,
    ) -> Poll<R> {
        if let State::Done = self.state {
            polled_after_completion(what);
        }
        // A poll with the probe gets here only if the value is set.
        if !self.latch.latch().is_set() && self.register(cx) {
            return Poll::Pending;
        }
        // Setting the latch has emptied the wait list, so `drop` has nothing to remove.
        self.waker = WakerId::NONE;
        self.state = State::Done;
        match self.latch.value() {
            Some(value) => Poll::Ready(map(value)),
            None => unreachable!("the flag is set after the value"),
        }
    }

    /// Puts the waker into the wait list, in place of an earlier one. Returns false if the value is set.
    #[inline(always)]
    pub(crate) fn register(&mut self, cx: &Context<'_>) -> bool {
        let index = match self.state {
            State::Registered(index) => Some(index),
            State::Unregistered | State::Done => None,
        };
        // Cloning runs user code, so it comes before the lock. If it panics, this waiter is unchanged.
        let waker = cx.waker().clone();
        let id = WakerId::of(&waker);
        let Some(index) = self.latch.latch().register(index, waker) else { return false };
        (self.waker, self.state) = (id, State::Registered(index));
        true
    }

    /// Returns the `L` that the waiter was created with.
    pub(crate) fn latched(&self) -> &L {
        &self.latch
    }

    /// Returns true if the value has been returned.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl<L: HasLatch> Drop for Waiter<L> {
    #[inline]
    fn drop(&mut self) {
        if let State::Registered(index) = self.state {
            self.latch.latch().unregister(index);
        }
    }
}

impl<L: HasLatch> fmt::Debug for Waiter<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Unregistered => "Idle",
            State::Registered(_) => "Waiting",
            State::Done => "Done",
        })
    }
}

/// The identity of the waker in the list: two addresses, which are cheaper to keep than a second clone.
///
/// The addresses are those of the clone in the list. While that clone lives, no other waker has the same addresses,
/// so comparing them gives the same answer as `Waker::will_wake`. For some wakers, each clone has its own address.
/// Such wakers never compare equal, and the waker in the list is replaced at every poll.
#[derive(Debug, PartialEq)]
pub(crate) struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    /// No waker. The address of a vtable is never null.
    const NONE: WakerId = WakerId { data: 0, vtable: 0 };

    #[inline(always)]
    pub(crate) fn of(waker: &Waker) -> Self {
        let vtable = std::ptr::from_ref(waker.vtable()).addr();
        WakerId { data: waker.data().addr(), vtable }
    }
}
