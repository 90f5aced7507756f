//! `Task`: a future that is driven on this thread, by virtual time and by whoever wakes it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, Ordering, Thread, current, park_timeout};
use crate::timer::virtual_time;
use crate::{ambient, clock};

/// After every so many jumps of the clock, somebody looks whether it runs in a circle.
const MANY_JUMPS: u64 = 100_000;

/// After every so many polls without a rest, somebody looks whether it keeps the clock from moving.
const MANY_POLLS: u64 = 100_000;

/// A future, and whether it was woken.
pub(super) struct Task<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    waker: Waker,
    polls: usize,
    /// How often it has moved the clock.
    jumps: u64,
    /// When it began, on the clock of the machine.
    since: Instant,
    /// How often it was polled since nothing had woken it, and when somebody first counted many.
    restless: (u64, Option<Instant>),
}

/// Why a task cannot go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stuck {
    /// Nothing has woken it for so long.
    Idle(Duration),
    /// Nothing has woken it for so long, and the clock, with a limit on it, is not to move.
    Still(Duration),
    /// The clock has jumped all too often.
    Circle(u64),
    /// It was polled all too often while the clock stood still, with a limit on it.
    Restless(u64),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Idle(patience) => write!(
                f,
                "nothing will ever wake this future: it is pending, no limit runs on the virtual \
                 clock, and no other thread has woken it for {patience:?}"
            ),
            Stuck::Still(patience) => write!(
                f,
                "nothing will ever wake this future: it is pending, auto-advance is off, so that the \
                 limits on the virtual clock do not come, and no other thread has woken it for \
                 {patience:?}"
            ),
            Stuck::Circle(jumps) => write!(
                f,
                "this future waits without end: it is pending after {jumps} moves of the virtual \
                 clock"
            ),
            Stuck::Restless(polls) => write!(
                f,
                "this future does not rest: {polls} polls in a row have woken it, and while it is \
                 woken the virtual clock does not move to the next limit"
            ),
        }
    }
}

struct Woken {
    flag: AtomicBool,
    thread: Thread,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flag.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl<F: Future> Task<F> {
    /// It counts as woken: it is to be polled.
    pub(super) fn new(future: F) -> Self {
        let woken = Arc::new(Woken { flag: AtomicBool::new(true), thread: current() });
        let waker = Waker::from(woken.clone());
        Task {
            future: Box::pin(future),
            woken,
            waker,
            polls: 0,
            jumps: 0,
            since: clock::real(),
            restless: (0, None),
        }
    }

    /// How often it was polled.
    pub(super) fn polls(&self) -> usize {
        self.polls
    }

    fn is_woken(&self) -> bool {
        self.woken.flag.load(Ordering::Acquire)
    }

    /// Whether it is to be polled, or else rests. It is asked once after each poll.
    pub(super) fn is_restless(&mut self, patience: Duration) -> Result<bool, Stuck> {
        if !self.is_woken() {
            self.restless = (0, None);
            return Ok(false);
        }
        let (polls, since) = &mut self.restless;
        *polls += 1;
        if *polls % MANY_POLLS == 0 && virtual_time::next().is_some() {
            let now = clock::real();
            if now.saturating_duration_since(*since.get_or_insert(now)) > patience {
                return Err(Stuck::Restless(*polls));
            }
        }
        Ok(true)
    }

    pub(super) fn poll(&mut self) -> Poll<F::Output> {
        // Before the poll: a wake in between is one more poll, and none is lost.
        self.woken.flag.store(false, Ordering::Release);
        self.polls += 1;
        // Where this is called within a source, its limits are none of that one.
        ambient::ignore_limits(|| self.future.as_mut().poll(&mut Context::from_waker(&self.waker)))
    }

    /// Moves the clock to the next limit. Tells whether there is one.
    fn jump(&mut self, patience: Duration) -> Result<bool, Stuck> {
        let Some(next) = virtual_time::next() else { return Ok(false) };
        self.jumps += 1;
        if self.jumps % MANY_JUMPS == 0 {
            let took = clock::real().saturating_duration_since(self.since);
            if took > patience {
                return Err(Stuck::Circle(self.jumps));
            }
        }
        virtual_time::move_to(next);
        Ok(true)
    }

    /// Waits for another thread to wake it.
    fn wait(&self, patience: Duration) -> Result<(), Stuck> {
        let start = clock::real();
        while !self.is_woken() {
            let waited = clock::real().saturating_duration_since(start);
            let left = patience.saturating_sub(waited);
            if left.is_zero() {
                let runs = virtual_time::next().is_some();
                return Err(if runs { Stuck::Still(patience) } else { Stuck::Idle(patience) });
            }
            park_timeout(left);
        }
        Ok(())
    }

    /// Moves the clock to the next limit; where there is none, waits until it is woken.
    pub(super) fn step(&mut self, patience: Duration) -> Result<(), Stuck> {
        if self.jump(patience)? { Ok(()) } else { self.wait(patience) }
    }

    /// Waits until it is woken. `auto_advance` says that the clock moves by itself meanwhile.
    pub(super) fn wake(&mut self, auto_advance: bool, patience: Duration) -> Result<(), Stuck> {
        if !auto_advance {
            return self.wait(patience);
        }
        while !self.is_restless(patience)? {
            self.step(patience)?;
        }
        Ok(())
    }

    /// Drives it to its end.
    pub(super) fn finish(
        mut self,
        auto_advance: bool,
        patience: Duration,
    ) -> Result<F::Output, Stuck> {
        loop {
            if let Poll::Ready(output) = self.poll() {
                return Ok(output);
            }
            self.wake(auto_advance, patience)?;
        }
    }
}
