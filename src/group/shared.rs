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
//! 5. If the group is dropped, its operation leaves its registries before the members have ended. So a child of the
//!    operation stands for the members until the last one has ended.
//! 6. A *plain* member is not an operation. The operation of the group counts plain members and daemons as its
//!    children. Their number changes under the lock of the group.

use std::fmt;
use std::sync::Arc;

use super::error::{TaskError, TaskFailed};
use super::state::{Admitted, Failure, Policy, Seat, State, Step};
use crate::error::Cancelled;
use crate::operation::{Operation, ScopedChild};
use crate::panic::{discard, wake};
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::sync::{AtomicU64, Mutex};
use crate::wait::{HasLatch, Latch};

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

impl<T, E> Shared<T, E> {
    pub(super) fn new() -> Arc<Self> {
        let operation = Operation::of_group();
        let token = operation.token();
        Arc::new(Shared {
            token: token.child_token(),
            daemon_token: token.child_token(),
            operation,
            state: Mutex::new(State::new()),
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
        let number = state.admitted;
        let is_plain = is_plain && !state.policy.has_grace();
        let admitted = Admitted {
            seat: Seat { number, slot: state.results.add_slot(number) },
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
        // Only the first cancellation takes effect. So if the group is cancelled already, this failure is not the failure of
        // the group.
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

    /// Returns whether a member that was cancelled with the group did not end within its grace period.
    pub(super) fn was_forced(&self) -> bool {
        self.state.lock().forced
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
        let (cut, forced) = match &result {
            Err(TaskError::Cancelled(cancelled)) if self.has_cut(cancelled) => {
                (true, cancelled.was_forced())
            }
            _ => (false, false),
        };
        let mut state = self.state.lock();
        state.cut |= cut;
        state.forced |= forced;
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

    /// Returns whether a member with this error was cancelled with the group, and not by a source of its own.
    fn has_cut(&self, member: &Cancelled) -> bool {
        // A member that is an operation watches the deadline of the group by itself. If such a member was the first to
        // notice the deadline, the group is cancelled here.
        #[cfg(feature = "time")]
        if member.is_parent() && !self.operation.is_cancelled() {
            self.operation.cancel_if_overdue();
        }
        member.is_parent() && self.operation.is_cancelled()
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
            Step::End(left_behind) => {
                if let Some(waiters) = self.ended.set(()) {
                    waiters.wake_all();
                }
                drop(left_behind);
            }
        }
    }

    /// Admits no more members.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Ends the hold of the owner or of the body. Returns whether the group was held: later calls have no effect.
    pub(super) fn release(&self) -> bool {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.held, false) {
            return false;
        }
        let step = state.step();
        drop(state);
        self.take_step(step);
        true
    }

    /// Cancels everything, because the owner is gone. `outlive` is true if members can outlive the owner.
    pub(super) fn abandon(&self, outlive: bool) {
        if !self.ended.is_set() {
            self.operation.cancel_with(self.operation.reason_if_dropped());
            if outlive {
                self.leave_members_behind();
            }
        }
        self.release();
    }

    /// Lets a child of the operation stand for the members that have not ended (5).
    fn leave_members_behind(&self) {
        if !self.state.lock().has_tasks() {
            return;
        }
        let Some(child) = ScopedChild::of_members(&self.operation) else { return };
        let mut state = self.state.lock();
        // If a task is left, the last one to end takes the child out.
        let unneeded =
            if state.has_tasks() { state.left_behind.replace(child) } else { Some(child) };
        drop(state);
        drop(unneeded);
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
