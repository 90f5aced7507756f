//! `Force`: tells waiting shutdowns to stop waiting for grace periods.

use std::sync::Arc;

use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::wait::Latch;

/// The shutdowns of one registry wait on the current latch. [`send`](Self::send) sets that latch and puts a new one in its
/// place, so a shutdown that begins later is not affected.
#[derive(Default)]
pub(in crate::registry) struct Force {
    latch: Mutex<Arc<Latch<()>>>,
    /// The number of grace periods that were cut short.
    cut_short: AtomicU64,
}

impl Force {
    /// Returns the latch that the next [`send`](Self::send) sets.
    pub(super) fn latch(&self) -> Arc<Latch<()>> {
        self.latch.lock().clone()
    }

    pub(super) fn send(&self) {
        let latch = std::mem::take(&mut *self.latch.lock());
        if let Some(waiters) = latch.set(()) {
            waiters.wake_all();
        }
    }

    pub(super) fn add_cut_short(&self, count: usize) {
        self.cut_short.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn cut_short(&self) -> u64 {
        self.cut_short.load(Ordering::Relaxed)
    }
}
