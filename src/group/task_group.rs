//! `TaskGroup`: the owner of a group, and how it is set up.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::ops::Deref;
#[cfg(feature = "time")]
use std::time::Duration;

use super::GroupHandle;
use super::ending::Owner;
use super::in_place::InPlace;
use super::launcher::{Launcher, Place, Task};
use super::outcome::OfBody;
use crate::source::never;
use crate::spawner::Spawner;

/// A group of tasks that ends when all of its tasks have ended.
///
/// Use it for work that is spread over several tasks and must not leave any of them behind. The tasks are called the members
/// of the group. A group works with any executor: it starts its members with a [`Spawner`], a function that starts a task.
/// Members return a `T`. Members that can fail return a `Result<T, E>`.
///
/// The group is an [`Operation`](crate::Operation). A time limit, a name, hooks, a grace period and a registry apply to it
/// as to every operation. Cancelling the operation cancels the members with [`Reason::Parent`](crate::Reason::Parent).
///
/// * [`join`](Self::join) waits for all members and returns their results, in the order in which the members were spawned.
///   [`try_join`](Self::try_join) returns the values or the first failure.
/// * [`scope`](Self::scope) runs a body that adds members. It waits for the body and for the members.
/// * If a member fails or panics, the others are cancelled, unless the group [keeps going](Self::keep_going).
/// * [`at_most`](Self::at_most) bounds how many members run at once.
/// * Dropping the group cancels its members. They end when their executor next polls them or drops them. Until then, a
///   registry that listed the group lists a child of the group's operation instead, with the same name.
///
/// # Memory
///
/// If the [`JoinHandle`](super::JoinHandle) of a member was dropped, the group keeps the result until it is taken. If there
/// are many members, take results with [`next`](GroupHandle::next), or [discard](Self::discard_results) them. The group then
/// keeps no result of a member that has ended. It only keeps small slots, as many as the largest number of join handles that
/// were alive at once, and frees them when no handle is left.
///
/// # The time limit
///
/// A time limit starts when the future of [`join_within`](Self::join_within) or of the scope is first polled. From then on,
/// the limit also cancels members on an executor, even if nothing polls that future any more.
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
pub struct TaskGroup<'env, T = (), E = Infallible> {
    pub(super) handle: GroupHandle<'env, T, E>,
    /// `None` once a method has moved the group into its future.
    owner: Option<Owner<'env, T, E>>,
}

impl<T: Send + 'static> TaskGroup<'static, T> {
    /// Creates a group whose members are started by `spawner`.
    ///
    /// | executor | spawner |
    /// |---|---|
    /// | tokio | `\|task\| { tokio::spawn(task); }` |
    /// | smol | `\|task\| smol::spawn(task).detach()` |
    /// | async-std | `\|task\| { async_std::task::spawn(task); }` |
    /// | a `futures::task::Spawn` | `move \|task\| pool.spawn_ok(task)` |
    ///
    /// The members of this group cannot fail. For members that can, use [`fallible`](Self::fallible).
    ///
    /// The spawner is cloned for each member. If the spawner panics or drops the task, that member ends as cancelled, with
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

impl<T, E> TaskGroup<'static, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
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
        let spawner = move |task: Task<'static>| spawner.clone()(task);
        let group = TaskGroup::of(Place::Executor(Box::new(spawner)));
        group.handle.launcher.clone().empty_queue_on_cancel();
        group
    }
}

impl<'env, T> TaskGroup<'env, T> {
    /// Creates a group whose members run inside the future of the group, without an executor. So members may borrow.
    ///
    /// The members run concurrently, but not in parallel, and only while the future of [`join`](Self::join) or of the
    /// [scope](Self::scope) is polled. If the group is dropped, its members are dropped at once. In all other respects, the
    /// group is like one that [`new`](Self::new) creates.
    ///
    /// Members may borrow values that were declared before the group. They cannot borrow values that the body of a scope
    /// declares, because the members belong to the group, and the group outlives the body. Members must be `Send`.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let pages = ["one".to_owned(), "three".to_owned()];
    /// let group = TaskGroup::in_place();
    /// for page in &pages {
    ///     group.spawn(async move { page.len() });
    /// }
    /// assert_eq!(group.join().await?, [Ok(3), Ok(5)]);
    /// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
    /// ```
    pub fn in_place() -> Self {
        TaskGroup::fallible_in_place()
    }
}

impl<'env, T, E> TaskGroup<'env, T, E> {
    /// Like [`in_place`](TaskGroup::in_place), for a group to which [`try_spawn`](GroupHandle::try_spawn) adds members
    /// that can fail.
    ///
    /// ```
    /// use cancelable::TaskGroup;
    ///
    /// # smol::block_on(async {
    /// let texts = ["6".to_owned(), "7".to_owned()];
    /// let group = TaskGroup::fallible_in_place();
    /// for text in &texts {
    ///     group.try_spawn(async move { text.parse::<u8>() });
    /// }
    /// assert_eq!(group.try_join().await.unwrap(), [6, 7]);
    /// # });
    /// ```
    pub fn fallible_in_place() -> Self {
        TaskGroup::of(Place::InPlace(InPlace::new()))
    }
}

impl<'env, T, E> TaskGroup<'env, T, E> {
    fn of(place: Place<'env>) -> Self {
        let launcher = Launcher::new(place);
        let handle = GroupHandle { launcher: launcher.clone() };
        TaskGroup { handle, owner: Some(Owner { launcher }) }
    }

    /// Lets at most `bound` members run at once. Further members are queued, and start in the order in which they were
    /// spawned. A member that is cancelled in the queue never starts. A member that waits for a queued one still counts as
    /// running. So the queued member may never start, and the wait may last until the group is cancelled.
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
        self.handle.launcher.set_bound(bound);
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
        self.handle.launcher.shared.set_policy(|policy| policy.keeps_going = true);
        self
    }

    /// Drops the results of members whose [`JoinHandle`](super::JoinHandle) was dropped. Use it for a long-lived group whose
    /// members have nothing to return.
    ///
    /// A failure still cancels the group, and [`try_join`](Self::try_join) still returns that failure.
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
        self.handle.launcher.shared.set_policy(|policy| policy.discards = true);
        self
    }

    /// Lets each member continue for up to `limit` after a cancellation, so that it can end by itself. Members in the
    /// queue do not start.
    ///
    /// If a member does not end in time, it is dropped. [`was_forced`](crate::Cancelled::was_forced) then returns `true`
    /// for its error, and for the error of the group.
    ///
    /// A member sees the request through its [current](crate::Operation::current) operation. To give the body of a scope
    /// time as well, call [`grace`](crate::Cancelable::grace) on the future of the scope. With a grace period, each member
    /// is an operation of its own, which costs more than a plain member.
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
        self.handle.launcher.shared.set_policy(|policy| policy.grace = Some(limit));
        self
    }

    pub(super) fn take_owner(&mut self) -> Owner<'env, T, E> {
        match self.owner.take() {
            Some(owner) => owner,
            None => unreachable!("only methods that consume the group take it"),
        }
    }
}

/// A group has the methods of its handles.
impl<'env, T, E> Deref for TaskGroup<'env, T, E> {
    type Target = GroupHandle<'env, T, E>;

    fn deref(&self) -> &GroupHandle<'env, T, E> {
        &self.handle
    }
}

impl<T, E> Drop for TaskGroup<'_, T, E> {
    fn drop(&mut self) {
        if self.owner.is_some() {
            // Dropping the race before its first poll ends the operation.
            drop(self.take_owner().run::<_, OfBody<(), T, E>, _, _>(ready(()), never(), ()));
        }
    }
}

impl<T, E> fmt::Debug for TaskGroup<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskGroup").field(&self.handle).finish()
    }
}
