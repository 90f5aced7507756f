//! `Inner`: the state that all handles of an operation share.
//!
//! 1. The token holds the cause. It is cancelled at most once, and every cancellation of the operation
//!    goes through it: by the source, the parent, a handle or a drop.
//! 2. The end is recorded at most once, under the lock of [`Details`]. `end` changes under the same lock.
//! 3. A cancellation counts if it came before the end. Which of the two came first is settled once, by
//!    the first thread that asks: see [`Inner::was_cancelled_at_end`].
//! 4. A hook of an end is called either by the thread that records the end, or by the thread that adds
//!    the hook afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Waker;
#[cfg(feature = "time")]
use std::time::Duration;
use std::time::Instant;

use super::activity::Activity;
use super::current::{PollPlace, PolledBy, current_and_waker, is_protected_from};
use super::family::Family;
use super::hooks::Hooks;
use super::{OperationId, Status};
use crate::clock;
use crate::frame::is_shielded;
use crate::poll_context::is_traced_by;
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, OnceLock, Ordering, fence};
use crate::text::Text;
use crate::visits::visit;

pub(crate) struct Inner {
    pub(super) id: OperationId,
    pub(super) token: CancellationToken,
    pub(super) details: Mutex<Details>,
    /// One of the four states below. It only changes to a later one.
    end: AtomicUsize,
    /// Whether the operation has ended, and its hooks have run.
    pub(super) over: AtomicBool,
    pub(super) hooks: Hooks,
    /// Made for the first child or waiter.
    pub(super) family: OnceLock<Box<Family>>,
    pub(super) poll_place: PollPlace,
    lent_name: OnceLock<Box<LentName>>,
    /// Set only if a registry watches the operation, or if it is in a grace period or forced.
    pub(super) activity: OnceLock<Box<Activity>>,
}

/// A name that was returned by reference, and so must stay in place. If the operation gets another name later, that
/// name is stored beside it.
struct LentName {
    name: Text,
    later: OnceLock<Box<LentName>>,
}

/// The end is not recorded.
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
    /// The earliest of the operation's own deadlines and the deadlines of its ancestors at its start.
    pub(super) deadline: Option<Instant>,
    /// The time limit of the operation's own source, until its race is over.
    limit: Option<Limit>,
    /// Whether the token shows the name of the operation in the reasons of children.
    token_has_label: bool,
    pub(super) ended: Option<EndRecord>,
}

impl Details {
    /// Lowers the deadline to `at`.
    #[inline]
    fn lower_deadline(&mut self, at: Option<Instant>) {
        self.deadline = match (self.deadline, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
    }
}

/// A time limit that a source has offered in its first poll.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "time"),
    expect(dead_code, reason = "without a clock no source offers one")
)]
struct Limit {
    since: Instant,
    at: Instant,
}

/// A deadline that has passed, although no poll has noticed it.
#[cfg(feature = "time")]
#[derive(Debug)]
pub(crate) struct Overdue {
    /// The reason for which the operation is about to be cancelled.
    pub(crate) reason: Reason,
    /// How late its timeout may fire.
    pub(crate) lateness: Duration,
}

/// The parent of an operation. The link is weak, so a long chain of operations is not a chain of owners.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) id: OperationId,
    pub(super) name: Option<Text>,
    link: Link,
    inner: Weak<Inner>,
    /// The place in the parent's list of children. `None` while it is not there.
    key: Option<usize>,
}

/// How an operation is linked to its parent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    /// It is cancelled with the parent, and inherits its deadline.
    Bound,
    /// A shield is between the two: it is not cancelled with the parent, and does not inherit its deadline.
    Shielded,
    /// It is polled with a different waker than the parent. So it is in a combinator such as `FuturesUnordered`, or in
    /// a task of an executor. In a combinator it is part of the parent's work and is cancelled with it. In a task it is
    /// not. Its own race finds out which of the two holds. Until then it inherits this deadline.
    Undecided(Option<Instant>),
}

/// Returns whether a poll with this waker is part of the poll of an operation.
fn is_same_task(polled_by: PolledBy, waker: &Waker) -> bool {
    match polled_by {
        PolledBy::NOTHING => false,
        PolledBy::ANYTHING => true,
        // A race that waits for shields polls its work with a waker of its own.
        _ => polled_by == PolledBy::waker(waker) || is_traced_by(waker),
    }
}

impl Details {
    /// Returns the earliest deadline that applies.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let undecided = self.parent.as_ref().and_then(|parent| match parent.link {
            Link::Undecided(deadline) => deadline,
            _ => None,
        });
        [self.deadline, undecided].into_iter().flatten().min()
    }
}

impl Parent {
    /// Returns the parent whose cancellation and deadline apply to the child.
    fn binding(&self) -> Option<Arc<Inner>> {
        if self.link == Link::Bound { self.inner.upgrade() } else { None }
    }
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Completed,
    /// It returned an error.
    Err,
    /// It panicked, or a member of the group failed.
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

/// `Arc::default` builds it in place: cheaper than moving it there.
impl Default for Inner {
    #[inline]
    fn default() -> Self {
        Inner {
            id: OperationId::next(),
            token: CancellationToken::new(),
            details: Mutex::default(),
            end: AtomicUsize::new(NOT_ENDED),
            over: AtomicBool::new(false),
            hooks: Hooks::default(),
            family: OnceLock::new(),
            poll_place: PollPlace::default(),
            lent_name: OnceLock::new(),
            activity: OnceLock::new(),
        }
    }
}

impl Inner {
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

    /// Returns a status and a cause that match. The caller has read whether the operation has started and how it has
    /// ended, and the operation may have ended since. The two match all the same, because a cancellation after the end
    /// does not count.
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
        if self.is_cancelled() { self.token.reason() } else { None }
    }

    /// Returns whether the operation is cancelled. Lock-free, with the same exception as for a token.
    pub(super) fn is_cancelled(&self) -> bool {
        match self.end.load(Ordering::Acquire) {
            NOT_ENDED => self.token.is_cancelled() && self.cancellation_counts(),
            ENDED_WITHOUT_CAUSE => false,
            ENDED_WITH_CAUSE => true,
            _ => self.was_cancelled_at_end(),
        }
    }

    /// Cancels the operation, unless it has ended. Returns whether this call did it.
    pub(super) fn cancel(&self, reason: Reason) -> bool {
        self.cancel_until(reason, None)
    }

    /// Like [`cancel`](Self::cancel). If `grace_end` is given, the work may continue until then.
    pub(super) fn cancel_until(&self, reason: Reason, grace_end: Option<Instant>) -> bool {
        !self.has_ended()
            && self.token.cancel_until(reason, grace_end)
            && self.cancellation_counts()
    }

    /// Cancels the operation with its undecided parent, for `reason`.
    pub(super) fn cancel_with_undecided_parent(&self, reason: Reason) {
        #[cfg(feature = "time")]
        let grace_end = self.undecided_parent().and_then(|parent| parent.token.grace_end());
        #[cfg(not(feature = "time"))]
        let grace_end = None;
        self.cancel_until(reason, grace_end);
    }

    /// Returns whether the operation was cancelled before it ended. The caller has seen the end.
    ///
    /// An operation may end while another thread cancels it. The thread that calls this has seen the end,
    /// and then reads the token. The other thread has seen that the token is cancelled, and then reads
    /// `end`. Both have a fence in between, so at least one of them sees both the end and the
    /// cancellation. So if any thread has reported or seen a cancellation, it is not lost here.
    fn was_cancelled_at_end(&self) -> bool {
        fence(Ordering::SeqCst);
        let settled =
            if self.token.is_cancelled() { ENDED_WITH_CAUSE } else { ENDED_WITHOUT_CAUSE };
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

    /// Makes it a child of `parent`, unless it has a parent or is an ancestor of `parent`.
    ///
    /// Within a shield or clean-up of `parent`, the child is not cancelled with it.
    pub(super) fn enter_below(this: &Arc<Self>, parent: &Arc<Inner>) {
        if is_protected_from(parent) {
            return Inner::set_parent(this, parent, Link::Shielded);
        }
        parent.label_token();
        if !this.token.descend_from(&parent.token) {
            return;
        }
        Inner::set_parent(this, parent, Link::Bound);
        let deadline = parent.deadline();
        this.details.lock().lower_deadline(deadline);
    }

    /// Notes the parent, unless there is one.
    fn set_parent(this: &Arc<Self>, parent: &Arc<Inner>, link: Link) {
        // Only the future of the operation sets the parent, so no other thread does meanwhile.
        if this.details.lock().parent.is_some() || Inner::is_above(this, parent) {
            return;
        }
        let name = parent.details.lock().name.clone();
        let (key, dismissed) = Inner::add_child(parent, this);
        let (inner, key) = (Arc::downgrade(parent), Some(key));
        this.details.lock().parent = Some(Parent { id: parent.id, name, link, inner, key });
        if let Some(reason) = dismissed {
            this.dismiss(&reason);
        }
        if this.is_over() {
            Inner::settle(this.clone());
        }
    }

    /// Returns whether `other` is this operation or below it. Then it cannot be the parent of this operation.
    fn is_above(this: &Arc<Self>, other: &Arc<Inner>) -> bool {
        if this.child_count() == 0 {
            return Arc::ptr_eq(this, other);
        }
        let mut next = Some(other.clone());
        // Not recursive: chains may be long.
        while let Some(inner) = next {
            visit();
            if Arc::ptr_eq(this, &inner) {
                return true;
            }
            next = inner.parent().0;
        }
        false
    }

    /// Calls `update` with the parent and the place in its list, under the lock of the operation. `None` if there is no
    /// parent.
    pub(super) fn update_key<R>(
        &self,
        update: impl FnOnce(&Weak<Inner>, &mut Option<usize>) -> Option<R>,
    ) -> Option<R> {
        let mut details = self.details.lock();
        let parent = details.parent.as_mut()?;
        update(&parent.inner, &mut parent.key)
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

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.details.lock().deadline()
    }

    pub(super) fn set_name(this: &mut Arc<Self>, name: Option<Text>) {
        let label = Inner::update(this, |details| {
            details.name = name;
            details.name.clone().filter(|_| details.token_has_label)
        });
        // The token was handed out before there was a name.
        if let Some(label) = label {
            this.token.label(label);
        }
    }

    /// Labels the token with the name of the operation. Called before the token is handed out or gets a
    /// child, because the reasons of children show the label. Not done earlier: a label allocates.
    pub(super) fn label_token(&self) {
        let name = {
            let mut details = self.details.lock();
            details.token_has_label = true;
            details.name.clone()
        };
        if let Some(name) = name {
            self.token.label(name);
        }
    }

    /// Sets the limit of the operation's own source, which started at `since`.
    pub(super) fn set_limit(&self, since: Instant, at: Instant) {
        let mut details = self.details.lock();
        details.limit = Some(Limit { since, at });
        details.lower_deadline(Some(at));
    }

    /// Drops the limit, because the race is over. If a time is given, drops the limit only if its end has passed by that
    /// time. In that case the source is still pending, so the limit does not end the race.
    #[cfg(feature = "time")]
    pub(super) fn drop_limit(&self, if_passed_by: Option<Instant>) {
        let passed = |limit: &mut Limit| if_passed_by.is_none_or(|now| limit.at <= now);
        self.details.lock().limit.take_if(passed);
    }

    /// Returns the deadline of the operation's own source, or of an ancestor, if it has passed.
    #[cfg(feature = "time")]
    pub(super) fn overdue(&self) -> Option<Overdue> {
        let now = clock::now();
        // Once the operation has ended, its own limit no longer counts.
        let passed = |details: &Details| {
            let limit = details.limit.filter(|limit| limit.at <= now && details.ended.is_none())?;
            Some(limit.at.saturating_duration_since(limit.since))
        };
        let overdue = |reason, after: Duration| Overdue { reason, lateness: after / 512 };
        let mut next = {
            let details = self.details.lock();
            if details.deadline().is_none_or(|at| at > now) {
                return None;
            }
            if let Some(after) = passed(&details) {
                return Some(overdue(Reason::timeout(after), after));
            }
            details.parent.clone()
        };
        // Not recursive: chains may be long.
        while let Some(parent) = next.take().and_then(|parent| parent.binding()) {
            let details = parent.details.lock();
            if let Some(after) = passed(&details) {
                let reason = Reason::parent_named(details.name.clone(), Reason::timeout(after));
                return Some(overdue(reason, after));
            }
            next = details.parent.clone();
        }
        None
    }

    /// Returns the end of the earliest limit of an ancestor that has not passed.
    #[cfg(feature = "time")]
    pub(super) fn next_inherited_limit(&self) -> Option<Instant> {
        let now = clock::now();
        let mut earliest: Option<Instant> = None;
        let mut next = self.details.lock().parent.clone();
        while let Some(parent) = next.take().and_then(|parent| parent.binding()) {
            let details = parent.details.lock();
            let limit = details.limit.filter(|limit| limit.at > now && details.ended.is_none());
            earliest = earliest.into_iter().chain(limit.map(|limit| limit.at)).min();
            next = details.parent.clone();
        }
        earliest
    }

    fn undecided_parent(&self) -> Option<Arc<Inner>> {
        let details = self.details.lock();
        let parent = details.parent.as_ref()?;
        if let Link::Undecided(_) = parent.link { parent.inner.upgrade() } else { None }
    }

    /// See [`Operation::is_inside_parent`](super::Operation::is_inside_parent).
    pub(super) fn is_inside_parent(&self) -> bool {
        let Some(parent) = self.undecided_parent() else { return false };
        let mut next = current_and_waker().map(|(current, _)| current.inner);
        // Not recursive: chains may be long.
        while let Some(current) = next {
            if Arc::ptr_eq(&current, &parent) {
                return true;
            }
            next = current.details.lock().parent.as_ref().and_then(|parent| parent.inner.upgrade());
        }
        false
    }

    /// See [`Operation::reason_of_parent`](super::Operation::reason_of_parent).
    pub(super) fn reason_of_parent(&self) -> Option<Reason> {
        let parent = self.undecided_parent().filter(|parent| !parent.has_ended())?;
        let cause = parent.cause()?;
        let name = parent.details.lock().name.clone();
        Some(Reason::parent_named(name, cause))
    }

    /// See [`Operation::leave_parent`](super::Operation::leave_parent).
    pub(super) fn leave_parent(&self) {
        let undecided = |parent: &mut Parent| matches!(parent.link, Link::Undecided(_));
        let left = self.details.lock().parent.take_if(undecided);
        if let Some(parent) = left {
            Inner::leave_former_parent(parent.inner.upgrade(), parent.key);
        }
    }

    /// Cancels the operation with the other children of its parent, unless it is in a shield of the parent.
    pub(super) fn dismiss(&self, reason: &Reason) {
        // A child that is just being added has no parent yet.
        let is_shielded =
            self.details.lock().parent.as_ref().is_some_and(|parent| parent.link == Link::Shielded);
        if !is_shielded {
            self.cancel(reason.clone());
        }
    }

    /// Returns the reason for an operation whose future is dropped. If its parent is being cancelled at
    /// this moment, the parent's reason is on its way and counts.
    pub(super) fn reason_if_dropped(&self) -> Reason {
        let parent = self.details.lock().parent.clone();
        let bound = parent.as_ref().filter(|parent| parent.link != Link::Shielded);
        let cause = bound.and_then(|parent| parent.inner.upgrade()?.cause());
        match (parent, cause) {
            (Some(parent), Some(cause)) => Reason::parent_named(parent.name, cause),
            _ => Reason::Dropped,
        }
    }

    /// Returns the parent, if it still exists, and whether a shield is in between.
    pub(super) fn parent(&self) -> (Option<Arc<Inner>>, bool) {
        match &self.details.lock().parent {
            Some(parent) => (parent.inner.upgrade(), parent.link == Link::Shielded),
            None => (None, false),
        }
    }

    /// Makes it a child of the current operation, unless it has a parent. Returns the token of the parent if the
    /// operation may not be part of the parent's work: see [`Link::Undecided`].
    #[inline]
    pub(super) fn enter_current(
        this: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Option<CancellationToken> {
        let (parent, polled_by) = current_and_waker()?;
        let is_same_task = |waker| is_same_task(polled_by, waker);
        if is_shielded() || waker.is_none_or(is_same_task) {
            Inner::enter_below(this, &parent.inner);
            return None;
        }
        parent.inner.label_token();
        Inner::set_parent(this, &parent.inner, Link::Undecided(parent.deadline()));
        Some(this.undecided_parent()?.token.clone())
    }

    /// Changes the properties. Takes no lock as long as there is only one handle.
    #[inline]
    fn update<R>(this: &mut Arc<Self>, update: impl FnOnce(&mut Details) -> R) -> R {
        match Arc::get_mut(this) {
            Some(inner) => update(inner.details.get_mut()),
            None => update(&mut this.details.lock()),
        }
    }

    /// Notes the start. Returns the deadline of the parent if the parent is polled in another task. `waker` is the waker of
    /// the poll, if it starts in one.
    #[inline]
    pub(super) fn start(
        this: &mut Arc<Self>,
        now: Instant,
        waker: Option<&Waker>,
    ) -> Option<Instant> {
        let parent = Inner::update(this, |details| {
            details.started = Some(now);
            details.parent.as_ref().and_then(Parent::binding)
        });
        // If the parent had not started when this became its child, its deadline was not known then.
        let parent = parent?;
        let deadline = parent.deadline()?;
        this.details.lock().lower_deadline(Some(deadline));
        (!Inner::is_in_task_of(&parent, waker?)).then_some(deadline)
    }

    /// Returns whether a poll with this waker is in the task that polls `parent`, and inside that poll.
    fn is_in_task_of(parent: &Arc<Inner>, waker: &Waker) -> bool {
        current_and_waker().is_some_and(|(current, polled_by)| {
            Arc::ptr_eq(&current.inner, parent)
                && polled_by.is_task()
                && is_same_task(polled_by, waker)
        })
    }

    /// Records the end, unless there is one. If this call did it, returns the final status, and whether there is a
    /// parent.
    pub(super) fn end(&self, outcome: Outcome, error: Option<Text>) -> Option<(Status, bool)> {
        let ended = EndRecord { at: clock::now(), outcome, error };
        let mut details = self.details.lock();
        if details.ended.is_some() {
            return None;
        }
        details.ended = Some(ended);
        // Under the lock, so that a thread that finds the record finds `end` changed too.
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
