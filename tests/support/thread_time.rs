//! The processor time of a thread, for tests that check how a cost grows.

use std::time::Duration;

/// Runs `f` and returns the processor time that this thread used for it. Unlike the time on a clock, this does not include
/// the time in which other threads and programs ran.
#[cfg(unix)]
pub fn computing(f: impl FnOnce()) -> Duration {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    };
    let before = now();
    f();
    now() - before
}

/// On other platforms, returns the time on the clock.
#[cfg(not(unix))]
pub fn computing(f: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    f();
    start.elapsed()
}
