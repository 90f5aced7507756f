//! `Slot`: a point in time at which many limits end, and the tasks that wait for it.

use std::sync::Arc;
use std::time::Instant;

use crate::wait::{HasLatch, Latch};

#[derive(Debug)]
pub(super) struct Slot {
    end: Instant,
    /// Set when the slot fires. Until then, its wait list has the tasks whose limits end here.
    latch: Latch<()>,
}

impl Slot {
    /// Creates a slot that ends `at`. The caller makes sure that it fires then.
    pub(super) fn new(at: Instant) -> Arc<Slot> {
        Arc::new(Slot { end: at, latch: Latch::new() })
    }

    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Returns true if no task waits for it.
    pub(super) fn has_no_waiters(&mut self) -> bool {
        self.latch.has_no_waiters()
    }

    /// Fires the slot: sets the latch and wakes all waiters.
    #[cfg(feature = "testing")]
    pub(super) fn fire(&self) {
        if let Some(waiters) = self.latch.set(()) {
            waiters.wake_all();
        }
    }
}

impl HasLatch for Slot {
    type Value = ();
    type Extra = ();

    #[inline]
    fn latch(&self) -> &Latch<()> {
        &self.latch
    }
}
