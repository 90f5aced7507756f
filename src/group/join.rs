//! How a group is awaited: `join` and `scope`, which make the group a [`Cancelable`].

use std::future::{Ready, ready};

use super::ending::{JoinMembers, Owner};
use super::error::TaskError;
use super::outcome::{AllResults, AllValues, OfBody, OfTryBody, Outcome};
use super::work::GroupWork;
use super::{GroupHandle, TaskGroup};
use crate::error::Cancelled;
use crate::future::{Cancelable, Fallible, TryCancelable};
use crate::source::{Never, Source, never};

/// The race of a group. `B` is the body, `O` says what the outcome is, and `P` finds the error in the outcome.
type Run<'env, B, S, O, P> = Cancelable<GroupWork<'env, B, O>, S, JoinMembers<'env, O, P>>;

/// Like [`Run`], if the outcome is a `Result`.
type TryRun<'env, B, S, O> =
    TryCancelable<GroupWork<'env, B, O>, S, JoinMembers<'env, O, Fallible<<O as Outcome>::Value>>>;

/// The future of [`TaskGroup::join`] and [`TaskGroup::join_within`].
pub type Join<'env, T, E, S = Never> = Run<'env, Ready<()>, S, AllResults<T, E>, ()>;

/// The future of [`TaskGroup::try_join`] and [`TaskGroup::try_join_within`].
pub type TryJoin<'env, T, E, S = Never> = TryRun<'env, Ready<()>, S, AllValues<T, E>>;

/// The future of [`TaskGroup::scope`].
pub type Scope<'env, B, S, T, E> = Run<'env, B, S, OfBody<<B as Future>::Output, T, E>, ()>;

/// The future of [`TaskGroup::try_scope`].
pub type TryScope<'env, B, S, T, E> = TryRun<'env, B, S, OfTryBody<<B as Future>::Output, T, E>>;

/// Waiting for the members.
impl<'env, T, E> TaskGroup<'env, T, E> {
    /// Waits until all members have ended, and returns their results in the order in which the members were spawned.
    ///
    /// Members may still be added through a handle while this waits. When the last member ends, the group is closed. Results
    /// that a [`JoinHandle`](super::JoinHandle) or [`next`](GroupHandle::next) took are not in the returned list.
    ///
    /// A member that awaits its own group waits for the other members, not for itself. Meanwhile it does not count towards
    /// the [bound](Self::at_most), and its own result is not in the returned list. This holds for every method that waits
    /// for the members. A member counts as awaiting its group whenever the group is polled inside that member. This includes
    /// polls by an executor that the member runs itself.
    ///
    /// The returned future is an operation with all methods of a [`Cancelable`]. Dropping the future drops the group.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the group was cancelled for a reason other than a member's failure. In that case, too, every member
    /// has ended, and [`take_results`](GroupHandle::take_results) returns the results.
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
    pub fn join(self) -> Join<'env, T, E> {
        self.join_within(never())
    }

    /// Like [`join`](Self::join), but cancels the group when `source` fires.
    ///
    /// A time limit starts when the returned future is first polled. If the limit is to include the time in which members
    /// are added, use [`scope`](Self::scope).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the source fires first, or if the group was cancelled for a reason other than a member's failure.
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
    pub fn join_within<S>(mut self, source: S) -> Join<'env, T, E, S::Future>
    where
        S: Source,
    {
        self.take_owner().run::<_, AllResults<T, E>, _, _>(ready(()), source, ())
    }

    /// Waits until all members have ended. Returns their values in the order in which the members were spawned, or the
    /// failure that cancelled the group.
    ///
    /// See [`join`](Self::join) for everything else. A member can fail or be cancelled without cancelling the group, for
    /// instance if the group keeps going. In that case this returns the error of that member. If there are several such
    /// members, it returns the error of the first one in the order of spawning.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the members.
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
    pub fn try_join(self) -> TryJoin<'env, T, E> {
        self.try_join_within(never())
    }

    /// Like [`try_join`](Self::try_join), but cancels the group when `source` fires. See
    /// [`join_within`](Self::join_within).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the members.
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
    pub fn try_join_within<S>(mut self, source: S) -> TryJoin<'env, T, E, S::Future>
    where
        S: Source,
    {
        let owner = self.take_owner();
        let run = owner.run::<_, AllValues<T, E>, _, _>(ready(()), source, Fallible::new());
        TryCancelable::of(run)
    }

    /// Passes a handle of the group to `body`. Waits for the future that `body` returns, and then for all members.
    /// Cancels the future and the members when `source` fires.
    ///
    /// Use it if members are added over time, such as in an accept loop, or if a time limit must include the time in which
    /// they are added. The body is called at once, outside of the operation. Only the future that it returns runs inside.
    /// The value of that future is the outcome.
    ///
    /// If a member fails, the body is cancelled too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body and cancels the members.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the group was cancelled or a member failed. In that case, too, every member has ended.
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
    pub fn scope<S, C, B>(mut self, source: S, body: C) -> Scope<'env, B, S::Future, T, E>
    where
        S: Source,
        C: FnOnce(GroupHandle<'env, T, E>) -> B,
        B: Future,
    {
        let body = body(self.handle.clone());
        self.take_owner().run::<_, OfBody<B::Output, T, E>, _, _>(body, source, ())
    }

    /// Like [`scope`](Self::scope), for a body that returns a `Result`. The outcome is one `Result` instead of a `Result`
    /// within a `Result`.
    ///
    /// If the body returns `Err`, the members are cancelled. If a member fails, the body is cancelled, and the error of the
    /// member is converted into the error type of the body.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body and cancels the members.
    ///
    /// # Errors
    ///
    /// The error of the body. The failure of a member and [`Cancelled`] are converted into its type.
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
    pub fn try_scope<S, C, B, R, X>(
        mut self,
        source: S,
        body: C,
    ) -> TryScope<'env, B, S::Future, T, E>
    where
        S: Source,
        C: FnOnce(GroupHandle<'env, T, E>) -> B,
        B: Future<Output = Result<R, X>>,
        X: From<TaskError<E>> + From<Cancelled>,
    {
        let body = body(self.handle.clone());
        let owner = self.take_owner();
        TryCancelable::of(owner.run::<_, OfTryBody<_, T, E>, _, _>(body, source, Fallible::new()))
    }
}

impl<'env, T, E> Owner<'env, T, E> {
    /// Makes the race of the group.
    pub(super) fn run<B, O, S, P>(
        self,
        body: B,
        source: S,
        earlier: P,
    ) -> Run<'env, B, S::Future, O, P>
    where
        B: Future<Output = O::Body>,
        O: Outcome<Member = T, Error = E>,
        S: Source,
    {
        let operation = self.launcher.shared.operation.clone();
        let work = GroupWork::new(body, self.launcher.clone());
        Cancelable::of_operation(work, source, JoinMembers::new(earlier, self), operation)
    }
}
