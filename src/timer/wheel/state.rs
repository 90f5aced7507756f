//! `WheelState`: the slots by the tick at which they end, and the tick for which the alarm is set.
//!
//! 1. Each slot is listed by the tick at which it ends. So two limits share a slot if their slots end at the same
//!    tick, even if the widths of the slots would differ. `order` contains the same ticks.
//! 2. While there are slots or a backlog, `next` is the tick at which the reactor has something to do, or an earlier
//!    tick. The alarm for `next` is set, or a thread has released the lock and is about to set the alarm. If setting it
//!    fails, `next` becomes `None`, and the next limit that looks for its slot by its tick tries again.
//! 3. A stored alarm has not rung yet, or its ring is waiting for the lock. Once the tick of the stored alarm has
//!    passed, only a ring changes `next`. So invariant 2 still holds after an executor has fired the slot of the alarm.
//! 4. No slot ends at a tick that has fired, and slots fire in the order of their ticks. So no tick has a slot again after
//!    it has fired, and a limit whose tick has not fired is still in the slot that it has entered.

use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::task::Waker;

use super::lists::{NONE, WaitLists};
use super::slots::{Slot, Slots};
use super::{Entry, NEVER, SlotId};
use crate::sync::{AtomicU64, Ordering};
use crate::timer::alarm::Alarm;
use crate::timer::backlog::Backlog;
use crate::timer::tick::TICK;

/// The index of an entry whose waker is in the field `single` of its slot. The indices of entries in lists are smaller.
const SINGLE: u32 = NONE - 1;

#[derive(Debug, Default)]
pub(super) struct WheelState {
    pub(super) slots: Slots,
    lists: WaitLists,
    order: BinaryHeap<Reverse<u64>>,
    pub(super) backlog: Backlog,
    pub(super) next: Option<u64>,
    pub(super) alarm: Option<(u64, Alarm)>,
}

impl WheelState {
    /// Returns the slot that ends at `tick`, and whether it is new. The caller must have checked that the tick has not fired
    /// (4).
    #[inline]
    pub(super) fn find_or_insert(&mut self, tick: u64) -> (SlotId, bool) {
        let (slot, is_new) = self.slots.find_or_insert(tick);
        if is_new {
            self.order.push(Reverse(tick));
        }
        (slot, is_new)
    }

    /// Puts a waker into a slot that was found under the same lock.
    #[inline(always)]
    pub(super) fn enter(&mut self, slot: SlotId, waker: Waker) -> Entry {
        let Slot { newest, single, .. } = self.slots.get_mut(slot);
        let index = if single.is_none() {
            *single = Some(waker);
            SINGLE
        } else {
            self.lists.insert(newest, waker)
        };
        Entry::new(slot, index)
    }

    /// Replaces the waker of an entry and returns the previous one. The caller must have checked that the slot has not
    /// fired (4).
    pub(super) fn replace(&mut self, entry: &Entry, waker: Waker) -> Option<Waker> {
        if entry.index == SINGLE {
            let slot = self.slots.find(entry.slot())?;
            self.slots.get_mut(slot).single.replace(waker)
        } else {
            self.lists.replace(entry.index, waker)
        }
    }

    /// Removes an entry and returns its waker. The caller must have checked that the slot has not fired (4).
    #[inline]
    pub(super) fn leave(&mut self, entry: &Entry) -> Option<Waker> {
        let slots = &mut self.slots;
        if entry.index == SINGLE {
            let slot = slots.find(entry.slot())?;
            return slots.get_mut(slot).single.take();
        }
        self.lists.remove(entry.index, |newest| {
            if let Some(slot) = slots.find(entry.slot()) {
                slots.get_mut(slot).newest = newest;
            }
        })
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

    /// Fires all slots that are due: stores their ticks in `fired`, and puts their waiters into the backlog.
    pub(super) fn fire_due(&mut self, fired: &AtomicU64, has_come: impl Fn(u64) -> bool) {
        while let Some(first) = self.order.peek_mut().filter(|first| has_come(first.0)) {
            let Reverse(tick) = PeekMut::pop(first);
            // The tick is stored before its wakers are woken, so a task that is woken finds that its limit has fired.
            fired.store(tick, Ordering::Relaxed);
            let Some(slot) = self.slots.find(SlotId::of(tick)) else { continue };
            let slot = self.slots.remove(slot);
            self.backlog.add(slot.single.into_iter().chain(self.lists.take(slot.newest)));
        }
        self.forget_deserted();
    }

    /// Removes the slots that end first, as long as they have no limits. Most limits are dropped before they end, so this
    /// saves many alarms.
    fn forget_deserted(&mut self) {
        while let Some(first) = self.order.peek_mut() {
            let Some(slot) = self.slots.find(SlotId::of(first.0)) else { return };
            if !self.slots.get_mut(slot).is_deserted() {
                return;
            }
            self.slots.remove(slot);
            PeekMut::pop(first);
        }
    }

    /// Returns the number of slots.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    /// Adds a slot for which a task waits.
    fn enter(state: &mut WheelState, tick: u64) -> Entry {
        let (slot, _) = state.find_or_insert(tick);
        state.enter(slot, Waker::noop().clone())
    }

    #[test]
    fn alarm_of_the_first_slot() {
        let (mut state, fired) = (WheelState::default(), AtomicU64::new(0));
        let armed = [7, 9, 8, 3, 5].map(|tick| {
            enter(&mut state, tick);
            state.take_unset()
        });
        assert_eq!(armed, [Some(7), None, None, Some(3), None]);
        state.fire_due(&fired, |tick| tick <= 7);
        assert_eq!((fired.into_inner(), state.len(), state.first()), (7, 2, Some(0)));
        // The tasks of three slots are in the backlog.
        assert_eq!(state.backlog.take_on_drive(&AtomicU64::new(0)).len(), 3);
        assert_eq!(state.first(), Some(8));
    }

    #[test]
    fn deserted_slots_are_forgotten() {
        let (mut state, fired) = (WheelState::default(), AtomicU64::new(0));
        let entries = [1, 2, 3, 4, 5].map(|tick| enter(&mut state, tick));
        for entry in &entries[..3] {
            assert!(state.leave(entry).is_some());
        }
        state.fire_due(&fired, |tick| tick <= 1);
        assert_eq!((fired.into_inner(), state.first(), state.len()), (1, Some(4), 2));
    }

    /// A limit finds its slot although the slot has moved since the limit entered it.
    #[test]
    fn slot_that_has_moved() {
        let (mut state, fired) = (WheelState::default(), AtomicU64::new(0));
        let entries: Vec<_> = (1..100).map(|tick| enter(&mut state, tick)).collect();
        state.fire_due(&fired, |tick| tick <= 50);
        let moved =
            |entry: &&Entry| state.slots.find(entry.slot()).unwrap().position != entry.position;
        assert!(entries[50..].iter().filter(moved).count() > 0);
        for entry in &entries[50..] {
            assert!(state.replace(entry, Waker::noop().clone()).is_some());
            assert!(state.leave(entry).is_some() && state.leave(entry).is_none());
        }
        state.fire_due(&fired, |_| false);
        assert_eq!((state.len(), fired.into_inner()), (0, 50));
    }
}
