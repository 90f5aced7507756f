//! `Rest`: those who were waiting, and are woken a few at a time, by several threads.

use std::task::Waker;

use super::list::{Wakers, wake};
use super::{Latch, Things};

/// Those who are left to be woken. It stands under the lock of the latch that they waited for, apart
/// from it: mostly there is nobody.
#[derive(Debug, Default)]
pub(crate) struct Rest(Option<Box<Things<Waker>>>);

impl Rest {
    fn of(wakers: Wakers) -> Self {
        Rest((wakers.len() > 0).then(|| Box::new(wakers.into_iter())))
    }

    /// Takes out the next ones, at most so many.
    fn take(&mut self, most: usize) -> Vec<Waker> {
        let Some(rest) = &mut self.0 else { return Vec::new() };
        let some: Vec<_> = rest.take(most).collect();
        if some.len() < most {
            // There is nothing in it: dropping it runs nobody's code.
            self.0 = None;
        }
        some
    }
}

impl<T> Latch<T, Rest> {
    /// Sets the value and keeps those to wake, whom [`Latch::wake_some`] wakes. Tells how many there
    /// are.
    pub(crate) fn set_for_some(&self, value: T) -> usize {
        let Some(wakers) = self.set(value) else { return 0 };
        let many = wakers.len();
        // Whoever looks for somebody to wake before this finds nobody. Whoever set it does not.
        self.with(|rest, _| *rest = Rest::of(wakers));
        many
    }

    /// Wakes at most so many of those who are left.
    pub(crate) fn wake_some(&self, most: usize) {
        let some = self.with(|rest, _| rest.take(most));
        wake(some);
    }
}
