//! `Slot`: a moment that many limits share.
//!
//! When it comes, the thread of the reactor wakes a few. Each limit that is polled then wakes a few
//! of those who are left: it does so on a thread that runs tasks, where that costs a small part of
//! what it costs from outside. Nobody depends on it: the wheel wakes whoever is left one tick later.

use std::sync::Arc;
use std::time::Instant;

use crate::wait::{HasLatch, Latch, Rest};

/// So many are woken by whoever fires a slot. Where no more wait, nothing is left to others.
const AT_FIRST: usize = if cfg!(cancelable_loom) { 2 } else { 4 };

/// So many are woken by each limit that finds out.
const AT_A_TIME: usize = if cfg!(cancelable_loom) { 1 } else { 16 };

/// So many limits do so at once, and so deep they may be within one another.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct Slot {
    /// When it fires.
    end: Instant,
    /// Set when the moment has come. Those who wait for it are in its list, and from then on in its
    /// rest until they are woken.
    latch: Latch<(), Rest>,
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

    /// Whether nobody waits for it.
    pub(super) fn is_deserted(&mut self) -> bool {
        self.latch.has_no_waiters()
    }

    /// Its moment has come: whoever looks from here on is told. Nobody is woken yet; the answer is
    /// whether there are more than are woken at first.
    pub(super) fn set(&self) -> bool {
        self.latch.set_for_some(()) > AT_FIRST
    }

    /// Wakes the first. Whoever wakes somebody holds no lock, and has nothing borrowed.
    pub(super) fn wake_first(&self) {
        self.latch.wake_some(AT_FIRST);
    }

    /// Wakes the next ones, unless enough others do so.
    pub(super) fn wake_next(&self) {
        self.latch.help_to_wake(AT_A_TIME, AT_ONCE);
    }

    /// Wakes all who are left.
    pub(super) fn wake_rest(&self) {
        self.latch.wake_some(usize::MAX);
    }

    /// Its moment has come, and everyone is woken.
    #[cfg(any(all(test, not(cancelable_loom)), feature = "testing"))]
    pub(super) fn fire(&self) {
        self.set();
        self.wake_rest();
    }
}

impl HasLatch for Slot {
    type Value = ();
    type Extra = Rest;

    #[inline]
    fn latch(&self) -> &Latch<(), Rest> {
        &self.latch
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::wait::CountWakes;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{OnceLock, Weak};
    use std::task::Wake;

    /// A slot for which so many wait, and how many of them have been woken.
    fn waited_for(many: usize) -> (Arc<Slot>, Arc<CountWakes>) {
        let (slot, count) = (Slot::new(Instant::now()), Arc::new(CountWakes::default()));
        for _ in 0..many {
            assert!(slot.latch().register(None, count.clone().into()).is_some());
        }
        (slot, count)
    }

    #[test]
    fn a_few_at_a_time() {
        let (slot, count) = waited_for(AT_FIRST + AT_A_TIME + 3);
        let woken = || count.get();
        assert!(slot.set());
        assert!(slot.latch().is_set() && woken() == 0);
        slot.wake_first();
        assert_eq!(woken(), AT_FIRST);
        slot.wake_next();
        assert_eq!(woken(), AT_FIRST + AT_A_TIME);
        slot.wake_rest();
        assert_eq!(woken(), AT_FIRST + AT_A_TIME + 3);
        slot.wake_next();
        slot.wake_rest();
        assert_eq!((woken(), Arc::strong_count(&count)), (AT_FIRST + AT_A_TIME + 3, 1));
    }

    /// A waker that wakes the next ones at once goes no deeper than so many of them, and wakes everyone.
    #[test]
    fn wakers_that_wake_the_next_ones_at_once() {
        #[derive(Default)]
        struct Deep {
            slot: OnceLock<Weak<Slot>>,
            woken: AtomicUsize,
            depth: AtomicUsize,
            deepest: AtomicUsize,
        }

        impl Wake for Deep {
            fn wake(self: Arc<Self>) {
                self.woken.fetch_add(1, Ordering::Relaxed);
                let depth = self.depth.fetch_add(1, Ordering::Relaxed) + 1;
                self.deepest.fetch_max(depth, Ordering::Relaxed);
                self.slot.get().unwrap().upgrade().unwrap().wake_next();
                self.depth.fetch_sub(1, Ordering::Relaxed);
            }
        }

        let (slot, deep) = (Slot::new(Instant::now()), Arc::new(Deep::default()));
        deep.slot.set(Arc::downgrade(&slot)).unwrap();
        for _ in 0..10_000 {
            assert!(slot.latch().register(None, deep.clone().into()).is_some());
        }
        assert!(slot.set());
        slot.wake_first();
        assert_eq!(deep.woken.load(Ordering::Relaxed), 10_000);
        assert_eq!(deep.deepest.load(Ordering::Relaxed), AT_ONCE + 1);
        assert_eq!(Arc::strong_count(&deep), 1);
    }

    #[test]
    fn nobody_is_left_of_a_few() {
        let (slot, count) = waited_for(AT_FIRST);
        assert!(!slot.set());
        slot.wake_first();
        assert_eq!((count.get(), Arc::strong_count(&count)), (AT_FIRST, 1));
        assert!(!slot.set());
    }

    #[test]
    fn all_at_once() {
        let (slot, count) = waited_for(100);
        slot.fire();
        slot.fire();
        assert_eq!((count.get(), Arc::strong_count(&count)), (100, 1));
    }
}
