//! `Activity`: the stage, shields and polls of an operation, for the registry that watches it, and for spans and metrics.
//!
//! An operation has one only if a registry watches it, if it has a span or metrics, or if it is in a grace period or
//! forced. Other operations pay nothing for it. It helps people to find operations that do not stop. Its parts are read
//! one by one, so they may belong to slightly different moments.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::observe::Observed;
use super::{Operation, Progress};
use crate::clock;
use crate::poll_context::{Protection, Section};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::text::Text;
use crate::visits::visit;
#[cfg(feature = "time")]
use crate::wait::WakerSlot;

/// Is notified of the events of an operation. Every method is called with no lock held.
pub(crate) trait Watcher: Send + Sync {
    /// The operation has started.
    fn started(&self);
    /// The operation has reported progress.
    fn reported(&self, progress: &Progress);
    /// The operation has ended, and its hooks had run at this time. This is the last call.
    fn left(&self, at: Instant);
    /// Returns the roster that lists the operation.
    fn roster(&self) -> WatchedIn;
}

/// A list of operations, and of the tasks that run [`in_scope`](Operation::in_scope) of these operations.
pub(crate) trait Roster: Send + Sync {
    fn add_task(self: Arc<Self>, task: &Operation, is_daemon: bool);
}

/// The roster that lists an operation. The link is weak, because a handle may be kept for a long time after its
/// operation has ended.
#[derive(Clone)]
pub(crate) struct WatchedIn {
    pub(crate) roster: Weak<dyn Roster>,
    /// Whether the roster lists the operation as a daemon.
    pub(crate) is_daemon: bool,
}

/// What an operation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunStage {
    Work,
    Grace,
    /// The operation waits for its children.
    Joining,
    CleanUp,
}

/// An [`Activity`] at one moment.
#[derive(Clone, Debug)]
pub(crate) struct ActivitySnapshot {
    pub(crate) stage: RunStage,
    /// An active shield in the work, if there is one.
    pub(crate) shield: Option<ActiveShield>,
    /// How long the current poll has taken so far, if the operation is being polled.
    pub(crate) in_poll: Option<Duration>,
    /// How long ago the operation was last polled; `None` if it never was.
    pub(crate) last_poll: Option<Duration>,
    /// How long the longest poll took, including the current one.
    pub(crate) longest_poll: Duration,
}

/// A shield that delays the cancellation of an operation.
#[derive(Clone, Debug)]
pub(crate) struct ActiveShield {
    pub(crate) name: Option<Text>,
    /// Whether the shield belongs to the operation itself. If not, it belongs to a watched operation inside it.
    pub(crate) own: bool,
}

/// A shield in the work. `own` has the same meaning as in [`ActiveShield`].
struct KnownShield {
    protection: Arc<Protection>,
    own: bool,
}

impl KnownShield {
    fn active(&self) -> Option<ActiveShield> {
        match self.protection.section() {
            Section::Shield(name) if self.protection.is_active() => {
                Some(ActiveShield { name: name.clone(), own: self.own })
            }
            _ => None,
        }
    }
}

/// The operation is in its grace period.
const IN_GRACE: usize = 1;
/// The grace period is cut short, or will be when it begins. This bit is never cleared.
#[cfg(feature = "time")]
const FORCED: usize = 2;

/// A watcher, and the roster that lists the operation for it.
struct Watched {
    /// `None` once the watcher has been notified that the operation has ended.
    watcher: Option<Arc<dyn Watcher>>,
    /// Kept after the end, because tasks may be added even then.
    roster: WatchedIn,
}

/// The watchers of an operation. Nearly every operation has only one, which takes no allocation.
#[derive(Default)]
struct Watchers {
    first: Option<Watched>,
    others: Vec<Watched>,
}

impl Watchers {
    fn add(&mut self, watched: Watched) {
        match self.first {
            None => self.first = Some(watched),
            Some(_) => self.others.push(watched),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.first.iter().chain(&self.others)
    }

    /// Takes out a watcher that has not been notified of the end.
    fn take(&mut self) -> Option<Arc<dyn Watcher>> {
        self.first.iter_mut().chain(&mut self.others).find_map(|watched| watched.watcher.take())
    }
}

/// The times of the polls of an operation.
#[derive(Clone, Copy, Default)]
struct Polls {
    /// When the current poll began. `None` if the operation is not being polled.
    began: Option<Instant>,
    /// When the last poll returned.
    returned: Option<Instant>,
    longest: Duration,
}

#[derive(Default)]
pub(crate) struct Activity {
    watchers: Mutex<Watchers>,
    polls: Mutex<Polls>,
    /// [`IN_GRACE`] and [`FORCED`] in one place, so that a thread that forces the operation knows whether it was in
    /// its grace period.
    grace: AtomicUsize,
    joining: AtomicBool,
    cleaning_up: AtomicBool,
    /// Woken when the grace period is cut short.
    #[cfg(feature = "time")]
    forced_waker: WakerSlot,
    shields: Mutex<Vec<KnownShield>>,
    /// What spans and metrics report.
    pub(super) observed: Observed,
}

impl Activity {
    /// Notes that the first poll has begun at the time `at`.
    pub(super) fn first_poll_begins(&self, at: Instant) {
        self.polls.lock().began = Some(at);
    }

    /// Notes that a poll begins. The first one has been noted already, without another reading of the clock.
    pub(super) fn poll_begins(&self) {
        self.polls.lock().began.get_or_insert_with(clock::now);
    }

    pub(super) fn poll_returns(&self, at: Instant) {
        let mut polls = self.polls.lock();
        if let Some(began) = polls.began.take() {
            polls.longest = polls.longest.max(at.saturating_duration_since(began));
        }
        polls.returned = Some(at);
    }

    pub(super) fn snapshot(&self) -> ActivitySnapshot {
        let polls = *self.polls.lock();
        let now = clock::now();
        let ago = |moment: Option<Instant>| moment.map(|at| now.saturating_duration_since(at));
        let in_poll = ago(polls.began);
        ActivitySnapshot {
            stage: if self.cleaning_up.load(Ordering::Acquire) {
                RunStage::CleanUp
            } else if self.joining.load(Ordering::Acquire) {
                RunStage::Joining
            } else if self.grace.load(Ordering::Acquire) & IN_GRACE != 0 {
                RunStage::Grace
            } else {
                RunStage::Work
            },
            shield: self.shield(),
            in_poll,
            last_poll: in_poll.map(|_| Duration::ZERO).or_else(|| ago(polls.returned)),
            longest_poll: in_poll.unwrap_or_default().max(polls.longest),
        }
    }

    /// Returns an active shield. If the operation has shields of its own, returns the oldest of them.
    fn shield(&self) -> Option<ActiveShield> {
        let shields = self.shields.lock();
        let active = shields.iter().filter_map(KnownShield::active);
        active.reduce(|first, next| if next.own && !first.own { next } else { first })
    }

    /// Adds shields that have registered in the work.
    pub(super) fn add_shields(&self, shields: &[Arc<Protection>]) {
        let mut known = self.shields.lock();
        // Remove ended shields only when the list is full. A walk of the whole list at each registration would
        // take quadratic time.
        if known.len() + shields.len() > known.capacity() {
            known.retain(|shield| {
                visit();
                shield.protection.is_active()
            });
            let room = known.len() + shields.len();
            known.reserve(room);
        }
        known.extend(shields.iter().map(|protection| KnownShield {
            protection: protection.clone(),
            own: protection.claim(),
        }));
    }

    pub(super) fn set_joining(&self, joining: bool) {
        self.joining.store(joining, Ordering::Release);
        if joining {
            self.observed.waits_for_children();
        }
    }

    pub(super) fn cleaning_up_begins(&self) {
        self.cleaning_up.store(true, Ordering::Release);
    }

    pub(super) fn add_watcher(&self, watcher: Arc<dyn Watcher>) {
        let roster = watcher.roster();
        self.watchers.lock().add(Watched { watcher: Some(watcher), roster });
    }

    pub(super) fn is_watched(&self) -> bool {
        self.observed.is_observed() || self.is_listed()
    }

    /// Returns whether a registry lists the operation, or has listed it.
    pub(super) fn is_listed(&self) -> bool {
        self.watchers.lock().first.is_some()
    }

    /// Adds a task of the operation to the rosters that list the operation.
    pub(super) fn add_task(&self, task: &Operation) {
        let rosters: Vec<_> =
            self.watchers.lock().iter().map(|watched| watched.roster.clone()).collect();
        for WatchedIn { roster, is_daemon } in rosters {
            if let Some(roster) = roster.upgrade() {
                roster.add_task(task, is_daemon);
            }
        }
    }

    pub(super) fn tell_started(&self) {
        self.for_each_watcher(|watcher| watcher.started());
    }

    pub(super) fn tell_progress(&self, progress: &Progress) {
        self.for_each_watcher(|watcher| watcher.reported(progress));
    }

    fn for_each_watcher(&self, tell: impl Fn(&dyn Watcher)) {
        // Watchers are called with no lock held. If there is only one, the copy of the list needs no allocation.
        let (first, others) = {
            let watchers = self.watchers.lock();
            let live = |watched: &Watched| watched.watcher.clone();
            let others = match &*watchers.others {
                [] => Vec::new(),
                others => others.iter().filter_map(live).collect(),
            };
            (watchers.first.as_ref().and_then(live), others)
        };
        first.iter().chain(&others).for_each(|watcher| tell(&**watcher));
    }

    /// Notifies the watchers that the operation has ended, and that its hooks had run at the time `at`. Drops the
    /// watchers, and the waker of the task.
    pub(super) fn tell_left(&self, at: Instant) {
        #[cfg(feature = "time")]
        self.forced_waker.clear();
        // A watcher owns the operation, and the operation owns its watchers. Taking them out breaks that cycle.
        while let Some(watcher) = self.take_watcher() {
            watcher.left(at);
        }
    }

    fn take_watcher(&self) -> Option<Arc<dyn Watcher>> {
        self.watchers.lock().take()
    }
}

#[cfg(feature = "time")]
impl Activity {
    /// Cuts the grace period short. Returns whether the operation was in a grace period that this call cut short.
    pub(super) fn force(&self) -> bool {
        let before = self.grace.fetch_or(FORCED, Ordering::AcqRel);
        self.forced_waker.wake();
        if before & FORCED == 0 {
            self.observed.forced();
        }
        before == IN_GRACE
    }

    /// Like [`force`](Self::force), but changes nothing if the operation is not in its grace period.
    pub(super) fn cut_grace(&self) -> bool {
        self.grace.load(Ordering::Acquire) == IN_GRACE && self.force()
    }

    /// Marks the operation as being in its grace period. Returns whether the grace period has been cut short. If not, `waker`
    /// is woken when it is cut short.
    pub(super) fn poll_forced(&self, waker: &std::task::Waker) -> bool {
        // Register first, then read the bit. A call of `force` before the read has set the bit, and a later call finds the
        // waker.
        self.forced_waker.register(waker);
        let before = self.grace.fetch_or(IN_GRACE, Ordering::AcqRel);
        if before == 0 {
            self.observed.grace_begins();
        }
        before & FORCED != 0
    }

    /// Records that the grace period is over.
    pub(super) fn end_grace(&self) {
        if self.grace.load(Ordering::Relaxed) & IN_GRACE != 0 {
            self.grace.fetch_and(!IN_GRACE, Ordering::AcqRel);
            self.forced_waker.clear();
        }
    }
}
