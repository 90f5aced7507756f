//! `Check`: the three ways to run one check of a condition.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use crate::panic::contain;
#[cfg(feature = "blocking")]
use crate::pool::{self, PoolTask};

/// How a [`Condition`](super::Condition) runs its checks. This trait is sealed.
pub trait Check: sealed::Check {}

impl<C: sealed::Check> Check for C {}

mod sealed {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    pub trait Check {
        /// Starts a check, or continues a running check. `Err` holds the message of a check that
        /// panicked.
        fn poll_check(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<bool, String>>;
    }
}

/// The checks of [`condition`](super::condition()): a closure that is called inside the poll.
pub struct Inline<P> {
    check: P,
}

impl<P: FnMut() -> bool> Inline<P> {
    pub(super) fn new(check: P) -> Self {
        Inline { check }
    }
}

/// The closure is never pinned.
impl<P> Unpin for Inline<P> {}

impl<P: FnMut() -> bool> sealed::Check for Inline<P> {
    fn poll_check(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<bool, String>> {
        Poll::Ready(contain(&mut self.check))
    }
}

/// The checks of [`condition_async`](super::condition_async()): one future after another.
#[pin_project]
pub struct Async<P, Fut> {
    check: P,
    /// The check that is running.
    #[pin]
    running: Option<Fut>,
}

impl<P: FnMut() -> Fut, Fut: Future<Output = bool>> Async<P, Fut> {
    pub(super) fn new(check: P) -> Self {
        Async { check, running: None }
    }
}

impl<P: FnMut() -> Fut, Fut: Future<Output = bool>> sealed::Check for Async<P, Fut> {
    fn poll_check(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<bool, String>> {
        let mut this = self.project();
        let polled = contain(|| {
            if this.running.is_none() {
                let started = (this.check)();
                this.running.set(Some(started));
            }
            this.running.as_mut().as_pin_mut().map_or(Poll::Pending, |running| running.poll(cx))
        });
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(met)) => Ok(met),
            Err(message) => Err(message),
        };
        // Drop the check even if it panicked, because it must not be polled again. Its destructor may panic too.
        let dropped = contain(|| this.running.set(None));
        Poll::Ready(dropped.and(outcome))
    }
}

/// The checks of [`condition_blocking`](super::condition_blocking()): each check moves the closure to a thread of the pool,
/// and the closure comes back with the result.
#[cfg(feature = "blocking")]
pub struct Blocking<P> {
    state: BlockingState<P>,
}

#[cfg(feature = "blocking")]
enum BlockingState<P> {
    /// `None` only while the closure moves to the pool.
    Here(Option<P>),
    OnThread(PoolTask<(P, Result<bool, String>)>),
}

#[cfg(feature = "blocking")]
impl<P: FnMut() -> bool + Send + 'static> Blocking<P> {
    pub(super) fn new(check: P) -> Self {
        Blocking { state: BlockingState::Here(Some(check)) }
    }
}

/// The closure is never pinned.
#[cfg(feature = "blocking")]
impl<P> Unpin for Blocking<P> {}

#[cfg(feature = "blocking")]
impl<P: FnMut() -> bool + Send + 'static> sealed::Check for Blocking<P> {
    fn poll_check(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<bool, String>> {
        if let BlockingState::Here(check) = &mut self.state {
            let Some(mut check) = check.take() else { return Poll::Pending };
            self.state = BlockingState::OnThread(pool::spawn(move || {
                let outcome = contain(&mut check);
                (check, outcome)
            }));
        }
        let BlockingState::OnThread(task) = &mut self.state else { return Poll::Pending };
        match Pin::new(task).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready((check, outcome)) => {
                self.state = BlockingState::Here(Some(check));
                Poll::Ready(outcome)
            }
        }
    }
}

macro_rules! debug {
    ($($(#[$cfg:meta])? [$($generics:tt)*] $check:ty, $name:literal;)*) => {$(
        $(#[$cfg])?
        impl<$($generics)*> fmt::Debug for $check {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($name)
            }
        }
    )*};
}

debug! {
    [P] Inline<P>, "Inline";
    [P, Fut] Async<P, Fut>, "Async";
    #[cfg(feature = "blocking")] [P] Blocking<P>, "Blocking";
}
