//! Cancelling or dropping work at each of its awaits in turn.

use std::fmt;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::task::{Stuck, Task};
use super::time::{PATIENCE, pause_unless_paused};
use crate::reason::Reason;
use crate::source::CancellationToken;

/// Maximum number of polls of one run.
const MAX_POLLS: usize = 1_000;

/// How long, in real time, to wait for another thread to wake an idle run. Spent at most once per
/// series.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// The poll before which a run was cancelled or dropped.
///
/// `Display` prints it for messages: `cancelled before poll 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    poll: usize,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Cancelled,
    Dropped,
    Untouched,
}

impl At {
    fn cancelled(poll: usize) -> Self {
        At { poll, action: Action::Cancelled }
    }

    /// Returns the number, from 1, of the poll before which the run was cancelled or dropped. For a run
    /// that was left alone, returns the number of its polls.
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

    /// Returns whether the run was left alone, as the last run of a series is.
    ///
    /// ```
    /// use cancelable::testing::drop_at_every_await;
    /// drop_at_every_await(|| async {}, |at, outcome| {
    ///     assert_eq!(at.is_untouched(), outcome.is_some());
    /// });
    /// ```
    pub fn is_untouched(&self) -> bool {
        self.action == Action::Untouched
    }

    /// Returns the reason with which [`cancel_at_every_await`] cancels the run.
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
        match self.action {
            Action::Cancelled => write!(f, "cancelled before poll {}", self.poll),
            Action::Dropped => write!(f, "dropped before poll {}", self.poll),
            Action::Untouched => write!(f, "left alone for {} polls", self.poll),
        }
    }
}

/// Cancels a run before its first poll, the next run before its second poll, and so on, until a run
/// ends before it is cancelled. Returns the number of runs that were cancelled.
///
/// Use it for clean-up that must leave nothing behind, wherever the work is cancelled. Each await at
/// which the work waits is one place where it is cancelled.
///
/// `make` creates the run from a token. Cancel with the token as you like, for instance as the source
/// of a race. Each run is driven to its end in virtual time, like [`run`](super::run). `check` then
/// receives its output and where it was cancelled. In the last call the run was left alone. A run that
/// only its cancellation can end also ends the series, without a call of `check`.
///
/// If `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// Panics if a cancelled run does not end, because nothing will ever wake it, or if a run is polled
/// more than 1000 times. Panics of a run or a closure propagate.
///
/// # Examples
///
/// Everything that is opened is closed:
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
    for poll in 1..=MAX_POLLS + 1 {
        let _time = pause_unless_paused();
        let token = CancellationToken::new();
        let at = At::cancelled(poll);
        let task = match poll_times(make(token.clone()).into_future(), poll - 1) {
            Progress::Pending(task) => task,
            Progress::Ended { output, polls } => {
                let at = At { poll: polls, action: Action::Untouched };
                call_check(at, || check(at, output));
                return polls;
            }
            Progress::Idle { .. } => return poll - 1,
        };
        token.cancel_with(at.reason());
        match task.finish(true, PATIENCE) {
            Ok(output) => call_check(at, || check(at, output)),
            Err(stuck) => panic!("{at}, {stuck}"),
        }
    }
    panic!("the run is still pending after {MAX_POLLS} polls: make it end")
}

/// Cancels a run before its poll number `poll`, counted from 1, and returns its output. This is one of
/// the runs of [`cancel_at_every_await`].
///
/// Use it for the one await that a test is about, or to debug a place that a series has reported.
///
/// `make` creates the run from a token that cancels it. The run is driven in virtual time, like
/// [`run`](super::run). Its reason is a manual one: `cancelled before poll 3`.
///
/// # Panics
///
/// Panics if `poll` is 0, if the run is polled less often because it ends or because nothing wakes it,
/// or if the cancelled run does not end because nothing will ever wake it. Panics of the run or the
/// closure propagate.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::cancel_at_poll;
/// use std::cell::Cell;
/// use std::time::Duration;
///
/// let steps = Cell::new(0);
/// let work = async {
///     for _ in 0..5 {
///         timeout(Duration::from_secs(1)).await;
///         steps.set(steps.get() + 1);
///     }
/// };
/// let outcome = cancel_at_poll(3, |token| work.cancelable(token));
/// assert_eq!(outcome, Err(Cancelled::new("cancelled before poll 3")));
/// // The first poll reached the first pause, the second poll the second pause.
/// assert_eq!(steps.get(), 1);
/// ```
///
/// ```should_panic
/// # use cancelable::prelude::*;
/// # use cancelable::testing::cancel_at_poll;
/// // This work has no await, so it is polled only once.
/// let _ = cancel_at_poll(2, |token| async {}.cancelable(token));
/// ```
#[track_caller]
pub fn cancel_at_poll<F: IntoFuture>(
    poll: usize,
    make: impl FnOnce(CancellationToken) -> F,
) -> F::Output {
    assert!(poll > 0, "polls are counted from 1");
    let _time = pause_unless_paused();
    let token = CancellationToken::new();
    let task = match poll_times(make(token.clone()).into_future(), poll - 1) {
        Progress::Pending(task) => task,
        Progress::Ended { polls, .. } => {
            panic!("cannot cancel before poll {poll}: the run ends in poll {polls}")
        }
        Progress::Idle { polls } => {
            panic!("cannot cancel before poll {poll}: nothing wakes the run after poll {polls}")
        }
    };
    let at = At::cancelled(poll);
    token.cancel_with(at.reason());
    match task.finish(true, PATIENCE) {
        Ok(output) => output,
        Err(stuck) => panic!("{at}, {stuck}"),
    }
}

/// Drops a run before its first poll, the next run before its second poll, and so on, until a run ends
/// before it is dropped. Returns the number of runs that were dropped.
///
/// Use it for code that may be dropped from outside: by `select!`, or by a runtime that shuts down.
///
/// `make` creates the run, which is driven in virtual time, like [`run`](super::run). `check` is called
/// after the run was dropped, with `None` and the place. The last call has the output of the run that
/// was left alone. A run that waits forever ends the series, as for [`cancel_at_every_await`].
///
/// If `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// Panics if a run is polled more than 1000 times. Panics of a run or a closure propagate.
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
    for poll in 1..=MAX_POLLS + 1 {
        let _time = pause_unless_paused();
        let at = At { poll, action: Action::Dropped };
        match poll_times(make().into_future(), poll - 1) {
            Progress::Pending(task) => {
                drop(task);
                call_check(at, || check(at, None));
            }
            Progress::Ended { output, polls } => {
                let at = At { poll: polls, action: Action::Untouched };
                call_check(at, || check(at, Some(output)));
                return polls;
            }
            Progress::Idle { .. } => return poll - 1,
        }
    }
    panic!("the run is still pending after {MAX_POLLS} polls: make it end")
}

/// State of a run after a number of polls.
enum Progress<F: Future> {
    Pending(Task<F>),
    /// The run ended in the poll with this number.
    Ended {
        output: F::Output,
        polls: usize,
    },
    /// The run is pending and nothing wakes it.
    Idle {
        polls: usize,
    },
}

/// Drives a run through `polls` polls.
#[track_caller]
fn poll_times<F: Future>(future: F, polls: usize) -> Progress<F> {
    let mut task = Task::new(future);
    while task.polls() < polls {
        match task.wake(true, SHORT_PATIENCE) {
            Ok(()) => {}
            Err(Stuck::Idle(_)) => return Progress::Idle { polls: task.polls() },
            Err(stuck) => panic!("{stuck}"),
        }
        if let Poll::Ready(output) = task.poll() {
            return Progress::Ended { output, polls: task.polls() };
        }
    }
    Progress::Pending(task)
}

/// Calls `check`, and prints the place if it panics.
fn call_check(at: At, check: impl FnOnce()) {
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
