//! `Slot`: a point in time at which several limits end, and the tasks that wait for these limits.

use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "testing-tokio")]
use super::tokio_time::Timer;
#[cfg(feature = "testing-tokio")]
use crate::sync::OnceLock;
use crate::wait::{HasLatch, Latch};

// The latch comes first, so that it shares a cache line with the reference count in front of it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot {
    /// Set when the slot fires. Until then, its wait list holds the tasks whose limits end with this slot.
    latch: Latch<()>,
    end: Instant,
    /// The tokio timer that fires this slot, if the slot follows tokio's clock. Dropped with the slot, so that tokio
    /// does not advance its clock for a limit that is gone.
    #[cfg(feature = "testing-tokio")]
    pub(super) timer: OnceLock<Timer>,
}

impl Slot {
    /// Creates a slot that ends at `at`. The caller must make sure that the slot fires then.
    pub(super) fn new(at: Instant) -> Arc<Slot> {
        Arc::new(Slot {
            latch: Latch::new(),
            end: at,
            #[cfg(feature = "testing-tokio")]
            timer: OnceLock::new(),
        })
    }

    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Returns true if no task waits for the slot.
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
