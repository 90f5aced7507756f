//! `in_scope`: a future that runs within an operation, wherever it is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::Operation;
use crate::ambient::InRace;

impl Operation {
    /// Runs a future within this operation: there it is the [current](Self::current) one, and
    /// operations that are first polled there are below it. For tasks that are spawned.
    ///
    /// It does not cancel the future: race it against [`token`](Self::token) for that, or make it an
    /// operation of its own.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let fetch = async {
    ///     let operation = Operation::current().unwrap();
    ///     let part = async { Operation::current().unwrap().parent_id() }
    ///         .cancelable(never())
    ///         .named("part");
    ///     let parent = smol::spawn(operation.in_scope(part)).await?;
    ///     Ok::<_, Cancelled>(parent == Some(operation.id()))
    /// };
    /// assert!(fetch.cancelable(never()).named("fetch").await??);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn in_scope<F: IntoFuture>(&self, future: F) -> InScope<F::IntoFuture> {
        InScope { future: future.into_future(), operation: self.clone() }
    }
}

/// Future of [`Operation::in_scope`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct InScope<F> {
    #[pin]
    future: F,
    operation: Operation,
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.operation.enter();
        // What is below this operation is cancelled with it, also where all of this is in a shield.
        let _frame = InRace::enter(false, true);
        this.future.poll(cx)
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").field("operation", &self.operation).finish_non_exhaustive()
    }
}
