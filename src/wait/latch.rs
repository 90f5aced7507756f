//! `Latch`: a value that is set once, and the list of those who wait for it.
//!
//! 1. The latch is set at most once, and the flag says so. It changes only under the lock.
//! 2. Whoever is in the list when the flag is set is woken, after the lock is released.
//! 3. Nobody enters the list once the flag is set.
//!
//! No wake-up is lost: who registers holds the lock while looking at the flag and entering the
//! list. Either the flag was set before, and registering reports it; or it is set later by someone
//! who must first get the same lock, and then finds the waiter in the list.
//!
//! Reading needs no lock. The value is written before the flag is released, so that whoever has
//! acquired the flag sees the value. Where the value is known elsewhere, it may be left out, and be filled
//! in later.

use std::sync::OnceLock;
use std::task::Waker;

use super::list::{WaitList, Wakers};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// `M` is what else changes with the value, under the same lock; mostly nothing.
// In this order, so that what is looked at together lies together.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Latch<T, M = ()> {
    /// Whether it is set.
    set: AtomicBool,
    state: Mutex<State<M>>,
    value: OnceLock<T>,
}

#[derive(Debug, Default)]
struct State<M> {
    waiters: WaitList,
    more: M,
}

impl<T, M: Default> Default for Latch<T, M> {
    #[inline]
    fn default() -> Self {
        Latch { set: AtomicBool::new(false), value: OnceLock::new(), state: Mutex::default() }
    }
}

impl<T, M: Default> Latch<T, M> {
    pub(crate) fn new() -> Self {
        Latch::default()
    }
}

impl<T, M> Latch<T, M> {
    /// Whether it is set. Takes no lock.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// As [`is_set`](Self::is_set), for who then asks again before looking at the value. It orders
    /// nothing, so that the compiler may keep in registers what it has read before.
    ///
    /// Who was woken sees the flag all the same: it was set before the wake-up.
    #[inline]
    pub(crate) fn seems_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// The value, if it is set and was given one. Takes no lock.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set() { self.value.get() } else { None }
    }

    /// Sets the value and hands out those to wake; `None` where somebody was first.
    ///
    /// The caller wakes them when it holds no lock.
    pub(crate) fn set(&self, value: T) -> Option<Wakers> {
        self.set_and(Some(value), |waiters, _| Wakers::of(waiters))
    }

    /// Sets it, and tells what `take` makes of the list and the rest; `None` where somebody was first.
    /// `take` runs under the lock, and so no code of others. It takes everyone out of the list.
    ///
    /// Without a value there is none, until it is filled in.
    #[inline]
    pub(crate) fn set_and<R>(
        &self,
        value: Option<T>,
        take: impl FnOnce(&mut WaitList, &mut M) -> R,
    ) -> Option<R> {
        // Who comes too late need not wait for the lock.
        if self.is_set() {
            return None;
        }
        let mut state = self.state.lock();
        // The lock has ordered this load after the store.
        if self.set.load(Ordering::Relaxed) {
            // What the value holds may run code of others when dropped: not under the lock.
            drop(state);
            drop(value);
            return None;
        }
        if let Some(value) = value {
            self.fill(value);
        }
        self.set.store(true, Ordering::Release);
        let State { waiters, more } = &mut *state;
        Some(take(waiters, more))
    }

    /// Puts in the value that was left out, unless somebody has done so: all who do put in the same.
    pub(crate) fn fill(&self, value: T) {
        let late = self.value.set(value);
        drop(late);
    }

    /// Whether nobody waits.
    #[cfg(feature = "time")]
    pub(crate) fn is_deserted(&mut self) -> bool {
        self.state.get_mut().waiters.is_empty()
    }

    /// Shows the rest, and whether the value has come, to code that is not of others.
    #[inline]
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
