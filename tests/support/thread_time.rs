//! The time that a thread computes, for tests of how a cost grows.

use std::time::Duration;

/// Runs `f` and returns how long this thread computed meanwhile. Unlike the time on a clock, this does not include the
/// turns of other threads and programs.
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

/// Other platforms have only the clock.
#[cfg(not(unix))]
pub fn computing(f: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    f();
    start.elapsed()
}
