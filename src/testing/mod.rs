//! For tests of code that is cancelled: virtual time, a cut at every await, and what happened.
//!
//! Feature `testing`: for your `dev-dependencies`. It needs no runtime, and no dependency but that of
//! the feature `time`, which it switches on.
//!
//! * [`pause`]: time stands still on this thread, and goes on when you say so, or by itself where
//!   nothing else is left to do. [`run`] is the short form.
//! * [`cancel_at_every_await`] and [`drop_at_every_await`]: the same run again and again, cut at
//!   another await each time. [`cancel_at_poll`]: one of these places.
//! * [`Recorder`]: what operations did, and when, as lines to compare with.
//! * [`Scenario`]: "after 20 ms, cancel; it was cancelled" in one line.
//! * [`Wakes`]: a waker that counts, for polling by hand.
//! * [`slow_stream`]: items with pauses in between, to have something to cancel.
//!
//! These are for tests: where an expectation does not hold, they panic and say what happened
//! instead.
//!
//! # Examples
//!
//! An hour passes in no time:
//!
//! ```
//! use cancelable::prelude::*;
//! use cancelable::testing;
//! use std::time::Duration;
//!
//! let hour = Duration::from_secs(3600);
//! let outcome = testing::run(std::future::pending::<()>().cancelable(timeout(hour)));
//! assert_eq!(outcome.unwrap_err().reason(), &Reason::timeout(hour));
//! ```

mod at_poll;
mod awaits;
mod diff;
mod event;
mod recorder;
mod scenario;
mod slow;
mod steps;
mod task;
mod time;
mod transcript;
mod wakes;

pub use at_poll::cancel_at_poll;
pub use awaits::{At, cancel_at_every_await, drop_at_every_await};
pub use event::{Event, EventKind};
pub use recorder::{Recorder, Watched};
pub use scenario::Scenario;
pub use slow::{SlowStream, slow_stream};
pub use time::{PausedTime, pause, run};
pub use wakes::Wakes;
