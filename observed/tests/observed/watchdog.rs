//! A watchdog for tests.

use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a test may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Aborts the process if the test takes longer than [`LIMIT`]. Hold it for the whole test.
#[must_use]
pub(crate) fn watchdog() -> Sender<()> {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (done, waits) = channel();
    thread::spawn(move || {
        if waits.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs");
            abort();
        }
    });
    done
}
