//! `GroupHandle`: adds members to a group, and takes their results.

use std::fmt::{self, Display};
use std::sync::Arc;

use super::join_handle::JoinHandle;
use super::launcher::Launcher;
use super::member::{CanFail, CannotFail, Daemon, Kind, Member};
use super::next::Next;
use super::shared::TaskResult;
use super::source::GroupSource;
use super::state::Admitted;
use crate::error::Cancelled;
use crate::future::{Cancelable, Ending, TryCancelable};
use crate::operation::Operation;
use crate::panic::discard;
use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::source::never;

/// A handle of a [`TaskGroup`](crate::TaskGroup): adds members and takes their results. Returned by
/// [`handle`](Self::handle), and passed to the body of a [`scope`](crate::TaskGroup::scope).
///
/// Clones are handles of the same group. A handle does not keep the group open: once the group is closed, a new member
/// is cancelled without being started. Members may own handles, and add further members with them.
pub struct GroupHandle<'env, T, E> {
    pub(super) launcher: Arc<Launcher<'env, T, E>>,
}

/// Adding members.
impl<'env, T, E> GroupHandle<'env, T, E>
where
    T: Send + 'env,
    E: Send + 'env,
{
    /// Adds a member that runs `future`.
    ///
    /// Inside the future, the operation of the group is the [current](Operation::current) one. When the group is cancelled,
    /// the future is dropped, and the result of the member is [`TaskError::Cancelled`](super::TaskError::Cancelled) with
    /// [`Reason::Parent`]. A deadline of the group applies to the future too, even if nothing awaits the group.
    ///
    /// If the group is closed, the future is dropped before its first poll, and only the returned handle gets the result,
    /// which is `Cancelled`. If the spawner drops or refuses the task of a member, the member ends as cancelled, with
    /// [`Reason::Dropped`].
    ///
    /// If the future is itself a [`Cancelable`], its `Result` is the value of the member, so the handle returns a `Result`
    /// within a `Result`. To get a single one, use [`spawn_cancelable`](Self::spawn_cancelable).
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let handle = group.spawn(async { 6 * 7 });
    /// assert_eq!(handle.await, Ok(42));
    /// # });
    /// ```
    pub fn spawn<F>(&self, future: F) -> JoinHandle<T, E>
    where
        F: IntoFuture<Output = T>,
        F::IntoFuture: Send + 'env,
    {
        self.launch::<CannotFail, _>(future.into_future())
    }

    /// Adds a member that runs fallible work. If the work returns `Err`, the member has failed. This cancels the group,
    /// unless the group [keeps going](crate::TaskGroup::keep_going).
    ///
    /// See [`spawn`](Self::spawn) for everything else.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, group::TaskError};
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    /// let handle = group.try_spawn(async { "7".parse::<u8>() });
    /// assert_eq!(handle.await, Ok(7));
    /// let handle = group.try_spawn(async { "x".parse::<u8>() });
    /// assert!(matches!(handle.await, Err(TaskError::Failed(_))));
    /// # });
    /// ```
    pub fn try_spawn<F>(&self, future: F) -> JoinHandle<T, E>
    where
        F: IntoFuture<Output = Result<T, E>>,
        F::IntoFuture: Send + 'env,
        E: Display,
    {
        self.launch::<CanFail, _>(future.into_future())
    }

    /// Adds a member that is an operation of its own, as a child of the group's operation.
    ///
    /// Use it for a member with a name, a source, hooks, a grace period or clean-up. The group waits for the clean-up. If
    /// the source of the member fires, the result of the member is [`TaskError::Cancelled`](super::TaskError::Cancelled).
    /// That is not a failure, so the group continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, prelude::*};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let slow = std::future::pending::<()>().cancelable(timeout(Duration::from_millis(1)));
    /// let error = group.spawn_cancelable(slow.named("slow")).await.unwrap_err();
    /// assert_eq!(error.to_string(), "`slow` cancelled: timed out after 1ms");
    /// # });
    /// ```
    pub fn spawn_cancelable<F, S, X>(&self, work: Cancelable<F, S, X>) -> JoinHandle<T, E>
    where
        F: Future<Output = T> + Send + 'env,
        S: Future<Output = Reason> + Send + 'env,
        X: Ending<T> + Send + 'env,
    {
        let work = work.child_of(&self.launcher.shared.operation);
        self.launch_operation::<CannotFail, _>(work)
    }

    /// Adds a member that is a fallible operation of its own. Like [`spawn_cancelable`](Self::spawn_cancelable), but
    /// for the futures of [`try_cancelable`](crate::CancelableExt::try_cancelable) and [`try_scope`](crate::try_scope).
    ///
    /// If the source of the member fires, the result of the member is [`TaskError::Cancelled`](super::TaskError::Cancelled).
    /// That error is not converted into an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, prelude::*};
    /// use std::io;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::fallible(|task| smol::spawn(task).detach());
    /// let work = async { io::Result::Ok(7) }.try_cancelable(never()).named("read");
    /// assert_eq!(group.try_spawn_cancelable(work).await.unwrap(), 7);
    /// # });
    /// ```
    pub fn try_spawn_cancelable<F, S, X>(&self, work: TryCancelable<F, S, X>) -> JoinHandle<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'env,
        S: Future<Output = Reason> + Send + 'env,
        X: Ending<Result<T, E>> + Send + 'env,
        E: From<Cancelled> + Display,
    {
        let work = work.child_of(&self.launcher.shared.operation);
        self.launch_operation::<CanFail, _>(work.into_race())
    }

    /// Adds a daemon: a member that does not keep the group open. A daemon is cancelled when the last other member has
    /// ended, or with the group.
    ///
    /// Use it for a progress line, a heartbeat or a cache that serves the other members. A daemon has no handle and no
    /// result, and does not count towards the bound of [`at_most`](crate::TaskGroup::at_most). The group waits until its
    /// daemons are gone. A daemon that panics fails the group.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// group.spawn_daemon(std::future::pending());
    /// group.spawn(async { 7 });
    /// assert_eq!(group.join().await.unwrap(), [Ok(7)]);
    /// # });
    /// ```
    pub fn spawn_daemon<F>(&self, future: F)
    where
        F: IntoFuture<Output = ()>,
        F::IntoFuture: Send + 'env,
    {
        let launcher = &self.launcher;
        if !launcher.shared.admit_daemon() {
            return;
        }
        let source = GroupSource::new(&launcher.shared.daemon_token, !launcher.is_in_place());
        let race = Cancelable::new(future.into_future(), source);
        launcher.start_now(Box::pin(Daemon::new(race, launcher.shared.clone())));
    }

    /// Starts a member whose work is not an operation. If members have a grace period, this makes the work an operation.
    fn launch<K, F>(&self, future: F) -> JoinHandle<T, E>
    where
        K: Kind<T, E, Value: Send> + Send + 'env,
        F: Future<Output = K::Value> + Send + 'env,
    {
        let launcher = &self.launcher;
        let Some(admitted) = launcher.shared.admit(true) else { return refuse(future) };
        #[cfg(feature = "time")]
        if let Some(grace) = admitted.grace {
            let operation = &launcher.shared.operation;
            let race = Cancelable::new(future, never()).child_of(operation).grace(grace);
            return self.start::<K, _>(admitted, race);
        }
        let source = GroupSource::new(&launcher.shared.token, !launcher.is_in_place());
        self.start::<K, _>(admitted, Cancelable::new(future, source))
    }

    /// Starts a member that is an operation.
    fn launch_operation<K, R>(&self, race: R) -> JoinHandle<T, E>
    where
        K: Kind<T, E> + Send + 'env,
        R: Future<Output = Result<K::Value, Cancelled>> + Send + 'env,
    {
        match self.launcher.shared.admit(false) {
            Some(admitted) => self.start::<K, _>(admitted, race),
            None => refuse(race),
        }
    }

    /// Starts a member that was admitted.
    fn start<K, R>(&self, admitted: Admitted, race: R) -> JoinHandle<T, E>
    where
        K: Kind<T, E> + Send + 'env,
        R: Future<Output = Result<K::Value, Cancelled>> + Send + 'env,
    {
        let launcher = &self.launcher;
        let member = Member::<_, K, _, _>::new(race, admitted, launcher.clone());
        launcher.start(admitted, Box::pin(member));
        JoinHandle::new(launcher.shared.clone(), admitted.seat)
    }
}

/// Drops the work, because the group is closed.
fn refuse<W, T, E>(work: W) -> JoinHandle<T, E> {
    discard(work);
    JoinHandle::refused()
}

/// The results of members, and the state of the whole group.
impl<'env, T, E> GroupHandle<'env, T, E> {
    /// Waits for the next result, in the order in which members end. Returns `None` if no member is left.
    ///
    /// Returns only results of members whose [`JoinHandle`] has been dropped. A result that was returned here is not in the
    /// list that [`join`](crate::TaskGroup::join) returns.
    ///
    /// Members may call this too. If all members that are left wait here, no result can come. So the last member that begins
    /// to wait gets `None`, even if another waiting member has a time limit and would return a result later. Members in the
    /// queue of a [bound](crate::TaskGroup::at_most) count as members that are left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no result.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{Cancelled, TaskGroup, never};
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let sum = group.scope(never(), async |group| {
    ///     for number in 1..=4_u32 {
    ///         group.spawn(async move { number });
    ///     }
    ///     let mut sum = 0;
    ///     while let Some(number) = group.next().await {
    ///         sum += number.unwrap();
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum.await, Ok(10));
    /// # });
    /// ```
    pub fn next(&self) -> Next<'_, T, E> {
        Next::new(&self.launcher.shared)
    }

    /// Takes the results of the members that have ended, in the order in which they were spawned.
    ///
    /// Use it for partial results: after a cancellation of the group, this returns the values of the members that had
    /// finished, and the errors of the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::{TaskGroup, timeout};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// let results = group.handle();
    /// group.spawn(async { "quick" });
    /// group.spawn(std::future::pending());
    /// assert!(group.join_within(timeout(Duration::from_millis(500))).await.is_err());
    /// let results = results.take_results();
    /// assert_eq!(results[0], Ok("quick"));
    /// assert!(results[1].is_err());
    /// # });
    /// ```
    pub fn take_results(&self) -> Vec<TaskResult<T, E>> {
        self.launcher.shared.take_results()
    }

    /// Closes the group: members that are added later are cancelled and never start.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::new(|task| smol::spawn(task).detach());
    /// group.close();
    /// let error = group.spawn(async { 7 }).await.unwrap_err();
    /// assert_eq!(error.to_string(), "cancelled: the group is closed");
    /// # });
    /// ```
    pub fn close(&self) {
        self.launcher.shared.close();
    }

    /// Returns whether the group is closed: by [`close`](Self::close), or because the group has ended.
    ///
    /// ```
    /// let group = cancelable::TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// assert!(!group.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.launcher.shared.is_closed()
    }

    /// Returns the number of members that have not ended, including those in the queue, without daemons.
    ///
    /// ```
    /// let group = cancelable::TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// group.spawn(std::future::pending());
    /// assert_eq!(group.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.launcher.shared.len()
    }

    /// Returns whether no member is left.
    ///
    /// ```
    /// assert!(cancelable::TaskGroup::<()>::new(|task| smol::spawn(task).detach()).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the operation of the group, which is the parent of the members. Cancel this operation to cancel the group.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let group = TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// let member = group.spawn(std::future::pending());
    /// group.operation().cancel_with("no longer wanted");
    /// let error = member.await.unwrap_err();
    /// assert_eq!(error.to_string(), "parent cancelled: no longer wanted");
    /// # });
    /// ```
    pub fn operation(&self) -> Operation {
        self.launcher.shared.operation.clone()
    }

    /// Returns a handle of the same group. This is the same as `clone`, but also works on a
    /// [`TaskGroup`](crate::TaskGroup).
    ///
    /// ```
    /// let group = cancelable::TaskGroup::<()>::new(|task| smol::spawn(task).detach());
    /// let handle = group.handle();
    /// handle.close();
    /// assert!(group.is_closed());
    /// ```
    pub fn handle(&self) -> GroupHandle<'env, T, E> {
        self.clone()
    }
}

impl<T, E> Clone for GroupHandle<'_, T, E> {
    fn clone(&self) -> Self {
        GroupHandle { launcher: self.launcher.clone() }
    }
}

impl<T, E> fmt::Debug for GroupHandle<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroupHandle").field(&self.launcher.shared).finish()
    }
}
