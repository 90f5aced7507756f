//! Cancelling or dropping work at each of its awaits in turn.

use std::fmt;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::task::{Stuck, Task};
use super::time::{PATIENCE, pause_unless_paused};
use crate::reason::Reason;
use crate::source::CancellationToken;

/// Maximum number of polls of one operation.
const MAX_POLLS: usize = 1_000;

/// How long, in real time, to wait for another thread to wake an idle operation. If no thread does so, the series of
/// operations ends. So a series waits that long at most once.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// The poll before which an operation was cancelled or dropped.
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

    /// Returns the poll before which the operation was cancelled or dropped, counted from 1. If the operation was left
    /// alone, returns the number of its polls.
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

    /// Returns whether the operation was neither cancelled nor dropped. Only the last operation of a series can be left
    /// alone like this.
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

    /// Returns the reason with which [`cancel_at_every_await`] cancels the operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::cancel_at_every_await;
    /// let operation = |token: CancellationToken| async {}.cancelable(token);
    /// cancel_at_every_await(operation, |at, outcome| match outcome {
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

/// Creates the same operation again and again, and cancels it at each of its awaits in turn: the first time before its first
/// poll, the next time before its second poll, and so on. Returns the number of operations that were cancelled.
///
/// Use it to test that clean-up leaves nothing behind, wherever the work is cancelled. The series stops when an operation
/// ends before it is cancelled, or when only a cancellation would ever wake it.
///
/// `make` creates the operation from a token, for example with the token as the source of a race. Each operation is driven
/// to its end in virtual time, as with [`run`](super::run). Then `check` receives the place of the cancellation and the
/// output. If the last operation has ended without a cancellation, `check` is called for it too.
///
/// If `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// Panics if a cancelled operation does not end because nothing will ever wake it. Panics if an operation is polled
/// more than 1000 times. Panics of an operation or a closure propagate.
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
    panic!("the operation is still pending after {MAX_POLLS} polls: make it end")
}

/// Cancels an operation before one of its polls, counted from 1, and returns its output.
///
/// Use it to test a single await, or to debug a place that [`cancel_at_every_await`] has reported.
///
/// `make` creates the operation from a token that cancels it. The operation is driven in virtual time, as with
/// [`run`](super::run). The reason is a [`Manual`](Reason::Manual) one with a message such as `cancelled before poll 3`.
///
/// # Panics
///
/// Panics if `poll` is 0, or if the operation has no such poll because it ends earlier or is not woken again. Panics if the
/// cancelled operation does not end because nothing will ever wake it. Panics of the operation or the closure propagate.
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
            panic!("cannot cancel before poll {poll}: the operation ends in poll {polls}")
        }
        Progress::Idle { polls } => {
            panic!(
                "cannot cancel before poll {poll}: nothing wakes the operation after poll {polls}"
            )
        }
    };
    let at = At::cancelled(poll);
    token.cancel_with(at.reason());
    match task.finish(true, PATIENCE) {
        Ok(output) => output,
        Err(stuck) => panic!("{at}, {stuck}"),
    }
}

/// Creates the same operation again and again, and drops it at each of its awaits in turn: the first time before its first
/// poll, the next time before its second poll, and so on. Returns the number of operations that were dropped.
///
/// Use it for code that may be dropped from outside: by `select!`, or by a runtime that shuts down. The series stops
/// when an operation ends before it is dropped, or when nothing will ever wake it.
///
/// `make` creates the operation, which is driven in virtual time, as with [`run`](super::run). After each drop, `check`
/// receives the place of the drop and `None`. If the last operation has ended, `check` receives its output.
///
/// If `check` panics, the place is printed to standard error.
///
/// # Panics
///
/// Panics if an operation is polled more than 1000 times. Panics of an operation or a closure propagate.
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
    panic!("the operation is still pending after {MAX_POLLS} polls: make it end")
}

/// The state of an operation after a number of polls.
enum Progress<F: Future> {
    Pending(Task<F>),
    /// The operation ended in the poll with this number.
    Ended {
        output: F::Output,
        polls: usize,
    },
    /// The operation is pending and nothing wakes it.
    Idle {
        polls: usize,
    },
}

/// Drives an operation through `polls` polls.
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
                eprintln!("the operation was {}", self.0);
            }
        }
    }
    let _place = Place(at);
    check();
}
