//! `TestSlot`: the end of one limit that follows the clock of a test, and the task that waits for the limit.

use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "testing-tokio")]
use super::tokio_time::Timer;
#[cfg(feature = "testing-tokio")]
use crate::sync::OnceLock;
use crate::wait::{HasLatch, Latch};

#[derive(Debug)]
pub(super) struct TestSlot {
    /// Set when the slot fires.
    latch: Latch<()>,
    end: Instant,
    /// The tokio timer that fires this slot, if the slot follows tokio's clock. Dropped with the slot, so that tokio
    /// does not advance its clock for a limit that is gone.
    #[cfg(feature = "testing-tokio")]
    pub(super) timer: OnceLock<Timer>,
}

impl TestSlot {
    /// Creates a slot that ends at `at`. The caller must make sure that the slot fires then.
    pub(super) fn new(at: Instant) -> Arc<TestSlot> {
        Arc::new(TestSlot {
            latch: Latch::new(),
            end: at,
            #[cfg(feature = "testing-tokio")]
            timer: OnceLock::new(),
        })
    }

    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Fires the slot: sets the latch and wakes the task.
    pub(super) fn fire(&self) {
        if let Some(waiters) = self.latch.set(()) {
            waiters.wake_all();
        }
    }
}

impl HasLatch for TestSlot {
    type Value = ();
    type Extra = ();

    #[inline]
    fn latch(&self) -> &Latch<()> {
        &self.latch
    }
}

/// The clock that a limit follows on the thread where it registers.
pub(super) enum TestClock {
    /// Real time.
    Real,
    /// The clock of a test, which fires this slot.
    Follows(Arc<TestSlot>),
    /// No clock: the end of the limit overflows the clock, so the limit never fires.
    Never,
}

impl TestClock {
    /// Returns the clock for a limit that follows the clock of a test. `None` means that the end of the limit overflows the
    /// clock.
    pub(super) fn follow(slot: Option<Arc<TestSlot>>) -> Self {
        slot.map_or(TestClock::Never, TestClock::Follows)
    }
}
