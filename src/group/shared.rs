//! `Shared`: the state that a group, its handles and its members share. It has the number of members, and the results
//! that have not been taken yet.
//!
//! 1. A member is counted from its admission until it has ended. The owner of the group, or the body of its scope, *holds*
//!    the group. Once neither holds the group any more, the end of the last member also closes the group, in one step. So no
//!    member is admitted afterwards.
//! 2. The same step stops the daemons. The latch `ended` is set only once the daemons have ended too.
//! 3. When a member ends, it leaves its result in its slot if its handle is alive, and otherwise in the list of the group.
//!    Its end is counted in the same step. So once no member is left, the group has all results.
//! 4. Wakers are woken and results are dropped with no lock held.
//! 5. A *plain* member is not an operation. The operation of the group counts plain members and daemons as its
//!    children. Their number changes under the lock of the group.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "time")]
use std::time::Duration;

use super::error::{TaskError, TaskFailed};
use super::results::Results;
use crate::operation::Operation;
use crate::panic::{discard, wake};
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::sync::{AtomicU64, Mutex};
use crate::wait::{HasLatch, Latch, Wakers};

/// How a member ended.
pub(super) type TaskResult<T, E> = Result<T, TaskError<E>>;

// It is `pub`, because the methods of the trait `Outcome` take it. It is not exported.
#[allow(unreachable_pub, reason = "part of a trait that is sealed by being unreachable")]
pub struct Shared<T, E> {
    pub(super) operation: Operation,
    /// A child of the operation's token. Members that are not operations race against it.
    pub(super) token: CancellationToken,
    /// Like `token`, for daemons.
    pub(super) daemon_token: CancellationToken,
    pub(super) state: Mutex<State<T, E>>,
    /// The number of the [host](super::host), or 0. Changes under the lock.
    pub(super) host: AtomicU64,
    /// Set once the group is closed and all members and daemons have ended.
    ended: Latch<()>,
}

pub(super) struct State<T, E> {
    /// Whether the owner of the group, or the body of its scope, may still add members.
    held: bool,
    /// Whether no more members are admitted.
    closed: bool,
    /// The members that have not ended, without daemons.
    pub(super) members: usize,
    daemons: usize,
    daemons_stopped: bool,
    /// The number of members that have been admitted.
    admitted: u64,
    pub(super) results: Results<T, E>,
    /// The failure that cancelled the group.
    pub(super) failure: Option<Failure>,
    /// Whether a member was cancelled with the group.
    cut: bool,
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
    /// Whether the others continue after a failure.
    pub(super) keeps_going: bool,
    /// Whether results of detached members are dropped.
    pub(super) discards: bool,
    /// How long members may continue after they were cancelled.
    #[cfg(feature = "time")]
    pub(super) grace: Option<Duration>,
}

impl Policy {
    fn has_grace(&self) -> bool {
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
    End,
}

impl<T, E> State<T, E> {
    /// Closes the group if nothing can add members any more. Called whenever a count has changed.
    pub(super) fn step(&mut self) -> Step {
        if self.held || self.members > 0 {
            return Step::None;
        }
        self.closed = true;
        if self.daemons == 0 {
            Step::End
        } else if std::mem::replace(&mut self.daemons_stopped, true) {
            Step::None
        } else {
            Step::StopDaemons
        }
    }
}

impl<T, E> State<T, E> {
    /// Returns whether the group has ended.
    pub(super) fn is_over(&self) -> bool {
        self.closed && !self.held && self.members == 0 && self.daemons == 0
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

impl<T, E> Shared<T, E> {
    pub(super) fn new() -> Arc<Self> {
        let operation = Operation::of_group();
        let token = operation.token();
        Arc::new(Shared {
            token: token.child_token(),
            daemon_token: token.child_token(),
            operation,
            state: Mutex::new(State {
                held: true,
                closed: false,
                members: 0,
                daemons: 0,
                daemons_stopped: false,
                admitted: 0,
                results: Results::default(),
                failure: None,
                cut: false,
                policy: Policy::default(),
            }),
            host: AtomicU64::new(0),
            ended: Latch::new(),
        })
    }

    pub(super) fn set_policy(&self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.state.lock().policy);
    }

    /// Returns the number of members that have not ended, without daemons.
    pub(super) fn len(&self) -> usize {
        self.state.lock().members
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Counts a new member. Returns `None` if the group is closed. If members have a grace period, `is_plain` has no effect:
    /// every member is then an operation.
    pub(super) fn admit(&self, is_plain: bool) -> Option<Admitted> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.members += 1;
        state.admitted += 1;
        let is_plain = is_plain && !state.policy.has_grace();
        let admitted = Admitted {
            seat: Seat { number: state.admitted, slot: state.results.add_slot() },
            is_plain,
            is_bounded: state.policy.bound.is_some(),
            #[cfg(feature = "time")]
            grace: state.policy.grace,
        };
        let is_first = is_plain && self.operation.add_task();
        drop(state);
        if is_first {
            self.operation.tasks_changed();
        }
        Some(admitted)
    }

    /// Counts a new daemon. Returns whether the group is open.
    pub(super) fn admit_daemon(&self) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.daemons += 1;
        let is_first = self.operation.add_task();
        drop(state);
        if is_first {
            self.operation.tasks_changed();
        }
        true
    }
}

/// Failures.
impl<T, E> Shared<T, E> {
    /// Returns the reason for a member whose task was dropped.
    pub(super) fn reason_if_dropped(&self) -> Reason {
        self.token.reason().unwrap_or(Reason::Dropped)
    }

    /// Notes that a member failed. Cancels the group, unless it keeps going.
    pub(super) fn member_failed(&self, number: Option<u64>, cause: TaskFailed) {
        if !self.state.lock().policy.keeps_going {
            self.fail(number, cause);
        }
    }

    /// Cancels the group because of a failure, unless the group is cancelled already.
    pub(super) fn fail(&self, number: Option<u64>, cause: TaskFailed) {
        // Only the first cancellation counts. So if the group is cancelled already, this failure is not the failure of the
        // group.
        let mut state = self.state.lock();
        let first = state.failure.is_none();
        if first {
            state.failure = Some(Failure { number, cause: cause.clone() });
        }
        drop(state);
        if first && !self.operation.cancel_with(Reason::error(cause)) {
            let unneeded = self.state.lock().failure.take();
            drop(unneeded);
        }
    }

    /// Returns why the group failed, if a failure has cancelled it.
    pub(super) fn failure(&self) -> Option<TaskFailed> {
        self.state.lock().failure.as_ref().map(|failure| failure.cause.clone())
    }

    /// Returns whether a member was cancelled with the group.
    pub(super) fn was_cut(&self) -> bool {
        self.state.lock().cut
    }
}

/// The end of members, and of the group.
impl<T, E> Shared<T, E> {
    /// Counts the end of a member, and leaves its result. Returns whether the member counted towards a bound.
    pub(super) fn member_ended(
        &self,
        seat: Seat,
        is_plain: bool,
        result: TaskResult<T, E>,
    ) -> bool {
        let cancelled = matches!(result, Err(TaskError::Cancelled(_)));
        let cut = cancelled && self.operation.is_cancelled();
        let mut state = self.state.lock();
        state.cut |= cut;
        let was_host = self.host_ended(seat.number);
        if !was_host {
            state.members -= 1;
        }
        let had_place = !was_host && state.policy.bound.is_some();
        let keeps = state.keeps_result_of(seat.number);
        let delivered = state.results.deliver(seat, result, keeps);
        // Tasks that wait for a result are woken if there is one, or if none may come any more.
        let waiters = if delivered.is_kept {
            state.results.take_waiters()
        } else {
            state.take_waiters_if_stuck()
        };
        let is_last_child = is_plain && self.operation.remove_task();
        let step = state.step();
        drop(state);
        if is_last_child {
            self.operation.tasks_changed();
        }
        if let Some(waker) = delivered.waker {
            wake(waker);
        }
        if let Some(unneeded) = delivered.unneeded {
            discard(unneeded);
        }
        if let Some(waiters) = waiters {
            waiters.wake_all();
        }
        self.take_step(step);
        had_place
    }

    pub(super) fn daemon_ended(&self) {
        let mut state = self.state.lock();
        state.daemons -= 1;
        let is_last_child = self.operation.remove_task();
        let step = state.step();
        drop(state);
        if is_last_child {
            self.operation.tasks_changed();
        }
        self.take_step(step);
    }

    pub(super) fn take_step(&self, step: Step) {
        match step {
            Step::None => {}
            Step::StopDaemons => {
                self.daemon_token.cancel_with("the last task of the group has ended");
            }
            Step::End => {
                if let Some(waiters) = self.ended.set(()) {
                    waiters.wake_all();
                }
            }
        }
    }

    /// Admits no more members.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Ends the hold of the owner or of the body. Later calls have no effect.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.held, false) {
            return;
        }
        let step = state.step();
        drop(state);
        self.take_step(step);
    }

    /// Cancels everything, because the owner is gone.
    pub(super) fn abandon(&self) {
        if !self.ended.is_set() {
            self.operation.cancel_with(self.operation.reason_if_dropped());
        }
        self.release();
    }
}

impl<T, E> fmt::Debug for Shared<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("operation", &self.operation)
            .field("members", &self.len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl<T, E> HasLatch for Shared<T, E> {
    type Value = ();
    type Extra = ();

    fn latch(&self) -> &Latch<()> {
        &self.ended
    }
}
