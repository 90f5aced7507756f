//! `Registration`: the waker of a limit on the wheel. Dropping it takes the waker out of its list.

use std::fmt;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::slot_cache;
use super::wheel::{Entry, Wheel, has_fired};
use crate::wait::WakerId;

pub(super) struct Registration {
    entry: Entry,
    /// The waker that is in the list.
    waker: WakerId,
}

impl Registration {
    /// Registers a waker for a limit of this length that began at `since`. Returns `None` if the end of the limit overflows
    /// the clock. If the limit has passed, [`has_fired`](Self::has_fired) returns true.
    ///
    /// The caller passes a clone of its waker. Cloning runs user code, which may panic.
    ///
    /// # Panics
    ///
    /// Panics if the reactor cannot be created.
    #[inline]
    pub(super) fn new(since: Instant, length: Duration, waker: Waker) -> Option<Self> {
        let id = WakerId::of(&waker);
        slot_cache::enter(since, length, waker).map(|entry| Registration { entry, waker: id })
    }

    /// Returns true if the list has this waker and the slot has not fired.
    #[inline(always)]
    pub(super) fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        self.waker == WakerId::of(cx.waker()) && !self.has_fired()
    }

    #[inline(always)]
    pub(super) fn has_fired(&self) -> bool {
        has_fired(self.entry.tick())
    }

    /// Returns when the slot ends.
    pub(super) fn end(&self) -> Option<Instant> {
        Wheel::shared().end(self.entry.tick())
    }

    /// Replaces the waker. Returns false if the slot has fired.
    pub(super) fn replace(&mut self, cx: &Context<'_>) -> bool {
        // Cloning runs user code. If it panics, the previous waker stays.
        let waker = cx.waker().clone();
        let id = WakerId::of(&waker);
        let is_in_list = Wheel::shared().replace(&self.entry, waker);
        if is_in_list {
            self.waker = id;
        }
        is_in_list
    }
}

impl Drop for Registration {
    #[inline]
    fn drop(&mut self) {
        Wheel::shared().leave(&self.entry);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}
