//! `wrap`: calls that are refused, and interrupted, once an operation is cancelled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::pin_project;

use super::Cancelable;
use crate::shield::{Shield, shield};
use crate::source::WaitForCancellationOwned;
use crate::{Cancelled, Operation, clock};

impl Operation {
    /// Makes of an asynchronous function one whose calls belong to this operation: once that is
    /// cancelled, for whatever reason, a call does not start; and one that is under way is dropped.
    ///
    /// Where its [deadline](Self::deadline) has passed and nobody has seen it, because the work has
    /// not awaited anything for a while, a call first gives way, so that it is seen.
    ///
    /// For retry loops: an error that is [`Cancelled`] must end the loop.
    ///
    /// # Cancel safety
    ///
    /// That of what the function returns.
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
    pub fn wrap<A, Fut, C>(&self, call: C) -> impl Fn(A) -> Call<Fut> + use<A, Fut, C>
    where
        C: Fn(A) -> Fut,
        Fut: Future,
    {
        let operation = self.clone();
        move |argument| operation.call(|| call(argument))
    }

    /// A call of a function, if it may start.
    pub(super) fn call<Fut: Future>(&self, call: impl FnOnce() -> Fut) -> Call<Fut> {
        if let Err(cancelled) = self.check() {
            return Call { gives_way: false, state: CallState::Refused(Some(cancelled)) };
        }
        let gives_way = self.deadline().is_some_and(|deadline| deadline <= clock::now());
        let token = self.token().cancelled_owned();
        Call { gives_way, state: CallState::Run(Cancelable::new(call(), token)) }
    }

    /// [`shield`], for this operation and all others around.
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
}

/// A call of a function that was [wrapped](Operation::wrap), or of one that
/// [blocks](Operation#method.run_blocking).
///
/// # Panics
///
/// When polled after completion. A panic of the call goes through.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Call<Fut: Future> {
    /// Whether others are to be polled first, once.
    gives_way: bool,
    #[pin]
    state: CallState<Fut>,
}

#[pin_project(project = CallProj)]
enum CallState<Fut: Future> {
    Refused(Option<Cancelled>),
    Run(#[pin] Cancelable<Fut, WaitForCancellationOwned>),
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
                None => crate::wait::polled_after_completion("Call"),
            },
            CallProj::Run(run) => run.poll(cx),
        }
    }
}

impl<Fut: Future> FusedFuture for Call<Fut> {
    fn is_terminated(&self) -> bool {
        match &self.state {
            CallState::Refused(cancelled) => cancelled.is_none(),
            CallState::Run(run) => run.is_terminated(),
        }
    }
}

impl<Fut: Future> fmt::Debug for Call<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, CallState::Refused(_));
        f.debug_struct("Call").field("refused", &refused).finish_non_exhaustive()
    }
}
