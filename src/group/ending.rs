//! `JoinMembers`: what runs after the work of a group. It waits until every member has ended.
//!
//! If the group has not completed, `JoinMembers` cancels the members first. Like clean-up, the wait is shielded from every
//! race around the group. So the operation of the group ends, and its outcome is returned, only after every member has
//! ended.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::error::TaskFailed;
use super::launcher::Launcher;
use super::outcome::Outcome;
use crate::error::Cancelled;
use crate::frame::OutsideWork;
use crate::future::{Ending, ErrorOf, clean_up_after_earlier, sealed};
use crate::reason::Reason;
use crate::text::Text;
use crate::wait::Waiter;

/// Keeps a group open. Dropping it cancels the members.
pub(super) struct Owner<'env, T, E> {
    pub(super) launcher: Arc<Launcher<'env, T, E>>,
}

impl<T, E> Drop for Owner<'_, T, E> {
    fn drop(&mut self) {
        self.launcher.abandon();
    }
}

/// Runs after the work of a group, and waits until every member has ended.
#[pin_project]
pub struct JoinMembers<'env, O, P>
where
    O: Outcome,
{
    /// Finds the error in the outcome.
    #[pin]
    earlier: P,
    /// Stored here while members are pending.
    outcome: Option<Result<O::Value, Cancelled>>,
    stage: Stage,
    /// Whether the body was dropped before it returned.
    body_dropped: bool,
    members: Waiter<Arc<Launcher<'env, O::Member, O::Error>>>,
    owner: Owner<'env, O::Member, O::Error>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The members have not been cancelled.
    New,
    Waiting,
    Done,
}

impl<'env, O: Outcome, P> JoinMembers<'env, O, P> {
    pub(super) fn new(earlier: P, owner: Owner<'env, O::Member, O::Error>) -> Self {
        let members = Waiter::new(owner.launcher.clone());
        JoinMembers {
            earlier,
            outcome: None,
            stage: Stage::New,
            body_dropped: false,
            members,
            owner,
        }
    }
}

impl<O, P> JoinMembers<'_, O, P>
where
    O: Outcome,
    P: Ending<O::Value>,
{
    /// At the first call, cancels the members unless the group has completed.
    fn begin(mut self: Pin<&mut Self>, outcome: &Result<O::Value, Cancelled>) {
        if let Stage::New = self.stage {
            *self.as_mut().project().stage = Stage::Waiting;
            let body_dropped = self.cancel_members(outcome);
            *self.project().body_dropped = body_dropped;
        }
    }

    /// Returns whether the body was dropped before it returned.
    fn cancel_members(&self, outcome: &Result<O::Value, Cancelled>) -> bool {
        let launcher = &self.owner.launcher;
        match outcome {
            Ok(value) if O::is_error(value) => {
                let mut cause = TaskFailed::new(Text::from("its body returned an error"));
                if let Some(error_of) = self.earlier.error_of() {
                    error_of(value, &mut |error| cause = TaskFailed::because_of(error));
                }
                launcher.shared.fail(None, cause);
            }
            Ok(_) => {}
            Err(cancelled) => {
                launcher.shared.operation.cancel_with(Reason::clone(cancelled.reason()));
            }
        }
        // Empties the queue if the group is cancelled.
        launcher.dispatch();
        launcher.shared.release()
    }
}

impl<O, P> sealed::Ending<O::Value> for JoinMembers<'_, O, P>
where
    O: Outcome,
    P: Ending<O::Value>,
{
    clean_up_after_earlier!(O::Value, joins: P::JOINS);

    fn failure(&self) -> Option<Text> {
        Some(self.owner.launcher.shared.failure()?.message().clone())
    }

    fn poll_while_joining(
        mut self: Pin<&mut Self>,
        outcome: &Result<O::Value, Cancelled>,
        cx: &mut Context<'_>,
    ) {
        self.as_mut().begin(outcome);
        poll_in_place(&self.owner.launcher, cx);
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<O::Value, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        if let Some(outcome) = &*outcome {
            self.as_mut().begin(outcome);
        }
        let this = self.project();
        let Stage::Waiting = this.stage else { return Poll::Ready(()) };
        let launcher = &this.owner.launcher;
        poll_in_place(launcher, cx);
        if this.members.poll("JoinMembers", cx, |()| ()).is_pending() {
            *this.outcome = outcome.take();
            return Poll::Pending;
        }
        *this.stage = Stage::Done;
        if let Some(Err(cancelled)) = &*outcome {
            let shared = &launcher.shared;
            // This may run user code, which may panic. In that case the outcome stays as it is.
            let failed = if shared.failure().is_some() { O::fail(shared) } else { None };
            let cancelled = cancelled.clone();
            // The race of the group cuts the grace period short once nothing needs the rest of it. That also makes
            // `cancelled.was_forced()` true, so this value is used only if the body was dropped.
            let forced = shared.was_forced() || *this.body_dropped && cancelled.was_forced();
            *outcome = Some(failed.map_or_else(|| Err(cancelled.with_forced(forced)), Ok));
        }
        Poll::Ready(())
    }
}

/// Polls members that run in place. The poll is not treated as part of the clean-up that calls it, because the members are
/// not part of that clean-up.
fn poll_in_place<T, E>(launcher: &Launcher<'_, T, E>, cx: &mut Context<'_>) {
    launcher.note_host();
    let _member = OutsideWork::out_of_clean_up();
    launcher.poll_in_place(cx);
}

impl<O: Outcome, P> fmt::Debug for JoinMembers<'_, O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinMembers")
    }
}
