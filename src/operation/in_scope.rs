//! `InScope`: a future that runs within an operation, wherever it is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::Operation;
use super::current::PolledBy;
use crate::frame::InRace;

/// Future of [`Operation::in_scope`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct InScope<F> {
    #[pin]
    future: F,
    operation: Operation,
}

impl<F> InScope<F> {
    pub(super) fn new(operation: Operation, future: F) -> Self {
        InScope { future, operation }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.operation.enter(PolledBy::ANYTHING);
        // Children in here are cancelled with this operation, even if this future is itself inside
        // a shield.
        let _frame = InRace::enter(0, true);
        this.future.poll(cx)
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").field("operation", &self.operation).finish_non_exhaustive()
    }
}
