//! `Countdown`: the time that a source still has.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::{slot::Slot, slot_of};
use crate::wait::{Waiter, is_probe, polled_after_completion};
use crate::{ambient, clock};

/// A clock that starts when it is first polled, and then runs for a while or until a moment.
///
/// It reads the time once: at the first poll; or not at all, where the operation around it has just
/// read it. Only one that is lent from race to race reads it again.
#[derive(Debug)]
pub(crate) struct Countdown {
    /// How long it runs. Where the end is what is known, the first poll fills it in.
    length: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not polled yet.
    Stopped,
    /// Not polled yet, and the end is known.
    Until(Instant),
    /// The clock runs; nothing is registered. After a first look that is where most of them end.
    Running { since: Instant },
    /// The clock runs, and the slot will wake it.
    Registered(Waiter<Arc<Slot>>),
    /// The end is past what the clock can tell.
    Never,
    /// It has run out.
    Done,
}

impl Countdown {
    /// Runs for `length` from the first poll.
    #[inline]
    pub(crate) fn lasting(length: Duration) -> Self {
        Countdown { length, state: State::Stopped }
    }

    /// Runs until `at`.
    #[inline]
    pub(crate) fn until(at: Instant) -> Self {
        Countdown { length: Duration::ZERO, state: State::Until(at) }
    }

    /// Ready with the length of the countdown once it has run out. `what` names the future in the
    /// panic of guarantee 15.
    #[inline(always)]
    pub(crate) fn poll(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        match &self.state {
            State::Registered(slot) if slot.is_unchanged(cx) => Poll::Pending,
            _ => self.poll_changed(what, cx),
        }
    }

    /// All polls but those that find nothing new. Apart, so that those are small enough to become
    /// part of the poll of whatever waits.
    #[inline(never)]
    fn poll_changed(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        match self.state {
            State::Stopped => self.poll_stopped(what, cx),
            _ => self.poll_started(what, cx),
        }
    }

    /// The first poll, which starts the clock. Mostly it is only a look, and there is no other poll: so it
    /// is apart, and small.
    #[inline(never)]
    fn poll_stopped(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.begin().is_none() {
            return self.run_out();
        }
        if is_probe(cx.waker()) { Poll::Pending } else { self.poll_started(what, cx) }
    }

    #[inline(never)]
    fn poll_started(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        let looks = is_probe(cx.waker());
        let since = match &mut self.state {
            State::Registered(_) => return self.poll_slot(what, cx),
            State::Running { since } => {
                // It is looked at for the first time again: it was lent to another race before,
                // whose work needed no waiting. Only the clock knows whether it has run out.
                let since = *since;
                if looks && clock::now().saturating_duration_since(since) >= self.length {
                    return self.run_out();
                }
                if ambient::asked_since().is_some() {
                    self.offer(since);
                }
                since
            }
            State::Never => return Poll::Pending,
            State::Done => polled_after_completion(what),
            State::Stopped => unreachable!("the clock runs"),
            State::Until(at) => {
                let asked = ambient::asked_since();
                let now = asked.unwrap_or_else(clock::now);
                self.length = at.saturating_duration_since(now);
                if self.length.is_zero() {
                    return self.run_out();
                }
                self.start(now, asked)
            }
        };
        if looks {
            return Poll::Pending;
        }
        let Some(slot) = slot_of(since, self.length) else {
            self.state = State::Never;
            return Poll::Pending;
        };
        let mut slot = Waiter::new(slot);
        let entered = slot.register(cx);
        self.state = State::Registered(slot);
        if entered { Poll::Pending } else { self.poll_slot(what, cx) }
    }

    fn poll_slot(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        let State::Registered(slot) = &mut self.state else { unreachable!("it has a slot") };
        ready!(slot.poll(what, cx, |()| ()));
        slot.has_latch().wake_next();
        self.run_out()
    }

    /// Starts the clock and tells when. `None` where there is nothing to run, which needs no clock.
    #[inline(always)]
    fn begin(&mut self) -> Option<Instant> {
        if self.length.is_zero() {
            return None;
        }
        let asked = ambient::asked_since();
        Some(self.start(asked.unwrap_or_else(clock::now), asked))
    }

    #[inline(always)]
    fn start(&mut self, since: Instant, asked: Option<Instant>) -> Instant {
        if asked.is_some() {
            self.offer(since);
        }
        self.state = State::Running { since };
        since
    }

    /// Tells the operation around when its time will be over.
    #[inline(never)]
    fn offer(&self, since: Instant) {
        if let Some(at) = since.checked_add(self.length) {
            ambient::offer_limit(at);
        }
    }

    fn run_out(&mut self) -> Poll<Duration> {
        self.state = State::Done;
        Poll::Ready(self.length)
    }

    /// Whether it has run out.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}
