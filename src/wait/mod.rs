//! Waiting for something that happens once.
//!
//! * [`latch`]: a value that is set once, and the wait list of the tasks that wait for it. For example, tokens, signals,
//!   operations and registries use it.
//! * [`waiter`]: one waiting future, which leaves the wait list when it is dropped.
//! * [`wakers`]: wakers in a wait list, and wakers that were taken out of one or more lists.
//! * [`blocking`]: blocking a thread until a latch is set.
//! * [`slab`]: values with stable indices.
//! * [`waker_slot`]: a place for one waker.
//! * [`probe`]: the waker for a poll that only asks whether a source has fired.

mod blocking;
mod latch;
mod probe;
mod slab;
mod waiter;
mod waker_slot;
mod wakers;

pub(crate) use blocking::{block_on, blocking_wait, blocking_wait_timeout};
pub(crate) use latch::Latch;
pub(crate) use probe::{is_probe, probe};
pub(crate) use slab::Slab;
#[cfg(feature = "time")]
pub(crate) use waiter::WakerId;
pub(crate) use waiter::{HasLatch, Waiter};
pub(crate) use waker_slot::WakerSlot;
#[cfg(all(test, feature = "time", not(cancelable_loom)))]
pub(crate) use wakers::CountWakes;
#[cfg(feature = "time")]
pub(crate) use wakers::wake_each;
pub(crate) use wakers::{WaitList, WakeBatch, Wakers};

/// Panics because a future was polled after it had resolved (guarantee 15).
#[cold]
#[track_caller]
pub(crate) fn polled_after_completion(what: &str) -> ! {
    panic!("`{what}` polled after completion")
}
