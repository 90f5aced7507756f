//! Waiting for the end of an operation, and of everything below it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;

use super::inner::Inner;
use super::{Operation, Status};
use crate::reason::Reason;
use crate::wait::{Latch, Waiter, blocking_wait, blocking_wait_timeout, polled_after_completion};

/// Waiting for the end.
impl Operation {
    /// Waits until the operation has ended, and its clean-up and hooks have run. Returns the final status.
    ///
    /// Any number of tasks may wait, even after the end. Dropping the future of the operation also ends the operation, even
    /// if that future has never been polled.
    ///
    /// An operation cannot wait for its own end: in its work, its clean-up or its hooks, this wait never ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future loses nothing: if you call this method again, you get the same status.
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let future = async { 7 }.cancelable(never());
    /// let operation = future.operation();
    /// let task = smol::spawn(future);
    /// assert_eq!(operation.ended().await, Status::Completed);
    /// # drop(task);
    /// # });
    /// ```
    pub fn ended(&self) -> Ended {
        Ended { waiter: Waiter::new(self.inner.clone()) }
    }

    /// Cancels the operation for `reason`, then waits until it has ended. Returns the final status.
    ///
    /// The call itself cancels the operation, and the returned future waits. If the operation was already cancelled, it
    /// keeps its earlier reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only ends the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let future = std::future::pending::<()>().cancelable(never());
    /// let operation = future.operation();
    /// let task = smol::spawn(future);
    /// assert_eq!(operation.cancel_and_wait("not needed").await, Status::Cancelled);
    /// # drop(task);
    /// # });
    /// ```
    pub fn cancel_and_wait(&self, reason: impl Into<Reason>) -> Ended {
        self.cancel_with(reason);
        self.ended()
    }

    /// Blocks the thread until the operation has ended, and returns the final status.
    ///
    /// Do not call this in a task, because it blocks the thread of the executor. Await [`ended`](Self::ended) instead.
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// let future = async { 7 }.cancelable(never());
    /// let operation = future.operation();
    /// std::thread::spawn(move || smol::block_on(future));
    /// assert_eq!(operation.blocking_ended(), Status::Completed);
    /// ```
    pub fn blocking_ended(&self) -> Status {
        blocking_wait(&*self.inner)
    }

    /// Blocks the thread until the operation has ended, for at most `limit`. Returns `None` if `limit` has passed.
    ///
    /// A limit of zero checks without blocking. A limit that overflows the clock, such as [`Duration::MAX`], never
    /// passes.
    ///
    /// Do not call this in a task, because it blocks the thread of the executor.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// let future = async { 7 }.cancelable(never());
    /// let operation = future.operation();
    /// assert_eq!(operation.blocking_ended_timeout(Duration::from_millis(1)), None);
    /// # drop(future);
    /// ```
    pub fn blocking_ended_timeout(&self, limit: Duration) -> Option<Status> {
        blocking_wait_timeout(&*self.inner, limit)
    }
}

/// Children.
impl Operation {
    /// Returns handles of the children, in the order of their ids.
    ///
    /// An operation gets its parent from [`child_of`](crate::Cancelable::child_of), or at its first poll. From then on it is
    /// in the list of the parent. It leaves the list once it and everything below it have ended. For a future that runs
    /// [`in_scope`](Self::in_scope), the list has a child without a name.
    ///
    /// A member of a [`TaskGroup`](crate::TaskGroup) that is not an operation has no handle, so it is not in this list.
    /// It is still a child of the group's operation: [`child_count`](Self::child_count) includes it, and
    /// [`children_ended`](Self::children_ended) waits for it.
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// let parent = async {}.cancelable(never()).named("crawl");
    /// let operation = parent.operation();
    /// let page = async {}.cancelable(never()).named("page").child_of(&operation);
    /// assert_eq!(operation.children()[0].name(), Some("page"));
    /// drop(page);
    /// assert!(operation.children().is_empty());
    /// ```
    pub fn children(&self) -> Vec<Operation> {
        self.inner.children().into_iter().map(|inner| Operation { inner }).collect()
    }

    /// Returns the number of children.
    ///
    /// The number includes the members and daemons of a [`TaskGroup`](crate::TaskGroup) that are not operations.
    /// [`children`](Self::children) returns no handles of these.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// assert_eq!(operation.child_count(), 0);
    /// ```
    pub fn child_count(&self) -> usize {
        self.inner.child_count()
    }

    /// Waits until everything below the operation has ended, so that it has no children left.
    ///
    /// The wait includes children that are added meanwhile. It does not include the operation itself, and it does not keep
    /// new children from being added. If a child of the operation awaits the returned future, the wait never ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future only ends the wait.
    ///
    /// # Panics
    ///
    /// Panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let crawl = async {
    ///     let operation = Operation::current().unwrap();
    ///     let page = async {}.cancelable(never()).child_of(&operation);
    ///     let (child, _task) = (page.operation(), smol::spawn(page));
    ///     operation.children_ended().await;
    ///     child.status()
    /// };
    /// assert_eq!(crawl.cancelable(never()).named("crawl").await?, Status::Completed);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn children_ended(&self) -> ChildrenEnded {
        ChildrenEnded { operation: self.clone(), waiter: None, done: false }
    }
}

/// Future of [`Operation::ended`] and [`Operation::cancel_and_wait`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Ended {
    waiter: Waiter<Arc<Inner>>,
}

impl Future for Ended {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        self.waiter.poll("Ended", cx, |status| *status)
    }
}

impl FusedFuture for Ended {
    fn is_terminated(&self) -> bool {
        self.waiter.is_done()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("waiter", &self.waiter).finish()
    }
}

/// Future of [`Operation::children_ended`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ChildrenEnded {
    operation: Operation,
    /// Waits until there are no children. `None` before the first poll.
    waiter: Option<Waiter<Arc<Latch<()>>>>,
    done: bool,
}

impl Future for ChildrenEnded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.done {
            polled_after_completion("ChildrenEnded");
        }
        loop {
            if let Some(waiter) = &mut this.waiter {
                if waiter.poll("ChildrenEnded", cx, |()| ()).is_pending() {
                    return Poll::Pending;
                }
            }
            // This is the first poll, or the latch has been set because there were no children. Children may have been added
            // since then, so look again.
            this.waiter = this.operation.inner.children_latch().map(Waiter::new);
            if this.waiter.is_none() {
                this.done = true;
                return Poll::Ready(());
            }
        }
    }
}

impl FusedFuture for ChildrenEnded {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl fmt::Debug for ChildrenEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildrenEnded")
            .field("operation", &self.operation)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
