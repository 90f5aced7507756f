//! `State`: what a group counts under its lock, and what it was set up with.

#[cfg(feature = "time")]
use std::time::Duration;

use super::error::TaskFailed;
use super::results::Results;
use crate::operation::ScopedChild;
use crate::wait::Wakers;

/// The state of a group. The numbers in brackets are those of the invariants in [`shared`](super::shared).
pub(super) struct State<T, E> {
    /// Whether the owner of the group, or the body of its scope, may still add members.
    pub(super) held: bool,
    /// Whether no more members are admitted.
    pub(super) closed: bool,
    /// The members that have not ended, without daemons.
    pub(super) members: usize,
    pub(super) daemons: usize,
    pub(super) daemons_stopped: bool,
    /// The number of members that have been admitted.
    pub(super) admitted: u64,
    pub(super) results: Results<T, E>,
    /// The failure that cancelled the group.
    pub(super) failure: Option<Failure>,
    /// Whether a member was cancelled with the group.
    pub(super) cut: bool,
    /// Whether such a member was dropped at the end of its grace period.
    pub(super) forced: bool,
    /// Stands for the members once the group has been dropped (5).
    pub(super) left_behind: Option<ScopedChild>,
    pub(super) policy: Policy,
}

/// A member that was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    pub(super) seat: Seat,
    /// Whether the operation of the group is the current one inside the member. Otherwise the member is an operation
    /// itself.
    pub(super) is_plain: bool,
    /// Whether the member waits in the queue until there is room.
    pub(super) is_bounded: bool,
    #[cfg(feature = "time")]
    pub(super) grace: Option<Duration>,
}

/// The place of a member in its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// The number of the member, from 1, in the order of spawning.
    pub(super) number: u64,
    /// The index of its slot.
    pub(super) slot: usize,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Policy {
    /// The largest number of members that run at once, if there is a bound.
    pub(super) bound: Option<usize>,
    /// Whether the other members continue after a failure.
    pub(super) keeps_going: bool,
    /// Whether results of detached members are dropped.
    pub(super) discards: bool,
    /// How long members may continue after they were cancelled.
    #[cfg(feature = "time")]
    pub(super) grace: Option<Duration>,
}

impl Policy {
    pub(super) fn has_grace(&self) -> bool {
        #[cfg(feature = "time")]
        return self.grace.is_some();
        #[cfg(not(feature = "time"))]
        false
    }
}

pub(super) struct Failure {
    /// The number of the member; `None` if the body or a daemon failed.
    pub(super) number: Option<u64>,
    pub(super) cause: TaskFailed,
}

/// The part of a step that runs after the lock is released.
#[must_use]
pub(super) enum Step {
    None,
    StopDaemons,
    /// Sets the latch, and then ends the child that stands for the members.
    End(Option<ScopedChild>),
}

impl<T, E> State<T, E> {
    pub(super) fn new() -> Self {
        State {
            held: true,
            closed: false,
            members: 0,
            daemons: 0,
            daemons_stopped: false,
            admitted: 0,
            results: Results::default(),
            failure: None,
            cut: false,
            forced: false,
            left_behind: None,
            policy: Policy::default(),
        }
    }

    /// Closes the group if nothing can add members any more. Called whenever a count has changed.
    pub(super) fn step(&mut self) -> Step {
        if self.held || self.members > 0 {
            return Step::None;
        }
        self.closed = true;
        if self.daemons == 0 {
            Step::End(self.left_behind.take())
        } else if std::mem::replace(&mut self.daemons_stopped, true) {
            Step::None
        } else {
            Step::StopDaemons
        }
    }

    /// Returns whether the group has ended.
    pub(super) fn is_over(&self) -> bool {
        self.closed && !self.held && !self.has_tasks()
    }

    /// Returns whether a member or a daemon has not ended.
    pub(super) fn has_tasks(&self) -> bool {
        self.members > 0 || self.daemons > 0
    }

    /// Takes the tasks that wait for a result, if every member that is left waits too, or no member is left.
    pub(super) fn take_waiters_if_stuck(&mut self) -> Option<Wakers> {
        if self.members == self.results.waiting_members() {
            self.results.take_waiters()
        } else {
            None
        }
    }
}
