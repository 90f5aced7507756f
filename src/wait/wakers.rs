//! The wakers of waiting tasks, in a wait list or taken out of one or several lists.

use std::task::Waker;

use super::Slab;
use super::slab::IntoIter;
use crate::panic::contain;

/// The wakers of waiting tasks. The list has no lock of its own: the owner of the list guards it with a lock.
///
/// While that lock is held, wakers are only moved. They are cloned, woken and dropped after it is released, since all
/// three run user code.
pub(crate) type WaitList = Slab<Waker>;

/// All wakers of one wait list. They are taken out under its lock, and woken after the lock is released.
#[must_use = "the tasks must be woken"]
#[derive(Debug)]
pub(crate) struct Wakers(WaitList);

impl Wakers {
    /// Takes all wakers out of the list.
    pub(crate) fn of(list: &mut WaitList) -> Self {
        Wakers(list.take())
    }

    /// Wakes all tasks, even after one of the wakers has panicked.
    pub(crate) fn wake_all(self) {
        wake_each(self.0);
    }
}

impl IntoIterator for Wakers {
    type Item = Waker;
    type IntoIter = IntoIter<Waker>;

    fn into_iter(self) -> IntoIter<Waker> {
        self.0.into_iter()
    }
}

/// Wakes all tasks, even after one of the wakers has panicked.
pub(crate) fn wake_each(wakers: impl IntoIterator<Item = Waker>) {
    let mut wakers = wakers.into_iter();
    // One `catch_unwind` covers the whole batch. After a panic, the loop continues with the wakers that are left.
    while contain(|| wakers.by_ref().for_each(Waker::wake)).is_err() {}
}

/// The wakers of many wait lists. Most of these lists have one entry.
#[must_use = "the tasks must be woken"]
#[derive(Debug, Default)]
pub(crate) struct WakeBatch {
    singles: Vec<Waker>,
    groups: Vec<Vec<Waker>>,
    lists: Vec<WaitList>,
}

impl WakeBatch {
    /// Takes all wakers out of a list. The caller may hold the list's lock. A list with a single waker is not kept:
    /// its waker is returned, so that the caller can collect such wakers from many lists and [add](Self::add) them in
    /// one step.
    #[inline]
    pub(crate) fn take(&mut self, list: &mut WaitList) -> Option<Waker> {
        let only = list.take_only();
        if !list.is_empty() {
            self.lists.push(list.take());
        }
        only
    }

    /// Adds wakers that were returned by [`take`](Self::take).
    #[inline]
    pub(crate) fn add(&mut self, one: Option<Waker>, others: Vec<Waker>) {
        self.singles.extend(one);
        if !others.is_empty() {
            self.groups.push(others);
        }
    }

    /// Wakes all tasks, even after one of the wakers has panicked.
    pub(crate) fn wake_all(self) {
        wake_each(self.singles);
        wake_each(self.groups.into_iter().flatten());
        wake_each(self.lists.into_iter().flatten());
    }
}

/// A waker that counts how often it is woken.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct CountWakes(std::sync::atomic::AtomicUsize);

#[cfg(test)]
impl CountWakes {
    pub(crate) fn get(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
impl std::task::Wake for CountWakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    struct Hostile;

    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    #[test]
    fn panic_in_one_list() {
        let mut list = WaitList::default();
        let count = Arc::new(CountWakes::default());
        for _ in 0..3 {
            list.insert(count.clone().into());
            list.insert(Arc::new(Hostile).into());
        }
        Wakers::of(&mut list).wake_all();
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn panic_in_many_lists() {
        let count = Arc::new(CountWakes::default());
        let (good, bad) = (|| count.clone().into(), || Arc::new(Hostile).into());
        let mut batch = WakeBatch::default();
        let mut singles = Vec::new();
        for _ in 0..3 {
            let mut list = WaitList::default();
            for waker in [bad(), good(), bad(), good()] {
                list.insert(waker);
            }
            assert!(batch.take(&mut list).is_none() && list.is_empty());
            for waker in [good(), bad()] {
                list.insert(waker);
                singles.extend(batch.take(&mut list));
                assert!(list.is_empty());
            }
        }
        assert_eq!(singles.len(), 6);
        let one = singles.pop();
        batch.add(one, singles.split_off(3));
        batch.add(None, singles);
        batch.wake_all();
        assert_eq!(count.get(), 3 * 3);
    }
}
