//! A cut at one await: the n-th.

use super::awaits::{At, Went, go};
use super::time::{PATIENCE, pause_unless_paused};
use crate::CancellationToken;

/// Cancels a run before its poll of that number, counted from 1, and gives back what came out. It is
/// one place of [`cancel_at_every_await`](super::cancel_at_every_await).
///
/// `make` makes the run, from a token that cancels it. The run is driven in virtual time, as
/// [`run`](super::run) does. The reason is a manual one: `cancelled before poll 3`.
///
/// Use it for the await that the test is about, or to look at a place that a series has told of.
///
/// # Panics
///
/// When the number is 0, and when the run is not polled that often: it ends before, or nothing wakes
/// it any more. When nothing will ever wake it once it was cancelled. A panic of the run or of the
/// closure goes through.
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
/// // The first poll came to the first pause, the second one to the second pause.
/// assert_eq!(steps.get(), 1);
/// ```
///
/// ```should_panic
/// # use cancelable::prelude::*;
/// # use cancelable::testing::cancel_at_poll;
/// // It has no await, and so it is polled once only.
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
    let task = match go(make(token.clone()).into_future(), poll - 1) {
        Went::There(task) => task,
        Went::Ended { polls, .. } => {
            panic!("there is no poll {poll} to cancel before: the run ends with poll {polls}")
        }
        Went::Idle { polls } => {
            panic!("there is no poll {poll} to cancel before: nothing wakes the run after {polls}")
        }
    };
    let at = At::cancelled(poll);
    token.cancel_with(at.reason());
    match task.finish(true, PATIENCE) {
        Ok(outcome) => outcome,
        Err(stuck) => panic!("{at}, {stuck}"),
    }
}
