//! `SectionLimit`: the time limit of a shield or of clean-up.

use std::task::Context;
use std::time::{Duration, Instant};

use super::Countdown;
use crate::clock;
use crate::poll_context::ask_for_limit;

/// A time limit whose end is known before the limit is polled, so that the shield or clean-up can ask how much time is left.
#[derive(Debug)]
pub(crate) struct SectionLimit {
    length: Duration,
    since: Option<Instant>,
    countdown: Countdown,
}

impl SectionLimit {
    pub(crate) fn lasting(length: Duration) -> Self {
        SectionLimit { length, since: None, countdown: Countdown::lasting(length) }
    }

    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(clock::now)
    }

    /// Starts the limit, unless it has started. Returns its end, or `None` if the end overflows the clock.
    pub(crate) fn start(&mut self) -> Option<Instant> {
        self.since().checked_add(self.length)
    }

    /// Returns whether the limit has passed. If not, the task is woken when it has passed. Starts the limit, unless
    /// it has started.
    ///
    /// The shield or clean-up may be inside the source of an operation. The countdown then offers its end to that operation
    /// as a deadline. This method discards the offer, because the limit cancels only the shield or clean-up.
    pub(crate) fn poll(&mut self, what: &str, cx: &mut Context<'_>) -> bool {
        let since = self.since();
        ask_for_limit(since, || self.countdown.poll(what, cx)).0.is_ready()
    }

    /// Returns whether a poll has found that the limit has passed.
    pub(crate) fn is_done(&self) -> bool {
        self.countdown.is_done()
    }
}
