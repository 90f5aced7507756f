//! The test kit: virtual time, cuts at every await, the recorder, scenarios and the counting waker.

#![cfg(feature = "testing")]

mod support;

#[path = "testing/at_poll.rs"]
mod at_poll;
#[path = "testing/awaits.rs"]
mod awaits;
#[path = "testing/block_on.rs"]
mod block_on;
#[path = "testing/everything.rs"]
mod everything;
#[path = "testing/limits_elsewhere.rs"]
mod limits_elsewhere;
#[path = "testing/recorder.rs"]
mod recorder;
#[path = "testing/resume.rs"]
mod resume;
#[path = "testing/scenario.rs"]
mod scenario;
#[path = "testing/slow.rs"]
mod slow;
#[path = "testing/time.rs"]
mod time;
#[path = "testing/wakes.rs"]
mod wakes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What `f` says when it panics.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it did not panic") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
    }
}
