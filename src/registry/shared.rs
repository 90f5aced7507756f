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
    /// What the shutdowns of the moment wait on. Set when grace periods are cut short; those that come
    /// later have another.
    #[cfg(feature = "time")]
    forced: Mutex<Arc<Latch<()>>>,
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
            forced: Mutex::new(Arc::new(Latch::new())),
            calls: AtomicU64::new(0),
            #[cfg(feature = "time")]
            cut_short: AtomicU64::new(0),
        }
    }

    /// The number of a call that cancels. None is 0.
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
    pub(super) fn forced(&self) -> Arc<Latch<()>> {
        self.forced.lock().clone()
    }

    /// Tells the shutdowns of the moment that they are to go on to their end.
    #[cfg(feature = "time")]
    pub(super) fn insist(&self) {
        let told = std::mem::replace(&mut *self.forced.lock(), Arc::new(Latch::new()));
        if let Some(waiters) = told.set(()) {
            waiters.wake_all();
        }
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
