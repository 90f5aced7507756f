//! `Inner`: the state that all handles of an operation share.
//!
//! 1. The token holds the cause, which is the reason for the cancellation. The token is cancelled at most once. Every
//!    cancellation of the operation goes through the token, whether it comes from the source, the parent, a handle or a
//!    drop.
//! 2. The end is recorded at most once, under the lock of [`Details`]. The field `end` leaves the state [`NOT_ENDED`] under
//!    the same lock.
//! 3. A cancellation counts if it came before the end. Which of the two came first is settled once, by the first thread
//!    that asks: see [`Inner::was_cancelled_at_end`].
//! 4. An end hook is called either by the thread that records the end, or by the thread that adds the hook afterwards.
//! 5. An operation is *private* while its race owns every handle and there is no token. The token is made when it is first
//!    needed: by a handle, by a parent, or by the race once its source has fired. Nothing but its race can cancel a private
//!    operation, because a handle is made only from another handle, by the race, or in a poll of the race. An operation
//!    with a parent or in a registry is not private, because the list of the parent or of the registry owns a handle of it.
//!    Children and spans reach an operation through weak handles, but they do not cancel it. If a private operation has no
//!    children, spans or hooks when it ends, only the race can see the end: see [`Inner::ends_unseen`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::activity::Activity;
use super::current::PollPlace;
#[cfg(feature = "time")]
use super::deadline;
use super::deadline::{Inherited, Limit};
use super::family::Family;
use super::hooks::Hooks;
use super::lazy::Lazy;
use super::parent::Parent;
use super::{OperationId, Status};
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, OnceLock, Ordering, fence};
use crate::text::Text;

pub(crate) struct Inner {
    pub(super) id: OperationId,
    /// Made when it is first needed (5).
    token: Lazy<CancellationToken>,
    pub(super) details: Mutex<Details>,
    /// One of the four states below. Once it has left [`NOT_ENDED`], it never returns there. Once it is settled, it never
    /// changes again.
    end: AtomicUsize,
    /// Whether the operation has ended, and its hooks have run.
    pub(super) over: AtomicBool,
    /// What is known about the deadline: see [`deadline`](super::deadline).
    #[cfg(feature = "time")]
    pub(super) deadline_state: AtomicUsize,
    pub(super) hooks: Hooks,
    /// Created for the first child or waiter.
    pub(super) family: OnceLock<Box<Family>>,
    pub(super) poll_place: PollPlace,
    lent_name: OnceLock<Box<LentName>>,
    /// Created only if a registry watches the operation, if it has a span or metrics, or if it is in a grace period or forced.
    pub(super) activity: Lazy<Box<Activity>>,
}

/// A name that was returned by reference, and so must stay in place. If the operation gets another name later, and that
/// name is returned too, `later` stores it.
struct LentName {
    name: Text,
    later: OnceLock<Box<LentName>>,
}

/// No end is recorded.
const NOT_ENDED: usize = 0;
/// The end is recorded. Whether the operation was cancelled before is not settled yet.
const ENDED_UNSETTLED: usize = 1;
/// The operation ended without a cancellation. If its token is cancelled later, that does not count.
const ENDED_WITHOUT_CAUSE: usize = 2;
/// The operation was cancelled before it ended; the token has the reason.
const ENDED_WITH_CAUSE: usize = 3;

/// The properties of an operation that change under a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    pub(super) name: Option<Text>,
    /// Usually `None`, which is quicker to drop than an empty map.
    pub(super) metadata: Option<BTreeMap<Text, Text>>,
    pub(super) parent: Option<Parent>,
    pub(super) started: Option<Instant>,
    /// The earliest of the operation's own deadlines and of the deadlines that its ancestors had when it started.
    pub(super) deadline: Option<Instant>,
    /// The time limit of the operation's own source, until its race is over.
    pub(super) limit: Option<Limit>,
    /// Whether the token shows the name of the operation in the reasons of children.
    token_has_label: bool,
    pub(super) ended: Option<EndRecord>,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Completed,
    /// The work returned an error.
    Err,
    /// The work panicked, or a member of the group failed.
    Failed,
    Cancelled,
}

impl Outcome {
    /// Returns the final status. If the work returned an error, the status depends on whether the operation has a
    /// cause. So status and cause never contradict each other.
    fn status(self, has_cause: bool) -> Status {
        match self {
            Outcome::Completed => Status::Completed,
            Outcome::Err if has_cause => Status::Cancelled,
            Outcome::Err | Outcome::Failed => Status::Failed,
            Outcome::Cancelled => Status::Cancelled,
        }
    }
}

/// The end of an operation.
#[derive(Clone, Debug)]
pub(super) struct EndRecord {
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
    pub(super) error: Option<Text>,
}

/// `Arc::default` builds the value in place, which is cheaper than moving it into the `Arc`.
impl Default for Inner {
    #[inline]
    fn default() -> Self {
        Inner {
            id: OperationId::next(),
            token: Lazy::new(),
            details: Mutex::default(),
            end: AtomicUsize::new(NOT_ENDED),
            over: AtomicBool::new(false),
            #[cfg(feature = "time")]
            deadline_state: AtomicUsize::new(deadline::UNKNOWN),
            hooks: Hooks::default(),
            family: OnceLock::new(),
            poll_place: PollPlace::default(),
            lent_name: OnceLock::new(),
            activity: Lazy::new(),
        }
    }
}

impl Inner {
    /// Returns the token. Makes it if there is none.
    #[inline]
    pub(super) fn token(&self) -> &CancellationToken {
        self.token.get_or_make(CancellationToken::new)
    }

    #[inline]
    pub(super) fn has_token(&self) -> bool {
        self.token.get().is_some()
    }

    /// Makes the token if there is only one handle. That is cheaper than making the token later, in [`token`](Self::token).
    /// If there are several handles, does nothing.
    pub(super) fn make_token(this: &mut Arc<Self>) {
        if let Some(inner) = Arc::get_mut(this) {
            inner.token.make_early(CancellationToken::new);
        }
    }

    /// Makes the parts that a watcher needs, if there is only one handle. That is cheaper than making them when they are
    /// first needed. If there are several handles, does nothing.
    pub(super) fn prepare_for_watchers(this: &mut Arc<Self>) {
        if let Some(inner) = Arc::get_mut(this) {
            inner.token.make_early(CancellationToken::new);
            inner.activity.make_early(Box::default);
        }
    }

    /// Returns whether the operation is private (5), if its race owns `handles` handles.
    ///
    /// If this returns true, everything that was done through other handles before they were dropped is visible to the
    /// caller.
    #[inline]
    pub(super) fn is_private(this: &Arc<Self>, handles: usize) -> bool {
        // The count cannot be out of date. As long as another thread has a handle, the count includes that handle. A thread
        // without a handle cannot make one, except from a weak handle (5).
        if Arc::strong_count(this) != handles {
            return false;
        }
        fence(Ordering::Acquire);
        !this.has_token()
    }

    /// Returns whether only the race could see the end of this operation, which is private (5).
    #[inline]
    pub(super) fn ends_unseen(&self) -> bool {
        self.family.get().is_none() && self.activity.get().is_none() && !self.hooks.were_used()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.load(Ordering::Acquire) != NOT_ENDED
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn status(&self) -> Status {
        let (started, outcome) = {
            let details = self.details.lock();
            (details.started.is_some(), details.ended.as_ref().map(|ended| ended.outcome))
        };
        self.standing(started, outcome).0
    }

    /// Returns a status and a cause that match. The caller has read whether the operation had started and how it had
    /// ended. Even if the operation has ended since then, the status and the cause match, because a cancellation after the
    /// end does not count.
    pub(super) fn standing(
        &self,
        started: bool,
        outcome: Option<Outcome>,
    ) -> (Status, Option<Reason>) {
        let cause = self.cause();
        let status = match outcome {
            Some(outcome) => outcome.status(cause.is_some()),
            None if !started => Status::Pending,
            None if cause.is_some() => Status::Cancelling,
            None => Status::Running,
        };
        (status, cause)
    }

    /// Returns why the operation is cancelled, if it is. A cancellation after the end does not count.
    pub(super) fn cause(&self) -> Option<Reason> {
        if self.is_cancelled() { self.token.get()?.reason() } else { None }
    }

    /// Returns whether the operation is cancelled. Takes a lock only if the token takes one.
    pub(super) fn is_cancelled(&self) -> bool {
        match self.end.load(Ordering::Acquire) {
            NOT_ENDED => self.token_is_cancelled() && self.cancellation_counts(),
            ENDED_WITHOUT_CAUSE => false,
            ENDED_WITH_CAUSE => true,
            _ => self.was_cancelled_at_end(),
        }
    }

    /// Returns whether the token is cancelled. If there is no token yet, it is not.
    fn token_is_cancelled(&self) -> bool {
        self.token.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Returns the end of the grace period that was chosen for the cancellation. Called only if the operation is cancelled.
    #[cfg(feature = "time")]
    pub(super) fn grace_end(&self) -> Option<Instant> {
        self.token.get()?.grace_end()
    }

    /// Cancels the operation, unless it has ended. Returns whether this call cancelled it.
    pub(super) fn cancel(&self, reason: Reason) -> bool {
        self.cancel_until(reason, None)
    }

    /// Like [`cancel`](Self::cancel). If `grace_end` is given, the work may continue until then.
    pub(super) fn cancel_until(&self, reason: Reason, grace_end: Option<Instant>) -> bool {
        !self.has_ended()
            && self.token().cancel_until(reason, grace_end)
            && self.cancellation_counts()
    }

    /// Returns whether the operation was cancelled before it ended. The caller has seen the end.
    ///
    /// An operation may end while another thread cancels it. The thread that calls this has seen the end, and then reads the
    /// token. The other thread has cancelled the token or seen that it is cancelled, and then reads `end`. Each of the two
    /// threads has a fence between its two steps, so at least one of them sees both the end and the cancellation. So a
    /// cancellation that any thread has reported or seen is not lost here.
    fn was_cancelled_at_end(&self) -> bool {
        fence(Ordering::SeqCst);
        let settled =
            if self.token_is_cancelled() { ENDED_WITH_CAUSE } else { ENDED_WITHOUT_CAUSE };
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        // Several threads may come here, and see the token differently. The first one decides for all (3).
        match self.end.compare_exchange(ENDED_UNSETTLED, settled, success, failure) {
            Ok(_) => settled == ENDED_WITH_CAUSE,
            Err(earlier) => earlier == ENDED_WITH_CAUSE,
        }
    }

    /// Returns whether the cancellation of the token counts, because it came before the end. The caller has
    /// cancelled the token, or has seen that it is cancelled.
    fn cancellation_counts(&self) -> bool {
        fence(Ordering::SeqCst);
        !self.has_ended() || self.was_cancelled_at_end()
    }

    pub(super) fn name(&self) -> Option<&str> {
        let name = self.details.lock().name.clone()?;
        let mut slot = &self.lent_name;
        loop {
            let lend = || Box::new(LentName { name: name.clone(), later: OnceLock::new() });
            let lent = slot.get_or_init(lend);
            if lent.name == name {
                return Some(&lent.name);
            }
            slot = &lent.later;
        }
    }

    pub(super) fn set_name(this: &mut Arc<Self>, name: Option<Text>) {
        let label = Inner::update(this, |details| {
            details.name = name;
            if details.token_has_label { details.name.clone() } else { None }
        });
        // If the token was handed out before the operation had this name, the token gets its label now.
        if let Some(label) = label {
            this.token().label(label);
        }
    }

    /// Labels the token with the name of the operation. Called before the token is handed out or gets a child, because
    /// the reasons of children show the label. This is not done earlier, because a label allocates.
    pub(super) fn label_token(&self) {
        let name = {
            let mut details = self.details.lock();
            details.token_has_label = true;
            details.name.clone()
        };
        if let Some(name) = name {
            self.token().label(name);
        }
    }

    /// Changes the properties. Takes no lock as long as there is only one handle.
    #[inline]
    fn update<R>(this: &mut Arc<Self>, update: impl FnOnce(&mut Details) -> R) -> R {
        match Arc::get_mut(this) {
            Some(inner) => update(inner.details.get_mut()),
            None => update(&mut this.details.lock()),
        }
    }

    /// Records the start. Returns the deadline of the parent, if the operation must watch that deadline by itself. If the
    /// operation starts in a poll, `waker` is the waker of that poll.
    #[inline]
    pub(super) fn start(this: &mut Arc<Self>, now: Instant, waker: Option<&Waker>) -> Inherited {
        let parent = Inner::update(this, |details| {
            details.started = Some(now);
            details.parent.as_ref().and_then(Parent::binding)
        });
        let Some(parent) = parent else { return Inherited::None };
        // If the parent had not started when this operation became its child, the parent's deadline was not known then.
        let inherited = parent.deadline_for_child();
        if inherited != Inherited::None {
            let at = parent.deadline();
            this.details.lock().lower_deadline(at);
        }
        match (inherited, waker) {
            (_, None) => Inherited::None,
            // The parent watches the deadline in the same task. But if it does not know the deadline yet, this operation waits
            // for it too, because children of this operation may be in other tasks.
            (Inherited::Until(_), Some(waker)) if Inner::is_in_task_of(&parent, waker) => {
                Inherited::None
            }
            _ => inherited,
        }
    }

    /// Records the end, unless an end is recorded already. If this call did it, returns the final status, and whether
    /// there is a parent.
    pub(super) fn end(&self, ended: EndRecord) -> Option<(Status, bool)> {
        let outcome = ended.outcome;
        let mut details = self.details.lock();
        if details.ended.is_some() {
            return None;
        }
        details.ended = Some(ended);
        // `end` changes under the lock, so that a thread that finds the record also finds `end` changed.
        self.end.store(ENDED_UNSETTLED, Ordering::Release);
        let has_parent = details.parent.is_some();
        drop(details);
        Some((outcome.status(self.was_cancelled_at_end()), has_parent))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.details.lock().name.clone();
        f.debug_struct("Operation")
            .field("id", &self.id.as_u64())
            .field("name", &name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
