//! `GroupWork` and `JoinMembers`: the work of a group's operation, and what runs after it.
//!
//! 1. The work polls the body of the scope, then waits for the members. So a time limit of the group includes them.
//! 2. The work may be gone before the members: after a cancellation, a failure or a panic. Then the ending cancels
//!    the members, and waits for them like clean-up: shielded from every race around the group.
//! 3. So the operation ends, and its outcome is returned, after every member.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

use super::Owner;
use super::error::TaskFailed;
use super::shared::Shared;
use crate::error::Cancelled;
use crate::future::{Ending, ErrorOf, clean_up_after_earlier, sealed};
use crate::reason::Reason;
use crate::text::Text;
use crate::wait::{Waiter, polled_after_completion};

/// How the results of a group, and of its body, become its outcome.
pub(super) struct Mode<R, V, T, E> {
    /// Returns whether the body has failed.
    pub(super) has_failed: fn(&R) -> bool,
    /// Makes the outcome once every member has ended, or once the body has failed.
    pub(super) finish: fn(&Shared<T, E>, R) -> V,
    /// Makes the outcome of a group in which a member has failed. `None` if the outcome is a cancellation.
    pub(super) fail: fn(&Shared<T, E>) -> Option<V>,
}

impl<R, V, T, E> Clone for Mode<R, V, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, V, T, E> Copy for Mode<R, V, T, E> {}

/// The work of a group: the body of its scope, and then its members.
#[pin_project]
pub struct GroupWork<B: Future, V, T, E> {
    /// `None` once the body has returned.
    #[pin]
    body: Option<B>,
    /// What the body returned, while there are members.
    returned: Option<B::Output>,
    members: Waiter<Arc<Shared<T, E>>>,
    shared: Arc<Shared<T, E>>,
    mode: Mode<B::Output, V, T, E>,
}

impl<B: Future, V, T, E> GroupWork<B, V, T, E> {
    pub(super) fn new(body: B, shared: Arc<Shared<T, E>>, mode: Mode<B::Output, V, T, E>) -> Self {
        let members = Waiter::new(shared.clone());
        GroupWork { body: Some(body), returned: None, members, shared, mode }
    }
}

impl<B: Future, V, T, E> Future for GroupWork<B, V, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = V;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        let mut this = self.project();
        if let Some(body) = this.body.as_mut().as_pin_mut() {
            let returned = ready!(body.poll(cx));
            this.body.set(None);
            if (this.mode.has_failed)(&returned) {
                // The ending cancels the members.
                return Poll::Ready((this.mode.finish)(this.shared, returned));
            }
            *this.returned = Some(returned);
            this.shared.release();
        }
        ready!(this.members.poll("GroupWork", cx, |()| ()));
        if this.shared.failure().is_some() {
            return match (this.mode.fail)(this.shared) {
                Some(failed) => Poll::Ready(failed),
                // The failure has cancelled the operation, which wakes the task and drops this.
                None => Poll::Pending,
            };
        }
        if this.shared.was_cut() {
            // A member was cancelled with the group, so the outcome is the cancellation. The group may not know of it
            // yet. If all members had ended by themselves, their results would win (guarantee 2).
            return Poll::Pending;
        }
        match this.returned.take() {
            Some(returned) => Poll::Ready((this.mode.finish)(this.shared, returned)),
            None => polled_after_completion("GroupWork"),
        }
    }
}

impl<B: Future, V, T, E> fmt::Debug for GroupWork<B, V, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body_has_returned = self.body.is_none();
        f.debug_struct("GroupWork")
            .field("body_has_returned", &body_has_returned)
            .finish_non_exhaustive()
    }
}

/// What runs after the work of a group: it waits until every member has ended.
#[pin_project]
pub struct JoinMembers<V, P, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    /// Finds the error in the outcome.
    #[pin]
    earlier: P,
    /// Stored here while members are pending.
    outcome: Option<Result<V, Cancelled>>,
    stage: Stage<V, T, E>,
    members: Waiter<Arc<Shared<T, E>>>,
    owner: Owner<T, E>,
}

enum Stage<V, T, E> {
    /// The members have not been cancelled.
    New {
        has_failed: fn(&V) -> bool,
        fail: fn(&Shared<T, E>) -> Option<V>,
    },
    Waiting {
        fail: fn(&Shared<T, E>) -> Option<V>,
    },
    Done,
}

impl<V, P, T: Send + 'static, E: Send + 'static> JoinMembers<V, P, T, E> {
    /// `has_failed` returns whether the outcome is an error. For `fail`, see [`Mode`].
    pub(super) fn new(
        earlier: P,
        owner: Owner<T, E>,
        has_failed: fn(&V) -> bool,
        fail: fn(&Shared<T, E>) -> Option<V>,
    ) -> Self {
        JoinMembers {
            earlier,
            outcome: None,
            stage: Stage::New { has_failed, fail },
            members: Waiter::new(owner.shared.clone()),
            owner,
        }
    }
}

impl<V, P, T, E> JoinMembers<V, P, T, E>
where
    P: Ending<V>,
    T: Send + 'static,
    E: Send + 'static,
{
    /// Cancels the members unless the group has completed.
    fn cancel_members(&self, outcome: &Result<V, Cancelled>, has_failed: fn(&V) -> bool) {
        let shared = &self.owner.shared;
        match outcome {
            Ok(value) if has_failed(value) => {
                let mut cause = TaskFailed::new(Text::from("its body returned an error"));
                if let Some(error_of) = self.earlier.error_of() {
                    error_of(value, &mut |error| cause = TaskFailed::because_of(error));
                }
                shared.fail(None, cause);
            }
            Ok(_) => {}
            Err(cancelled) => {
                shared.operation.cancel_with(Reason::clone(cancelled.reason()));
            }
        }
    }
}

impl<V, P, T, E> sealed::Ending<V> for JoinMembers<V, P, T, E>
where
    P: Ending<V>,
    T: Send + 'static,
    E: Send + 'static,
{
    clean_up_after_earlier!(V, joins: P::JOINS);

    fn failure(&self) -> Option<Text> {
        Some(self.owner.shared.failure()?.message().clone())
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<V, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        if let (Stage::New { has_failed, fail }, Some(outcome)) = (&self.stage, &*outcome) {
            let (has_failed, fail) = (*has_failed, *fail);
            *self.as_mut().project().stage = Stage::Waiting { fail };
            self.cancel_members(outcome, has_failed);
            self.owner.shared.release();
        }
        let this = self.project();
        let Stage::Waiting { fail } = *this.stage else { return Poll::Ready(()) };
        if this.members.poll("JoinMembers", cx, |()| ()).is_pending() {
            *this.outcome = outcome.take();
            return Poll::Pending;
        }
        *this.stage = Stage::Done;
        if matches!(outcome, Some(Err(_))) && this.owner.shared.failure().is_some() {
            if let Some(failed) = fail(&this.owner.shared) {
                *outcome = Some(Ok(failed));
            }
        }
        Poll::Ready(())
    }
}

impl<V, P, T: Send + 'static, E: Send + 'static> fmt::Debug for JoinMembers<V, P, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinMembers")
    }
}
