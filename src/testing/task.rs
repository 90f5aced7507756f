//! `Task`: drives a future on this thread with a virtual clock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock;
use crate::poll_context;
use crate::sync::{AtomicBool, Ordering, Thread, current, park_timeout};
use crate::timer::virtual_time;

/// Number of jumps of the clock between two checks for a future that waits without end.
const JUMPS_PER_CHECK: u64 = 100_000;

/// Number of polls between two checks for a future that is woken in every poll.
const POLLS_PER_CHECK: u64 = 100_000;

pub(super) struct Task<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    waker: Waker,
    polls: usize,
    /// Number of times the task moved the clock.
    jumps: u64,
    /// When the task started, in real time.
    since: Instant,
    /// The number of polls in a row in which the task was woken again, and the time of the first check of that number.
    busy: (u64, Option<Instant>),
}

/// Why a task does not end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stuck {
    /// Nothing woke it for this long.
    Idle(Duration),
    /// Nothing woke it for this long. There is a limit, but auto-advance is off, so the clock does not advance to the limit.
    Still(Duration),
    /// It is still pending after the clock has jumped this many times.
    Endless(u64),
    /// It was woken in each of this many polls, so the clock cannot advance to the next limit.
    Busy(u64),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Idle(patience) => write!(
                f,
                "nothing will ever wake this future: it is pending, no limit runs on the virtual \
                 clock, and no other thread woke it for {patience:?}"
            ),
            Stuck::Still(patience) => write!(
                f,
                "nothing will ever wake this future: it is pending, auto-advance is off, so no limit \
                 on the virtual clock fires, and no other thread woke it for {patience:?}"
            ),
            Stuck::Endless(jumps) => write!(
                f,
                "this future waits without end: it is pending after {jumps} moves of the virtual \
                 clock"
            ),
            Stuck::Busy(polls) => write!(
                f,
                "this future wakes itself in every poll: {polls} polls in a row, in which the virtual \
                 clock cannot advance to the next limit"
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
    /// Creates a task that counts as woken, so that it is polled.
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
            busy: (0, None),
        }
    }

    /// Returns the number of polls.
    pub(super) fn polls(&self) -> usize {
        self.polls
    }

    fn is_woken(&self) -> bool {
        self.woken.flag.load(Ordering::Acquire)
    }

    /// Returns whether the task was woken since its last poll. Call it once after each poll.
    pub(super) fn is_woken_again(&mut self, patience: Duration) -> Result<bool, Stuck> {
        if !self.is_woken() {
            self.busy = (0, None);
            return Ok(false);
        }
        let (polls, since) = &mut self.busy;
        *polls += 1;
        if *polls % POLLS_PER_CHECK == 0 && virtual_time::next().is_some() {
            let now = clock::real();
            if now.saturating_duration_since(*since.get_or_insert(now)) > patience {
                return Err(Stuck::Busy(*polls));
            }
        }
        Ok(true)
    }

    pub(super) fn poll(&mut self) -> Poll<F::Output> {
        // The flag is cleared before the poll, so that a wake-up during the poll causes another poll.
        self.woken.flag.store(false, Ordering::Release);
        self.polls += 1;
        // This may run inside a source. The limits of this future must not count as limits of that source.
        poll_context::ignore_limits(|| {
            self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
        })
    }

    /// Moves the clock to the next limit. Returns whether there is one.
    fn jump(&mut self, patience: Duration) -> Result<bool, Stuck> {
        let Some(next) = virtual_time::next() else { return Ok(false) };
        self.jumps += 1;
        if self.jumps % JUMPS_PER_CHECK == 0 {
            let took = clock::real().saturating_duration_since(self.since);
            if took > patience {
                return Err(Stuck::Endless(self.jumps));
            }
        }
        virtual_time::move_to(next);
        Ok(true)
    }

    /// Waits until another thread wakes the task.
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

    /// Moves the clock to the next limit. If there is none, waits until the task is woken.
    pub(super) fn step(&mut self, patience: Duration) -> Result<(), Stuck> {
        if self.jump(patience)? { Ok(()) } else { self.wait(patience) }
    }

    /// Waits until the task is woken. With `auto_advance`, the clock moves from limit to limit until then.
    pub(super) fn wake(&mut self, auto_advance: bool, patience: Duration) -> Result<(), Stuck> {
        if !auto_advance {
            return self.wait(patience);
        }
        while !self.is_woken_again(patience)? {
            self.step(patience)?;
        }
        Ok(())
    }

    /// Drives the task to its end.
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
