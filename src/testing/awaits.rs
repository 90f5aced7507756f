//! Cuts at every await: the same run again and again, cancelled or dropped somewhere else each time.

use std::fmt;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::task::{Stuck, Task};
use super::time::{PATIENCE, pause_unless_paused};
use crate::{CancellationToken, Reason};

/// How often a run may be polled.
const MOST_POLLS: usize = 1_000;

/// How long a run that waits for nothing but its end has time to be woken, in each series once.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// Where a run was cut: before which of its polls, if it was.
///
/// `Display` prints it, for messages: `cancelled before poll 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    poll: usize,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Cancelled,
    Dropped,
    Untouched,
}

impl At {
    pub(super) fn cancelled(poll: usize) -> Self {
        At { poll, what: What::Cancelled }
    }

    /// The poll before which it was cut, from 1; or, where it was left alone, the number of polls
    /// that it took.
    ///
    /// ```
    /// use cancelable::testing::drop_at_every_await;
    /// let mut seen = Vec::new();
    /// drop_at_every_await(|| async { 7 }, |at, outcome| seen.push((at.poll(), outcome)));
    /// assert_eq!(seen, [(1, None), (1, Some(7))]);
    /// ```
    pub fn poll(&self) -> usize {
        self.poll
    }

    /// Whether it was left alone: the last run of a series.
    ///
    /// ```
    /// use cancelable::testing::drop_at_every_await;
    /// drop_at_every_await(|| async {}, |at, outcome| {
    ///     assert_eq!(at.is_untouched(), outcome.is_some());
    /// });
    /// ```
    pub fn is_untouched(&self) -> bool {
        self.what == What::Untouched
    }

    /// The reason for which [`cancel_at_every_await`] cancels there.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::cancel_at_every_await;
    /// let run = |token: CancellationToken| async {}.cancelable(token);
    /// cancel_at_every_await(run, |at, outcome| match outcome {
    ///     Ok(()) => assert!(at.is_untouched()),
    ///     Err(cancelled) => assert_eq!(cancelled.reason(), &at.reason()),
    /// });
    /// ```
    pub fn reason(&self) -> Reason {
        Reason::manual(self.to_string())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Cancelled => write!(f, "cancelled before poll {}", self.poll),
            What::Dropped => write!(f, "dropped before poll {}", self.poll),
            What::Untouched => write!(f, "left alone, with {} polls", self.poll),
        }
    }
}

/// Cancels a run before its first poll, another one before its second poll, and so on, until one
/// ends before it is cancelled. Tells how many were cancelled.
///
/// `make` makes the run, from a token that cancels it: use the token as its source, or cancel with it
/// whatever you like. Each run is driven to its end, in virtual time, as [`run`](super::run) does;
/// then `check` gets its outcome, and where it was cancelled. The last one it gets was left alone.
///
/// Use it for clean-up that must leave nothing behind wherever the run stands: each await is hit
/// once, where the run is woken as it would be by an executor. A run that waits for nothing but
/// cancellation ends the series; nobody gets to see it.
///
/// Where `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// When nothing will ever wake a run that was cancelled: it does not end. When a run is polled more
/// than 1000 times. A panic of a run or of a closure goes through.
///
/// # Examples
///
/// Whatever is opened is closed:
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::cancel_at_every_await;
/// use std::cell::Cell;
/// use std::time::Duration;
///
/// let open = Cell::new(false);
/// let copy = async || {
///     open.set(true);
///     timeout(Duration::from_secs(1)).await;
///     timeout(Duration::from_secs(1)).await;
/// };
/// let close = async || {
///     timeout(Duration::from_secs(1)).await;
///     open.set(false);
/// };
/// let awaits = cancel_at_every_await(
///     |token| copy().cancelable(token).finally(|_| close()),
///     |at, outcome| {
///         assert_eq!(outcome.is_ok(), at.is_untouched() || at.poll() == 4, "{at}");
///         assert!(!open.get(), "{at}");
///     },
/// );
/// // Two in the copy, one in the clean-up; and the first poll.
/// assert_eq!(awaits, 4);
/// ```
#[track_caller]
pub fn cancel_at_every_await<F: IntoFuture>(
    mut make: impl FnMut(CancellationToken) -> F,
    mut check: impl FnMut(At, F::Output),
) -> usize {
    for poll in 1..=MOST_POLLS + 1 {
        let _time = pause_unless_paused();
        let token = CancellationToken::new();
        let at = At::cancelled(poll);
        let task = match go(make(token.clone()).into_future(), poll - 1) {
            Went::There(task) => task,
            Went::Ended { outcome, polls } => {
                let at = At { poll: polls, what: What::Untouched };
                tell(at, || check(at, outcome));
                return polls;
            }
            Went::Idle { .. } => return poll - 1,
        };
        token.cancel_with(at.reason());
        match task.finish(true, PATIENCE) {
            Ok(outcome) => tell(at, || check(at, outcome)),
            Err(stuck) => panic!("{at}, {stuck}"),
        }
    }
    panic!("the run is still pending after {MOST_POLLS} polls: give it an end")
}

/// Drops a run before its first poll, another one before its second poll, and so on, until one ends
/// before it is dropped. Tells how many were dropped.
///
/// `make` makes the run, which is driven in virtual time, as [`run`](super::run) does. `check` is
/// called once it is gone, with `None` and where it was dropped. The last call has the outcome of the
/// run that was left alone.
///
/// Use it for code that must bear being dropped from outside: by `select!`, by a runtime that shuts
/// down. As for [`cancel_at_every_await`], a run that waits without end ends the series.
///
/// Where `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// When a run is polled more than 1000 times. A panic of a run or of a closure goes through.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::drop_at_every_await;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let held = Rc::new(());
/// let awaits = drop_at_every_await(
///     || {
///         let held = held.clone();
///         async move {
///             timeout(Duration::from_secs(1)).await;
///             drop(held);
///             timeout(Duration::from_secs(1)).await;
///         }
///     },
///     |at, _| assert_eq!(Rc::strong_count(&held), 1, "{at}"),
/// );
/// assert_eq!(awaits, 3);
/// ```
#[track_caller]
pub fn drop_at_every_await<F: IntoFuture>(
    mut make: impl FnMut() -> F,
    mut check: impl FnMut(At, Option<F::Output>),
) -> usize {
    for poll in 1..=MOST_POLLS + 1 {
        let _time = pause_unless_paused();
        let at = At { poll, what: What::Dropped };
        match go(make().into_future(), poll - 1) {
            Went::There(task) => {
                drop(task);
                tell(at, || check(at, None));
            }
            Went::Ended { outcome, polls } => {
                let at = At { poll: polls, what: What::Untouched };
                tell(at, || check(at, Some(outcome)));
                return polls;
            }
            Went::Idle { .. } => return poll - 1,
        }
    }
    panic!("the run is still pending after {MOST_POLLS} polls: give it an end")
}

/// How far a run went.
pub(super) enum Went<F: Future> {
    There(Task<F>),
    /// With the last of so many polls.
    Ended {
        outcome: F::Output,
        polls: usize,
    },
    /// Nothing wakes it any more, after so many polls.
    Idle {
        polls: usize,
    },
}

/// Drives a run through so many polls.
#[track_caller]
pub(super) fn go<F: Future>(future: F, polls: usize) -> Went<F> {
    let mut task = Task::new(future);
    while task.polls() < polls {
        match task.wake(true, SHORT_PATIENCE) {
            Ok(()) => {}
            Err(Stuck::Idle(_)) => return Went::Idle { polls: task.polls() },
            Err(stuck) => panic!("{stuck}"),
        }
        if let Poll::Ready(outcome) = task.poll() {
            return Went::Ended { outcome, polls: task.polls() };
        }
    }
    Went::There(task)
}

/// Calls a check, and says where it was, should it panic.
fn tell(at: At, check: impl FnOnce()) {
    struct Place(At);
    impl Drop for Place {
        fn drop(&mut self) {
            if thread::panicking() {
                eprintln!("the run was {}", self.0);
            }
        }
    }
    let _place = Place(at);
    check();
}
