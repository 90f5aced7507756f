//! `TaskGroup`: a group that owns its tasks, on any executor.
//!
//! * [`TaskGroup`] is the owner: it sets up the group, and waits for it. [`GroupHandle`] adds members.
//! * [`JoinHandle`] is a future of one member's result, [`Next`] of the next one.
//! * [`TaskError`] says how a member ended without a value.

// Inside, `shared` counts members and keeps their results, `member` is the task of one, and `run` is the work of the
// group's operation.

mod error;
mod handle;
mod join_handle;
#[cfg(all(test, cancelable_loom))]
mod loom_tests;
mod member;
mod next;
mod run;
mod shared;

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;
#[cfg(feature = "time")]
use std::time::Duration;

pub use error::{TaskError, TaskFailed};
pub use handle::GroupHandle;
pub use join_handle::JoinHandle;
pub use next::Next;
pub use run::{GroupWork, JoinMembers};

use crate::error::Cancelled;
use crate::future::{Cancelable, Fallible, TryCancelable};
use crate::source::{Never, Source, never};
use crate::spawner::{Spawner, Task};
use run::Mode;
use shared::Shared;

/// The results of a group, in the order in which the members were spawned.
type Results<T, E> = Vec<Result<T, TaskError<E>>>;

/// The race of a group. `B` is the body, `V` the outcome, and `P` finds the error in the outcome.
type Run<B, V, S, P, T, E> = Cancelable<GroupWork<B, V, T, E>, S, JoinMembers<V, P, T, E>>;

/// Like [`Run`], if the outcome is a `Result`.
type TryRun<B, V, S, T, E> =
    TryCancelable<GroupWork<B, V, T, E>, S, JoinMembers<V, Fallible<V>, T, E>>;

/// The future of [`TaskGroup::join`] and [`TaskGroup::join_within`].
pub type Join<T, E, S = Never> = Run<Ready<()>, Results<T, E>, S, (), T, E>;

/// The future of [`TaskGroup::try_join`] and [`TaskGroup::try_join_within`].
pub type TryJoin<T, E, S = Never> = TryRun<Ready<()>, Result<Vec<T>, TaskError<E>>, S, T, E>;

/// The future of [`TaskGroup::scope`].
pub type Scope<B, S, T, E> = Run<B, <B as Future>::Output, S, (), T, E>;

/// The future of [`TaskGroup::try_scope`].
pub type TryScope<B, S, T, E> = TryRun<B, <B as Future>::Output, S, T, E>;

/// A group of tasks that ends when all of its tasks have ended.
///
/// Use it if work is spread over tasks, and must not leave any of them behind. The group runs on any executor: it is
/// made from a [`Spawner`], a function that starts a task. Its members return a `T`. Those that can fail return
/// `Result<T, E>`.
///
/// The group is an [`Operation`](crate::Operation). A time limit, a name, hooks, a grace period and a registry apply
/// to it as to every operation, and cancelling it cancels its members with [`Reason::Parent`](crate::Reason::Parent).
///
/// * [`join`](Self::join) waits for all members and returns their results, in the order in which they were spawned.
///   [`try_join`](Self::try_join) returns the values or the first failure.
/// * [`scope`](Self::scope) runs a body that adds members, and waits for them too.
/// * If a member fails or panics, the others are cancelled, unless the group [keeps going](Self::keep_going).
/// * [`at_most`](Self::at_most) bounds how many members run at once.
/// * Dropping the group cancels its members. They end when their executor next polls them or drops them.
///
/// # Memory
///
/// The group keeps the result of every member whose [`JoinHandle`] was dropped until it is taken. For many members,
/// take results with [`next`](GroupHandle::next), or [discard](Self::discard_results) them. Then the group keeps
/// nothing of a member that has ended.
///
/// # The time limit
///
/// A time limit starts when the future of [`join_within`](Self::join_within) or of the scope is first polled. From then
/// on, it also stops members that are spawned, even if nothing polls that future any more.
///
/// # Examples
///
/// ```
/// use cancelable::{TaskGroup, timeout};
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let group = TaskGroup::new(|task| smol::spawn(task).detach());
/// for number in 1..=3 {
///     group.spawn(async move { number * number });
/// }
/// let squares = group.join_within(timeout(Duration::from_secs(60))).await?;
/// assert_eq!(squares, [Ok(1), Ok(4), Ok(9)]);
/// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
/// ```
#[must_use = "dropping a group cancels its members"]
pub struct TaskGroup<T = (), E = Infallible>
where
    T: Send + 'static,
    E: Send + 'static,
{
    handle: GroupHandle<T, E>,
    /// `None` once the group has passed to the future of a method.
    owner: Option<Owner<T, E>>,
}

/// Keeps a group open. Dropping it cancels the members.
struct Owner<T: Send + 'static, E: Send + 'static> {
    shared: Arc<Shared<T, E>>,
}

impl<T: Send + 'static, E: Send + 'static> Drop for Owner<T, E> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl<T: Send + 'static> TaskGroup<T> {
    /// Creates a group whose members are started by `spawner`.
    ///
    /// | executor | spawner |
    /// |---|---|
    /// | tokio | `\|task\| { tokio::spawn(task); }` |
    /// | smol | `\|task\| smol::spawn(task).detach()` |
    /// | async-std | `\|task\| { async_std::task::spawn(task); }` |
    /// | a `futures::task::Spawn` | `move \|task\| pool.spawn_ok(task)` |
    ///
    /// Its members cannot fail. For members that can, use [`fallible`](Self::fallible).
    ///
    /// The spawner is cloned for each member. If it panics or drops the task, that member ends as cancelled, with
    /// [`Reason::Dropped`](crate::Reason::Dropped).
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// group.spawn(async { 7 });
    /// assert_eq!(group.join().await.unwrap(), [Ok(7)]);
    /// # });
    /// ```
    pub fn new(spawner: impl Spawner + Clone + Send + Sync + 'static) -> Self {
        TaskGroup::fallible(spawner)
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// Like [`new`](TaskGroup::new), for a group to which [`try_spawn`](GroupHandle::try_spawn) adds members that can
    /// fail.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    /// group.try_spawn(async { "7".parse::<u8>() });
    /// assert_eq!(group.try_join().await.unwrap(), [7]);
    /// # });
    /// ```
    pub fn fallible(spawner: impl Spawner + Clone + Send + Sync + 'static) -> Self {
        let spawner = Box::new(move |task: Task| spawner.clone()(task));
        let shared = Shared::new(spawner);
        TaskGroup { handle: GroupHandle { shared: shared.clone() }, owner: Some(Owner { shared }) }
    }

    /// Lets at most `bound` members run at once. Further members are queued, and start in the order in which they were
    /// spawned. A member that is cancelled in the queue never starts.
    ///
    /// # Panics
    ///
    /// Panics if `bound` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach()).at_most(2);
    /// for number in 0..10 {
    ///     group.spawn(async move { number });
    /// }
    /// assert_eq!(group.join().await.unwrap().len(), 10);
    /// # });
    /// ```
    pub fn at_most(self, bound: usize) -> Self {
        assert!(bound > 0, "a group needs room for at least one member");
        let shared = &self.handle.shared;
        let mut is_new = false;
        shared.set_policy(|policy| is_new = policy.bound.replace(bound).is_none());
        if is_new {
            shared.empty_queue_on_cancel();
        }
        self
    }

    /// Lets the other members continue if one fails or panics. All results are then collected.
    ///
    /// ```
    /// use cancelable::{TaskGroup, group::TaskError};
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach()).keep_going();
    /// group.spawn(async { panic!("out of cheese") });
    /// group.spawn(async { 7 });
    /// let panicked = TaskError::Panicked("out of cheese".into());
    /// assert_eq!(group.join().await.unwrap(), [Err(panicked), Ok(7)]);
    /// # });
    /// ```
    pub fn keep_going(self) -> Self {
        self.handle.shared.set_policy(|policy| policy.keeps_going = true);
        self
    }

    /// Drops the results of members whose [`JoinHandle`] was dropped. Use it for a group that lives long and whose
    /// members have nothing to return.
    ///
    /// A failure still cancels the group, and [`try_join`](Self::try_join) still returns it.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach()).discard_results();
    /// group.spawn(async {});
    /// assert_eq!(group.join().await.unwrap(), []);
    /// # });
    /// ```
    pub fn discard_results(self) -> Self {
        self.handle.shared.set_policy(|policy| policy.discards = true);
        self
    }

    /// Lets each member continue for up to `limit` after a cancellation, so that it can end by itself. Members in the
    /// queue do not start.
    ///
    /// A member sees the request through its [current](crate::Operation::current) operation. To give the body of a
    /// scope time as well, use [`grace`](Cancelable::grace) of the future of the scope. Each member is then an
    /// operation of its own, which costs more than a plain member.
    ///
    /// ```
    /// use cancelable::{Operation, TaskGroup};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let group = group.grace(Duration::from_secs(60));
    /// let member = group.spawn(async {
    ///     Operation::current().unwrap().cancelled().await;
    ///     "saved"
    /// });
    /// smol::Timer::after(Duration::from_millis(5)).await; // The member has started.
    /// group.operation().cancel();
    /// assert_eq!(member.await, Ok("saved"));
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn grace(self, limit: Duration) -> Self {
        self.handle.shared.set_policy(|policy| policy.grace = Some(limit));
        self
    }

    /// Waits until all members have ended, and returns their results in the order in which they were spawned.
    ///
    /// Members may still be added while this waits, through a handle. When the last one ends, the group is closed.
    /// Results that a [`JoinHandle`] or [`next`](GroupHandle::next) took are not part of the list. A member must not
    /// await this: it would wait for itself.
    ///
    /// The returned future is an operation with all methods of a [`Cancelable`]. If it is dropped, the group is.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the group was cancelled, other than by the failure of a member. Every member has ended by
    /// then too, and [`take_results`](GroupHandle::take_results) returns what they left.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// group.spawn(async { "a" });
    /// group.spawn(async { "b" });
    /// assert_eq!(group.join().await?, [Ok("a"), Ok("b")]);
    /// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
    /// ```
    pub fn join(self) -> Join<T, E> {
        self.join_within(never())
    }

    /// Like [`join`](Self::join), but cancels the group when `source` fires.
    ///
    /// The source is first polled with the returned future, so that is when a time limit starts. To let a limit
    /// include the time in which members are added, use [`scope`](Self::scope).
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the source fires first, or the group was cancelled in another way than by a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, timeout};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// group.spawn(std::future::pending());
    /// let joined = group.join_within(timeout(Duration::from_millis(1))).await;
    /// assert!(joined.unwrap_err().is_timeout());
    /// # });
    /// ```
    pub fn join_within<S>(mut self, source: S) -> Join<T, E, S::Future>
    where
        S: Source,
    {
        let owner = self.take_owner();
        let mode = Mode {
            has_failed: |()| false,
            finish: |shared, ()| results_of(shared),
            fail: |shared| Some(results_of(shared)),
        };
        run(ready(()), source, owner, mode, (), |_| false)
    }

    /// Waits until all members have ended. Returns their values in the order in which they were spawned, or the
    /// failure that cancelled the group.
    ///
    /// See [`join`](Self::join) for everything else. If the group keeps going, or a member was cancelled for itself,
    /// this returns the first error in the order of spawning.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the members.
    ///
    /// # Errors
    ///
    /// The first failure, or [`TaskError::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    /// for text in ["6", "7"] {
    ///     group.try_spawn(async move { text.parse::<u8>() });
    /// }
    /// assert_eq!(group.try_join().await?, [6, 7]);
    /// # Ok::<_, cancelable::group::TaskError<_>>(()) }).unwrap();
    /// ```
    pub fn try_join(self) -> TryJoin<T, E> {
        self.try_join_within(never())
    }

    /// Like [`try_join`](Self::try_join), but cancels the group when `source` fires. See
    /// [`join_within`](Self::join_within).
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the members.
    ///
    /// # Errors
    ///
    /// The first failure, or [`TaskError::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{CancellationToken, TaskGroup};
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// token.cancel_with("closing");
    /// let group = TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// let error = group.try_join_within(&token).await.unwrap_err();
    /// assert_eq!(error.to_string(), "cancelled: closing");
    /// # });
    /// ```
    pub fn try_join_within<S>(mut self, source: S) -> TryJoin<T, E, S::Future>
    where
        S: Source,
    {
        let owner = self.take_owner();
        let mode = Mode {
            has_failed: |()| false,
            finish: |shared, ()| shared.try_take_results(),
            fail: |shared| Some(shared.try_take_results()),
        };
        let fallible = Fallible::new();
        TryCancelable::of(run(ready(()), source, owner, mode, fallible, Result::is_err))
    }

    /// Passes a handle of the group to `body`, and waits for the future that it returns, and then for all members.
    /// Cancels both when `source` fires.
    ///
    /// Use it if members are added over time, such as in an accept loop, or if a time limit must include that. The
    /// body is called at once, outside of the operation. Returns the value of the body.
    ///
    /// If a member fails, the body is cancelled too.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the body and cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the group was cancelled or a member failed. Every member has ended by then too.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, timeout};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let total = group.scope(timeout(Duration::from_secs(60)), async |group| {
    ///     let (six, seven) = (group.spawn(async { 6 }), group.spawn(async { 7 }));
    ///     six.await.unwrap() * seven.await.unwrap()
    /// });
    /// assert_eq!(total.named("total").await?, 42);
    /// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
    /// ```
    pub fn scope<S, C, B>(mut self, source: S, body: C) -> Scope<B, S::Future, T, E>
    where
        S: Source,
        C: FnOnce(GroupHandle<T, E>) -> B,
        B: Future,
    {
        let owner = self.take_owner();
        let mode = Mode { has_failed: |_| false, finish: |_, returned| returned, fail: |_| None };
        let body = body(self.handle.clone());
        run(body, source, owner, mode, (), |_| false)
    }

    /// Like [`scope`](Self::scope), for a fallible body, with one `Result` instead of two.
    ///
    /// If the body returns `Err`, the members are cancelled. If a member fails, the body is, and its error is
    /// converted.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the body and cancels the members.
    ///
    /// # Errors
    ///
    /// The error of the body; the failure of a member, converted; or [`Cancelled`], converted.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, group::TaskError, never};
    /// use std::num::ParseIntError;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    /// let scope = group.try_scope(never(), async |group| {
    ///     group.try_spawn(async { "x".parse::<u8>() });
    ///     std::future::pending().await
    /// });
    /// let outcome: Result<(), TaskError<ParseIntError>> = scope.await;
    /// assert!(matches!(outcome, Err(TaskError::Failed(_))));
    /// # });
    /// ```
    pub fn try_scope<S, C, B, R, X>(mut self, source: S, body: C) -> TryScope<B, S::Future, T, E>
    where
        S: Source,
        C: FnOnce(GroupHandle<T, E>) -> B,
        B: Future<Output = Result<R, X>>,
        X: From<TaskError<E>> + From<Cancelled>,
    {
        let owner = self.take_owner();
        let mode = Mode {
            has_failed: Result::is_err,
            finish: |_, returned| returned,
            fail: |shared| Some(Err(shared.take_failure()?.into())),
        };
        let body = body(self.handle.clone());
        TryCancelable::of(run(body, source, owner, mode, Fallible::new(), Result::is_err))
    }

    fn take_owner(&mut self) -> Owner<T, E> {
        match self.owner.take() {
            Some(owner) => owner,
            None => unreachable!("only methods that consume the group take it"),
        }
    }
}

fn results_of<T, E>(shared: &Shared<T, E>) -> Results<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    shared.take_results().into_iter().map(|(_, result)| result).collect()
}

/// Makes the run of a group. `has_failed` returns whether its outcome is an error.
fn run<B, S, V, P, T, E>(
    body: B,
    source: S,
    owner: Owner<T, E>,
    mode: Mode<B::Output, V, T, E>,
    earlier: P,
    has_failed: fn(&V) -> bool,
) -> Run<B, V, S::Future, P, T, E>
where
    B: Future,
    S: Source,
    T: Send + 'static,
    E: Send + 'static,
{
    let operation = owner.shared.operation.clone();
    let work = GroupWork::new(body, owner.shared.clone(), mode);
    let ending = JoinMembers::new(earlier, owner, has_failed, mode.fail);
    Cancelable::of_operation(work, source, ending, operation)
}

/// A group has the methods of its handles.
impl<T: Send + 'static, E: Send + 'static> Deref for TaskGroup<T, E> {
    type Target = GroupHandle<T, E>;

    fn deref(&self) -> &GroupHandle<T, E> {
        &self.handle
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        if self.owner.is_some() {
            // If the race is dropped before its first poll, that ends the operation.
            let owner = self.take_owner();
            let mode =
                Mode::<(), (), T, E> { has_failed: |()| false, finish: |_, ()| (), fail: |_| None };
            drop(run(ready(()), never(), owner, mode, (), |()| false));
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskGroup").field(&self.handle).finish()
    }
}
