//! What happens once the work of a run is gone: the verdict, and clean-up that awaits.

mod finally;
mod finally_or_spawn;

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

pub use finally::Finally;
pub use finally_or_spawn::{FinallyOrSpawn, Spawner};

use crate::contain::contain;
use crate::{Cancelled, Reason};

/// What a run does once its work is gone. This trait is sealed: it is what
/// [`finally`](crate::Cancelable::finally) and its relatives put together.
pub trait Ending<T>: sealed::Ending<T> {}

impl<T, E: sealed::Ending<T>> Ending<T> for E {}

/// What became of the work.
#[allow(missing_debug_implementations, reason = "it is not reachable from outside")]
pub enum Verdict<'a> {
    /// It returned a value.
    Completed,
    /// It returned an error.
    Failed(&'a (dyn Display + 'a)),
    /// It returned the cancellation.
    Cancelled(Reason),
}

use sealed::Judge;

mod sealed {
    use super::*;

    /// Says what became of work that returned this, where the reason is why it was cancelled, if it
    /// was.
    #[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
    pub type Judge<T> = for<'a> fn(&'a T, Option<&Reason>) -> Verdict<'a>;

    pub trait Ending<T> {
        /// Whether there is anything to run.
        const CLEANS_UP: bool;

        /// Lets `judge` say what became of the work.
        fn judge_by(&self, judge: Judge<T>);

        /// What became of work that returned this, where `cause` is why it was cancelled, if it was.
        fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a>;

        /// Notes that the run has started: from here on there is something to clean up.
        fn start(self: Pin<&mut Self>);

        /// Keeps the outcome of a run that is stopped, where there is a place for it.
        fn keep(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Gives that back.
        fn give_back(self: Pin<&mut Self>, _outcome: &mut Option<Result<T, Cancelled>>) {}

        /// Whether there is clean-up that is not finished, and that nobody would take over.
        fn owes(&self) -> bool {
            false
        }

        /// Hands on what may be taken over, in the order in which it was given.
        fn hand_on(self: Pin<&mut Self>) {}

        /// Runs what is to run, and is ready when that is done. Where it is not, it keeps the
        /// outcome; where it is, it has given it back.
        fn poll_end(
            self: Pin<&mut Self>,
            outcome: &mut Option<Result<T, Cancelled>>,
            cx: &mut Context<'_>,
        ) -> Poll<()>;
    }
}

/// Work that cannot fail, and nothing to clean up.
impl<T> sealed::Ending<T> for () {
    const CLEANS_UP: bool = false;

    fn judge_by(&self, _judge: Judge<T>) {}

    fn verdict<'a>(&self, _value: &'a T, _cause: Option<&Reason>) -> Verdict<'a> {
        Verdict::Completed
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Work that may fail: an `Err` is a failure.
///
/// What an error says is asked only of a run that is observed, so that only there it must be able to
/// say it.
pub struct Fallible<T> {
    judge: OnceLock<Judge<T>>,
}

impl<T> Fallible<T> {
    pub(super) fn new() -> Self {
        Fallible { judge: OnceLock::new() }
    }
}

/// The judge of work that may fail.
pub(super) fn judge_result<'a, T, X: Display + From<Cancelled>>(
    value: &'a Result<T, X>,
    cause: Option<&Reason>,
) -> Verdict<'a> {
    let Err(error) = value else { return Verdict::Completed };
    // `check()?` in the work, or a race in it, turns a cancellation into its error. Where that is
    // what came out, and nothing was made of it, the work was cancelled.
    let (text, printed) = Cancelled::within(error);
    let is_what_came_out = |reason: &Reason| {
        let said = contain(|| X::from(Cancelled::from(reason.clone())).to_string());
        said.is_ok_and(|said| said == text)
    };
    if let Some(reason) = printed.iter().chain(cause).find(|reason| is_what_came_out(reason)) {
        return Verdict::Cancelled(cause.unwrap_or(reason).clone());
    }
    Verdict::Failed(error)
}

impl<T> sealed::Ending<T> for Fallible<T> {
    const CLEANS_UP: bool = false;

    fn judge_by(&self, judge: Judge<T>) {
        // There is one for each type: it makes no difference which call was first.
        let _ = self.judge.set(judge);
    }

    fn verdict<'a>(&self, value: &'a T, cause: Option<&Reason>) -> Verdict<'a> {
        self.judge.get().map_or(Verdict::Completed, |judge| judge(value, cause))
    }

    fn start(self: Pin<&mut Self>) {}

    fn poll_end(
        self: Pin<&mut Self>,
        _outcome: &mut Option<Result<T, Cancelled>>,
        _cx: &mut Context<'_>,
    ) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<T> fmt::Debug for Fallible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}
