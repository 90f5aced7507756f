//! `Rest`: those who were waiting, and are woken a few at a time, by several threads.

use std::task::Waker;

use super::Latch;
use super::slab::IntoIter;
use super::wakers::{Wakers, wake_each};

/// Those who are left to be woken. It stands under the lock of the latch that they waited for, apart
/// from it: mostly there is nobody.
#[derive(Debug, Default)]
pub(crate) struct Rest(Option<Box<Left>>);

#[derive(Debug)]
struct Left {
    wakers: IntoIter<Waker>,
    /// How many help to wake them just now.
    helpers: usize,
}

impl Rest {
    fn of(wakers: Wakers) -> Self {
        if wakers.len() == 0 {
            return Rest(None);
        }
        Rest(Some(Box::new(Left { wakers: wakers.into_iter(), helpers: 0 })))
    }

    /// Takes out the next ones, at most so many.
    fn take(&mut self, most: usize) -> Vec<Waker> {
        let Some(left) = &mut self.0 else { return Vec::new() };
        let some: Vec<_> = left.wakers.by_ref().take(most).collect();
        if some.len() < most {
            // There is nothing in it: dropping it runs nobody's code.
            self.0 = None;
        }
        some
    }

    /// The same for one who helps, unless so many do already.
    fn take_to_help(&mut self, most: usize, helpers: usize) -> Vec<Waker> {
        match &mut self.0 {
            Some(left) if left.helpers < helpers => left.helpers += 1,
            _ => return Vec::new(),
        }
        self.take(most)
    }

    /// One who helped has done so.
    fn helped(&mut self) {
        if let Some(left) = &mut self.0 {
            left.helpers -= 1;
        }
    }
}

impl<T> Latch<T, Rest> {
    /// Sets the value and keeps those to wake, whom [`Latch::wake_some`] wakes. Tells how many there
    /// are.
    pub(crate) fn set_for_some(&self, value: T) -> usize {
        let Some(wakers) = self.set(value) else { return 0 };
        let many = wakers.len();
        // Whoever looks for somebody to wake before this finds nobody. Whoever set it does not.
        self.with_extra(|rest, _| *rest = Rest::of(wakers));
        many
    }

    /// Wakes at most so many of those who are left.
    pub(crate) fn wake_some(&self, most: usize) {
        let some = self.with_extra(|rest, _| rest.take(most));
        wake_each(some);
    }

    /// The same, unless so many are about it: then it does nothing. A waker may poll at once, and so
    /// come here again from within, as often as there are helpers and no more.
    pub(crate) fn help_to_wake(&self, most: usize, helpers: usize) {
        let some = self.with_extra(|rest, _| rest.take_to_help(most, helpers));
        if some.is_empty() {
            return;
        }
        wake_each(some);
        self.with_extra(|rest, _| rest.helped());
    }
}
