//! Operations: races that have a name, a status, progress and hooks.
//!
//! An [`Operation`] is a handle to an operation. Its methods, and the builder methods of
//! [`Cancelable`](crate::Cancelable), return the other types of this module.

// inner.rs: the state that all handles share. parent.rs: the link to the parent. deadline.rs: time limits. hooks.rs:
// the hooks for the start, for progress and for the end. family.rs: the children, and the latch that is set at the end.
// ended.rs: the futures that wait for the end, or until there are no children. run.rs: the methods that the rest of the crate
// calls. lazy.rs: parts that are made when they are first needed. current.rs: the operation that is being polled.
// activity.rs: the stage, shields and polls of an operation that a registry watches. observe: spans and metrics.

mod activity;
mod current;
mod deadline;
mod ended;
mod family;
mod hooks;
mod id;
mod in_scope;
mod inner;
mod lazy;
pub(crate) mod observe;
mod parent;
mod progress;
mod run;
mod snapshot;
mod status;
mod wait;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "blocking")]
pub use crate::future::{BlockingCall, QueuedCall};
pub use crate::future::{
    Call, Ending, Fallible, Finally, FinallyOrSpawn, JoinsChildren, WrappedCall,
};
pub(crate) use activity::{ActiveShield, ActivitySnapshot, Roster, RunStage, WatchedIn, Watcher};
#[cfg(feature = "time")]
pub(crate) use current::current_deadline;
pub(crate) use current::{InPoll, PolledBy};
#[cfg(feature = "time")]
pub(crate) use deadline::Inherited;
pub use ended::{ChildrenEnded, Ended};
pub(crate) use hooks::Hook;
pub use id::{OperationId, ParseOperationIdError};
pub use in_scope::InScope;
pub(crate) use in_scope::ScopedChild;
pub use progress::Progress;
pub(crate) use snapshot::EndSummary;
pub use snapshot::Snapshot;
pub use status::Status;
pub use wait::WaitUntilCancelled;
pub(crate) use wait::WaitUntilCancelledOwned;

use crate::clock;
use crate::error::Cancelled;
use crate::frame::section_end;
use crate::reason::Reason;
pub use crate::shield::ShieldOrSpawn;
use crate::source::CancellationToken;
pub use crate::spawner::Spawner;
use crate::text::Text;
use hooks::EndHook;
use inner::Inner;

/// A handle to an operation. An operation is a [`Cancelable`](crate::Cancelable) with a name, a hook, or
/// anything else that its builder methods add.
///
/// Handles are cheap to clone and can be sent to other threads. After the operation has ended, its handles still return its
/// status and reason. Two handles are equal if they belong to the same operation.
///
/// # Cancellation
///
/// The first cancellation counts, whether it comes from the source, a handle, the parent or a drop. Its reason is the
/// reason of the operation: the outcome, the handles, the hooks and the snapshots all show it.
///
/// If an operation is cancelled, its children are cancelled with it, for the reason [`Reason::Parent`]. Its parent and its
/// siblings are not cancelled. An operation that completes or fails does not cancel its children, unless it
/// [`cancels_children`](crate::Cancelable::cancels_children).
///
/// # Parents
///
/// If an operation is first polled within another operation, it becomes a child of that operation, unless
/// [`child_of`](crate::Cancelable::child_of) has set another parent. A spawned task is polled outside any operation. Wrap
/// its future in [`in_scope`](Operation::in_scope) to make it part of one.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let future = async { Operation::current().map(|operation| operation.name().unwrap().to_string()) }
///     .cancelable(never())
///     .named("fetch");
/// let operation = future.operation();
/// assert_eq!(operation.status(), Status::Pending);
/// assert_eq!(future.await?, Some("fetch".to_owned()));
/// assert_eq!(operation.status(), Status::Completed);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Operation {
    inner: Arc<Inner>,
}

impl Operation {
    /// Returns the innermost operation that is being polled on this thread. In a closure of
    /// [`run_blocking`](Self::run_blocking), returns the operation that runs the closure.
    ///
    /// ```
    /// assert!(cancelable::Operation::current().is_none());
    /// ```
    #[inline]
    pub fn current() -> Option<Operation> {
        current::current()
    }

    /// Returns the identifier of the operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never()).named("a");
    /// assert_eq!(future.operation().id(), future.operation().id());
    /// ```
    pub fn id(&self) -> OperationId {
        self.inner.id
    }

    /// Returns the name, if the operation has one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never()).named("a");
    /// let operation = future.operation();
    /// assert_eq!(operation.name(), Some("a"));
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.inner.name()
    }

    pub(crate) fn name_text(&self) -> Option<Text> {
        self.inner.details.lock().name.clone()
    }

    /// Returns the status.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// assert_eq!(operation.status(), Status::Pending);
    /// ```
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Returns the reason for the cancellation, if the operation is cancelled. The operation keeps the reason even if the work
    /// completes after the cancellation, in a shield or a grace period.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.cancel_with("stop");
    /// assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.inner.cause()
    }

    /// Returns the text of the error that the work returned, or of its panic.
    ///
    /// If the operation was cancelled before the work returned its error, the status is
    /// [`Cancelled`](Status::Cancelled), and this method still returns the text of the error.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let future = async { Err::<(), _>(std::io::Error::other("no disk")) }
    ///     .try_cancelable(never())
    ///     .named("save");
    /// let operation = future.operation();
    /// assert!(future.await.is_err());
    /// assert_eq!(operation.error().as_deref(), Some("no disk"));
    /// # });
    /// ```
    pub fn error(&self) -> Option<Text> {
        self.inner.details.lock().ended.as_ref()?.error.clone()
    }

    /// Returns whether the operation is cancelled. Returns `true` from the cancellation on, even within shields and
    /// clean-up.
    ///
    /// Lock-free, except the first time an operation observes that its parent was cancelled.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// assert!(operation.cancel());
    /// assert!(operation.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// Returns the time since the first poll, or from the first poll to the end if the operation has ended. Zero before the
    /// first poll.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    /// assert_eq!(async {}.cancelable(never()).operation().elapsed(), Duration::ZERO);
    /// ```
    pub fn elapsed(&self) -> Duration {
        let (started, ended) = {
            let details = self.inner.details.lock();
            (details.started, details.ended.as_ref().map(|ended| ended.at))
        };
        let ran =
            started.map(|start| ended.unwrap_or_else(clock::now).saturating_duration_since(start));
        ran.unwrap_or_default()
    }

    /// Returns the deadline: the earliest of the time limits of the operation and of its ancestors. The deadline is known
    /// from the first poll on.
    ///
    /// In a shield or in clean-up of the operation, these limits do not apply. In such code, this method returns the end of the
    /// limit that [`shield_for`](crate::shield_for) or [`finally_for`](crate::Cancelable::finally_for) has set, or `None` if
    /// the shield or clean-up has no limit.
    ///
    /// * Limits within [`any_of`](crate::any_of()) count.
    /// * If every source of an [`all_of`](crate::all_of()) tuple is a limit, the latest of these limits counts. Otherwise,
    ///   no limit of the tuple counts.
    /// * If a source of your own polls a timeout in its first poll, that timeout counts, even if the source ignores it.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let left = async { Operation::current().unwrap().remaining() }
    ///     .cancelable(timeout(Duration::from_secs(60)))
    ///     .named("fetch")
    ///     .await?;
    /// assert!(left.unwrap() <= Duration::from_secs(60));
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_protected_here() { section_end() } else { self.inner.deadline() }
    }

    /// Returns the time left until the [deadline](Self::deadline). Zero once it has passed.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// assert_eq!(async {}.cancelable(never()).operation().remaining(), None);
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(clock::now()))
    }

    /// Returns the identifier of the parent, if there is one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let parent_run = async {}.cancelable(never());
    /// let parent = parent_run.operation();
    /// let child_run = async {}.cancelable(never()).child_of(&parent);
    /// let child = child_run.operation();
    /// assert_eq!(child.parent_id(), Some(parent.id()));
    /// ```
    pub fn parent_id(&self) -> Option<OperationId> {
        Some(self.inner.details.lock().parent.as_ref()?.id)
    }

    /// Returns the metadata, ordered by key.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never()).metadata("url", "/a");
    /// let operation = future.operation();
    /// assert_eq!(operation.metadata()["url"], "/a");
    /// ```
    pub fn metadata(&self) -> BTreeMap<Text, Text> {
        self.inner.details.lock().metadata.clone().unwrap_or_default()
    }

    /// Sets a metadata entry, replacing any earlier value for the key.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.set_metadata("rows", "12");
    /// assert_eq!(operation.metadata()["rows"], "12");
    /// ```
    pub fn set_metadata(&self, key: impl Into<Text>, value: impl Into<Text>) {
        let (key, value) = (key.into(), value.into());
        self.inner.details.lock().metadata.get_or_insert_default().insert(key, value);
    }

    /// Returns a snapshot: the name, the status, the progress and the other properties, as they are at this moment.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let snapshot = async {}.cancelable(never()).named("a").operation().snapshot();
    /// assert_eq!(snapshot.name.as_deref(), Some("a"));
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }

    /// Cancels the operation, for the reason [`Reason::Manual`] without a message. Returns `false` and changes nothing if the
    /// operation is already cancelled or has ended.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// assert!(operation.cancel());
    /// assert!(!operation.cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::Manual { message: None })
    }

    /// Cancels the operation for `reason`. Returns `false` and changes nothing if the operation is already cancelled or has
    /// ended.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let future = async { 7 }.cancelable(never());
    /// let operation = future.operation();
    /// operation.cancel_with("not needed");
    /// assert_eq!(future.await.unwrap_err().to_string(), "cancelled: not needed");
    /// # });
    /// ```
    #[inline]
    pub fn cancel_with(&self, reason: impl Into<Reason>) -> bool {
        self.inner.cancel(reason.into())
    }

    /// Cancels the operation for `reason`, and lets its work continue for up to `grace`. Returns `false` and changes
    /// nothing if the operation is already cancelled or has ended.
    ///
    /// Use this method if the caller knows how urgent the cancellation is: a button may allow a minute, a supervisor only a
    /// second. The work continues as in the operation's own [grace period](crate::Cancelable::grace), and can see that it is
    /// cancelled. The time counts from this call.
    ///
    /// * `grace` replaces the grace period of the operation itself, whether that is shorter, longer or missing. If
    ///   `grace` is zero, the work gets one last poll, and is dropped if it is still pending.
    /// * `grace` also applies to the operations below this one that are cancelled with it. They get the time that is
    ///   left.
    /// * If the operation is cancelled several times, only the first cancellation counts, with or without a grace period.
    /// * [`force`](Self::force) ends the grace period early, and so does a shutdown of the registry when its own grace
    ///   period is over.
    /// * `grace` does not limit shields and clean-up.
    /// * If the operation has not started, there is no grace period: its work never starts. The exception is a child process
    ///   that already runs, a `process::RunningChild`.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let future = scope(never(), async |operation: Operation| {
    ///     operation.cancelled().await;
    ///     "saved"
    /// });
    /// let operation = future.operation();
    /// let stop = async { operation.cancel_with_grace("closing", Duration::from_secs(60)) };
    /// assert_eq!(futures::join!(future, stop), (Ok("saved"), true));
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn cancel_with_grace(&self, reason: impl Into<Reason>, grace: Duration) -> bool {
        let end = clock::after(clock::now(), grace);
        self.inner.cancel_until(reason.into(), Some(end))
    }

    /// Ends the [grace period](crate::Cancelable::grace) at once. Returns whether the operation was in its grace period and
    /// this call ended it.
    ///
    /// Use this method for a second Ctrl-C, or for a button that says "stop now". It wakes the task, and the work gets one
    /// last poll. If the work returns a value in that poll, the value is the outcome. Otherwise the work is dropped, and
    /// [`was_forced`](Cancelled::was_forced) returns `true`. A stream is dropped without a last poll.
    ///
    /// * This method does not cancel the operation. If the operation is not cancelled, it continues, and has no grace period
    ///   when it is cancelled later. So `cancel` and `force` can be called in any order, even before the first poll.
    /// * An active shield finishes before the work is dropped. Clean-up is not interrupted.
    /// * If the operation [joins its children](crate::Cancelable::joins_children) and is cancelled, it stops waiting for
    ///   them.
    /// * The children keep their grace periods.
    /// * After the end of the operation, this method does nothing.
    ///
    /// [`Registry::force`](crate::Registry::force) does the same for all operations of a registry.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let deaf = std::future::pending::<()>().cancelable(never());
    /// let future = deaf.grace(Duration::from_secs(600));
    /// let operation = future.operation();
    /// let mut future = std::pin::pin!(future);
    /// assert!(smol::future::poll_once(&mut future).await.is_none());
    /// operation.cancel();
    /// operation.force();
    /// assert!(future.await.unwrap_err().was_forced());
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn force(&self) -> bool {
        !self.inner.has_ended() && self.make_activity().force()
    }

    /// Returns `Err` once the operation is cancelled. Use it with `?` between steps that do not await.
    ///
    /// In a shield and in clean-up of the operation, this method returns `Ok`, so that the shield or clean-up continues. Such
    /// code can call [`is_cancelled`](Self::is_cancelled) or [`reason`](Self::reason) to find out whether the operation is
    /// cancelled.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] with the reason of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// assert!(operation.check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.reason() {
            Some(reason) if !self.is_protected_here() => Err(self.cancelled_for(reason, false)),
            _ => Ok(()),
        }
    }

    /// Waits until the operation is cancelled and returns the reason. Use it in work with a
    /// [grace period](crate::Cancelable::grace) to notice the cancellation and to finish.
    ///
    /// The future does not resolve while it is polled in a shield or in clean-up of the operation, so that the shield or
    /// clean-up continues.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: if you call this method again, you get the same reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.cancel();
    /// assert_eq!(operation.cancelled().await, Reason::Manual { message: None });
    /// # });
    /// ```
    pub fn cancelled(&self) -> WaitUntilCancelled<'_> {
        WaitUntilCancelled::new(self)
    }

    /// Returns the token of the operation, for code that takes tokens. The token is cancelled with the operation, and
    /// cancelling the token cancels the operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// let token = operation.token();
    /// operation.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn token(&self) -> CancellationToken {
        self.inner.label_token();
        self.inner.token().clone()
    }

    /// Reports progress: calls the progress hooks, and keeps the report for later snapshots. You can call this from any
    /// thread, even before the start and after the end. After the end, no hooks are called.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.report_progress(Progress::steps(1, 2).with_message("hashing"));
    /// assert_eq!(operation.snapshot().progress.unwrap().fraction(), Some(0.5));
    /// ```
    pub fn report_progress(&self, progress: impl Into<Progress>) {
        let progress = progress.into();
        match self.activity() {
            None => self.inner.hooks.report(self, progress),
            Some(activity) => {
                self.inner.hooks.report(self, progress.clone());
                activity.tell_progress(&progress);
            }
        }
    }

    /// Calls `hook` at each later report of progress, on the thread that reports, until the operation ends.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::sync::mpsc::channel;
    /// let (sender, receiver) = channel();
    /// let sender = std::sync::Mutex::new(sender);
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.on_progress(move |_, progress| {
    ///     sender.lock().unwrap().send(progress.to_string()).unwrap();
    /// });
    /// operation.report_progress("half");
    /// assert_eq!(receiver.recv()?, "half");
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn on_progress(&self, hook: impl Fn(&Operation, &Progress) + Send + Sync + 'static) {
        self.inner.hooks.on_progress(Arc::new(hook));
    }

    /// Calls `hook` when the operation completes, or at once if it has already completed.
    ///
    /// If the operation ends in another way, or is dropped before its first poll, the hook is dropped instead.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.on_complete(|operation| println!("{} is done", operation.id()));
    /// ```
    pub fn on_complete(&self, hook: impl FnOnce(&Operation) + Send + 'static) {
        self.on_end(EndHook::Complete(Box::new(hook)));
    }

    /// Calls `hook` when the operation has ended because it was cancelled, or at once if that has already happened.
    ///
    /// To react at the moment of the cancellation, before the work has ended, call
    /// [`on_cancel`](CancellationToken::on_cancel) on the operation's [token](Self::token).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.on_cancel(|_, reason| println!("{reason}"));
    /// ```
    pub fn on_cancel(&self, hook: impl FnOnce(&Operation, &Reason) + Send + 'static) {
        self.on_end(EndHook::Cancel(Box::new(hook)));
    }

    /// Calls `hook` when the operation fails, because fallible work returned an error or the work panicked. Calls `hook` at
    /// once if the operation has already failed.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let future = async {}.cancelable(never());
    /// let operation = future.operation();
    /// operation.on_error(|_, error| println!("{error}"));
    /// ```
    pub fn on_error(&self, hook: impl FnOnce(&Operation, &dyn Display) + Send + 'static) {
        self.on_end(EndHook::Fail(Box::new(hook)));
    }

    fn on_end(&self, hook: EndHook) {
        if self.inner.hooks.on_end(hook) {
            let error = self.error().unwrap_or_else(|| Text::from(""));
            self.inner.hooks.run_late(|hook| self.call_hook(hook, &error));
        }
    }

    /// Runs a future within this operation. Use this method for tasks that you spawn. Inside the future, this operation is the
    /// [current](Self::current) one, and operations that are first polled there become its children.
    ///
    /// A cancellation of this operation does not cancel the future. If it should, race the future against the
    /// [token](Self::token), or make the future an operation of its own.
    ///
    /// The future counts as one of the [children](Self::children) from this call until it has returned or is
    /// dropped. Each [registry](crate::Registry) of the operation lists it too, so that a shutdown waits for it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops the given future.
    ///
    /// # Panics
    ///
    /// The future panics if polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let fetch = async {
    ///     let operation = Operation::current().unwrap();
    ///     let part = async { Operation::current().unwrap().parent_id() }
    ///         .cancelable(never())
    ///         .named("part");
    ///     let parent = smol::spawn(operation.in_scope(part)).await?;
    ///     Ok::<_, Cancelled>(parent == Some(operation.id()))
    /// };
    /// assert!(fetch.cancelable(never()).named("fetch").await??);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn in_scope<F: IntoFuture>(&self, future: F) -> InScope<F::IntoFuture> {
        InScope::new(self.clone(), future.into_future())
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.inner.id == other.inner.id
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.id.hash(state);
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
