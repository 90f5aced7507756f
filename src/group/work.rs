//! `GroupWork`: the work of a group's operation: the body of the scope, and then the members.
//!
//! A time limit of the group includes both. After a cancellation, a failure or a panic, the work may be gone before the
//! members have ended. In that case the [ending](super::ending) waits for the members.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::launcher::Launcher;
use super::outcome::Outcome;
use crate::operation::Operation;
use crate::wait::{Waiter, polled_after_completion};

/// The work of a group: the body of its scope, and then its members.
#[pin_project]
pub struct GroupWork<'env, B, O>
where
    O: Outcome,
{
    /// `None` once the body has returned.
    #[pin]
    body: Option<B>,
    /// The value that the body returned, until the members have ended.
    returned: Option<O::Body>,
    members: Waiter<Arc<Launcher<'env, O::Member, O::Error>>>,
    /// True once the body has returned and every member has ended.
    all_ended: bool,
}

impl<'env, B, O: Outcome> GroupWork<'env, B, O> {
    pub(super) fn new(body: B, launcher: Arc<Launcher<'env, O::Member, O::Error>>) -> Self {
        GroupWork {
            body: Some(body),
            returned: None,
            members: Waiter::new(launcher),
            all_ended: false,
        }
    }
}

impl<B, O> Future for GroupWork<'_, B, O>
where
    O: Outcome,
    B: Future<Output = O::Body>,
{
    type Output = O::Value;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Value> {
        let mut this = self.project();
        this.members.latched().note_host();
        let polled = this.body.as_mut().as_pin_mut().map(|body| body.poll(cx));
        let launcher = this.members.latched();
        if let Some(Poll::Ready(returned)) = polled {
            this.body.set(None);
            if O::body_failed(&returned) {
                // The ending cancels the members.
                return Poll::Ready(O::finish(&launcher.shared, returned));
            }
            *this.returned = Some(returned);
            launcher.shared.release();
        }
        launcher.poll_in_place(cx);
        // In a grace period, this future may be polled again after the last member has ended.
        *this.all_ended = *this.all_ended
            || this.body.is_none() && this.members.poll("GroupWork", cx, |()| ()).is_ready();
        if !*this.all_ended {
            return Poll::Pending;
        }
        let shared = &this.members.latched().shared;
        if shared.failure().is_some() {
            return match O::fail(shared) {
                Some(failed) => Poll::Ready(failed),
                // The failure has cancelled the operation. So the task is woken, and the race drops this future.
                None => pending_until_dropped(&shared.operation, cx),
            };
        }
        if shared.was_cut() {
            // A member was cancelled with the group, so the outcome is the cancellation. The race of the group may not have
            // noticed it yet. If all members had ended by themselves, their results would win (guarantee 2).
            return pending_until_dropped(&shared.operation, cx);
        }
        match this.returned.take() {
            Some(returned) => Poll::Ready(O::finish(shared, returned)),
            None => polled_after_completion("GroupWork"),
        }
    }
}

/// Returns `Pending` for a group that is cancelled and has no members left. Nothing needs the rest of the grace period, so
/// this call cuts it short. If the grace period begins after this poll, the next poll cuts it short.
fn pending_until_dropped<T>(group: &Operation, cx: &Context<'_>) -> Poll<T> {
    if !group.cut_grace() {
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

impl<B, O: Outcome> fmt::Debug for GroupWork<'_, B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body_has_returned = self.body.is_none();
        f.debug_struct("GroupWork")
            .field("body_has_returned", &body_has_returned)
            .finish_non_exhaustive()
    }
}
