//! `Countdown`: the time limit that sources, grace periods and pauses hold.

use std::cell::Cell;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::registration::Registration;
#[cfg(feature = "testing")]
use super::test_slot::{TestClock, TestSlot};
#[cfg(feature = "testing")]
use super::virtual_time;
use super::wheel::Wheel;
#[cfg(feature = "testing")]
use crate::wait::Waiter;
use crate::wait::{is_probe, polled_after_completion};
use crate::{clock, poll_context};

thread_local! {
    /// The number of times that a limit has registered with a slot on this thread.
    static REGISTERED: Cell<usize> = const { Cell::new(0) };

    /// The end and the length of the limit that fired last on this thread. [`take_fired`] takes them.
    static FIRED: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// Returns the number of times that a limit has registered on this thread. If the number grows while a source is polled,
/// the source holds a limit.
pub(crate) fn registered_limits() -> usize {
    REGISTERED.get()
}

/// Takes the end and the length of the limit that fired last on this thread.
pub(crate) fn take_fired() -> Option<(Instant, Duration)> {
    FIRED.take()
}

/// Stores the end and the length of a limit for [`take_fired`]. The limit has fired on this thread and is not a
/// [`Countdown`].
pub(crate) fn note_fired(end: Instant, length: Duration) {
    FIRED.set(Some((end, length)));
}

/// A time limit that starts at its first poll, and lasts for a given length or until a given instant.
///
/// The limit reads the clock at its first poll and when it fires. If the first poll is part of an operation's first poll, the
/// limit does not read the clock then: it starts at the time at which the operation starts.
#[derive(Debug)]
pub(crate) struct Countdown {
    /// How long the limit lasts. If the end was given instead, the first poll computes the length.
    length: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not polled yet.
    New,
    /// Not polled yet, and the end is given.
    Until(Instant),
    /// Started, but not registered. The first poll of a source uses the probe, a waker for which nothing is registered. Most
    /// limits are dropped after that poll, in this state.
    Running {
        since: Instant,
    },
    /// Waits for its slot.
    Registered(Registration),
    /// Waits for the clock of a test.
    #[cfg(feature = "testing")]
    TestClock(Waiter<Arc<TestSlot>>),
    /// The end overflows the clock, or the limit could not be registered.
    Never,
    Done,
}

impl Countdown {
    /// Creates a limit that lasts for `length` from the first poll.
    #[inline]
    pub(crate) fn lasting(length: Duration) -> Self {
        Countdown { length, state: State::New }
    }

    /// Creates a limit that lasts until `at`.
    #[inline]
    pub(crate) fn until(at: Instant) -> Self {
        Countdown { length: Duration::ZERO, state: State::Until(at) }
    }

    /// Starts the limit now instead of at its first poll. Does nothing if the limit has started, or if its end was given.
    pub(crate) fn start_now(&mut self) {
        // A limit of zero fires in its first poll anyway.
        if matches!(self.state, State::New) && !self.length.is_zero() {
            self.state = State::Running { since: clock::now() };
        }
    }

    /// Resolves to the length of the limit once it has passed. `what` is the name of the future in the panic message
    /// of a poll after completion (guarantee 15).
    ///
    /// # Panics
    ///
    /// Panics if the reactor cannot be created. Only one poll panics. After that, the limit never fires.
    #[inline(always)]
    pub(crate) fn poll(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        match &self.state {
            State::Registered(registered) if registered.is_unchanged(cx) => Poll::Pending,
            _ => self.poll_slow(what, cx),
        }
    }

    // Not inlined, so that the fast path is small enough to be inlined into the poll of the race. This function only jumps to
    // the functions that it calls, so it saves no registers.
    #[inline(never)]
    fn poll_slow(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        match self.state {
            State::New if is_probe(cx.waker()) && !self.length.is_zero() => self.start(),
            State::Running { since } if !is_probe(cx.waker()) => self.register(what, since, cx),
            _ => self.poll_rare(what, cx),
        }
    }

    /// Handles the first poll of a new limit with the probe. Most limits are dropped after that poll.
    #[inline(never)]
    fn start(&mut self) -> Poll<Duration> {
        let operation_start = poll_context::operation_start();
        let since = operation_start.unwrap_or_else(clock::now);
        // The compiler sees that a new limit has no slot to leave.
        if let State::New = self.state {
            self.state = State::Running { since };
        }
        if operation_start.is_some() {
            self.offer(since);
        }
        Poll::Pending
    }

    #[inline(never)]
    fn poll_rare(&mut self, what: &str, cx: &mut Context<'_>) -> Poll<Duration> {
        let is_probe = is_probe(cx.waker());
        let since = match &mut self.state {
            State::Registered(registered) => {
                if !registered.has_fired() && (is_probe || registered.replace(cx)) {
                    return Poll::Pending;
                }
                let end = registered.end();
                return self.fire(end);
            }
            #[cfg(feature = "testing")]
            State::TestClock(slot) => {
                if slot.poll(what, cx, |()| ()).is_pending() {
                    return Poll::Pending;
                }
                let end = slot.latched().end();
                return self.fire(Some(end));
            }
            State::Running { since } => {
                let since = *since;
                // A second poll with the probe means that an earlier race borrowed this limit, and that the work of that race
                // was ready at once. The limit has no slot that would show whether it has passed, so read the clock.
                if is_probe && clock::now().saturating_duration_since(since) >= self.length {
                    return self.finish();
                }
                since
            }
            State::New | State::Until(_) => {
                let now = poll_context::operation_start().unwrap_or_else(clock::now);
                if let State::Until(at) = self.state {
                    self.length = at.saturating_duration_since(now);
                }
                if self.length.is_zero() {
                    return self.finish();
                }
                self.state = State::Running { since: now };
                now
            }
            State::Never => return Poll::Pending,
            State::Done => polled_after_completion(what),
        };
        if !is_probe {
            return self.register(what, since, cx);
        }
        if poll_context::operation_start().is_some() {
            self.offer(since);
        }
        Poll::Pending
    }

    #[inline(never)]
    fn register(&mut self, what: &str, since: Instant, cx: &mut Context<'_>) -> Poll<Duration> {
        if poll_context::operation_start().is_some() {
            self.offer(since);
        }
        REGISTERED.set(REGISTERED.get() + 1);
        #[cfg(feature = "testing")]
        if self.follows_test_clock(since) {
            return self.poll_rare(what, cx);
        }
        // Cloning runs user code. If it panics, this limit is unchanged.
        let waker = cx.waker().clone();
        // If the reactor cannot be created, `Registration::new` panics. If the caller catches the panic and polls again, the
        // next poll must not panic.
        self.state = State::Never;
        let Some(registered) = Registration::new(since, self.length, waker) else {
            return Poll::Pending;
        };
        let has_fired = registered.has_fired();
        self.state = State::Registered(registered);
        // The slot may have fired before this thread registered.
        if has_fired { self.poll_rare(what, cx) } else { Poll::Pending }
    }

    /// Returns false if the limit passes in real time. Otherwise prepares the limit for the clock of a test.
    #[cfg(feature = "testing")]
    fn follows_test_clock(&mut self, since: Instant) -> bool {
        // As in `register`: if setting a timer panics, only one poll panics.
        self.state = State::Never;
        match virtual_time::clock_of(since, self.length) {
            TestClock::Real => {
                self.state = State::Running { since };
                return false;
            }
            TestClock::Follows(slot) => self.state = State::TestClock(Waiter::new(slot)),
            TestClock::Never => {}
        }
        true
    }

    /// Resolves the limit, whose slot has fired and ended at `end`.
    fn fire(&mut self, end: Option<Instant>) -> Poll<Duration> {
        FIRED.set(end.map(|end| (end, self.length)));
        // This thread belongs to an executor. So it also fires other limits that are due, and wakes more tasks of the
        // backlog.
        Wheel::shared().drive_after_firing(clock::real());
        self.finish()
    }

    /// Offers the end of the limit, as a deadline, to the operation that is polling its source.
    #[inline(never)]
    fn offer(&self, since: Instant) {
        if let Some(at) = since.checked_add(self.length) {
            poll_context::offer_limit(at);
        }
    }

    fn finish(&mut self) -> Poll<Duration> {
        self.state = State::Done;
        Poll::Ready(self.length)
    }

    /// Returns true if the slot of the limit has this waker and has not fired.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, cx: &Context<'_>) -> bool {
        matches!(&self.state, State::Registered(registered) if registered.is_unchanged(cx))
    }

    /// Returns true if the limit has fired.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::wait::{CountWakes, probe};
    use std::sync::Arc;
    use std::task::Waker;

    const HOUR: Duration = Duration::from_secs(3600);

    fn polled(limit: &mut Countdown, waker: &Waker) -> Poll<Duration> {
        limit.poll("limit", &mut Context::from_waker(waker))
    }

    #[test]
    fn waker_is_replaced_and_removed() {
        let counts = [(); 2].map(|()| Arc::new(CountWakes::default()));
        let wakers = counts.each_ref().map(|count| Waker::from(count.clone()));
        let held = || counts.each_ref().map(Arc::strong_count);
        let mut limit = Countdown::lasting(HOUR);
        for waker in [probe(), &wakers[0], &wakers[0], probe()] {
            assert_eq!(polled(&mut limit, waker), Poll::Pending);
        }
        assert!(limit.is_unchanged(&Context::from_waker(&wakers[0])));
        assert_eq!(held(), [3, 2]);
        assert_eq!(polled(&mut limit, &wakers[1]), Poll::Pending);
        assert!(limit.is_unchanged(&Context::from_waker(&wakers[1])));
        assert_eq!(held(), [2, 3]);
        drop(limit);
        assert_eq!(held(), [2, 2]);
    }
}
