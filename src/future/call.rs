//! `wrap` and `run_blocking`: calls of functions and closures that are cancelled together with an operation.
//!
//! A call does not start once the operation is cancelled, or once the deadline of the operation has passed.
//!
//! The deadline may have passed without being noticed, because no poll has happened since. The call then gives the race of
//! the operation some time to notice the deadline. If the race does not notice it, the call cancels the operation itself.
//! The call waits first because a source written by the user may contain a timeout and stay pending after that timeout. Such
//! a timeout looks like a deadline, but is not one.

#[cfg(feature = "blocking")]
mod blocking;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
#[cfg(feature = "time")]
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::pin_project;

#[cfg(feature = "blocking")]
pub use blocking::{BlockingCall, QueuedCall};

use super::Cancelable;
use crate::error::Cancelled;
use crate::operation::{Operation, WaitUntilCancelledOwned};
use crate::shield::{Shield, shield};
#[cfg(feature = "time")]
use crate::source::WaitForCancellationOwned;
use crate::wait::polled_after_completion;
#[cfg(feature = "time")]
use crate::{poll_context::ignore_limits, timer::Countdown};

/// How long a call waits for the race to notice that the deadline has passed. The wait begins at the latest time at which
/// the race's timer can fire.
#[cfg(feature = "time")]
const NOTICE: Duration = Duration::from_millis(100);

impl Operation {
    /// Wraps an async function, and cancels its calls together with this operation. Once the operation is cancelled, a new
    /// call fails without starting, and a call in progress is dropped.
    ///
    /// No call starts after the [deadline](Self::deadline), even if no poll has noticed the deadline yet.
    ///
    /// In a retry loop, a [`Cancelled`] error must end the loop. Return the error from the work with `?`, and create the
    /// operation with [`try_scope`](crate::try_scope) or [`try_cancelable`](crate::CancelableExt::try_cancelable). With
    /// [`scope`](crate::scope), the error would become a value, `Ok(Err(Cancelled))`, and the status of the operation would
    /// be `Completed`.
    ///
    /// # Cancel safety
    ///
    /// The same as for the future that the function returns.
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
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// let double = operation.wrap(async |number: i32| number * 2);
    /// assert_eq!(double(4).await?, 8);
    /// operation.cancel();
    /// assert!(double(4).await.is_err());
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn wrap<A, Fut, C>(
        &self,
        function: C,
    ) -> impl Fn(A) -> Call<Fut, WrappedCall<C, A>> + use<A, Fut, C>
    where
        C: Fn(A) -> Fut,
        Fut: Future,
    {
        let operation = self.clone();
        let function = Arc::new(function);
        move |argument| Call::new(&operation, WrappedCall { function: function.clone(), argument })
    }

    /// Runs a blocking closure on the thread pool of the crate `blocking`. In the closure, this operation is the
    /// [current](Operation::current) one. Call `operation.check()?` between steps.
    ///
    /// The closure is queued at once, unless the operation is cancelled or its [deadline](Self::deadline) has
    /// passed. If the operation is cancelled before the closure has begun, the closure does not run.
    ///
    /// A closure that has begun cannot be interrupted from outside. As with a [`shield`], a cancellation takes effect only
    /// once the closure has returned, so clean-up never runs at the same time as the closure. After a cancellation, the
    /// result of the closure is dropped. To end the closure early, call `operation.check()?` in it. To let the cancellation
    /// take effect without waiting for the closure, use [`abandon_on_cancel`](Call::abandon_on_cancel).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a closure that has not begun is not run. A closure that has begun runs to its end, and no
    /// race waits for it.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the operation is cancelled first. Return the error from the work with `?`, and create the operation
    /// with [`try_scope`](crate::try_scope) or [`try_cancelable`](crate::CancelableExt::try_cancelable). With
    /// [`scope`](crate::scope), the error would become a value, `Ok(Err(Cancelled))`, and the status of the operation would
    /// be `Completed`.
    ///
    /// # Panics
    ///
    /// A panic of the closure propagates to the task that awaits the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let sum = try_scope(never(), async |operation: Operation| {
    ///     let sum = operation.run_blocking(|| {
    ///         let operation = Operation::current().unwrap();
    ///         (1..=4).try_fold(0, |sum, number| operation.check().map(|()| sum + number))
    ///     });
    ///     sum.await?
    /// });
    /// assert_eq!(sum.await?, 10);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    #[cfg(feature = "blocking")]
    pub fn run_blocking<T: Send + 'static>(
        &self,
        closure: impl FnOnce() -> T + Send + 'static,
    ) -> Call<BlockingCall<T>, QueuedCall<T>> {
        Call::new(self, QueuedCall::new(self, closure))
    }

    /// Shields a section, as [`shield`] does. Every race around the section waits for it, not only the race of
    /// this operation.
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
    /// let future = scope(never(), async |operation: Operation| operation.shield(async { 7 }).await);
    /// assert_eq!(future.await, Ok(7));
    /// # });
    /// ```
    pub fn shield<F: IntoFuture>(&self, section: F) -> Shield<F::IntoFuture> {
        shield(section)
    }
}

/// Starts a call. Sealed: other crates cannot reach this trait.
pub trait Start<Fut> {
    fn start(self) -> Fut;

    /// Returns whether a blocking call has been started, but was cancelled before its closure began.
    fn is_refused(_call: &Fut) -> bool {
        false
    }
}

/// A call of a [wrapped](Operation::wrap) function that has not started.
#[derive(Debug)]
pub struct WrappedCall<C, A> {
    function: Arc<C>,
    argument: A,
}

impl<Fut, C: Fn(A) -> Fut, A> Start<Fut> for WrappedCall<C, A> {
    fn start(self) -> Fut {
        (self.function)(self.argument)
    }
}

impl<Fut> Start<Fut> for Infallible {
    fn start(self) -> Fut {
        match self {}
    }
}

/// A call of a [wrapped](Operation::wrap) function or of a [blocking](Operation#method.run_blocking) closure. `S` starts the
/// call.
///
/// # Panics
///
/// Panics if polled after completion. A panic of the call propagates.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Call<Fut: Future, S = Infallible> {
    operation: Operation,
    #[pin]
    state: State<Fut, S>,
    /// Used while the call waits for the race to notice that the deadline has passed.
    #[cfg(feature = "time")]
    notice: Option<Box<Notice>>,
}

#[pin_project(project = StateProj)]
enum State<Fut: Future, S> {
    Refused(Option<Cancelled>),
    /// The function has not been called, because the deadline has passed and no poll has noticed that.
    Late(Option<S>),
    /// The function has been called, and the future that it returned has not been polled.
    Called(Option<Fut>),
    Running(#[pin] Cancelable<Fut, WaitUntilCancelledOwned>),
}

#[cfg(feature = "time")]
struct Notice {
    cancelled: WaitForCancellationOwned,
    limit: Countdown,
}

impl<Fut: Future, S: Start<Fut>> Call<Fut, S> {
    fn new(operation: &Operation, start: S) -> Self {
        let state = match operation.check() {
            Err(cancelled) => State::Refused(Some(cancelled)),
            Ok(()) if is_late(operation) => State::Late(Some(start)),
            Ok(()) => State::Called(Some(start.start())),
        };
        Call {
            operation: operation.clone(),
            state,
            #[cfg(feature = "time")]
            notice: None,
        }
    }

    /// Polls the race between the call and the cancellation of the operation. The error carries the name of the operation.
    fn poll_running(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fut::Output, Cancelled>> {
        let this = self.as_mut().project();
        let StateProj::Running(mut running) = this.state.project() else {
            unreachable!("the call has started")
        };
        let named =
            |cancelled: Cancelled| this.operation.cancelled_for(cancelled.into_reason(), false);
        let polled = running.as_mut().poll(cx).map_err(named);
        if polled.is_pending() && running.work.as_ref().is_some_and(S::is_refused) {
            // The closure was refused, but the race is pending. So this poll is in a shielded section, where the
            // cancellation is ignored, and `run_blocking` was called outside of that section.
            let cancelled = this.operation.cancelled_for(this.operation.cause(), false);
            self.project().state.set(State::Refused(None));
            return Poll::Ready(Err(cancelled));
        }
        polled
    }

    /// Waits until it is certain whether the call may start.
    fn poll_start(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Cancelled>> {
        let this = self.project();
        this.operation.check()?;
        // Without a clock there are no deadlines.
        #[cfg(not(feature = "time"))]
        let _ = cx;
        #[cfg(feature = "time")]
        if this.operation.is_protected_here() {
            return Poll::Ready(Ok(()));
        }
        #[cfg(feature = "time")]
        if let Some(overdue) = this.operation.overdue() {
            let notice = this.notice.get_or_insert_with(|| {
                let limit = Countdown::lasting(overdue.lateness + NOTICE);
                Box::new(Notice { cancelled: this.operation.cancelled_owned(), limit })
            });
            if Pin::new(&mut notice.cancelled).poll(cx).is_pending() {
                // This may run inside the source of an operation. The limit must not count as the deadline of that
                // operation.
                ready!(ignore_limits(|| notice.limit.poll("Call", cx)));
                // The race has not noticed the deadline in all this time, for example because its task is busy.
                this.operation.cancel_with(overdue.reason);
            }
            return Poll::Ready(this.operation.check());
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns whether the deadline has passed and no poll has noticed that.
fn is_late(operation: &Operation) -> bool {
    #[cfg(feature = "time")]
    return !operation.is_protected_here() && operation.overdue().is_some();
    #[cfg(not(feature = "time"))]
    {
        let _ = operation;
        false
    }
}

impl<Fut: Future, S: Start<Fut>> Future for Call<Fut, S> {
    type Output = Result<Fut::Output, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let StateProj::Running(_) = self.as_mut().project().state.project() {
            return self.poll_running(cx);
        }
        let refused = match self.as_mut().project().state.project() {
            StateProj::Refused(cancelled) => match cancelled.take() {
                Some(cancelled) => return Poll::Ready(Err(cancelled)),
                None => polled_after_completion("Call"),
            },
            _ => ready!(self.as_mut().poll_start(cx)).err(),
        };
        let mut this = self.as_mut().project();
        if let Some(cancelled) = refused {
            this.state.set(State::Refused(None));
            return Poll::Ready(Err(cancelled));
        }
        let future = match this.state.as_mut().project() {
            StateProj::Late(start) => start.take().map(Start::start),
            StateProj::Called(future) => future.take(),
            StateProj::Refused(_) | StateProj::Running(_) => None,
        };
        let Some(future) = future else { unreachable!("it has not started") };
        let stop = WaitUntilCancelledOwned::new(this.operation);
        this.state.set(State::Running(Cancelable::new(future, stop)));
        self.poll_running(cx)
    }
}

impl<Fut: Future, S: Start<Fut>> FusedFuture for Call<Fut, S> {
    fn is_terminated(&self) -> bool {
        match &self.state {
            State::Refused(cancelled) => cancelled.is_none(),
            State::Running(running) => running.is_terminated(),
            State::Late(_) | State::Called(_) => false,
        }
    }
}

impl<Fut: Future, S> fmt::Debug for Call<Fut, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, State::Refused(_));
        f.debug_struct("Call").field("refused", &refused).finish_non_exhaustive()
    }
}
