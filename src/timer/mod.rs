//! Shared deadline slots.
//!
//! Time limits almost never strike, so they are made cheap to set and to drop. A limit is rounded up
//! to the end of a slot, whose width is less than 1/512 of the limit's length. All limits that end in
//! the same slot share one wait list. All slots share one timer of the reactor, which is set for the
//! first of them.
//!
//! * [`alarm`]: one timer of the reactor.
//! * [`slot`]: a moment, and those who wait for it.
//! * [`tick`]: at which moments slots end.
//! * [`wheel`]: which slots there are, and the alarm of the first.
//! * [`last`]: the slots that a thread found last.
//! * [`countdown`]: what a source of this crate holds.
//!
//! With the feature `testing`, a thread on which time is paused has slots of its own.

mod alarm;
mod countdown;
#[cfg(all(test, cancelable_loom))]
mod loom_tests;
mod slot;
mod slot_cache;
mod tick;
#[cfg(feature = "testing")]
pub(crate) mod virtual_time;
mod wheel;

pub(crate) use countdown::Countdown;
#[cfg(not(feature = "testing"))]
use slot_cache::slot as slot_of;
#[cfg(feature = "testing")]
use virtual_time::slot as slot_of;
