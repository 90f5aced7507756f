//! The futures that wait until an operation is cancelled.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::Operation;
use crate::reason::Reason;
use crate::source::{WaitForCancellation, WaitForCancellationOwned};

/// Future of [`Operation::cancelled`].
///
/// # Cancel safety
///
/// Dropping the future removes its waker from the operation.
///
/// # Panics
///
/// Panics if polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WaitUntilCancelled<'a> {
    operation: &'a Operation,
    waiting: WaitForCancellation<'a>,
}

impl<'a> WaitUntilCancelled<'a> {
    pub(super) fn new(operation: &'a Operation) -> Self {
        WaitUntilCancelled { operation, waiting: operation.inner.token().cancelled() }
    }
}

impl Future for WaitUntilCancelled<'_> {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let is_protected = self.operation.is_protected_here();
        self.waiting.poll_unless(is_protected, cx)
    }
}

impl FusedFuture for WaitUntilCancelled<'_> {
    fn is_terminated(&self) -> bool {
        self.waiting.is_terminated()
    }
}

/// Like [`WaitUntilCancelled`], but owns its handle. A call that is cancelled with an operation has this future as its source.
#[derive(Debug)]
pub(crate) struct WaitUntilCancelledOwned {
    operation: Operation,
    waiting: WaitForCancellationOwned,
}

impl WaitUntilCancelledOwned {
    pub(crate) fn new(operation: &Operation) -> Self {
        WaitUntilCancelledOwned {
            operation: operation.clone(),
            waiting: operation.cancelled_owned(),
        }
    }
}

impl Future for WaitUntilCancelledOwned {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let is_protected = self.operation.is_protected_here();
        self.waiting.poll_unless(is_protected, cx)
    }
}
