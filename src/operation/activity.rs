//! `Activity`: what is noted of an operation that somebody watches: where it stands, and its polls.
//!
//! An operation that nobody watches has none of this, and pays for none of it. The numbers are for
//! people who look for what does not stop: each is right by itself, and they are read without a lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::current::InOperation;
#[cfg(feature = "time")]
use super::force::Force;
use super::{Operation, Progress};
use crate::ambient::{Protection, Section};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use crate::{Text, clock};

/// Who is told what becomes of an operation. Told with no lock held.
pub(crate) trait Watcher: Send + Sync {
    /// It has started.
    fn started(&self);
    /// It has told how far it has got.
    fn reported(&self, progress: &Progress);
    /// It has ended, or its run was dropped before its first poll. Nothing is told afterwards.
    fn left(&self);
}

/// What the run of an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Work,
    Grace,
    CleanUp,
}

/// What is noted at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) stage: Stage,
    /// A shield that is to be finished, if there is one.
    pub(crate) shield: Option<Shielded>,
    /// For how long its poll has not returned, if it is being polled.
    pub(crate) in_poll: Option<Duration>,
    /// How long ago it was polled last; `None` where it has never been.
    pub(crate) last_poll: Option<Duration>,
    /// How long its longest poll took, the one that has not returned included.
    pub(crate) longest_poll: Duration,
}

/// A shield in the work of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Shielded {
    pub(crate) name: Option<Text>,
    /// Whether no operation in between tells of it.
    pub(crate) own: bool,
}

/// A shield, and whether no operation in between tells of it.
struct Shield {
    protection: Arc<Protection>,
    own: bool,
}

impl Shield {
    fn told(&self) -> Option<Shielded> {
        match self.protection.section() {
            Section::Shield(name) if self.protection.is_active() => {
                Some(Shielded { name: name.clone(), own: self.own })
            }
            _ => None,
        }
    }
}

pub(crate) struct Activity {
    watchers: Mutex<Vec<Arc<dyn Watcher>>>,
    /// What the numbers below count from, in nanoseconds.
    since: Instant,
    /// When the poll began that has not returned, plus one; 0 where there is none.
    poll_began: AtomicU64,
    /// When the last poll returned, plus one; 0 where none has.
    poll_returned: AtomicU64,
    longest_poll: AtomicU64,
    pub(super) in_grace: AtomicBool,
    cleaning_up: AtomicBool,
    #[cfg(feature = "time")]
    pub(super) force: Mutex<Force>,
    shields: Mutex<Vec<Shield>>,
}

impl Activity {
    fn new() -> Self {
        Activity {
            watchers: Mutex::default(),
            since: clock::now(),
            poll_began: AtomicU64::new(0),
            poll_returned: AtomicU64::new(0),
            longest_poll: AtomicU64::new(0),
            in_grace: AtomicBool::new(false),
            cleaning_up: AtomicBool::new(false),
            #[cfg(feature = "time")]
            force: Mutex::default(),
            shields: Mutex::default(),
        }
    }

    fn now(&self) -> u64 {
        let passed = clock::now().saturating_duration_since(self.since).as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX - 1)
    }

    fn poll_begins(&self) {
        self.poll_began.store(self.now() + 1, Ordering::Release);
    }

    fn poll_returns(&self) {
        let now = self.now();
        let began = self.poll_began.load(Ordering::Relaxed);
        self.longest_poll.fetch_max((now + 1).saturating_sub(began), Ordering::Relaxed);
        self.poll_returned.store(now + 1, Ordering::Relaxed);
        // Whoever sees that it is not being polled sees the two above.
        self.poll_began.store(0, Ordering::Release);
    }

    fn facts(&self) -> Facts {
        let began = self.poll_began.load(Ordering::Acquire);
        let returned = self.poll_returned.load(Ordering::Relaxed);
        let longest = Duration::from_nanos(self.longest_poll.load(Ordering::Relaxed));
        let now = self.now() + 1;
        let ago =
            |moment: u64| (moment != 0).then(|| Duration::from_nanos(now.saturating_sub(moment)));
        let in_poll = ago(began);
        Facts {
            stage: if self.cleaning_up.load(Ordering::Acquire) {
                Stage::CleanUp
            } else if self.in_grace.load(Ordering::Acquire) {
                Stage::Grace
            } else {
                Stage::Work
            },
            shield: self.shield(),
            in_poll,
            last_poll: in_poll.map(|_| Duration::ZERO).or_else(|| ago(returned)),
            longest_poll: in_poll.unwrap_or_default().max(longest),
        }
    }

    /// A shield that is to be finished: one of its own, if there is one.
    fn shield(&self) -> Option<Shielded> {
        let shields = self.shields.lock();
        let active = shields.iter().filter_map(Shield::told);
        // Of several that are its own, the eldest.
        active.reduce(|first, next| if next.own && !first.own { next } else { first })
    }

    pub(super) fn tell_progress(&self, progress: &Progress) {
        self.tell(|watcher| watcher.reported(progress));
    }

    fn tell(&self, tell: impl Fn(&dyn Watcher)) {
        let watchers = self.watchers.lock().clone();
        watchers.iter().for_each(|watcher| tell(&**watcher));
    }

    /// Lets go of those who watch, and tells them.
    pub(super) fn tell_left(&self) {
        let watchers = std::mem::take(&mut *self.watchers.lock());
        watchers.iter().for_each(|watcher| watcher.left());
    }
}

/// While it lives, the run of an operation is being polled, and the operation is the current one.
pub(crate) struct InPoll {
    inside: InOperation,
    watched: Watched,
}

impl InPoll {
    /// `watched` is the operation, where somebody watches it.
    #[inline]
    pub(crate) fn enter(operation: Operation, watched: Option<&Operation>) -> Self {
        let watched = Watched::begin(watched);
        InPoll { inside: InOperation::enter(operation), watched }
    }

    /// Ends it, and gives back what it was entered with.
    #[inline]
    pub(crate) fn leave(self) -> Option<Operation> {
        drop(self.watched);
        self.inside.leave()
    }
}

/// Notes how long a poll takes, also where it panics. `None` where nobody watches.
struct Watched(Option<Operation>);

impl Watched {
    #[inline]
    fn begin(operation: Option<&Operation>) -> Self {
        Watched(operation.map(|operation| {
            operation.activity().into_iter().for_each(Activity::poll_begins);
            operation.clone()
        }))
    }
}

impl Drop for Watched {
    #[inline]
    fn drop(&mut self) {
        if let Some(operation) = self.0.take() {
            poll_returned(operation);
        }
    }
}

#[cold]
fn poll_returned(operation: Operation) {
    operation.activity().into_iter().for_each(Activity::poll_returns);
}

impl Operation {
    pub(super) fn activity(&self) -> Option<&Activity> {
        self.inner.activity.get().map(|activity| &**activity)
    }

    /// From here on somebody watches.
    pub(crate) fn watch(&self, watcher: Arc<dyn Watcher>) {
        let activity = self.inner.activity.get_or_init(|| Box::new(Activity::new()));
        activity.watchers.lock().push(watcher);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.activity().is_some()
    }

    /// It has started.
    #[cold]
    pub(super) fn tell_started(&self) {
        if let Some(activity) = self.activity() {
            activity.tell(|watcher| watcher.started());
        }
    }

    /// It has ended, or its run was dropped before its first poll.
    pub(crate) fn leave(&self) {
        if let Some(activity) = self.activity() {
            activity.tell_left();
        }
    }

    #[cold]
    pub(crate) fn note_clean_up(&self) {
        if let Some(activity) = self.activity() {
            activity.cleaning_up.store(true, Ordering::Release);
        }
    }

    /// Shields have registered in its work.
    #[cold]
    pub(crate) fn note_shields(&self, shields: &[Arc<Protection>]) {
        let Some(activity) = self.activity() else { return };
        let mut known = activity.shields.lock();
        known.retain(|shield| shield.protection.is_active());
        known.extend(
            shields.iter().map(|protection| Shield {
                protection: protection.clone(),
                own: protection.claim(),
            }),
        );
    }

    pub(crate) fn facts(&self) -> Option<Facts> {
        Some(self.activity()?.facts())
    }

    /// Calls back when it is asked to stop, whoever asks; at once if it has been.
    pub(crate) fn on_request(&self, callback: impl FnOnce(&crate::Reason) + Send + 'static) {
        self.inner.token().on_cancel(callback).detach();
    }

    /// The operation that it is below, if that is still there, and whether a shield keeps it apart
    /// from that.
    #[cfg(feature = "time")]
    pub(crate) fn above(&self) -> (Option<Operation>, bool) {
        let (inner, sheltered) = self.inner.above();
        (inner.map(|inner| Operation { inner }), sheltered)
    }
}
