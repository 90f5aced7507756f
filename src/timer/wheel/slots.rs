//! `Slots`: a hash table of slots, by the ticks at which they end.
//!
//! The slots are in the table itself, each within one cache line. A limit remembers the position of its slot, so it usually
//! needs no lookup. A slot may have moved since, so the tick at the position is compared.

use std::hash::Hasher;
use std::task::Waker;

use super::SlotId;
use super::lists::NONE;
use crate::hash::MultiplyHasher;

/// A tick at which no slot ends, because it counts as fired from the start. No limit looks for a slot of this tick.
const VACANT: u64 = 0;

/// The smallest size of a table that is not empty.
const FEW: usize = 16;

/// A point in time at which several limits end.
#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Slot {
    tick: u64,
    /// The newest entry in the list of the wakers that wait for this slot.
    pub(super) newest: u32,
    /// A waker that is in no list. Many slots have only one waker, and need no list.
    pub(super) single: Option<Waker>,
}

impl Slot {
    const EMPTY: Slot = Slot { tick: VACANT, newest: NONE, single: None };

    pub(super) fn is_deserted(&self) -> bool {
        self.single.is_none() && self.newest == NONE
    }
}

/// A hash table with open addressing. The hash of a tick names a position. If another slot is there, the next free position
/// is used.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The number of positions is zero or a power of two, and at most half of them are occupied.
    table: Vec<Slot>,
    occupied: usize,
}

impl Slots {
    /// Returns the position that the hash of a tick names.
    #[inline]
    fn home(&self, tick: u64) -> usize {
        let mut hasher = MultiplyHasher::default();
        hasher.write_u64(tick);
        hasher.finish() as usize & (self.table.len() - 1)
    }

    #[inline]
    fn after(&self, position: usize) -> usize {
        (position + 1) & (self.table.len() - 1)
    }

    /// Returns the position of the slot that ends at `tick`, or else the free position where it would be. The table must not
    /// be empty.
    #[inline]
    fn position(&self, tick: u64) -> usize {
        let mut position = self.home(tick);
        while ![tick, VACANT].contains(&self.table[position].tick) {
            position = self.after(position);
        }
        position
    }

    /// Returns the slot under its present position, if it is in the table.
    #[inline]
    pub(super) fn find(&self, slot: SlotId) -> Option<SlotId> {
        match self.table.get(slot.position as usize) {
            Some(found) if found.tick == slot.tick => Some(slot),
            _ => self.find_moved(slot.tick),
        }
    }

    #[inline(never)]
    fn find_moved(&self, tick: u64) -> Option<SlotId> {
        if self.table.is_empty() {
            return None;
        }
        let position = self.position(tick);
        let is_there = self.table[position].tick == tick;
        is_there.then_some(SlotId { tick, position: position as u32 })
    }

    /// Returns the slot at the position of a slot that was found under the same lock.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: SlotId) -> &mut Slot {
        &mut self.table[slot.position as usize]
    }

    /// Returns the slot that ends at `tick`, and whether it is new.
    #[inline]
    pub(super) fn find_or_insert(&mut self, tick: u64) -> (SlotId, bool) {
        if self.occupied * 2 >= self.table.len() {
            self.resize((self.table.len() * 2).max(FEW));
        }
        let position = self.position(tick);
        let slot = &mut self.table[position];
        let is_new = slot.tick != tick;
        slot.tick = tick;
        self.occupied += usize::from(is_new);
        (SlotId { tick, position: position as u32 }, is_new)
    }

    /// Removes a slot that was found under the same lock.
    pub(super) fn remove(&mut self, slot: SlotId) -> Slot {
        let mut free = slot.position as usize;
        let removed = std::mem::replace(&mut self.table[free], Slot::EMPTY);
        self.occupied -= 1;
        // The slots behind the free position move up, so that no search ends there too early. No slot moves to a position
        // before its home.
        let mut next = self.after(free);
        while self.table[next].tick != VACANT {
            let distance = |from: usize| next.wrapping_sub(from) & (self.table.len() - 1);
            if distance(self.home(self.table[next].tick)) >= distance(free) {
                self.table.swap(free, next);
                free = next;
            }
            next = self.after(next);
        }
        if self.occupied * 16 < self.table.len() && self.table.len() > FEW {
            self.resize((self.table.len() / 4).max(FEW));
        }
        removed
    }

    #[cold]
    fn resize(&mut self, len: usize) {
        let table = (0..len).map(|_| Slot::EMPTY).collect();
        let slots = std::mem::replace(&mut self.table, table);
        for slot in slots.into_iter().filter(|slot| slot.tick != VACANT) {
            let position = self.position(slot.tick);
            self.table[position] = slot;
        }
    }

    /// Returns the number of slots.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.occupied
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn slot_is_within_a_cache_line() {
        assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (32, 32));
    }

    proptest! {
        /// Slots are inserted and removed in any order. The table has the same ticks as a set.
        #[test]
        fn like_a_set(steps in prop::collection::vec((any::<bool>(), 1..200_u64), 0..2000)) {
            let (mut slots, mut expected) = (Slots::default(), BTreeSet::new());
            for (insert, tick) in steps {
                let stale = SlotId { tick, position: 3 };
                prop_assert_eq!(slots.find(stale).is_some(), expected.contains(&tick));
                if insert {
                    let (slot, is_new) = slots.find_or_insert(tick);
                    prop_assert_eq!(is_new, expected.insert(tick));
                    slots.get_mut(slot).newest = tick as u32;
                } else if let Some(slot) = slots.find(stale) {
                    prop_assert_eq!(slots.remove(slot).newest, tick as u32);
                    expected.remove(&tick);
                }
                prop_assert_eq!(slots.len(), expected.len());
            }
            for tick in expected {
                let slot = slots.find(SlotId { tick, position: NONE }).unwrap();
                prop_assert_eq!(slots.remove(slot).newest, tick as u32);
            }
            prop_assert_eq!((slots.len(), slots.table.iter().all(Slot::is_deserted)), (0, true));
        }
    }

    #[test]
    fn empty_table_frees_its_memory() {
        let mut slots = Slots::default();
        for tick in 1..=10_000 {
            slots.find_or_insert(tick);
        }
        assert_eq!(slots.table.len(), 32_768);
        for tick in 1..=10_000 {
            let slot = slots.find(SlotId { tick, position: NONE }).unwrap();
            slots.remove(slot);
        }
        assert_eq!(slots.table.len(), FEW);
    }
}
