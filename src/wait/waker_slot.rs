//! `WakerSlot`: a place for one waker, for events that at most one task waits for.

use std::task::Waker;

use super::is_probe;
use crate::panic::{discard, wake};
use crate::sync::Mutex;

/// A place for one waker.
///
/// The waker is cloned, woken and dropped with the lock released, since all three run user code. A panic while it is woken
/// or dropped is contained. (`futures::task::AtomicWaker` clones and drops wakers while its slot is marked as in use. If a
/// waker panics there, the mark stays, and the slot never wakes a task again. `event_listener::Event` wakes tasks while it
/// holds its lock.)
///
/// The waiting task must register before it checks its condition, and the other side must change the condition before it
/// wakes. Both sides take the lock. If the task is first, the other side finds the waker of the task. If the other side is
/// first, the task sees the changed condition. So no wake-up is lost.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot(Mutex<Option<Waker>>);

impl WakerSlot {
    /// Stores the waker, unless the stored waker wakes the same task. Does not store the probe.
    ///
    /// After this call, the caller must check its condition again.
    // The compiler inlines this or not as it likes. A call takes 16 instructions more in each poll of an operation with
    // clean-up.
    #[inline(always)]
    pub(crate) fn register(&self, waker: &Waker) {
        // The lock is taken twice, because the clone in between runs user code. If the event happens in between, it finds
        // the old waker or none. In that case, the check that the caller makes afterwards sees the event.
        let known = self.0.lock().as_ref().is_some_and(|known| known.will_wake(waker));
        if !known && !is_probe(waker) {
            let waker = waker.clone();
            let replaced = self.0.lock().replace(waker);
            discard(replaced);
        }
    }

    /// Takes the waker out and wakes it.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            wake(waker);
        }
    }

    /// Drops the waker without waking it.
    pub(crate) fn clear(&self) {
        discard(self.take());
    }

    /// Takes the waker out, for a caller that holds a lock. The caller must wake or [discard](discard) the waker after it
    /// has released that lock.
    pub(crate) fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }
}

impl Drop for WakerSlot {
    fn drop(&mut self) {
        discard(self.0.get_mut().take());
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::WakerSlot;
    use crate::wait::probe;
    use crate::wait::wakers::CountWakes;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    #[test]
    fn wakes_once() {
        let (slot, count) = (WakerSlot::default(), Arc::new(CountWakes::default()));
        slot.register(&count.clone().into());
        slot.register(&count.clone().into());
        slot.wake();
        slot.wake();
        assert_eq!((count.get(), Arc::strong_count(&count)), (1, 1));
    }

    #[test]
    fn the_last_waker_counts() {
        let (slot, counts) =
            (WakerSlot::default(), [(); 2].map(|()| Arc::new(CountWakes::default())));
        for count in &counts {
            slot.register(&count.clone().into());
        }
        slot.register(probe());
        slot.wake();
        assert_eq!(counts.map(|count| count.get()), [0, 1]);
    }

    /// If a waker panics when it is dropped, the slot still works.
    #[test]
    fn destructors_may_panic() {
        struct Hostile;

        impl Drop for Hostile {
            fn drop(&mut self) {
                panic!("the destructor of a waker");
            }
        }

        impl Wake for Hostile {
            fn wake(self: Arc<Self>) {}
        }

        let (slot, count) = (WakerSlot::default(), Arc::new(CountWakes::default()));
        slot.register(&Waker::from(Arc::new(Hostile)));
        slot.register(&count.clone().into());
        slot.wake();
        assert_eq!(count.get(), 1);
        slot.register(&Waker::from(Arc::new(Hostile)));
        slot.clear();
        slot.register(&count.clone().into());
        slot.wake();
        assert_eq!(count.get(), 2);
    }
}
