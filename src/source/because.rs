//! `because`: makes any future a source.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::pin_project;

use crate::reason::Reason;
use crate::wait::polled_after_completion;

/// Source of [`because`](crate::CancelableExt::because): fires when its future is ready.
///
/// # Panics
///
/// Panics if polled after completion.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Because<F> {
    #[pin]
    future: F,
    /// `None` once the source has fired.
    reason: Option<Reason>,
}

impl<F> Because<F> {
    pub(crate) fn new(future: F, reason: Reason) -> Self {
        Because { future, reason: Some(reason) }
    }
}

impl<F: Future> Future for Because<F> {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        if this.reason.is_none() {
            polled_after_completion("Because");
        }
        match this.future.poll(cx) {
            Poll::Pending => Poll::Pending,
            // The reason is `Some`, as checked above.
            Poll::Ready(_) => this.reason.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl<F: Future> FusedFuture for Because<F> {
    fn is_terminated(&self) -> bool {
        self.reason.is_none()
    }
}

impl<F> fmt::Debug for Because<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Because").field("reason", &self.reason).finish_non_exhaustive()
    }
}
