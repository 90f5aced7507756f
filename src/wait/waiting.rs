//! `Waiting`: one who waits for a latch. Dropping it leaves the list.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Latch, is_probe, polled_after_completion};

/// What can be waited for: anything with a latch.
pub(crate) trait Latched {
    type Value;
    type More;

    fn latch(&self) -> &Latch<Self::Value, Self::More>;

    /// The value, if the latch is set, also where it has none itself.
    #[inline]
    fn value(&self) -> Option<&Self::Value> {
        self.latch().get()
    }
}

impl<T, M> Latched for Latch<T, M> {
    type Value = T;
    type More = M;

    #[inline]
    fn latch(&self) -> &Latch<T, M> {
        self
    }
}

impl<L: Latched> Latched for &L {
    type Value = L::Value;
    type More = L::More;

    #[inline]
    fn latch(&self) -> &Latch<L::Value, L::More> {
        (**self).latch()
    }

    #[inline]
    fn value(&self) -> Option<&L::Value> {
        (**self).value()
    }
}

impl<L: Latched> Latched for Arc<L> {
    type Value = L::Value;
    type More = L::More;

    #[inline]
    fn latch(&self) -> &Latch<L::Value, L::More> {
        (**self).latch()
    }

    #[inline]
    fn value(&self) -> Option<&L::Value> {
        (**self).value()
    }
}

/// One who waits. `L` is a latch, or something that owns or borrows one.
pub(crate) struct Waiting<L: Latched> {
    latch: L,
    /// Which waker is in the list; nobody's while none is. Apart from the place, so that one
    /// comparison tells both that it is listed and with which waker.
    waker: WakerId,
    place: Place,
}

/// Where it stands.
#[derive(Debug)]
enum Place {
    /// Not in the list.
    Outside,
    /// In the list, at this place.
    Listed(usize),
    /// The value has been seen.
    Done,
}

impl<L: Latched> Waiting<L> {
    #[inline]
    pub(crate) fn new(latch: L) -> Self {
        Waiting { latch, waker: WakerId::NOBODY, place: Place::Outside }
    }

    /// Ready, with what `tell` makes of the value, once the value is there. `what` names the future
    /// in the panic of guarantee 15.
    ///
    /// When nothing has changed since the last poll, this reads the flag and compares the waker:
    /// no lock, no allocation (guarantee 8).
    #[inline(always)]
    pub(crate) fn poll<R>(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
        tell: impl FnOnce(&L::Value) -> R,
    ) -> Poll<R> {
        if self.is_unchanged(cx) { Poll::Pending } else { self.poll_changed(what, cx, tell) }
    }

    /// Whether there is nothing to do: the list has this waker, and the value has not come.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        self.waker == WakerId::of(cx.waker()) && !self.latch.latch().seems_set()
    }

    /// All polls but those that find nothing new. Apart, so that those are small enough to become
    /// part of the poll of whatever waits.
    #[inline(never)]
    fn poll_changed<R>(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
        tell: impl FnOnce(&L::Value) -> R,
    ) -> Poll<R> {
        if let Place::Done = self.place {
            polled_after_completion(what);
        }
        let is_set = self.latch.latch().is_set();
        if !is_set && (is_probe(cx.waker()) || self.enter(cx)) {
            return Poll::Pending;
        }
        self.waker = WakerId::NOBODY;
        self.place = Place::Done;
        match self.latch.value() {
            Some(value) => Poll::Ready(tell(value)),
            None => unreachable!("the flag is set after the value"),
        }
    }

    /// Enters the list with this waker, or puts it in the place of the one that is there. False
    /// where the value has come.
    #[inline(always)]
    pub(crate) fn enter(&mut self, cx: &Context<'_>) -> bool {
        let listed = match self.place {
            Place::Listed(place) => Some(place),
            Place::Outside | Place::Done => None,
        };
        let waker = cx.waker().clone();
        let id = WakerId::of(&waker);
        let Some(place) = self.latch.latch().enter(listed, waker) else { return false };
        (self.waker, self.place) = (id, Place::Listed(place));
        true
    }

    /// What it waits for.
    #[cfg(feature = "time")]
    pub(crate) fn waited_for(&self) -> &L {
        &self.latch
    }

    /// Whether the value has been seen.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.place, Place::Done)
    }
}

impl<L: Latched> Drop for Waiting<L> {
    #[inline]
    fn drop(&mut self) {
        if let Place::Listed(place) = self.place {
            self.latch.latch().leave(place);
        }
    }
}

impl<L: Latched> fmt::Debug for Waiting<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::Outside => "Idle",
            Place::Listed(_) => "Waiting",
            Place::Done => "Done",
        })
    }
}

/// Which waker is in the list, without a second clone of it.
///
/// It is taken from the clone that goes into the list. That clone keeps whatever it points to
/// alive, so that the address cannot come to mean another waker while it is compared: the answer
/// is the one that `Waker::will_wake` would give. Where a clone has another address than its
/// original, this never matches, and the place is renewed at every poll.
#[derive(Debug, PartialEq)]
struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    /// Of no waker: a reference is never null.
    const NOBODY: WakerId = WakerId { data: 0, vtable: 0 };

    #[inline(always)]
    fn of(waker: &Waker) -> Self {
        let vtable = std::ptr::from_ref(waker.vtable()).addr();
        WakerId { data: waker.data().addr(), vtable }
    }
}
