//! Locks, flags, cells and thread parking: the real ones, or the ones of the loom model checker.
//!
//! No other file names `parking_lot`, `std::sync::atomic` or `loom`, so a build with `--cfg cancelable_loom` checks
//! the code that ships.

#[cfg(not(cancelable_loom))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::AtomicBool as UnmodelledBool;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use std::thread::{Thread, current, park, park_timeout};

    /// Returns a number that no other running thread has.
    #[inline]
    pub(crate) fn this_thread() -> usize {
        thread_local!(static MARK: u8 = const { 0 });
        MARK.with(|mark| std::ptr::from_ref(mark).addr())
    }
}

#[cfg(cancelable_loom)]
mod modelled {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering, fence};
    pub(crate) use loom::thread::{Thread, current, park};

    /// Returns a number that no other running thread has. It comes from loom's thread id, because all threads of a model
    /// share the thread-locals of one real thread.
    pub(crate) fn this_thread() -> usize {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        loom::thread::current().id().hash(&mut hasher);
        hasher.finish() as usize | 1
    }

    /// For counters in statics and for hints, which the model checker does not follow.
    pub(crate) use std::sync::atomic::AtomicU64;

    /// For a flag that the model checker need not follow: if several threads use it at once, all of them only clear it.
    pub(crate) use std::sync::atomic::AtomicBool as UnmodelledBool;

    /// A flag for the model checker.
    ///
    /// Loom remembers only the last access to each object. If a thread reads a flag and then writes it, its own read hides
    /// the earlier read of another thread, and loom never tries the orders in which the write comes first. So each access
    /// also changes a number that is never read: loom then tries both orders of any two accesses. The number is accessed
    /// with relaxed ordering, so it orders nothing by itself.
    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool {
        flag: loom::sync::atomic::AtomicBool,
        accesses: loom::sync::atomic::AtomicUsize,
    }

    impl AtomicBool {
        pub(crate) fn new(value: bool) -> Self {
            AtomicBool {
                flag: loom::sync::atomic::AtomicBool::new(value),
                accesses: loom::sync::atomic::AtomicUsize::new(0),
            }
        }

        pub(crate) fn load(&self, order: Ordering) -> bool {
            self.accesses.fetch_add(1, Ordering::Relaxed);
            self.flag.load(order)
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            self.flag.store(value, order);
            // The number is changed last, so that loom also tries to run other threads between the store and the next step.
            self.accesses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A cell for the model checker: a real cell, and a flag that says whether the value is set.
    ///
    /// Loom follows the flag only. The thread that sets the flag writes the value in the same step, so the flag and the cell
    /// always agree. A thread that comes too late to set the value loads the flag with acquire ordering, and so sees the
    /// value, as with the real cell.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        set: loom::sync::atomic::AtomicBool,
        /// A number that each access changes, as in [`AtomicBool`].
        accesses: loom::sync::atomic::AtomicUsize,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            OnceLock {
                value: std::sync::OnceLock::new(),
                set: loom::sync::atomic::AtomicBool::new(false),
                accesses: loom::sync::atomic::AtomicUsize::new(0),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.accesses.fetch_add(1, Ordering::Relaxed);
            if self.set.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        #[allow(dead_code, reason = "part of the interface of the real cell")]
        pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
            self.value.get_mut()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let first = self
                .set
                .compare_exchange(false, true, Ordering::Release, Ordering::Acquire)
                .is_ok();
            // No other thread runs between the flag and the value.
            let result = if first { self.value.set(value) } else { Err(value) };
            self.accesses.fetch_add(1, Ordering::Relaxed);
            result
        }

        /// The real cell makes other threads wait while `init` runs. Here each thread that finds no value runs its own
        /// `init`, and only the first result is kept. So `init` must have no side effects.
        pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let _ = self.set(init());
            match self.value.get() {
                Some(value) => value,
                None => unreachable!("set by this thread or by one before"),
            }
        }
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            OnceLock::new()
        }
    }

    impl<T: Clone> Clone for OnceLock<T> {
        fn clone(&self) -> Self {
            let clone = OnceLock::new();
            if let Some(value) = self.get() {
                let _ = clone.set(value.clone());
            }
            clone
        }
    }

    impl<T: std::fmt::Debug> std::fmt::Debug for OnceLock<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_tuple("OnceLock").field(&self.get()).finish()
        }
    }

    /// Loom has no clock, so a wait with a limit becomes a wait without one.
    pub(crate) fn park_timeout(_limit: std::time::Duration) {
        park();
    }

    /// The lock of the model checker, with the interface of `parking_lot`, whose locks have no poisoning.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }
}

#[cfg(cancelable_loom)]
pub(crate) use modelled::*;
#[cfg(not(cancelable_loom))]
pub(crate) use real::*;
