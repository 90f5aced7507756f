//! `wrap` and `run_blocking`: calls that stop with an operation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(feature = "blocking")]
use blocking::Task;
use futures::future::FusedFuture;
use pin_project::pin_project;

use super::Cancelable;
use crate::clock;
use crate::error::Cancelled;
use crate::operation::Operation;
use crate::shield::{Shield, shield};
use crate::source::WaitForCancellationOwned;
use crate::wait::polled_after_completion;

impl Operation {
    /// Wraps an async function so that its calls stop with this operation: once it is cancelled, a new call
    /// fails without starting and a call in progress is dropped.
    ///
    /// If the [deadline](Self::deadline) has passed unnoticed, because the work has not awaited anything for
    /// a while, a call first lets the task be polled again, so that the cancellation is noticed.
    ///
    /// In a retry loop, an error that is [`Cancelled`] must end the loop.
    ///
    /// # Cancel safety
    ///
    /// That of the future that the function returns.
    ///
    /// # Errors
    ///
    /// The calls return [`Cancelled`] with the reason of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let operation = async {}.cancelable(never()).operation();
    /// let double = operation.wrap(async |number: i32| number * 2);
    /// assert_eq!(double(4).await?, 8);
    /// operation.cancel();
    /// assert!(double(4).await.is_err());
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn wrap<A, Fut, C>(&self, function: C) -> impl Fn(A) -> Call<Fut> + use<A, Fut, C>
    where
        C: Fn(A) -> Fut,
        Fut: Future,
    {
        let operation = self.clone();
        move |argument| operation.start_call(|| function(argument))
    }

    /// Runs a blocking closure on the thread pool of the crate `blocking`, within this operation: in the
    /// closure it is the [current](Operation::current) one, so `operation.check()?` can be called between
    /// steps.
    ///
    /// The closure is queued at once, unless the operation is cancelled already. When the operation is
    /// cancelled, this future resolves at once. A closure that has begun runs to its end, and its result is
    /// dropped; a closure that has not begun is not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping it does the same as cancelling.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the operation is cancelled first.
    ///
    /// # Panics
    ///
    /// A panic of the closure goes through to the task that awaits.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let operation = async {}.cancelable(never()).operation();
    /// let sum = operation.run_blocking(|| {
    ///     let operation = Operation::current().unwrap();
    ///     (1..=4).try_fold(0, |sum, number| operation.check().map(|()| sum + number))
    /// });
    /// assert_eq!(sum.await??, 10);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    #[cfg(feature = "blocking")]
    pub fn run_blocking<T: Send + 'static>(
        &self,
        closure: impl FnOnce() -> T + Send + 'static,
    ) -> Call<Task<T>> {
        let operation = self.clone();
        self.start_call(|| {
            blocking::unblock(move || {
                let _inside = operation.enter();
                closure()
            })
        })
    }

    /// Shields a section, as [`shield`] does: from the cancellation of this operation and of all others
    /// around it.
    ///
    /// # Cancel safety
    ///
    /// As for [`shield`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let run = scope(never(), async |operation: Operation| operation.shield(async { 7 }).await);
    /// assert_eq!(run.await, Ok(7));
    /// # });
    /// ```
    pub fn shield<F: IntoFuture>(&self, section: F) -> Shield<F::IntoFuture> {
        shield(section)
    }

    /// Calls a function, unless the operation is cancelled.
    fn start_call<Fut: Future>(&self, function: impl FnOnce() -> Fut) -> Call<Fut> {
        if let Err(cancelled) = self.check() {
            return Call { gives_way: false, state: CallState::Refused(Some(cancelled)) };
        }
        let gives_way = self.deadline().is_some_and(|deadline| deadline <= clock::now());
        let token = self.token().cancelled_owned();
        Call { gives_way, state: CallState::Running(Cancelable::new(function(), token)) }
    }
}

/// A call of a [wrapped](Operation::wrap) function, or of a
/// [blocking](Operation#method.run_blocking) one.
///
/// # Panics
///
/// When polled after completion. A panic of the call goes through.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Call<Fut: Future> {
    /// Whether the first poll is pending, so that the task is polled again.
    gives_way: bool,
    #[pin]
    state: CallState<Fut>,
}

#[pin_project(project = CallProj)]
enum CallState<Fut: Future> {
    Refused(Option<Cancelled>),
    Running(#[pin] Cancelable<Fut, WaitForCancellationOwned>),
}

impl<Fut: Future> Future for Call<Fut> {
    type Output = Result<Fut::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if std::mem::take(this.gives_way) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match this.state.project() {
            CallProj::Refused(cancelled) => match cancelled.take() {
                Some(cancelled) => Poll::Ready(Err(cancelled)),
                None => polled_after_completion("Call"),
            },
            CallProj::Running(run) => run.poll(cx),
        }
    }
}

impl<Fut: Future> FusedFuture for Call<Fut> {
    fn is_terminated(&self) -> bool {
        match &self.state {
            CallState::Refused(cancelled) => cancelled.is_none(),
            CallState::Running(run) => run.is_terminated(),
        }
    }
}

impl<Fut: Future> fmt::Debug for Call<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, CallState::Refused(_));
        f.debug_struct("Call").field("refused", &refused).finish_non_exhaustive()
    }
}
