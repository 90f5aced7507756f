//! Time limits, which share deadline slots.
//!
//! Time limits almost never fire, so they are made cheap to set and to drop. The end of a limit is rounded up to the end of
//! a slot. For limits of up to four seconds, a slot is a millisecond wide. For longer limits, its width is at most 1/512 of
//! the limit's length. All limits that end in the same slot share one wait list. All slots share one timer of the reactor,
//! which is set for the slot that ends first. The wheel owns the slots and their lists. A limit keeps only its place there.
//!
//! * [`tick`]: the times at which slots end.
//! * [`wheel`]: the slots that have not fired, their wait lists, and the threads that fire them.
//! * [`slot_cache`]: the slots that a thread has found most recently.
//! * [`registration`]: the waker of a limit in the list of its slot.
//! * [`backlog`]: the tasks of fired slots that have not been woken yet.
//! * [`alarm`]: one timer of the reactor.
//! * [`countdown`]: the time limit that sources hold.
//! * [`section_limit`]: the time limit of a shield or of clean-up.
//! * [`test_slot`]: with the feature `testing`, the end of a limit that follows the clock of a test.
//! * [`virtual_time`]: with the feature `testing`, the limits of a thread on which time is paused.
//! * [`tokio_time`]: with the feature `testing-tokio`, the limits of a thread that follows tokio's clock.

mod alarm;
mod backlog;
mod countdown;
#[cfg(all(test, cancelable_loom))]
mod loom_tests;
mod registration;
mod section_limit;
mod slot_cache;
#[cfg(feature = "testing")]
mod test_slot;
mod tick;
#[cfg(feature = "testing-tokio")]
mod tokio_time;
#[cfg(feature = "testing")]
pub(crate) mod virtual_time;
mod wheel;

pub(crate) use countdown::{Countdown, note_fired, registered_limits, take_fired};
pub(crate) use section_limit::SectionLimit;
