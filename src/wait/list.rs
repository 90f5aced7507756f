//! `WaitList`: the wakers of those who wait, each at a place that its owner remembers.

use std::task::Waker;

use slab::Slab;

use super::{Places, Things};
use crate::contain::contain;

/// The wakers of those who wait. Its lock is around it, not within: every method here is quick and
/// runs no code of others. A waker may be dropped, cloned or woken only by who has left the lock.
pub(crate) type WaitList = Places<Waker>;

/// Those who were waiting, out of the lock.
#[must_use = "whoever waited must be woken"]
#[derive(Debug)]
pub(crate) struct Wakers(WaitList);

impl Wakers {
    /// Takes everyone out of the list.
    pub(crate) fn of(list: &mut WaitList) -> Self {
        Wakers(list.take())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Wakes everyone. A waker that panics takes nothing from the others.
    pub(crate) fn wake_all(self) {
        wake(self);
    }
}

impl IntoIterator for Wakers {
    type Item = Waker;
    type IntoIter = Things<Waker>;

    fn into_iter(self) -> Things<Waker> {
        self.0.into_iter()
    }
}

/// Those who were waiting in many lists, most of which had one entry.
#[must_use = "whoever waited must be woken"]
#[derive(Debug, Default)]
pub(crate) struct ManyWakers {
    /// Who was alone in a list, side by side.
    alone: Vec<Waker>,
    lists: Vec<Box<Slab<Waker>>>,
}

impl ManyWakers {
    /// Takes everyone out of a list. The list may be under its lock.
    #[inline]
    pub(crate) fn add(&mut self, list: &mut WaitList) {
        let (first, others) = list.take_parts();
        self.alone.extend(first);
        self.lists.extend(others);
    }

    /// There will be about so many more lists.
    pub(crate) fn reserve(&mut self, lists: usize) {
        self.alone.reserve(lists);
    }

    /// Wakes everyone. A waker that panics takes nothing from the others.
    pub(crate) fn wake_all(self) {
        wake(self.alone);
        wake(self.lists.into_iter().flat_map(|list| list.into_iter().map(|(_, waker)| waker)));
    }
}

/// Wakes everyone. A waker that panics takes nothing from the others.
pub(super) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    let mut wakers = wakers.into_iter();
    // One frame for all of them: it is entered again only after a panic.
    while contain(|| wakers.by_ref().for_each(Waker::wake)).is_err() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Hostile;

    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    #[test]
    fn a_waker_that_panics_takes_nothing_from_the_others() {
        let mut list = WaitList::default();
        let count = Arc::new(Count::default());
        for _ in 0..3 {
            list.insert(count.clone().into());
            list.insert(Arc::new(Hostile).into());
        }
        Wakers::of(&mut list).wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
    }
}
