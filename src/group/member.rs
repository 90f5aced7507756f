//! `Member` and `Daemon`: the tasks of members. Each of them ends its member exactly once:
//! when the future returns, panics or is cancelled, and when the executor drops the task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use super::error::{TaskError, TaskFailed};
use super::join_handle::ResultCell;
use super::shared::{Shared, TaskResult};
use crate::error::Cancelled;
use crate::frame::InRace;
use crate::operation::{Operation, PolledBy};
use crate::panic::{contain, discard, message};
#[cfg(feature = "time")]
use crate::poll_context::ignore_limits;
use crate::reason::Reason;
use crate::source::{CancellationToken, WaitForCancellationOwned};
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::wait::polled_after_completion;

/// Turns the value of the future into the result of the member.
pub(super) type Convert<V, T, E> = fn(V) -> TaskResult<T, E>;

/// The task of a member. `R` is the race of its future against the cancellation of the group.
#[pin_project(PinnedDrop)]
pub(super) struct Member<R, V, T, E>
where
    R: Future<Output = Result<V, Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    /// `None` once the member has ended.
    #[pin]
    race: Option<R>,
    /// Whether the operation of the group is the current one in there. Otherwise the member is an operation itself.
    in_group: bool,
    convert: Convert<V, T, E>,
    cell: Arc<ResultCell<T, E>>,
    /// Returns the cause for which the group is cancelled, if this error fails it.
    text_of: fn(&E) -> TaskFailed,
}

impl<R, V, T, E> Member<R, V, T, E>
where
    R: Future<Output = Result<V, Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    pub(super) fn new(
        race: R,
        in_group: bool,
        convert: Convert<V, T, E>,
        cell: Arc<ResultCell<T, E>>,
        text_of: fn(&E) -> TaskFailed,
    ) -> Self {
        Member { race: Some(race), in_group, convert, cell, text_of }
    }
}

impl<R, V, T, E> Future for Member<R, V, T, E>
where
    R: Future<Output = Result<V, Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(race) = this.race.as_mut().as_pin_mut() else {
            polled_after_completion("the task of a group")
        };
        let operation = &this.cell.shared.operation;
        let poll = || if *this.in_group { poll_in(operation, race, cx) } else { race.poll(cx) };
        let result = match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => match ready!(polled) {
                Ok(value) => (this.convert)(value),
                Err(cancelled) => Err(TaskError::Cancelled(cancelled)),
            },
            Err(panic) => {
                let text = message(&*panic);
                discard(panic);
                Err(TaskError::Panicked(text.into()))
            }
        };
        let _ = contain(|| this.race.set(None));
        end(this.cell, result, *this.text_of);
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<R, V, T, E> PinnedDrop for Member<R, V, T, E>
where
    R: Future<Output = Result<V, Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.race.is_some() {
            let _ = contain(|| this.race.set(None));
            let reason = this.cell.shared.reason_if_dropped();
            end(this.cell, Err(Cancelled::new(reason).into()), *this.text_of);
        }
    }
}

/// Polls a race in the operation of the group.
fn poll_in<R: Future>(
    operation: &Operation,
    race: Pin<&mut R>,
    cx: &mut Context<'_>,
) -> Poll<R::Output> {
    let _inside = operation.enter(PolledBy::ANYTHING);
    // Children in there are cancelled with the group, even if a shield is around its executor.
    let _frame = InRace::enter(0, true);
    race.poll(cx)
}

/// Ends the member, once its future is gone.
fn end<T, E>(cell: &ResultCell<T, E>, result: TaskResult<T, E>, text_of: fn(&E) -> TaskFailed)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (shared, number) = (&cell.shared, cell.number);
    let cancelled = matches!(&result, Err(TaskError::Cancelled(_)));
    if let Err(error) = &result {
        if !cancelled {
            shared.member_failed(Some(number), || match error {
                TaskError::Failed(error) => text_of(error),
                TaskError::Panicked(message) => panicked(message),
                TaskError::Cancelled(_) => unreachable!("a cancellation is no failure"),
            });
        }
    }
    let left = cell.deliver(result);
    shared.member_ended(number, left, cancelled);
}

fn panicked(message: &str) -> TaskFailed {
    TaskFailed::new(format!("panicked: {message}").into())
}

/// The task of a daemon.
#[pin_project(PinnedDrop)]
pub(super) struct Daemon<R, T, E>
where
    R: Future<Output = Result<(), Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    /// `None` once the daemon has ended.
    #[pin]
    race: Option<R>,
    shared: Arc<Shared<T, E>>,
}

impl<R, T, E> Daemon<R, T, E>
where
    R: Future<Output = Result<(), Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    pub(super) fn new(race: R, shared: Arc<Shared<T, E>>) -> Self {
        Daemon { race: Some(race), shared }
    }
}

impl<R, T, E> Future for Daemon<R, T, E>
where
    R: Future<Output = Result<(), Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(race) = this.race.as_mut().as_pin_mut() else {
            polled_after_completion("the task of a group")
        };
        let operation = &this.shared.operation;
        let panic = match catch_unwind(AssertUnwindSafe(|| poll_in(operation, race, cx))) {
            Ok(polled) => {
                let _ = ready!(polled);
                None
            }
            Err(panic) => Some(panic),
        };
        let _ = contain(|| this.race.set(None));
        if let Some(panic) = panic {
            let text = message(&*panic);
            discard(panic);
            this.shared.member_failed(None, || panicked(&text));
        }
        this.shared.daemon_ended();
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<R, T, E> PinnedDrop for Daemon<R, T, E>
where
    R: Future<Output = Result<(), Cancelled>>,
    T: Send + 'static,
    E: Send + 'static,
{
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.race.is_some() {
            let _ = contain(|| this.race.set(None));
            this.shared.daemon_ended();
        }
    }
}

/// The source that a member which is no operation races against: the token of the group, and the deadline of the
/// group's operation, which is the current one in there. So the member stops in time even if nothing polls the group.
pub(super) struct GroupSource {
    cancelled: WaitForCancellationOwned,
    #[cfg(feature = "time")]
    limit: Limit,
}

#[cfg(feature = "time")]
enum Limit {
    /// Not polled yet.
    Unknown,
    None,
    Until(Box<Countdown>),
}

impl GroupSource {
    pub(super) fn new(token: &CancellationToken) -> Self {
        GroupSource {
            cancelled: token.clone().cancelled_owned(),
            #[cfg(feature = "time")]
            limit: Limit::Unknown,
        }
    }

    /// Cancels the operation of the group if its deadline has passed. Returns whether this call did it.
    #[cfg(feature = "time")]
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> bool {
        if let Limit::Unknown = self.limit {
            let deadline = Operation::current().and_then(|operation| operation.deadline());
            self.limit = match deadline {
                Some(at) => Limit::Until(Box::new(Countdown::until(at))),
                None => Limit::None,
            };
        }
        let Limit::Until(countdown) = &mut self.limit else { return false };
        if ignore_limits(|| countdown.poll("TaskGroup", cx)).is_pending() {
            return false;
        }
        self.limit = Limit::None;
        // The operation has none if its race is over, or if the limit was one of several that must all pass.
        let Some(operation) = Operation::current() else { return false };
        match operation.overdue() {
            Some(overdue) => operation.cancel_with(overdue.reason),
            None => false,
        }
    }
}

impl Future for GroupSource {
    type Output = Reason;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let polled = Pin::new(&mut self.cancelled).poll(cx);
        #[cfg(feature = "time")]
        if polled.is_pending() && !matches!(self.limit, Limit::None) && self.poll_limit(cx) {
            return Pin::new(&mut self.cancelled).poll(cx);
        }
        polled
    }
}
