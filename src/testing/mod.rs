//! Tools for testing code that is cancelled: virtual time, cancellation at every await, recordings.
//!
//! Enable the feature `testing` in your `dev-dependencies`. The tools need no runtime. The feature also enables the feature
//! `time`, and adds no other dependency.
//!
//! * [`pause`] stops the clock of this thread. You advance the clock, or it advances by itself when no future can continue.
//!   [`run`] pauses the clock and runs one future.
//! * [`follow_tokio_clock`] makes the time limits of this crate follow tokio's clock, for tests that pause that clock. It
//!   needs the feature `testing-tokio`.
//! * [`cancel_at_every_await`] and [`drop_at_every_await`] create the same operation again and again, and cancel or drop it
//!   at a different await each time. [`cancel_at_poll`] cancels at one await only.
//! * [`Recorder`] records the events of operations as lines of text, and compares them with the lines that you
//!   expect.
//! * [`Scenario`] is a script for one operation, such as "cancel it after 20 ms, and expect that it is cancelled".
//! * [`CancelCalls`] counts the calls that cancel a token.
//! * [`Wakes`] is a waker that counts its wakes, for polling by hand.
//! * [`slow_stream`] yields items with pauses in between.
//! * [`Network`] delivers text or bytes as a network does: in chunks, with bursts and stalls.
//!
//! If an expectation is not met, these tools panic with a message that says what happened instead.
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

mod awaits;
mod cancel_calls;
mod diff;
mod event;
mod network;
mod recorder;
mod scenario;
mod slow;
mod steps;
mod task;
mod time;
#[cfg(feature = "testing-tokio")]
mod tokio_clock;
mod wakes;

pub use awaits::{At, cancel_at_every_await, cancel_at_poll, drop_at_every_await};
pub use cancel_calls::CancelCalls;
pub use event::{Event, EventKind};
pub use network::{
    InvalidNetwork, Network, NetworkEvent, NetworkEvents, NetworkInput, NetworkStream,
};
pub use recorder::{Recorder, Watched};
pub use scenario::Scenario;
pub use slow::{SlowStream, slow_stream};
pub use time::{PausedTime, pause, run};
#[cfg(feature = "testing-tokio")]
pub use tokio_clock::{FollowedClock, follow_tokio_clock};
pub use wakes::Wakes;
