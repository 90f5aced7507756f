//! The test kit: virtual time, cancellation at every await, recorder, scenarios, counting waker.

#![cfg(feature = "testing")]

#[path = "../support/mod.rs"]
mod support;

mod at_poll;
mod awaits;
mod block_on;
mod cancel_calls;
mod everything;
mod limits_elsewhere;
mod network;
mod recorder;
mod resume;
mod scenario;
mod slow;
mod time;
mod wakes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Returns the message of the panic of `f`.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it did not panic") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
    }
}
