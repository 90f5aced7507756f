//! `WheelState`: the slots by the tick at which they end, and the tick for which the alarm is set.
//!
//! 1. Each slot is listed by the tick at which it ends. So two limits share a slot if their slots end at the same
//!    tick, even if the widths of the slots would differ. `order` contains the same ticks.
//! 2. While there are slots or a backlog, `next` is the tick at which the reactor has something to do, or an earlier
//!    tick. The alarm for `next` is set, or a thread has released the lock and is about to set the alarm. If setting it
//!    fails, `next` becomes `None`, and the next limit that registers tries again.
//! 3. A stored alarm has not rung yet, or its ring is waiting for the lock. Once the tick of the stored alarm has
//!    passed, only a ring changes `next`. So invariant 2 still holds after an executor has fired the slot of the alarm.

use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::collections::hash_map::{Entry, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::NEVER;
use crate::hash::MultiplyHasher;
use crate::timer::alarm::Alarm;
use crate::timer::backlog::Backlog;
use crate::timer::slot::Slot;
use crate::timer::tick::TICK;
use crate::wait::HasLatch;

#[derive(Debug, Default)]
pub(super) struct WheelState {
    pub(super) slots: HashMap<u64, Arc<Slot>, BuildHasherDefault<MultiplyHasher>>,
    order: BinaryHeap<Reverse<u64>>,
    pub(super) backlog: Backlog,
    pub(super) next: Option<u64>,
    pub(super) alarm: Option<(u64, Alarm)>,
}

impl WheelState {
    pub(super) fn insert(&mut self, tick: u64, slot: Arc<Slot>) {
        self.slots.insert(tick, slot);
        self.order.push(Reverse(tick));
    }

    /// Returns the first tick at which the reactor has something to do.
    pub(super) fn first(&self) -> Option<u64> {
        let slot = self.order.peek().map(|&Reverse(tick)| tick);
        slot.into_iter().chain(self.backlog.retry()).min()
    }

    /// Returns when a thread of an executor next has slots to fire or tasks to wake: see `Wheel::due`.
    pub(super) fn due(&self) -> u64 {
        match self.order.peek() {
            _ if !self.backlog.is_empty() => 0,
            Some(Reverse(tick)) => tick.saturating_mul(TICK),
            None => NEVER,
        }
    }

    /// Returns the tick for which the caller must set an alarm, if any.
    pub(super) fn take_unset(&mut self) -> Option<u64> {
        let first = self.first()?;
        if self.next.is_some_and(|next| next <= first) {
            return None;
        }
        // `next` is stored before the alarm is set. So if several limits register at once, only one of them sets the alarm.
        self.next = Some(first);
        Some(first)
    }

    /// Fires all slots that are due: sets their latches and puts their waiters into the backlog.
    pub(super) fn fire_due(&mut self, has_come: impl Fn(u64) -> bool) -> Vec<Arc<Slot>> {
        let mut fired = Vec::new();
        while let Some(first) = self.order.peek_mut().filter(|first| has_come(first.0)) {
            let Reverse(tick) = PeekMut::pop(first);
            let Some(slot) = self.slots.remove(&tick) else { continue };
            // A limit may have found the slot but not registered yet. That limit will see that the latch is set.
            self.backlog.add(slot.latch().set(()).into_iter().flatten());
            fired.push(slot);
        }
        self.forget_deserted();
        fired
    }

    /// Removes the slots that end first, as long as they have no limits. Most limits are dropped before they end, so this
    /// saves many alarms.
    fn forget_deserted(&mut self) {
        while let Some(first) = self.order.peek_mut() {
            let Entry::Occupied(mut slot) = self.slots.entry(first.0) else { return };
            // No limit can find the slot meanwhile, because finding it takes the lock, which is held here.
            if !Arc::get_mut(slot.get_mut()).is_some_and(|slot| slot.has_no_waiters()) {
                return;
            }
            slot.remove();
            PeekMut::pop(first);
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::clock;
    use std::task::Waker;

    #[test]
    fn alarm_of_the_first_slot() {
        let mut state = WheelState::default();
        let slots = [7, 9, 8, 3, 5].map(|tick| (tick, Slot::new(clock::real())));
        let armed = slots.each_ref().map(|(tick, slot)| {
            state.insert(*tick, slot.clone());
            state.take_unset()
        });
        assert_eq!(armed, [Some(7), None, None, Some(3), None]);
        let fired = state.fire_due(|tick| tick <= 7);
        assert_eq!((fired.len(), state.first()), (3, Some(8)));
    }

    #[test]
    fn deserted_slots_are_forgotten() {
        let mut state = WheelState::default();
        let mut slots = [1, 2, 3, 4, 5].map(|tick| {
            let slot = Slot::new(clock::real());
            state.insert(tick, slot.clone());
            Some(slot)
        });
        // A task waits for this slot, although no limit owns the slot.
        let waits = slots[3].take().unwrap();
        assert_eq!(waits.latch().register(None, Waker::noop().clone()), Some(0));
        drop(waits);
        slots[1] = None;
        slots[2] = None;
        let fired = state.fire_due(|tick| tick <= 1);
        assert_eq!((fired.len(), state.first(), state.slots.len()), (1, Some(4), 2));
        assert!(slots[0].as_ref().is_some_and(|slot| slot.latch().is_set()));
    }
}
