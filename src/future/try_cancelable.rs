//! `TryCancelable`: a fallible future raced against a source, with one `Result`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;
use pin_project::pin_project;

use super::{Cancelable, Ending, Fallible};
use crate::error::Cancelled;
use crate::reason::Reason;
use crate::source::Source;

/// A fallible future raced against a source. [`try_cancelable`](super::CancelableExt::try_cancelable) creates it.
///
/// `TryCancelable` has the methods of [`Cancelable`]. If the work returns `Err`, the operation ends as
/// [`Cancelled`](crate::Status::Cancelled) if it has a [reason](crate::Operation::reason), and as
/// [`Failed`](crate::Status::Failed) otherwise. It makes no difference which error the work returns: even the error of a
/// cancelled race inside the work counts as a failure.
///
/// # Cancel safety
///
/// As for [`Cancelable`].
///
/// # Panics
///
/// Panics if polled after completion. A panic of the future or of your source propagates.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct TryCancelable<F: Future, S, E = Fallible<<F as Future>::Output>> {
    #[pin]
    pub(super) race: Cancelable<F, S, E>,
}

impl<F, S, T, X> TryCancelable<F, S>
where
    F: Future<Output = Result<T, X>>,
    S: Future<Output = Reason>,
    X: From<Cancelled>,
{
    pub(super) fn new(work: F, source: impl Source<Future = S>) -> Self {
        TryCancelable { race: Cancelable::with_ending(work, source, Fallible::new()) }
    }
}

impl<F: Future, S, E> TryCancelable<F, S, E> {
    pub(crate) fn of(race: Cancelable<F, S, E>) -> Self {
        TryCancelable { race }
    }

    pub(crate) fn into_race(self) -> Cancelable<F, S, E> {
        self.race
    }
}

impl<F, S, E, T, X> Future for TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    S: Future<Output = Reason>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled>,
{
    type Output = Result<T, X>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().race.poll(cx))?)
    }
}

impl<F, S, E, T, X> FusedFuture for TryCancelable<F, S, E>
where
    F: Future<Output = Result<T, X>>,
    S: Future<Output = Reason>,
    E: Ending<Result<T, X>>,
    X: From<Cancelled>,
{
    fn is_terminated(&self) -> bool {
        self.race.is_terminated()
    }
}

impl<F: Future, S, E> fmt::Debug for TryCancelable<F, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryCancelable").field(&self.race).finish()
    }
}
