//! Operations: races that have a name, a status, progress and hooks.
//!
//! An [`Operation`] is the handle of one. The other types here are what its methods return, and the
//! futures that the builder methods of [`Cancelable`](crate::Cancelable) make.

mod activity;
mod current;
#[cfg(feature = "time")]
mod force;
mod hooks;
mod id;
mod inner;
mod progress;
mod run;
mod scoped;
mod snapshot;
mod status;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::future::{Call, Ending, Fallible, Finally, FinallyOrSpawn, Spawner};
pub(crate) use activity::{Facts, InPoll, Shielded, Stage, Watcher};
pub(crate) use hooks::Hook;
pub use id::{OperationId, ParseOperationIdError};
pub use progress::Progress;
pub use scoped::InScope;
pub use snapshot::Snapshot;
pub use status::Status;

use crate::source::{CancellationToken, WaitForCancellation};
use crate::{Cancelled, Reason, Text, clock};
use inner::Inner;

/// A handle of a run that is observed: one that has a name, a hook, or anything else that the
/// methods of [`Cancelable`](crate::Cancelable) ask for.
///
/// Handles are cheap to clone, may be sent anywhere, and tell what became of the run after it has
/// ended. Two are equal when they are of the same operation.
///
/// # Cancellation
///
/// The first to cancel decides, whoever it is: the source, a handle, a parent, a drop. What is kept
/// is one reason, which the outcome, the handle, the hooks and the snapshot all show. Operations
/// below are cancelled with it, for the reason [`Reason::Parent`]; those above and beside are not.
/// An operation that completes or fails leaves those below it alone.
///
/// # Parents
///
/// An operation that is first polled within another is below it, unless
/// [`child_of`](crate::Cancelable::child_of) has named another. A task that is spawned is within
/// nothing: hand it [`in_scope`](Operation::in_scope).
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
///
/// # smol::block_on(async {
/// let run = async { Operation::current().map(|operation| operation.name().unwrap().to_string()) }
///     .cancelable(never())
///     .named("fetch");
/// let operation = run.operation();
/// assert_eq!(operation.status(), Status::Pending);
/// assert_eq!(run.await?, Some("fetch".to_owned()));
/// assert_eq!(operation.status(), Status::Completed);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Operation {
    inner: Arc<Inner>,
}

impl Operation {
    pub(crate) fn new() -> Self {
        Operation { inner: Arc::new(Inner::new()) }
    }

    /// Which one it is.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let run = async {}.cancelable(never()).named("a");
    /// assert_eq!(run.operation().id(), run.operation().id());
    /// ```
    pub fn id(&self) -> OperationId {
        self.inner.id
    }

    /// Its name, if it has one.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).named("a").operation();
    /// assert_eq!(operation.name().as_deref(), Some("a"));
    /// ```
    pub fn name(&self) -> Option<Text> {
        self.inner.about.lock().name.clone()
    }

    /// Where it stands.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// assert_eq!(operation.status(), Status::Pending);
    /// ```
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Why it is cancelled, if it is, from the moment it is asked to stop. It stays readable where
    /// the work completed all the same, within a shield or a grace period.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.cancel_with("stop");
    /// assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.inner.cause()
    }

    /// Returns the text of the error that the work returned, or of its panic, once it has ended so.
    ///
    /// It is there also if the operation counts as [`Cancelled`](Status::Cancelled), because it was
    /// cancelled before the work returned its error.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let run = async { Err::<(), _>(std::io::Error::other("no disk")) }
    ///     .try_cancelable(never())
    ///     .named("save");
    /// let operation = run.operation();
    /// assert!(run.await.is_err());
    /// assert_eq!(operation.error().as_deref(), Some("no disk"));
    /// # });
    /// ```
    pub fn error(&self) -> Option<Text> {
        self.inner.ended.get()?.error.clone()
    }

    /// Whether it is asked to stop, or was cancelled: true from that moment on, also within shields
    /// and clean-up.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// assert!(operation.cancel());
    /// assert!(operation.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    /// How long it has been running, or ran; nothing before it starts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::time::Duration;
    /// assert_eq!(async {}.cancelable(never()).operation().elapsed(), Duration::ZERO);
    /// ```
    pub fn elapsed(&self) -> Duration {
        let Some(started) = self.inner.started() else { return Duration::ZERO };
        let end = self.inner.ended.get().map_or_else(clock::now, |ending| ending.at);
        end.saturating_duration_since(started)
    }

    /// When its time is over, as far as that is certain: the earliest of its own limits and those of
    /// the operations above, from its first poll on.
    ///
    /// A timeout that a source of yours polls within itself, in its first poll, counts too, whatever
    /// that source makes of it. Limits under [`any_of`](crate::any_of()) count. Limits under [`all_of`](crate::all_of())
    /// count where every source in a tuple there is a limit: the latest of them.
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
        self.inner.deadline()
    }

    /// How much time is left until the [deadline](Self::deadline); zero once it has passed.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// assert_eq!(async {}.cancelable(never()).operation().remaining(), None);
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(clock::now()))
    }

    /// Which operation it is below, if any.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let parent = async {}.cancelable(never()).operation();
    /// let child = async {}.cancelable(never()).child_of(&parent).operation();
    /// assert_eq!(child.parent_id(), Some(parent.id()));
    /// ```
    pub fn parent_id(&self) -> Option<OperationId> {
        Some(self.inner.about.lock().parent.as_ref()?.id)
    }

    /// What was attached to it, by key.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).metadata("url", "/a").operation();
    /// assert_eq!(operation.metadata()["url"], "/a");
    /// ```
    pub fn metadata(&self) -> BTreeMap<Text, Text> {
        self.inner.about.lock().metadata.clone().unwrap_or_default()
    }

    /// Attaches something to it, in place of what had the same key.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.set_metadata("rows", "12");
    /// assert_eq!(operation.metadata()["rows"], "12");
    /// ```
    pub fn set_metadata(&self, key: impl Into<Text>, value: impl Into<Text>) {
        let (key, value) = (key.into(), value.into());
        self.inner.about.lock().metadata.get_or_insert_default().insert(key, value);
    }

    pub(crate) fn set_name(&mut self, name: Text) {
        Inner::set_name(&mut self.inner, Some(name).filter(|name| !name.is_empty()));
    }

    /// All that is known about it at this moment, by value.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let snapshot = async {}.cancelable(never()).named("a").operation().snapshot();
    /// assert_eq!(snapshot.name.as_deref(), Some("a"));
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }

    /// Cancels it, for the reason [`Reason::Manual`] without a message. Returns whether this call
    /// did it; once it is cancelled or has ended, nothing changes.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// assert!(operation.cancel());
    /// assert!(!operation.cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::Manual { message: None })
    }

    /// Cancels it for that reason. Returns whether this call did it; once it is cancelled or has
    /// ended, nothing changes.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let run = async { 7 }.cancelable(never());
    /// let operation = run.operation();
    /// operation.cancel_with("not needed");
    /// assert_eq!(run.await.unwrap_err().to_string(), "cancelled: not needed");
    /// # });
    /// ```
    #[inline]
    pub fn cancel_with(&self, reason: impl Into<Reason>) -> bool {
        self.inner.cancel(reason.into())
    }

    /// `Err` once it is cancelled: for `?` between the steps of work that does not await.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] with the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// assert!(operation.check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(reason.into()),
        }
    }

    /// A future of the reason: ready once it is cancelled. For work that wants to be asked, within
    /// a [grace period](crate::Cancelable::grace).
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the list of those who wait. A new one sees the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.cancel();
    /// assert_eq!(operation.cancelled().await, Reason::Manual { message: None });
    /// # });
    /// ```
    pub fn cancelled(&self) -> WaitForCancellation<'_> {
        self.inner.token().cancelled()
    }

    /// The token that is cancelled with it: to hand to code that knows tokens. Cancelling the token
    /// cancels the operation.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// let token = operation.token();
    /// operation.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn token(&self) -> CancellationToken {
        self.inner.label_token();
        self.inner.token().clone()
    }

    /// Tells how far it has got: to those who listen, and to the next snapshot. From any thread,
    /// and harmless before the start and after the end.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
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

    /// Calls `hook` at each report of progress from now on.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use std::sync::mpsc::channel;
    /// let (sender, receiver) = channel();
    /// let sender = std::sync::Mutex::new(sender);
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.on_progress(move |_, progress| {
    ///     sender.lock().unwrap().send(progress.to_string()).unwrap();
    /// });
    /// operation.report_progress("half");
    /// assert_eq!(receiver.recv()?, "half");
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn on_progress(&self, hook: impl Fn(&Operation, &Progress) + Send + Sync + 'static) {
        self.inner.hooks.on_progress(Arc::new(hook));
        if let Some(ending) = self.inner.ended.get() {
            // Nobody would let go of it later.
            self.inner.hooks.forget_late(self.inner.status_of(ending));
        }
    }

    pub(crate) fn on_start(&self, hook: Hook) {
        self.inner.hooks.on_start(hook);
    }

    /// Calls `hook` when it completes; at once if it has.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.on_complete(|operation| println!("{} is done", operation.id()));
    /// ```
    pub fn on_complete(&self, hook: impl FnOnce(&Operation) + Send + 'static) {
        self.inner.hooks.on_complete(Box::new(hook));
        self.call_late(Status::Completed, |this| this.inner.hooks.complete(this));
    }

    /// Calls `hook` when its work is gone because it was cancelled; at once if it is.
    ///
    /// To hear of the request itself, at once, use [`on_cancel`](CancellationToken::on_cancel) of
    /// its [token](Self::token).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.on_cancel(|_, reason| println!("{reason}"));
    /// ```
    pub fn on_cancel(&self, hook: impl FnOnce(&Operation, &Reason) + Send + 'static) {
        self.inner.hooks.on_cancel(Box::new(hook));
        self.call_late(Status::Cancelled, |this| {
            if let Some(reason) = this.reason() {
                this.inner.hooks.cancel(this, &reason);
            }
        });
    }

    /// Calls `hook` when it fails: when work that may fail returned an error, or when it panicked.
    /// At once if it has.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// let operation = async {}.cancelable(never()).operation();
    /// operation.on_error(|_, error| println!("{error}"));
    /// ```
    pub fn on_error(&self, hook: impl FnOnce(&Operation, &dyn Display) + Send + 'static) {
        self.inner.hooks.on_error(Box::new(hook));
        self.call_late(Status::Failed, |this| {
            if let Some(error) = this.error() {
                this.inner.hooks.fail(this, &error);
            }
        });
    }

    /// Where it has ended already, whoever wrote the ending may have looked for hooks before the
    /// new one was there. If both look, each hook is still called once: it is taken out first.
    fn call_late(&self, family: Status, call: impl FnOnce(&Operation)) {
        if let Some(ending) = self.inner.ended.get() {
            let status = self.inner.status_of(ending);
            if status == family {
                call(self);
            } else {
                self.inner.hooks.forget_late(status);
            }
        }
    }

    pub(crate) fn enter_below(&self, parent: &Operation) {
        self.inner.enter_below(&parent.inner);
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
