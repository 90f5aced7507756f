//! `Member` and `Daemon`: the tasks of members. Each task ends its member exactly once: when the future returns, panics or
//! is cancelled, or else when the executor drops the task.

use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use super::error::{TaskError, TaskFailed};
use super::launcher::Launcher;
use super::shared::{Shared, TaskResult};
use super::state::{Admitted, Seat};
use crate::error::Cancelled;
use crate::frame::InRace;
use crate::operation::{Operation, PolledBy};
use crate::panic::{contain, discard, message};
use crate::wait::polled_after_completion;

/// How the values of a member's future become its result.
pub(super) trait Kind<T, E> {
    /// What the future returns.
    type Value;

    fn convert(value: Self::Value) -> TaskResult<T, E>;

    /// Returns the cause for which the group is cancelled, if this error fails it.
    fn text_of(error: &E) -> TaskFailed;
}

/// The future returns the value itself.
pub(super) struct CannotFail;

impl<T, E> Kind<T, E> for CannotFail {
    type Value = T;

    fn convert(value: T) -> TaskResult<T, E> {
        Ok(value)
    }

    fn text_of(_error: &E) -> TaskFailed {
        unreachable!("the member cannot fail")
    }
}

/// The future returns a `Result`.
pub(super) struct CanFail;

impl<T, E: Display> Kind<T, E> for CanFail {
    type Value = Result<T, E>;

    fn convert(result: Result<T, E>) -> TaskResult<T, E> {
        result.map_err(TaskError::Failed)
    }

    fn text_of(error: &E) -> TaskFailed {
        TaskFailed::because_of(error)
    }
}

/// The task of a member. `R` is the race of its future against the cancellation of the group, and `K` is its [`Kind`].
#[pin_project(PinnedDrop)]
pub(super) struct Member<'env, R, K, T, E> {
    /// `None` once the member has ended.
    #[pin]
    race: Option<R>,
    is_plain: bool,
    kind: PhantomData<K>,
    seat: Seat,
    launcher: Arc<Launcher<'env, T, E>>,
}

impl<'env, R, K, T, E> Member<'env, R, K, T, E> {
    pub(super) fn new(race: R, admitted: Admitted, launcher: Arc<Launcher<'env, T, E>>) -> Self {
        let Admitted { seat, is_plain, .. } = admitted;
        Member { race: Some(race), is_plain, kind: PhantomData, seat, launcher }
    }
}

impl<R, K, T, E> Future for Member<'_, R, K, T, E>
where
    R: Future<Output = Result<K::Value, Cancelled>>,
    K: Kind<T, E>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let operation = this.is_plain.then_some(&this.launcher.shared.operation);
        let polled = {
            let _inside = this.launcher.shared.enter_member(this.seat.number, cx);
            poll_to_end(this.race, operation, cx)
        };
        let result = match ready!(polled) {
            Ok(Ok(value)) => K::convert(value),
            Ok(Err(cancelled)) => Err(TaskError::Cancelled(cancelled)),
            Err(panic) => Err(TaskError::Panicked(panic.into())),
        };
        let failed = match &result {
            Err(TaskError::Failed(error)) => Some(K::text_of(error)),
            Err(TaskError::Panicked(message)) => Some(TaskFailed::panicked(message)),
            Ok(_) | Err(TaskError::Cancelled(_)) => None,
        };
        if let Some(cause) = failed {
            this.launcher.shared.member_failed(Some(this.seat.number), cause);
        }
        this.launcher.member_ended(*this.seat, *this.is_plain, result);
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<R, K, T, E> PinnedDrop for Member<'_, R, K, T, E> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.race.is_some() {
            let _ = contain(|| this.race.set(None));
            let reason = this.launcher.shared.reason_if_dropped();
            let result = Err(Cancelled::new(reason).into());
            this.launcher.member_ended(*this.seat, *this.is_plain, result);
        }
    }
}

/// The task of a daemon.
#[pin_project(PinnedDrop)]
pub(super) struct Daemon<R, T, E> {
    /// `None` once the daemon has ended.
    #[pin]
    race: Option<R>,
    shared: Arc<Shared<T, E>>,
}

impl<R, T, E> Daemon<R, T, E> {
    pub(super) fn new(race: R, shared: Arc<Shared<T, E>>) -> Self {
        Daemon { race: Some(race), shared }
    }
}

impl<R, T, E> Future for Daemon<R, T, E>
where
    R: Future<Output = Result<(), Cancelled>>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if let Err(panic) = ready!(poll_to_end(this.race, Some(&this.shared.operation), cx)) {
            this.shared.member_failed(None, TaskFailed::panicked(&panic));
        }
        this.shared.daemon_ended();
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<R, T, E> PinnedDrop for Daemon<R, T, E> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.race.is_some() {
            let _ = contain(|| this.race.set(None));
            this.shared.daemon_ended();
        }
    }
}

/// Polls a race. If there is an `operation`, it is the current one during the poll. Once the race has ended, drops the race,
/// and returns its outcome or the message of its panic.
fn poll_to_end<R: Future>(
    mut race: Pin<&mut Option<R>>,
    operation: Option<&Operation>,
    cx: &mut Context<'_>,
) -> Poll<Result<R::Output, String>> {
    let Some(work) = race.as_mut().as_pin_mut() else {
        polled_after_completion("the task of a group")
    };
    let poll = || {
        let Some(operation) = operation else { return work.poll(cx) };
        let _inside = operation.enter(PolledBy::ANYTHING);
        // Operations that start in this poll are cancelled with the group, even if a shield is around the executor that
        // polls this task.
        let _frame = InRace::enter(0, true);
        work.poll(cx)
    };
    let outcome = match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(polled) => Ok(ready!(polled)),
        Err(panic) => {
            let text = message(&*panic);
            discard(panic);
            Err(text)
        }
    };
    let _ = contain(|| race.set(None));
    Poll::Ready(outcome)
}
