//! `Latch`: a value that is set once, and the wait list of the tasks that wait for it.
//!
//! 1. The latch is set at most once, and the flag says whether it is. The flag changes only under the lock.
//! 2. The wakers that are in the list when the flag is set are woken, after the lock is released.
//! 3. No waker enters the list once the flag is set.
//!
//! No wake-up is lost. A waiter looks at the flag and enters the list under one lock. If the flag was set before, the
//! waiter sees it. If the flag is set later, the thread that sets it takes the same lock and finds the waiter in the
//! list.
//!
//! Reading takes no lock. The value is written before the flag is stored with release ordering, so a thread that loads the
//! flag with acquire ordering sees the value. A latch may also be set without a value. For example, if a child token is
//! cancelled with its parent, the reason is stored in an ancestor. The latch of the child then has no value at first, and
//! may get one later.

use std::sync::OnceLock;
use std::task::Waker;

use super::wakers::{WaitList, Wakers};
use crate::panic::discard;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// A value that is set once. `X` is other state that the same lock guards.
// The fields that a poll and a registration use come first, so that they share a cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Latch<T, X = ()> {
    set: AtomicBool,
    state: Mutex<State<X>>,
    value: OnceLock<T>,
}

#[derive(Debug, Default)]
#[repr(C)]
struct State<X> {
    waiters: WaitList,
    extra: X,
}

impl<T, X: Default> Default for Latch<T, X> {
    #[inline]
    fn default() -> Self {
        Latch { set: AtomicBool::new(false), value: OnceLock::new(), state: Mutex::default() }
    }
}

impl<T, X: Default> Latch<T, X> {
    pub(crate) fn new() -> Self {
        Latch::default()
    }
}

impl<T, X> Latch<T, X> {
    /// Returns true if the latch is set. Lock-free.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Like [`is_set`](Self::is_set), but relaxed: call `is_set` before reading the value.
    ///
    /// After a relaxed load, the compiler can keep the task's waker in registers while the task polls one source after the
    /// other. A task that was woken still sees the flag, because the flag was set before the wake-up.
    #[inline]
    pub(crate) fn is_set_relaxed(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Returns the value, if the latch is set and has one. Lock-free.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set() { self.value.get() } else { None }
    }

    /// Sets the value and returns the waiters. Returns `None` if the latch was set before.
    ///
    /// The caller wakes the waiters once it holds no lock.
    pub(crate) fn set(&self, value: T) -> Option<Wakers> {
        self.set_with(Some(value), |waiters, _| Wakers::of(waiters))
    }

    /// Sets the latch and returns the result of `take`. Returns `None` if the latch was set before.
    ///
    /// `take` runs under the lock and must take all waiters out of the list. If `value` is `None`, the latch is set
    /// but has no value until one is [filled in](Self::fill).
    #[inline]
    pub(crate) fn set_with<R>(
        &self,
        value: Option<T>,
        take: impl FnOnce(&mut WaitList, &mut X) -> R,
    ) -> Option<R> {
        // A latch that is set stays set, so there is no need to wait for the lock.
        if self.is_set() {
            return None;
        }
        let mut state = self.state.lock();
        // The flag changes only under this lock, so relaxed is enough here and below.
        if self.set.load(Ordering::Relaxed) {
            drop(state);
            // The value may hold user code with a destructor, so it is dropped after the lock is released.
            drop(value);
            return None;
        }
        if let Some(value) = value {
            self.fill(value);
        }
        self.set.store(true, Ordering::Release);
        // The list is taken before the lock is released, so it holds every waker that found the flag unset (2).
        let State { waiters, extra } = &mut *state;
        Some(take(waiters, extra))
    }

    /// Fills in a value that was left out. If two threads fill it in at once, both have the same value, and one of
    /// the two is dropped.
    pub(crate) fn fill(&self, value: T) {
        let superfluous = self.value.set(value);
        drop(superfluous);
    }

    /// Runs `f` under the lock, and passes it the extra state and whether the latch is set. `f` must not run user code.
    #[inline]
    pub(crate) fn with_extra<R>(&self, f: impl FnOnce(&mut X, bool) -> R) -> R {
        let mut state = self.state.lock();
        let is_set = self.set.load(Ordering::Relaxed);
        f(&mut state.extra, is_set)
    }

    /// Puts a waker into the wait list, and returns its index. If `index` is given, the waker replaces the one at that
    /// index. Returns `None` if the latch is set.
    ///
    /// The caller passes a clone of its waker, because cloning runs user code and must happen before the lock is taken.
    #[inline(always)]
    pub(crate) fn register(&self, index: Option<usize>, waker: Waker) -> Option<usize> {
        let mut state = self.state.lock();
        // Checking the flag without the lock is not enough: another thread could set it and take the list before this
        // waker is in the list (3).
        if self.set.load(Ordering::Relaxed) {
            // The waker is dropped when this function returns, after the lock is released.
            drop(state);
            return None;
        }
        let Some(index) = index else { return Some(state.waiters.insert(waker)) };
        let replaced = state.waiters.replace(index, waker);
        drop(state);
        discard(replaced);
        Some(index)
    }

    /// Takes a waker out of the wait list. Does nothing if the latch is set, because the list is empty then.
    pub(super) fn unregister(&self, index: usize) {
        if !self.is_set() {
            // If the latch is set after this check, the list is empty by the time this thread gets the lock, and
            // stays empty (3). Then there is nothing to remove. The lock is released at the end of this statement,
            // before the waker is dropped.
            let removed = self.state.lock().waiters.remove(index);
            discard(removed);
        }
    }
}
