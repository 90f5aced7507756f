//! `WaitLists`: the wakers of all limits on the wheel, in one linked list for each slot.
//!
//! 1. The entries of a list are linked in the order in which their limits registered. A list is named by its newest entry,
//!    which the slot keeps.
//! 2. The entries of all lists are in the same memory. Entries of limits that register one after another are next to each
//!    other there. So the entries that are linked and unlinked are mostly in the cache, even if there are thousands of
//!    slots.
//! 3. The memory is divided into segments. When the last entry of a segment is removed, the segment frees the memory of its
//!    entries, if more than half of them have been in use. So after a burst, each dropped limit leaves about a third of a
//!    byte behind.

use std::task::Waker;

use crate::visits::visit;

/// The number of entries in a segment.
const SEGMENT: u32 = 128;

/// The index that stands for no entry.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Entry {
    Occupied {
        waker: Waker,
        newer: u32,
        older: u32,
    },
    /// The offset of the next vacant entry of the segment.
    Vacant(u32),
}

#[derive(Debug)]
struct Segment {
    entries: Vec<Entry>,
    occupied: u32,
    /// The offset that was vacated last. If all entries are occupied, it is the offset of the entry that is pushed next.
    vacant: u32,
}

#[derive(Debug, Default)]
pub(super) struct WaitLists {
    segments: Vec<Segment>,
    /// The segments with fewer than `SEGMENT` entries. The next entry goes into the last of them.
    with_room: Vec<u32>,
}

impl WaitLists {
    /// Adds a waker to the list whose newest entry is `newest`, and returns its index.
    // Not inlined, like `remove`, so that the path for a slot with a single waker saves few registers.
    #[inline(never)]
    pub(super) fn insert(&mut self, newest: &mut u32, waker: Waker) -> u32 {
        visit();
        let number = match self.with_room.last() {
            Some(&number) => number,
            None => self.add_segment(),
        };
        let segment = &mut self.segments[number as usize];
        let offset = segment.vacant;
        let new = Entry::Occupied { waker, newer: NONE, older: *newest };
        match segment.entries.get_mut(offset as usize) {
            Some(entry) => {
                let Entry::Vacant(next) = *entry else { unreachable!("listed as vacant") };
                segment.vacant = next;
                *entry = new;
            }
            None => {
                segment.vacant = offset + 1;
                segment.entries.push(new);
            }
        }
        segment.occupied += 1;
        if segment.occupied == SEGMENT {
            self.with_room.pop();
        }
        let index = number * SEGMENT + offset;
        if *newest != NONE {
            if let Some(Entry::Occupied { newer, .. }) = self.get_mut(*newest) {
                *newer = index;
            }
        }
        *newest = index;
        index
    }

    #[cold]
    fn add_segment(&mut self) -> u32 {
        let number = self.segments.len();
        assert!(number < (NONE / SEGMENT) as usize, "too many time limits");
        self.segments.push(Segment { entries: Vec::new(), occupied: 0, vacant: 0 });
        self.with_room.push(number as u32);
        number as u32
    }

    #[inline]
    fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        let segment = self.segments.get_mut((index / SEGMENT) as usize)?;
        segment.entries.get_mut((index % SEGMENT) as usize)
    }

    /// Replaces a waker and returns the previous one.
    pub(super) fn replace(&mut self, index: u32, new: Waker) -> Option<Waker> {
        match self.get_mut(index)? {
            Entry::Occupied { waker, .. } => Some(std::mem::replace(waker, new)),
            Entry::Vacant(_) => None,
        }
    }

    /// Removes an entry from its list. If it was the newest of the list, calls `set_newest` with the entry that is the
    /// newest now.
    #[inline(never)]
    pub(super) fn remove(&mut self, index: u32, set_newest: impl FnOnce(u32)) -> Option<Waker> {
        let (waker, removed_newer, removed_older) = self.take_out(index)?;
        if removed_older != NONE {
            if let Some(Entry::Occupied { newer, .. }) = self.get_mut(removed_older) {
                *newer = removed_newer;
            }
        }
        if removed_newer != NONE {
            if let Some(Entry::Occupied { older, .. }) = self.get_mut(removed_newer) {
                *older = removed_older;
            }
        } else {
            set_newest(removed_older);
        }
        Some(waker)
    }

    /// Takes out all wakers of the list whose newest entry is `newest`. The wakers are in the order in which they were
    /// added.
    pub(super) fn take(&mut self, mut newest: u32) -> impl Iterator<Item = Waker> + use<> {
        let mut wakers = Vec::new();
        while newest != NONE {
            let Some((waker, _, older)) = self.take_out(newest) else { break };
            wakers.push(waker);
            newest = older;
        }
        wakers.into_iter().rev()
    }

    /// Vacates an entry. Returns its waker, the newer entry and the older entry.
    #[inline]
    fn take_out(&mut self, index: u32) -> Option<(Waker, u32, u32)> {
        visit();
        let number = index / SEGMENT;
        let segment = self.segments.get_mut(number as usize)?;
        let entry = segment.entries.get_mut((index % SEGMENT) as usize)?;
        let Entry::Occupied { .. } = entry else { return None };
        let removed = std::mem::replace(entry, Entry::Vacant(segment.vacant));
        segment.vacant = index % SEGMENT;
        if segment.occupied == SEGMENT {
            self.with_room.push(number);
        }
        segment.occupied -= 1;
        if segment.occupied == 0 && segment.entries.len() > SEGMENT as usize / 2 {
            // The vector holds no waker, so dropping it runs no user code.
            segment.entries = Vec::new();
            segment.vacant = 0;
        }
        match removed {
            Entry::Occupied { waker, newer, older } => Some((waker, newer, older)),
            Entry::Vacant(_) => None,
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::wait::CountWakes;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::sync::Arc;

    fn waker() -> (Arc<CountWakes>, Waker) {
        let count = Arc::new(CountWakes::default());
        (count.clone(), count.into())
    }

    fn entries(lists: &WaitLists) -> usize {
        lists.segments.iter().map(|segment| segment.occupied as usize).sum()
    }

    /// Returns the number of segments that have memory.
    fn kept(lists: &WaitLists) -> usize {
        lists.segments.iter().filter(|segment| segment.entries.capacity() > 0).count()
    }

    proptest! {
        /// Wakers enter, leave and are taken in any order. Each list behaves as if there were no other lists.
        #[test]
        fn lists_are_independent(steps in prop::collection::vec((0..4_usize, 0..8_usize, 0..1000_usize), 0..600)) {
            let mut lists = WaitLists::default();
            let mut all: [(u32, VecDeque<(u32, Waker)>); 4] = std::array::from_fn(|_| (NONE, VecDeque::new()));
            for (list, action, which) in steps {
                let (newest, expected) = &mut all[list];
                match action {
                    0 if which % 10 == 0 => {
                        let taken: Vec<_> = lists.take(std::mem::replace(newest, NONE)).collect();
                        prop_assert_eq!(taken.len(), expected.len());
                        prop_assert!(taken.iter().zip(expected.drain(..)).all(|(one, (_, other))| one.will_wake(&other)));
                    }
                    0..=2 if !expected.is_empty() => {
                        let (index, waker) = expected.remove(which % expected.len()).unwrap();
                        prop_assert!(lists.remove(index, |left| *newest = left).unwrap().will_wake(&waker));
                    }
                    3 if !expected.is_empty() => {
                        let place = which % expected.len();
                        let (index, previous) = &mut expected[place];
                        let (_, waker) = waker();
                        prop_assert!(lists.replace(*index, waker.clone()).unwrap().will_wake(previous));
                        *previous = waker;
                    }
                    _ => {
                        let (_, waker) = waker();
                        expected.push_back((lists.insert(newest, waker.clone()), waker));
                    }
                }
                let count = all.iter().map(|(_, expected)| expected.len()).sum::<usize>();
                prop_assert_eq!(entries(&lists), count);
            }
        }
    }

    #[test]
    fn burst_frees_its_memory() {
        let (count, waker) = waker();
        let (mut lists, mut newest) = (WaitLists::default(), NONE);
        let taken: Vec<_> = (0..10_000).map(|_| lists.insert(&mut newest, waker.clone())).collect();
        let segments = lists.segments.len();
        assert_eq!(segments, 10_000_usize.div_ceil(SEGMENT as usize));
        // The newest entry stays.
        for &index in &taken[..9_999] {
            assert!(lists.remove(index, |_| unreachable!("not the newest")).is_some());
        }
        assert_eq!((newest, entries(&lists)), (taken[9_999], 1));
        assert!(kept(&lists) <= 1);
        // The segments are used again.
        let again: Vec<_> = (0..9_999).map(|_| lists.insert(&mut newest, waker.clone())).collect();
        assert_eq!(lists.segments.len(), segments);
        assert_eq!(lists.take(newest).count(), 10_000);
        assert!(again.iter().all(|&index| lists.replace(index, waker.clone()).is_none()));
        assert!(kept(&lists) <= 1);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
