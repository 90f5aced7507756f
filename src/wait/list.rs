//! `WaitList`: the wakers of those who wait, each at a place that its owner remembers.

use std::task::Waker;

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

    #[cfg(feature = "time")]
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

/// Wakes everyone. A waker that panics takes nothing from the others.
pub(super) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    let mut wakers = wakers.into_iter();
    // One frame for all of them: it is entered again only after a panic.
    while contain(|| wakers.by_ref().for_each(Waker::wake)).is_err() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::ManyWakers;
    use crate::wait::count::Count;
    use std::sync::Arc;
    use std::task::Wake;

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
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn of_many_lists_one_that_panics_takes_nothing_from_the_others() {
        let count = Arc::new(Count::default());
        let (good, bad) = (|| count.clone().into(), || Arc::new(Hostile).into());
        let mut many = ManyWakers::default();
        let mut alone = Vec::new();
        for _ in 0..3 {
            let mut list = WaitList::default();
            for waker in [bad(), good(), bad(), good()] {
                list.insert(waker);
            }
            assert!(many.take(&mut list).is_none() && list.is_empty());
            for waker in [good(), bad()] {
                list.insert(waker);
                alone.extend(many.take(&mut list));
                assert!(list.is_empty());
            }
        }
        assert_eq!(alone.len(), 6);
        let one = alone.pop();
        many.add(one, alone.split_off(3));
        many.add(None, alone);
        many.wake_all();
        assert_eq!(count.get(), 3 * 3);
    }
}
