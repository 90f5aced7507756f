//! `Slot`: a moment that many limits share.

use std::sync::Arc;
use std::time::Instant;

use crate::wait::{Latch, Latched};

#[derive(Debug)]
pub(super) struct Slot {
    /// When it fires.
    end: Instant,
    /// Set when the moment has come. Those who wait for it are in its list.
    latch: Latch<()>,
}

impl Slot {
    /// A slot that ends `at`. Somebody must fire it then.
    pub(super) fn new(at: Instant) -> Arc<Slot> {
        Arc::new(Slot { end: at, latch: Latch::new() })
    }

    /// When it fires.
    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Its moment has come. Whoever calls this holds no lock, and has nothing borrowed.
    pub(super) fn fire(&self) {
        if let Some(waiters) = self.latch.set(()) {
            waiters.wake_all();
        }
    }
}

impl Latched for Slot {
    type Value = ();
    type More = ();

    #[inline]
    fn latch(&self) -> &Latch<()> {
        &self.latch
    }
}
