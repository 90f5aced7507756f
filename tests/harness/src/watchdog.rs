//! `watchdog`: makes a test that hangs a failure.

use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::random::cases_times;

/// How long a test may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Aborts the process if the test takes longer than [`LIMIT`], so that a hang is a failure.
///
/// Hold it for the whole test: `let _watchdog = watchdog();`.
#[must_use]
pub fn watchdog() -> Watchdog {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (done, waits) = channel::<()>();
    thread::spawn(move || {
        let limit = LIMIT * cases_times();
        if waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs: no end after {limit:?}");
            abort();
        }
    });
    Watchdog { _done: done }
}

/// Dropping it stops the watchdog.
#[derive(Debug)]
pub struct Watchdog {
    _done: Sender<()>,
}
