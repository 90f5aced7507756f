//! `Latch`: a value that is set once, and the list of those who wait for it.
//!
//! 1. The value is set at most once, and the flag says so. Both change only under the lock.
//! 2. Whoever is in the list when the flag is set is woken, after the lock is released.
//! 3. Nobody enters the list once the flag is set.
//!
//! No wake-up is lost: who registers holds the lock while looking at the flag and entering the
//! list. Either the flag was set before, and registering reports it; or it is set later by someone
//! who must first get the same lock, and then finds the waiter in the list.
//!
//! Reading needs no lock. The value is written before the flag is released, so that whoever has
//! acquired the flag sees the value.

use std::sync::OnceLock;
use std::task::Waker;

use super::list::{WaitList, Wakers};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// `M` is what else changes with the value, under the same lock; mostly nothing.
#[derive(Debug)]
pub(crate) struct Latch<T, M = ()> {
    /// Whether the value is there.
    set: AtomicBool,
    value: OnceLock<T>,
    state: Mutex<State<M>>,
}

#[derive(Debug)]
struct State<M> {
    waiters: WaitList,
    more: M,
}

impl<T, M: Default> Default for Latch<T, M> {
    #[inline]
    fn default() -> Self {
        Latch {
            set: AtomicBool::new(false),
            value: OnceLock::new(),
            state: Mutex::new(State { waiters: WaitList::default(), more: M::default() }),
        }
    }
}

impl<T, M: Default> Latch<T, M> {
    pub(crate) fn new() -> Self {
        Latch::default()
    }

    /// Drops all that it holds, which may be code of others.
    pub(crate) fn clear(&mut self) {
        *self = Latch::default();
    }
}

impl<T, M> Latch<T, M> {
    /// Whether the value is there. Takes no lock.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// The value, if it is there. Takes no lock.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set() { self.value.get() } else { None }
    }

    /// Sets the value and hands out those to wake; `None` where somebody was first.
    ///
    /// The caller wakes them when it holds no lock.
    pub(crate) fn set(&self, value: T) -> Option<Wakers> {
        self.set_and(value, |_, _| ()).map(|(waiters, ())| waiters)
    }

    /// The same, and what `take` makes of the rest and the value. That runs under the lock, and so
    /// no code of others.
    pub(crate) fn set_and<'a, R>(
        &'a self,
        value: T,
        take: impl FnOnce(&mut M, &'a T) -> R,
    ) -> Option<(Wakers, R)> {
        // Who comes too late need not wait for the lock.
        if self.is_set() {
            return None;
        }
        let mut state = self.state.lock();
        if let Err(late) = self.value.set(value) {
            // What it holds may run code of others when dropped: not under the lock.
            drop(state);
            drop(late);
            return None;
        }
        let Some(value) = self.value.get() else { unreachable!("it has just been set") };
        self.set.store(true, Ordering::Release);
        Some((Wakers::of(&mut state.waiters), take(&mut state.more, value)))
    }

    /// Whether nobody waits.
    pub(crate) fn is_deserted(&mut self) -> bool {
        self.state.get_mut().waiters.is_empty()
    }

    /// Shows the rest, and whether the value has come, to code that is not of others.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut M, bool) -> R) -> R {
        let mut state = self.state.lock();
        // The lock has ordered this load after the store.
        let is_set = self.set.load(Ordering::Relaxed);
        look(&mut state.more, is_set)
    }

    /// Enters the list, or puts another waker at the place held there, and tells the place.
    /// `None` where the value has come.
    ///
    /// The waker comes by value, so that it is cloned and dropped outside of the lock: both are
    /// code of others.
    #[inline(always)]
    pub(crate) fn enter(&self, place: Option<usize>, waker: Waker) -> Option<usize> {
        let mut state = self.state.lock();
        if self.set.load(Ordering::Relaxed) {
            // The lock has ordered this load after the store.
            drop(state);
            return None;
        }
        let (place, replaced) = match place {
            Some(place) => (place, state.waiters.replace(place, waker)),
            None => (state.waiters.insert(waker), None),
        };
        drop(state);
        drop(replaced);
        Some(place)
    }

    /// Leaves the list. Once the value is set there is no list to leave.
    pub(super) fn leave(&self, place: usize) {
        if !self.is_set() {
            let removed = self.state.lock().waiters.remove(place);
            drop(removed);
        }
    }
}
