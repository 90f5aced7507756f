//! `Countdown`: the time limit that sources, grace periods and pauses hold.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::slot::Slot;
use super::slot_of;
use super::wheel::Wheel;
use crate::wait::{Waiter, is_probe, polled_after_completion};
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
    Registered(Waiter<Arc<Slot>>),
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
            State::Registered(slot) if slot.is_unchanged(cx) => Poll::Pending,
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
            State::Registered(slot) => {
                ready!(slot.poll(what, cx, |()| ()));
                FIRED.set(Some((slot.latched().end(), self.length)));
                // This thread belongs to an executor. So it also fires other limits that are due, and wakes more tasks of
                // the backlog.
                Wheel::shared().drive_after_firing(clock::real());
                return self.finish();
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
        // If the reactor cannot be created, `slot_of` panics. If the caller catches the panic and polls again, the next
        // poll must not panic.
        self.state = State::Never;
        REGISTERED.set(REGISTERED.get() + 1);
        let Some(slot) = slot_of(since, self.length) else { return Poll::Pending };
        // The waiter is stored before it registers, because it is costly to move.
        self.state = State::Registered(Waiter::new(slot));
        if let State::Registered(slot) = &mut self.state {
            if slot.register(cx) {
                return Poll::Pending;
            }
        }
        // Another thread has fired the slot before this one registered.
        self.poll_rare(what, cx)
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
        matches!(&self.state, State::Registered(slot) if slot.is_unchanged(cx))
    }

    /// Returns true if the limit has fired.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::wait::{CountWakes, HasLatch};
    use std::task::Waker;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Returns a limit that has stored its slot, but has not registered a waker with it. A limit is in this state just
    /// before it registers, and also if cloning the waker panicked.
    fn not_registered(slot: &Arc<Slot>) -> Countdown {
        Countdown { length: HOUR, state: State::Registered(Waiter::new(slot.clone())) }
    }

    fn fire(slot: &Arc<Slot>) {
        slot.latch().set(()).unwrap().wake_all();
    }

    #[test]
    fn waker_that_could_not_be_cloned_is_registered_later() {
        let (slot, count) = (Slot::new(clock::now() + HOUR), Arc::new(CountWakes::default()));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut limit = not_registered(&slot);
        assert!(!limit.is_unchanged(&cx));
        assert_eq!(limit.poll("limit", &mut cx), Poll::Pending);
        assert!(limit.is_unchanged(&cx));
        fire(&slot);
        assert_eq!(count.get(), 1);
        assert_eq!(limit.poll("limit", &mut cx), Poll::Ready(HOUR));
        assert!(limit.is_done());
    }

    #[test]
    fn slot_that_fires_before_the_registration_is_noticed() {
        let slot = Slot::new(clock::now() + HOUR);
        let mut limit = not_registered(&slot);
        fire(&slot);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(limit.poll("limit", &mut cx), Poll::Ready(HOUR));
        assert!(limit.is_done());
        drop(limit);
        assert_eq!(Arc::strong_count(&slot), 1);
    }
}
