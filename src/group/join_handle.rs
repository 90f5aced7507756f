//! `JoinHandle`: a future of the result of one member.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;

use super::shared::{Shared, TaskResult};
use super::state::Seat;
use crate::error::Cancelled;
use crate::wait::polled_after_completion;

/// A handle of one member of a group: a future of the member's result. Returned by [`spawn`](super::GroupHandle::spawn).
///
/// The result of a member is delivered once. A handle that is alive when the member ends gets it. If the handle has
/// been dropped by then, or is dropped without having been awaited, the result belongs to the group, which returns it
/// from [`join`](crate::TaskGroup::join) or [`next`](super::GroupHandle::next).
///
/// A member that awaits its own handle would wait for itself. So the handle returns
/// [`TaskError::Cancelled`](super::TaskError::Cancelled) at once, and the result of the member belongs to the group. The
/// handle detects this only if the task of the member polls the handle directly. Inside a combinator that polls with wakers
/// of its own, such as `FuturesUnordered`, the handle stays pending until the member is cancelled. The same holds for
/// members that await each other's handles in a circle.
///
/// Dropping the handle does not cancel the member. To cancel one member, give it a token of its own:
/// `work.cancelable(&token)`.
///
/// # Cancel safety
///
/// Dropping the handle loses nothing: the result then belongs to the group.
///
/// # Errors
///
/// [`TaskError`](super::TaskError): the member was cancelled, panicked, returned an error, or awaited its own handle.
///
/// # Panics
///
/// Panics if polled after completion.
///
/// # Examples
///
/// ```
/// use cancelable::TaskGroup;
///
/// # smol::block_on(async {
/// let group = TaskGroup::new(|task| smol::spawn(task).detach());
/// let (six, seven) = (group.spawn(async { 6 }), group.spawn(async { 7 }));
/// assert_eq!(six.await.unwrap() * seven.await.unwrap(), 42);
/// # });
/// ```
pub struct JoinHandle<T, E> {
    state: State<T, E>,
}

enum State<T, E> {
    Member(Arc<Shared<T, E>>, Seat),
    /// The group was closed, so no member was added.
    Refused,
    /// The result has been returned.
    Done,
}

impl<T, E> JoinHandle<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>, seat: Seat) -> Self {
        JoinHandle { state: State::Member(shared, seat) }
    }

    /// Creates a handle for work that was not added, because the group was closed.
    pub(super) fn refused() -> Self {
        JoinHandle { state: State::Refused }
    }

    /// Returns whether the member has ended.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// let handle = group.spawn(std::future::pending());
    /// assert!(!handle.is_finished());
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        match &self.state {
            State::Member(shared, seat) => shared.has_ended(seat.slot),
            State::Refused | State::Done => true,
        }
    }
}

impl<T, E> Future for JoinHandle<T, E> {
    type Output = TaskResult<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &self.state {
            State::Member(shared, seat) if shared.is_task_of(seat.number, cx) => {
                shared.detach(*seat);
                Err(Cancelled::new("a member cannot wait for itself").into())
            }
            State::Member(shared, seat) => ready!(shared.poll_slot(seat.slot, cx)),
            State::Refused => Err(Cancelled::new("the group is closed").into()),
            State::Done => polled_after_completion("JoinHandle"),
        };
        self.state = State::Done;
        Poll::Ready(result)
    }
}

impl<T, E> FusedFuture for JoinHandle<T, E> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl<T, E> Drop for JoinHandle<T, E> {
    fn drop(&mut self) {
        if let State::Member(shared, seat) = &self.state {
            shared.detach(*seat);
        }
    }
}

impl<T, E> fmt::Debug for JoinHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}
