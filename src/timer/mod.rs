//! Time limits, which share deadline slots.
//!
//! Time limits almost never fire, so they are made cheap to set and to drop. The end of a limit is rounded up to the end of
//! a slot. For limits of up to four seconds, a slot is a millisecond wide. For longer limits, its width is at most 1/512 of
//! the limit's length. All limits that end in the same slot share one wait list. All slots share one timer of the reactor,
//! which is set for the slot that ends first.
//!
//! * [`tick`]: the times at which slots end.
//! * [`slot`]: a point in time, and the wait list of the limits that end then.
//! * [`slot_cache`]: the slots that a thread has found most recently.
//! * [`wheel`]: the slots that have not fired, and the threads that fire them.
//! * [`backlog`]: the tasks of fired slots that have not been woken yet.
//! * [`alarm`]: one timer of the reactor.
//! * [`countdown`]: the time limit that sources hold.
//! * [`section_limit`]: the time limit of a shield or of clean-up.
//! * [`virtual_time`]: with the feature `testing`, the limits of a thread on which time is paused.
//! * [`tokio_time`]: with the feature `testing-tokio`, the limits of a thread that follows tokio's clock.

mod alarm;
mod backlog;
mod countdown;
#[cfg(all(test, cancelable_loom))]
mod loom_tests;
mod section_limit;
mod slot;
mod slot_cache;
mod tick;
#[cfg(feature = "testing-tokio")]
mod tokio_time;
#[cfg(feature = "testing")]
pub(crate) mod virtual_time;
mod wheel;

pub(crate) use countdown::{Countdown, note_fired, registered_limits, take_fired};
pub(crate) use section_limit::SectionLimit;
#[cfg(not(feature = "testing"))]
use slot_cache::slot as slot_of;
#[cfg(feature = "testing")]
use virtual_time::slot as slot_of;
