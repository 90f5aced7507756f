//! `Shared`: what all handles of a registry share.

#[cfg(feature = "time")]
use std::sync::Arc;

use super::Members;
use super::event::{Event, Feeds};
use super::member::{Member, SHUTTING_DOWN};
use super::past::Past;
use crate::Operation;
use crate::sync::{AtomicU64, Mutex, Ordering};
#[cfg(feature = "time")]
use crate::wait::Latch;

pub(super) struct Shared {
    pub(super) members: Members<Member>,
    pub(super) past: Mutex<Past>,
    pub(super) feeds: Feeds,
    /// Set once grace periods are cut short.
    #[cfg(feature = "time")]
    forced: Arc<Latch<()>>,
    calls: AtomicU64,
    /// How many grace periods were cut short.
    #[cfg(feature = "time")]
    cut_short: AtomicU64,
}

impl Shared {
    pub(super) fn new(history_limit: usize) -> Self {
        Shared {
            members: Members::new(),
            past: Mutex::new(Past::new(history_limit)),
            feeds: Feeds::default(),
            #[cfg(feature = "time")]
            forced: Arc::new(Latch::new()),
            calls: AtomicU64::new(0),
            #[cfg(feature = "time")]
            cut_short: AtomicU64::new(0),
        }
    }

    /// The number of a bulk call. None is 0.
    pub(super) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    #[cfg(feature = "time")]
    pub(super) fn note_cut_short(&self, count: usize) {
        self.cut_short.fetch_add(count as u64, Ordering::Relaxed);
    }

    #[cfg(feature = "time")]
    pub(super) fn cut_short(&self) -> u64 {
        self.cut_short.load(Ordering::Relaxed)
    }

    #[cfg(feature = "time")]
    pub(super) fn forced(&self) -> &Arc<Latch<()>> {
        &self.forced
    }

    /// Cancels an operation that comes too late.
    pub(super) fn refuse(&self, operation: &Operation) {
        self.past.lock().refused += 1;
        operation.cancel_with(SHUTTING_DOWN);
        if self.feeds.is_listened_to() {
            self.feeds.tell(Event::Refused { id: operation.id(), name: operation.name() });
        }
    }
}
