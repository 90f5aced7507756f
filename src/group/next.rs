//! `Next`: waits for the next result of a group.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::results::Place;
use super::shared::{Shared, TaskResult};
use crate::wait::polled_after_completion;

/// The future of [`GroupHandle::next`](super::GroupHandle::next).
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Next<'a, T, E> {
    shared: &'a Shared<T, E>,
    place: Option<Place>,
    /// The member that polled this future, if one did. The member counts as waiting until the future ends.
    member: Option<u64>,
    is_done: bool,
}

impl<'a, T, E> Next<'a, T, E> {
    pub(super) fn new(shared: &'a Shared<T, E>) -> Self {
        Next { shared, place: None, member: None, is_done: false }
    }
}

impl<T, E> Future for Next<'_, T, E> {
    type Output = Option<TaskResult<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_done {
            polled_after_completion("Next");
        }
        let shared = self.shared;
        let member = shared.counted_member();
        shared.stop_waiting(self.member.take());
        loop {
            let taken = match shared.take_next(member) {
                Ok(result) => Some(result),
                Err(false) => None,
                Err(true) => {
                    // If there is a result by now, no waker is added: take the result.
                    match shared.add_waiter(self.place, member, cx.waker().clone()) {
                        None => continue,
                        place => (self.place, self.member) = (place, member),
                    }
                    return Poll::Pending;
                }
            };
            self.is_done = true;
            return Poll::Ready(taken);
        }
    }
}

impl<T, E> FusedFuture for Next<'_, T, E> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl<T, E> Drop for Next<'_, T, E> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.remove_waiter(place, self.member);
        }
    }
}

impl<T, E> fmt::Debug for Next<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("group", self.shared).finish_non_exhaustive()
    }
}
