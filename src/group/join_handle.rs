//! `JoinHandle`: a future of the result of one member.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::shared::{Shared, TaskResult};
use crate::panic::discard;
use crate::sync::Mutex;
use crate::wait::{WakerSlot, polled_after_completion};

/// A handle of one member of a group: a future of its result. Made by [`spawn`](super::GroupHandle::spawn).
///
/// The result of a member is delivered once. A handle that is alive when the member ends gets it. If the handle has
/// been dropped by then, or is dropped without having been awaited, the result belongs to the group, which returns it
/// from [`join`](crate::TaskGroup::join) or [`next`](super::GroupHandle::next).
///
/// Dropping the handle does not cancel the member. To cancel one member, give it a token of its own:
/// `work.cancelable(&token)`.
///
/// # Cancel safety
///
/// Dropping it loses nothing: the group then has the result.
///
/// # Errors
///
/// [`TaskError`](super::TaskError): the member was cancelled, panicked, or returned an error.
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
pub struct JoinHandle<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    /// `None` once the result has been returned.
    cell: Option<Arc<ResultCell<T, E>>>,
    /// Whether its waker may be in the cell.
    is_polled: bool,
}

/// The place where a member leaves its result for its handle.
pub(super) struct ResultCell<T, E> {
    pub(super) shared: Arc<Shared<T, E>>,
    /// The number of the member, from 1; 0 if it is none.
    pub(super) number: u64,
    state: Mutex<State<T, E>>,
    waker: WakerSlot,
}

enum State<T, E> {
    Running,
    /// The handle is gone.
    Detached,
    Ended(TaskResult<T, E>),
}

impl<T: Send + 'static, E: Send + 'static> ResultCell<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>, number: u64) -> Arc<Self> {
        Arc::new(ResultCell {
            shared,
            number,
            state: Mutex::new(State::Running),
            waker: WakerSlot::default(),
        })
    }

    /// Creates the place for something that is no member, because the group was closed. It has ended already.
    pub(super) fn of_refused(shared: Arc<Shared<T, E>>, result: TaskResult<T, E>) -> Arc<Self> {
        let (state, waker) = (Mutex::new(State::Ended(result)), WakerSlot::default());
        Arc::new(ResultCell { shared, number: 0, state, waker })
    }

    /// Gives the result to the handle, or returns it if the handle is gone.
    pub(super) fn deliver(&self, result: TaskResult<T, E>) -> Option<TaskResult<T, E>> {
        let mut state = self.state.lock();
        if let State::Detached = *state {
            return Some(result);
        }
        *state = State::Ended(result);
        drop(state);
        self.waker.wake();
        None
    }

    fn take(&self) -> Option<TaskResult<T, E>> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Running) {
            State::Ended(result) => Some(result),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Detaches the member. Its result, now or later, belongs to the group.
    fn detach(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Detached);
        match before {
            State::Ended(result) if self.number > 0 => self.shared.keep_result(self.number, result),
            State::Ended(refused) => discard(refused),
            State::Running | State::Detached => {}
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> JoinHandle<T, E> {
    pub(super) fn new(cell: Arc<ResultCell<T, E>>) -> Self {
        JoinHandle { cell: Some(cell), is_polled: false }
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
        let Some(cell) = &self.cell else { return true };
        matches!(*cell.state.lock(), State::Ended(_))
    }
}

impl<T: Send + 'static, E: Send + 'static> Future for JoinHandle<T, E> {
    type Output = TaskResult<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_polled = true;
        let Some(cell) = &self.cell else { polled_after_completion("JoinHandle") };
        cell.waker.register(cx.waker());
        let Some(result) = cell.take() else { return Poll::Pending };
        cell.waker.clear();
        self.cell = None;
        Poll::Ready(result)
    }
}

impl<T: Send + 'static, E: Send + 'static> FusedFuture for JoinHandle<T, E> {
    fn is_terminated(&self) -> bool {
        self.cell.is_none()
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for JoinHandle<T, E> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.detach();
            if self.is_polled {
                cell.waker.clear();
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for JoinHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}
