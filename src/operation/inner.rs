//! `Inner`: the state that all handles of an operation share.
//!
//! 1. The token is the cell of the cause: it is set at most once, and whatever cancels the
//!    operation goes through it: its source, its parent, a handle, a drop.
//! 2. The ending is written at most once. It says what is final: status, cause, error, time.
//! 3. A hook of an ending is either called by who writes the ending, or by who adds it afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::activity::Activity;
use super::hooks::Hooks;
use super::{Operation, OperationId, Status};
use crate::source::CancellationToken;
use crate::sync::{Mutex, OnceLock, Ordering, fence};
use crate::{Reason, Text, ambient, clock};

pub(crate) struct Inner {
    pub(super) id: OperationId,
    token: CancellationToken,
    pub(super) about: Mutex<About>,
    pub(super) ended: OnceLock<EndRecord>,
    pub(super) hooks: Hooks,
    /// Only where somebody watches it.
    pub(super) activity: OnceLock<Box<Activity>>,
}

/// What may be said about an operation until it ends.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) name: Option<Text>,
    /// `None` where nothing is attached, as it mostly is: that is quicker to drop.
    pub(super) metadata: Option<BTreeMap<Text, Text>>,
    pub(super) parent: Option<Parent>,
    pub(super) started: Option<Instant>,
    /// When its own limits, and those of its parents as they were when it started, are over.
    pub(super) deadline: Option<Instant>,
    /// Whether the token is to show the name.
    token_has_label: bool,
}

/// The operation above, by value: a long chain of operations is not a chain of owners.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) id: OperationId,
    pub(super) name: Option<Text>,
    /// Whether a shield keeps it apart: it is not cancelled with the one above, nor is it bound by
    /// the limits of that.
    sheltered: bool,
    inner: Weak<Inner>,
}

impl Parent {
    /// The one above, whose cause and limits are also those of the operation below.
    fn binding(&self) -> Option<Arc<Inner>> {
        if self.sheltered { None } else { self.inner.upgrade() }
    }
}

/// How the work ended. What the status of that is, the cause decides: see [`Inner::status_of`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Completed,
    /// It returned an error.
    Err,
    Panicked,
    Cancelled,
}

/// The end of an operation.
#[derive(Clone, Debug)]
pub(super) struct EndRecord {
    pub(super) at: Instant,
    outcome: Outcome,
    /// Why it was cancelled, if it was: also where the work completed all the same. Whoever looks
    /// first after the ending is there decides: see [`Inner::final_cause`].
    cause: OnceLock<Option<Reason>>,
    pub(super) error: Option<Text>,
}

impl Inner {
    pub(super) fn new() -> Self {
        Inner {
            id: OperationId::next(),
            token: CancellationToken::new(),
            about: Mutex::default(),
            ended: OnceLock::new(),
            hooks: Hooks::default(),
            activity: OnceLock::new(),
        }
    }

    #[inline]
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(super) fn status(&self) -> Status {
        match (self.ended.get(), self.started()) {
            (Some(ending), _) => self.status_of(ending),
            (None, None) => Status::Pending,
            (None, Some(_)) if !self.token.is_cancelled() => Status::Running,
            (None, Some(_)) => {
                self.ending().map_or(Status::Cancelling, |ending| self.status_of(ending))
            }
        }
    }

    /// The final status. An error that the work returned is a cancellation if there is a cause, and a
    /// failure otherwise, so that status and cause never contradict each other.
    pub(super) fn status_of(&self, ended: &EndRecord) -> Status {
        match ended.outcome {
            Outcome::Completed => Status::Completed,
            Outcome::Err if self.final_cause(ended).is_some() => Status::Cancelled,
            Outcome::Err | Outcome::Panicked => Status::Failed,
            Outcome::Cancelled => Status::Cancelled,
        }
    }

    /// Status, cause and error as they were together, for who has looked at the ending, and then at
    /// whether it had started.
    pub(super) fn standing(
        &self,
        ended: Option<&EndRecord>,
        started: bool,
    ) -> (Status, Option<Reason>, Option<Text>) {
        let reason = self.cause_by(ended);
        match ended {
            Some(ending) => (self.status_of(ending), reason, ending.error.clone()),
            None if !started => (Status::Pending, reason, None),
            None if reason.is_some() => (Status::Cancelling, reason, None),
            None => (Status::Running, None, None),
        }
    }

    /// Why it is cancelled, if it is. What comes after the ending changes nothing.
    pub(super) fn cause(&self) -> Option<Reason> {
        self.cause_by(self.ended.get())
    }

    /// The same, where this is all that is known of the ending.
    fn cause_by(&self, ended: Option<&EndRecord>) -> Option<Reason> {
        match ended {
            Some(ending) => self.final_cause(ending).clone(),
            None => self.token.reason().filter(|_| self.counts()),
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        match self.ended.get() {
            Some(ending) => self.final_cause(ending).is_some(),
            None => self.token.is_cancelled() && self.counts(),
        }
    }

    /// Cancels it, unless it has ended.
    pub(super) fn cancel(&self, reason: Reason) -> bool {
        self.ended.get().is_none() && self.token.cancel_with(reason) && self.counts()
    }

    /// The cause at the end, for who has seen the ending. The first who looks settles it.
    ///
    /// The run may end while it is cancelled. Who settles the cause has seen the ending, then looks
    /// at the token; who wants to know whether a cancellation counts has seen the token set, then
    /// looks at the ending. With the fences between, of two such one at least sees what the other
    /// has seen. So no cancellation that has been told of, or seen, is missing here.
    fn final_cause<'a>(&self, ending: &'a EndRecord) -> &'a Option<Reason> {
        ending.cause.get_or_init(|| {
            fence(Ordering::SeqCst);
            self.token.reason()
        })
    }

    /// The ending, for who has set the token or seen it set: see [`Inner::final_cause`].
    fn ending(&self) -> Option<&EndRecord> {
        fence(Ordering::SeqCst);
        self.ended.get()
    }

    /// Whether the cancellation of the token is one of the operation, for who has set the token or
    /// seen it set. It is none where it came after the ending.
    fn counts(&self) -> bool {
        self.ending().is_none_or(|ending| self.final_cause(ending).is_some())
    }

    /// Enters it below `parent`, unless it is below one already, or is that very one, or above it.
    pub(super) fn enter_below(&self, parent: &Arc<Inner>) {
        parent.label_token();
        if !self.token.descend_from(parent.token()) {
            return;
        }
        self.note_parent(parent, false);
        self.limit(parent.deadline());
    }

    /// Notes that it runs within `parent`, unless it is below one already.
    fn note_parent(&self, parent: &Arc<Inner>, sheltered: bool) {
        let name = parent.about.lock().name.clone();
        let mut about = self.about.lock();
        if about.parent.is_none() {
            let inner = Arc::downgrade(parent);
            about.parent = Some(Parent { id: parent.id, name, sheltered, inner });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.about.lock().deadline
    }

    /// Sets the name.
    pub(super) fn set_name(this: &mut Arc<Self>, name: Option<Text>) {
        let label = Inner::note(this, |about| {
            about.name = name;
            about.name.clone().filter(|_| about.token_has_label)
        });
        // The token was handed out before there was a name.
        if let Some(label) = label {
            this.token.label(label);
        }
    }

    /// Labels the token with the name of the operation. Called before the token is handed out or gets
    /// a child, because the reasons of children show the label; a label costs an allocation.
    pub(super) fn label_token(&self) {
        let name = {
            let mut about = self.about.lock();
            about.token_has_label = true;
            about.name.clone()
        };
        if let Some(name) = name {
            self.token.label(name);
        }
    }

    /// Its time is over by then at the latest.
    #[inline]
    pub(super) fn limit(&self, at: Option<Instant>) {
        let mut about = self.about.lock();
        about.deadline = match (about.deadline, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
    }

    /// What cancels it where its run is dropped. By a parent that is being cancelled, at the same
    /// time: the word of that is on its way.
    pub(super) fn dropped(&self) -> Reason {
        let parent = self.about.lock().parent.clone();
        let cause = parent.as_ref().and_then(|parent| parent.binding()?.cause());
        match (parent, cause) {
            (Some(parent), Some(cause)) => Reason::parent_named(parent.name, cause),
            _ => Reason::Dropped,
        }
    }

    /// The one above, if it is still there, and whether a shield keeps this one apart from it.
    #[cfg(feature = "time")]
    pub(super) fn above(&self) -> (Option<Arc<Inner>>, bool) {
        match &self.about.lock().parent {
            Some(parent) => (parent.inner.upgrade(), parent.sheltered),
            None => (None, false),
        }
    }

    pub(super) fn started(&self) -> Option<Instant> {
        self.about.lock().started
    }

    /// Enters it below the operation that is current, unless it is below another already.
    #[inline]
    pub(super) fn enter_current(&self) {
        let Some(parent) = Operation::current() else { return };
        if ambient::is_sheltered() {
            // What a shield protects is not cancelled with what is around the shield.
            self.note_parent(&parent.inner, true);
        } else {
            self.enter_below(&parent.inner);
        }
    }

    /// Notes something. As long as there is one handle only, that takes no lock.
    #[inline]
    pub(super) fn note<R>(this: &mut Arc<Self>, note: impl FnOnce(&mut About) -> R) -> R {
        match Arc::get_mut(this) {
            Some(inner) => note(inner.about.get_mut()),
            None => note(&mut this.about.lock()),
        }
    }

    #[inline]
    pub(super) fn start(this: &mut Arc<Self>, now: Instant) {
        let parent = Inner::note(this, |about| {
            about.started = Some(now);
            about.parent.as_ref().and_then(Parent::binding)
        });
        // Entered below one that had not started, it has yet to hear of the limits of that.
        if let Some(parent) = parent {
            this.limit(parent.deadline());
        }
    }

    /// Records the end, unless there is one, and returns the final status if this call did it.
    pub(super) fn end(&self, outcome: Outcome, error: Option<Text>) -> Option<Status> {
        let ended = EndRecord { at: clock::now(), outcome, cause: OnceLock::new(), error };
        let first = self.ended.set(ended).is_ok();
        let ended = self.ended.get()?;
        self.final_cause(ended);
        first.then(|| self.status_of(ended))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.about.lock().clone();
        f.debug_struct("Operation")
            .field("id", &self.id.as_u64())
            .field("name", &about.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
