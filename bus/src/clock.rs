//! `Clock`: measures time with the clock of the time limits of `cancelable`, so that time is virtual in tests.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::Limit;

/// Longer than any process runs, and short enough for every clock.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Creates a limit and starts it at once. Otherwise its time would start when it is first awaited.
pub(crate) fn started(length: Duration) -> Limit {
    let limit = Limit::after(length);
    let _ = pin!(limit.reached()).poll(&mut Context::from_waker(Waker::noop()));
    limit
}

#[derive(Debug)]
pub(crate) struct Clock(Limit);

impl Clock {
    pub(crate) fn start() -> Self {
        Clock(started(CENTURY))
    }

    /// Returns the time since the start.
    pub(crate) fn now(&self) -> Duration {
        CENTURY.saturating_sub(self.0.remaining().unwrap_or_default())
    }
}
