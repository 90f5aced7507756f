//! `ManyWakers`: those who were waiting in many lists.

use std::task::Waker;

use super::list::{WaitList, wake};

/// Those who were waiting in many lists, most of which had one entry.
#[must_use = "whoever waited must be woken"]
#[derive(Debug, Default)]
pub(crate) struct ManyWakers {
    alone: Vec<Waker>,
    many: Vec<Vec<Waker>>,
    lists: Vec<WaitList>,
}

impl ManyWakers {
    /// Takes everyone out of a list, which may be under its lock. Who was alone there is handed out, to be
    /// added together with others.
    #[inline]
    pub(crate) fn take(&mut self, list: &mut WaitList) -> Option<Waker> {
        let only = list.take_only();
        if !list.is_empty() {
            self.lists.push(list.take());
        }
        only
    }

    /// Adds those who were handed out: one, and others.
    #[inline]
    pub(crate) fn add(&mut self, one: Option<Waker>, others: Vec<Waker>) {
        self.alone.extend(one);
        if !others.is_empty() {
            self.many.push(others);
        }
    }

    /// Wakes everyone. A waker that panics takes nothing from the others.
    pub(crate) fn wake_all(self) {
        wake(self.alone);
        wake(self.many.into_iter().flatten());
        wake(self.lists.into_iter().flatten());
    }
}
