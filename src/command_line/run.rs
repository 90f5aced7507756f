//! `run`: runs the work of a command-line program, and cancels the work at a signal or at its time limit.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;

use super::End;
use crate::future::{Cancelable, scope};
use crate::operation::Operation;
use crate::source::{AnyOf, SignalSource, Timeout, any_of, termination, timeout};
use crate::wait::polled_after_completion;

/// Runs the work of a command-line program. The first Ctrl-C or `SIGTERM` cancels it, and the second one kills the
/// process.
///
/// Returns a future of an [`End`]. Await the future in the main future of any executor, or call
/// [`block_on`](Run::block_on). The future is not `Send`, so it cannot be spawned. Return the `End` from `main`.
///
/// `body` gets the handle of the operation and returns the work, which is a future. The output of the work can be
/// anything that converts to an [`End`], such as `io::Result<()>` or `anyhow::Result<ExitCode>`.
///
/// Without a [grace period](Run::grace), the work is dropped when it is cancelled. With a grace period, the work continues
/// for a while, so that it can end by itself. If the work succeeds in that time, the program succeeds too. If the work
/// fails, the program prints the error of the work, but ends as it would have without a grace period: by the signal, or
/// with the exit code of the time limit.
///
/// This call registers the signals. See [`signal`](crate::signal()) for the effect on their default action. The future
/// calls `body` at its first poll.
///
/// # Cancel safety
///
/// Dropping the future drops the work.
///
/// # Errors
///
/// If the signals cannot be registered, the future returns that error as its `End`, and never calls `body`.
///
/// # Panics
///
/// Panics if polled after completion.
///
/// # Examples
///
/// ```
/// use cancelable::command_line::{self, End};
/// use cancelable::prelude::*;
/// use std::time::Duration;
///
/// async fn copy(operation: Operation) -> Result<(), Cancelled> {
///     for _file in ["a", "b"] {
///         operation.check()?; // Stops between two files, if it was cancelled.
///     }
///     Ok(())
/// }
///
/// fn main() -> End {
///     let end = command_line::run(copy).grace(Duration::from_secs(5)).block_on();
///     assert!(end.error().is_none());
///     end
/// }
/// ```
pub fn run<B, F>(body: B) -> Run<B, F>
where
    B: FnOnce(Operation) -> F,
    F: Future<Output: Into<End>>,
{
    let stop = termination().map(SignalSource::second_signal_exits);
    let plan = Plan { body, stop, timeout: None, grace: None };
    Run { plan: Some(plan), running: None }
}

/// Future of [`run`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Run<B, F: Future> {
    /// `None` once the future has been polled.
    plan: Option<Plan<B>>,
    /// `None` before the first poll and after the end.
    #[pin]
    running: Option<Cancelable<F, Stop>>,
}

/// What cancels the work: a signal, or the time limit if there is one.
type Stop = AnyOf<(SignalSource, AnyOf<Option<Timeout>>)>;

struct Plan<B> {
    body: B,
    stop: io::Result<SignalSource>,
    timeout: Option<Duration>,
    grace: Option<Duration>,
}

impl<B, F: Future> Run<B, F> {
    /// Cancels the work if it takes longer than `limit`, measured from the first poll. `None` means no limit, so the value
    /// of an option of the command line can be passed as it is.
    ///
    /// ```
    /// use cancelable::command_line;
    /// use std::time::Duration;
    ///
    /// let end = command_line::run(|_| std::future::pending::<()>())
    ///     .timeout(Duration::from_millis(10))
    ///     .block_on();
    /// assert!(end.cancelled().unwrap().is_timeout());
    /// ```
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.timeout = limit.into();
        }
        self
    }

    /// Lets the work continue for up to `limit` after a signal or the time limit, so that it can end by itself. See
    /// [`Cancelable::grace`].
    ///
    /// See [`run`] for an example.
    pub fn grace(mut self, limit: Duration) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.grace = Some(limit);
        }
        self
    }
}

impl<B, F> Run<B, F>
where
    B: FnOnce(Operation) -> F,
    F: Future<Output: Into<End>>,
{
    /// Runs the future on this thread, and blocks until it ends. Use it in a program without an executor.
    ///
    /// See [`run`] for an example.
    pub fn block_on(self) -> End {
        async_io::block_on(self)
    }
}

impl<B, F> Future for Run<B, F>
where
    B: FnOnce(Operation) -> F,
    F: Future<Output: Into<End>>,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let mut this = self.project();
        if let Some(Plan { body, stop, timeout: limit, grace }) = this.plan.take() {
            let stop = match stop {
                Ok(stop) => stop,
                Err(error) => return Poll::Ready(End::from(Err::<(), _>(error))),
            };
            let mut race = scope(any_of((stop, any_of(limit.map(timeout)))), body);
            if let Some(grace) = grace {
                race = race.grace(grace);
            }
            this.running.set(Some(race));
        }
        let Some(mut race) = this.running.as_mut().as_pin_mut() else {
            polled_after_completion("Run")
        };
        let outcome = ready!(race.as_mut().poll(cx));
        let reason = race.operation().reason();
        this.running.set(None);
        Poll::Ready(End::from(outcome).cancelled_for(reason))
    }
}

impl<B, F: Future> fmt::Debug for Run<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan.as_ref();
        f.debug_struct("Run")
            .field("timeout", &plan.and_then(|plan| plan.timeout))
            .field("grace", &plan.and_then(|plan| plan.grace))
            .finish_non_exhaustive()
    }
}
