//! The deadline of an operation: its own time limit, and those of its ancestors.
//!
//! A child in another task watches the deadline of its parent by itself. The child may start before that deadline is known.
//! In that case it waits for a latch of the parent. The child creates the latch before it reads the deadline, and the
//! parent writes the deadline before it looks for a latch. The deadline is read and written under the lock of [`Details`].
//! So either the child finds the deadline, or the parent finds the latch.

#[cfg(feature = "time")]
use std::sync::Arc;
#[cfg(feature = "time")]
use std::time::Duration;
use std::time::Instant;

use super::inner::{Details, Inner};
use super::parent::Link;
#[cfg(feature = "time")]
use super::parent::Parent;
#[cfg(feature = "time")]
use crate::clock;
#[cfg(feature = "time")]
use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::sync::Ordering;
#[cfg(feature = "time")]
use crate::wait::Latch;

/// The source of the operation, or of an ancestor, has not been polled.
#[cfg(feature = "time")]
pub(super) const UNKNOWN: usize = 0;
/// The sources of the operation and of its ancestors have been polled, so the deadline is known.
#[cfg(feature = "time")]
const KNOWN: usize = 1;
/// Like `KNOWN`, and there is no deadline. Children learn this without a lock. Set only if the operation already has
/// children or waiters when its source is first polled.
#[cfg(feature = "time")]
const NO_DEADLINE: usize = 2;

/// The time limit that the source of an operation has offered in its first poll.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "time"),
    expect(dead_code, reason = "without a clock no source offers one")
)]
pub(super) struct Limit {
    since: Instant,
    at: Instant,
}

/// A deadline that has passed, but that no poll has noticed yet.
#[cfg(feature = "time")]
#[derive(Debug)]
pub(crate) struct Overdue {
    /// The reason for which the operation is about to be cancelled.
    pub(crate) reason: Reason,
    /// How late the timeout behind the deadline may fire.
    pub(crate) lateness: Duration,
}

/// The deadline of a parent, for a child that watches it by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Inherited {
    /// There is no deadline, or the child need not watch it.
    None,
    Until(Instant),
    /// The deadline is not known yet: the source of the parent, or of an ancestor, has not been polled.
    #[cfg(feature = "time")]
    Unknown,
}

impl Details {
    /// Lowers the deadline to `at`.
    #[inline]
    pub(super) fn lower_deadline(&mut self, at: Option<Instant>) {
        self.deadline = match (self.deadline, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
    }

    /// Returns the earliest deadline that applies.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let undecided = self.parent.as_ref().and_then(|parent| match parent.link {
            Link::Undecided(deadline) => deadline,
            _ => None,
        });
        [self.deadline, undecided].into_iter().flatten().min()
    }
}

impl Inner {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.details.lock().deadline()
    }

    /// Returns the deadline, for a child that watches it by itself.
    #[inline]
    pub(super) fn deadline_for_child(&self) -> Inherited {
        #[cfg(feature = "time")]
        match self.deadline_state.load(Ordering::Acquire) {
            UNKNOWN => return Inherited::Unknown,
            NO_DEADLINE => return Inherited::None,
            _ => {}
        }
        self.deadline().map_or(Inherited::None, Inherited::Until)
    }

    /// Notes that the source has been polled. If there is a deadline now, wakes the tasks of children that wait for it.
    /// `is_final` is false if the deadline of the parent is not known yet.
    #[cfg(feature = "time")]
    #[inline]
    pub(super) fn note_deadline(&self, is_final: bool) {
        if is_final {
            self.deadline_state.store(KNOWN, Ordering::Release);
        }
        if self.family.get().is_some() {
            self.note_deadline_for_children(is_final);
        }
    }

    /// Notes that the operation has got a deadline from a new parent. It may have started already.
    #[cfg(feature = "time")]
    pub(super) fn note_deadline_of_new_parent(&self) {
        let is_final = self.deadline_state.load(Ordering::Acquire) != UNKNOWN;
        self.note_deadline(is_final);
    }

    #[cfg(feature = "time")]
    #[cold]
    fn note_deadline_for_children(&self, is_final: bool) {
        if self.deadline().is_some() {
            self.wake_for_deadline();
        } else if is_final {
            self.deadline_state.store(NO_DEADLINE, Ordering::Release);
        }
    }

    /// Returns the deadline, as far as it is known. If it may still become earlier, also returns a latch that is set when it may
    /// have changed.
    #[cfg(feature = "time")]
    pub(super) fn await_deadline(&self) -> (Option<Instant>, Option<Arc<Latch<()>>>) {
        if self.deadline_state.load(Ordering::Acquire) == UNKNOWN {
            let latch = self.deadline_latch();
            let at = self.deadline();
            if self.deadline_state.load(Ordering::Acquire) == UNKNOWN {
                return (at, Some(latch));
            }
        }
        (self.deadline(), None)
    }

    /// See [`Operation::inherit_deadline`](super::Operation::inherit_deadline).
    #[cfg(feature = "time")]
    pub(super) fn inherit_deadline(&self) -> (Option<Instant>, Option<Arc<Latch<()>>>) {
        let parent = self.details.lock().parent.as_ref().and_then(Parent::binding);
        let Some(parent) = parent else { return (None, None) };
        let (at, latch) = parent.await_deadline();
        self.details.lock().lower_deadline(at);
        (at, latch)
    }

    /// Sets the limit of the operation's own source. The limit started at `since` and ends at `at`.
    pub(super) fn set_limit(&self, since: Instant, at: Instant) {
        let mut details = self.details.lock();
        details.limit = Some(Limit { since, at });
        details.lower_deadline(Some(at));
    }

    /// Drops the limit of the operation's own source.
    ///
    /// Without a time, drops the limit because the race is over. With a time, drops the limit only if it has passed by that
    /// time. The source is still pending in that case, so its limit does not end the race and is not the deadline.
    #[cfg(feature = "time")]
    pub(super) fn drop_limit(&self, if_passed_by: Option<Instant>) {
        let passed = |limit: &mut Limit| if_passed_by.is_none_or(|now| limit.at <= now);
        self.details.lock().limit.take_if(passed);
    }

    /// Returns the deadline if it has passed. It may come from the operation's own source or from an ancestor.
    #[cfg(feature = "time")]
    pub(super) fn overdue(&self) -> Option<Overdue> {
        let now = clock::now();
        // Once the operation has ended, its own limit no longer applies.
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

    /// Returns the end of the earliest limit of this operation and its ancestors. Ignores limits that have passed.
    #[cfg(feature = "time")]
    pub(super) fn next_limit(&self) -> Option<Instant> {
        let own = self.details.lock().limit.map(|limit| limit.at).filter(|&at| at > clock::now());
        own.into_iter().chain(self.next_inherited_limit()).min()
    }

    /// Returns the end of the earliest limit of the ancestors. Ignores limits that have passed.
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
}
