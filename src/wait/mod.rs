//! Waiting: the one wait list that serves tokens, deadline slots and the signal hub.
//!
//! * [`places`]: things, each at a place that its owner remembers.
//! * [`list`]: the wakers of who waits.
//! * [`many`]: those who waited in many lists.
//! * [`latch`]: a value that is set once, and who waits for it.
//! * [`rest`]: those who waited, and are woken a few at a time.
//! * [`waiting`]: one who waits, and leaves when dropped.
//! * [`probe`]: the waker that only asks.

#[cfg(test)]
pub(crate) mod count;
mod latch;
mod list;
mod many;
mod places;
mod probe;
#[cfg(feature = "time")]
mod rest;
mod waiting;

pub(crate) use latch::Latch;
pub(crate) use list::{WaitList, Wakers};
pub(crate) use many::ManyWakers;
pub(crate) use places::{Places, Things};
pub(crate) use probe::{is_probe, probe};
#[cfg(feature = "time")]
pub(crate) use rest::Rest;
pub(crate) use waiting::{Latched, Waiting};

/// Guarantee 15: a future that is polled after it has resolved says so.
#[cold]
#[track_caller]
pub(crate) fn polled_after_completion(what: &str) -> ! {
    panic!("`{what}` polled after completion")
}
