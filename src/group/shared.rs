//! `Shared`: the state that a group, its handles and its members share: the number of members, the queue, and the
//! results that were not taken yet.
//!
//! 1. A member is counted from its admission until its result has been delivered. The owner of the group, or the body
//!    of its scope, *holds* the group. When neither holds it any more, the end of the last member closes the group in
//!    the same step. So no member is admitted afterwards.
//! 2. The same step stops the daemons. The latch is set once the daemons have ended too, and not before.
//! 3. With a bound, members are queued at their admission. At most one thread at a time hands members to the
//!    spawner, so they start in the order of admission. It looks at the queue again before it gives up that role,
//!    under the lock, so no member stays in the queue while there is room.
//! 4. Wakers are woken, results dropped and the spawner called with no lock held.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Waker;
#[cfg(feature = "time")]
use std::time::Duration;

use super::error::{TaskError, TaskFailed};
use crate::error::Cancelled;
use crate::operation::Operation;
use crate::panic::{contain, discard};
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::spawner::Task;
use crate::sync::Mutex;
use crate::visits::visit;
use crate::wait::{HasLatch, Latch, WaitList, Wakers};

/// How a member ended.
pub(super) type TaskResult<T, E> = Result<T, TaskError<E>>;

pub(super) struct Shared<T, E> {
    pub(super) operation: Operation,
    /// A child of the operation's token. Members that are no operations race against it.
    pub(super) token: CancellationToken,
    /// Like `token`, for daemons.
    pub(super) daemon_token: CancellationToken,
    spawner: Box<dyn Fn(Task) + Send + Sync>,
    state: Mutex<State<T, E>>,
    /// Set once the group is closed and all members and daemons have ended.
    ended: Latch<()>,
}

struct State<T, E> {
    /// Whether the owner of the group, or the body of its scope, may still add members.
    held: bool,
    /// Whether no more members are admitted.
    closed: bool,
    /// The members that have not ended, without daemons.
    members: usize,
    daemons: usize,
    daemons_stopped: bool,
    /// The number of members that have been admitted.
    admitted: u64,
    queue: Queue,
    results: Results<T, E>,
    /// The failure that cancelled the group.
    failure: Option<Failure>,
    /// Whether a member was cancelled with the group.
    cut: bool,
    policy: Policy,
}

/// Members that wait until others have ended.
#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// The members that have not ended and are not in the queue.
    running: usize,
    /// Whether a thread is handing members to the spawner.
    dispatching: bool,
}

/// The results of members that were detached, and the tasks that wait for one.
struct Results<T, E> {
    /// In the order in which the members ended, with their number.
    untaken: VecDeque<(u64, TaskResult<T, E>)>,
    waiters: WaitList,
    /// How often the waiters were taken out. A place in the list is valid until then.
    wakes: u64,
}

/// A place in the list of tasks that wait for a result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: usize,
    wakes: u64,
}

/// A member that was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    pub(super) number: u64,
    is_bounded: bool,
    #[cfg(feature = "time")]
    pub(super) grace: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Policy {
    /// How many members run at once, if there is a bound.
    pub(super) bound: Option<usize>,
    /// Whether the others continue after a failure.
    pub(super) keeps_going: bool,
    /// Whether results of detached members are dropped.
    pub(super) discards: bool,
    /// How long members may continue after they were cancelled.
    #[cfg(feature = "time")]
    pub(super) grace: Option<Duration>,
}

struct Failure {
    /// The number of the member; `None` if the body failed.
    number: Option<u64>,
    cause: TaskFailed,
}

/// The part of a step that runs after the lock is released.
#[must_use]
enum Step {
    None,
    StopDaemons,
    End,
}

impl<T, E> State<T, E> {
    /// Closes the group if nothing can add members any more. Called whenever a count has changed.
    fn step(&mut self) -> Step {
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

impl<T: 'static, E: 'static> Shared<T, E> {
    pub(super) fn new(spawner: Box<dyn Fn(Task) + Send + Sync>) -> Arc<Self> {
        let operation = Operation::new();
        let token = operation.token();
        Arc::new(Shared {
            token: token.child_token(),
            daemon_token: token.child_token(),
            operation,
            spawner,
            state: Mutex::new(State {
                held: true,
                closed: false,
                members: 0,
                daemons: 0,
                daemons_stopped: false,
                admitted: 0,
                queue: Queue::default(),
                results: Results {
                    untaken: VecDeque::new(),
                    waiters: WaitList::default(),
                    wakes: 0,
                },
                failure: None,
                cut: false,
                policy: Policy::default(),
            }),
            ended: Latch::new(),
        })
    }

    pub(super) fn policy(&self) -> Policy {
        self.state.lock().policy
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
}

/// Admission and start.
impl<T: Send + 'static, E: Send + 'static> Shared<T, E> {
    /// Counts a new member; `None` if the group is closed.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.members += 1;
        state.admitted += 1;
        let is_bounded = state.policy.bound.is_some();
        state.queue.running += usize::from(!is_bounded);
        Some(Admitted {
            number: state.admitted,
            is_bounded,
            #[cfg(feature = "time")]
            grace: state.policy.grace,
        })
    }

    /// Counts a new daemon. Returns whether the group is open.
    pub(super) fn admit_daemon(&self) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            state.daemons += 1;
        }
        !state.closed
    }

    /// Starts a member that was admitted, or queues it.
    pub(super) fn start(&self, admitted: Admitted, task: Task) {
        if admitted.is_bounded {
            self.state.lock().queue.tasks.push_back(task);
            self.dispatch();
        } else if self.operation.is_cancelled() {
            discard(task);
        } else {
            self.hand_over(task);
        }
    }

    /// Passes a task to the spawner. If that panics or drops the task, the task ends as dropped.
    pub(super) fn hand_over(&self, task: Task) {
        let _ = contain(|| (self.spawner)(task));
    }

    /// Hands queued members to the spawner while there is room. If the group is cancelled, drops all of them.
    pub(super) fn dispatch(&self) {
        let mut mine = false;
        loop {
            let cancelled = self.operation.is_cancelled();
            let mut state = self.state.lock();
            let bound = state.policy.bound.unwrap_or(usize::MAX);
            let queue = &mut state.queue;
            if queue.dispatching && !mine {
                return;
            }
            let has_room = cancelled || queue.running < bound;
            let next = if has_room { queue.tasks.pop_front() } else { None };
            queue.running += usize::from(next.is_some());
            mine = next.is_some();
            queue.dispatching = mine;
            drop(state);
            match next {
                Some(task) if cancelled => discard(task),
                Some(task) => self.hand_over(task),
                None => return,
            }
        }
    }

    /// Drops queued members when the group is cancelled. Called once, when the bound is set.
    pub(super) fn empty_queue_on_cancel(self: &Arc<Self>) {
        let shared: Weak<Self> = Arc::downgrade(self);
        self.operation.on_request(move |_| {
            if let Some(shared) = shared.upgrade() {
                shared.dispatch();
            }
        });
    }
}

/// The end of members.
impl<T: Send + 'static, E: Send + 'static> Shared<T, E> {
    /// Returns the reason for a member whose task was dropped.
    pub(super) fn reason_if_dropped(&self) -> Reason {
        self.token.reason().unwrap_or(Reason::Dropped)
    }

    /// Notes that a member failed, and cancels the others.
    pub(super) fn member_failed(&self, number: Option<u64>, cause: impl FnOnce() -> TaskFailed) {
        if self.policy().keeps_going {
            return;
        }
        self.fail(number, cause());
    }

    /// Cancels the group because of a failure, unless it is cancelled already.
    pub(super) fn fail(&self, number: Option<u64>, cause: TaskFailed) {
        // The first cancellation counts, so a failure that comes after another cancellation is not the group's.
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

    /// Counts the end of a member. `result` is `None` if a handle has it. `cancelled` says whether the member was
    /// cancelled.
    pub(super) fn member_ended(
        &self,
        number: u64,
        result: Option<TaskResult<T, E>>,
        cancelled: bool,
    ) {
        let mut unneeded = None;
        let cut = cancelled && self.operation.is_cancelled();
        let mut state = self.state.lock();
        state.cut |= cut;
        state.members -= 1;
        state.queue.running -= 1;
        let kept = result.is_some();
        if let Some(result) = result {
            unneeded = state.keep_result(number, result);
        }
        // Tasks that wait for a result are woken if there is one, and if no member is left.
        let wakes = kept && unneeded.is_none() || state.members == 0;
        let waiters = wakes.then(|| state.results.take_waiters());
        let is_waiting = !state.queue.tasks.is_empty();
        let step = state.step();
        drop(state);
        discard(unneeded);
        if let Some(waiters) = waiters {
            waiters.wake_all();
        }
        if is_waiting {
            self.dispatch();
        }
        self.take_step(step);
    }

    pub(super) fn daemon_ended(&self) {
        let mut state = self.state.lock();
        state.daemons -= 1;
        let step = state.step();
        drop(state);
        self.take_step(step);
    }

    /// Keeps a result that a handle has left behind.
    pub(super) fn keep_result(&self, number: u64, result: TaskResult<T, E>) {
        let mut state = self.state.lock();
        let unneeded = state.keep_result(number, result);
        let waiters = state.results.take_waiters();
        drop(state);
        discard(unneeded);
        waiters.wake_all();
    }

    fn take_step(&self, step: Step) {
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

impl<T, E> Results<T, E> {
    fn take_waiters(&mut self) -> Wakers {
        self.wakes += 1;
        Wakers::of(&mut self.waiters)
    }
}

impl<T, E> State<T, E> {
    /// Keeps a result, or returns it if it is not needed. The result that failed the group is always kept.
    fn keep_result(&mut self, number: u64, result: TaskResult<T, E>) -> Option<TaskResult<T, E>> {
        let failed = self.failure.as_ref().is_some_and(|failure| failure.number == Some(number));
        if self.policy.discards && !failed {
            return Some(result);
        }
        self.results.untaken.push_back((number, result));
        None
    }
}

impl<T: Send + 'static, E: Send + 'static> Shared<T, E> {
    /// Takes the results, in the order in which the members were spawned.
    pub(super) fn take_results(&self) -> Vec<(u64, TaskResult<T, E>)> {
        let mut results = Vec::from(std::mem::take(&mut self.state.lock().results.untaken));
        results.sort_unstable_by_key(|(number, _)| *number);
        results
    }

    /// Takes the results if all are values. Otherwise returns the error that failed the group, or the first one.
    pub(super) fn try_take_results(&self) -> Result<Vec<T>, TaskError<E>> {
        let failed = self.take_failure();
        let values = self.take_results().into_iter().map(|(_, result)| result).collect();
        match failed {
            Some(error) => Err(error),
            None => values,
        }
    }

    /// Takes the error that failed the group. If a handle has it, returns the reason of the group.
    pub(super) fn take_failure(&self) -> Option<TaskError<E>> {
        let mut state = self.state.lock();
        let failed = state.failure.as_ref()?;
        let (number, cause) = (failed.number, failed.cause.clone());
        let untaken = &mut state.results.untaken;
        let mut results = untaken.iter().inspect(|_| visit());
        let found = results.position(|(other, _)| Some(*other) == number);
        let removed = found.and_then(|found| untaken.remove(found));
        drop(state);
        match removed {
            Some((_, Err(error))) => Some(error),
            _ => Some(Cancelled::new(Reason::error(cause)).into()),
        }
    }

    /// Takes the next result. `Err` says whether there may be one later.
    pub(super) fn take_next(&self) -> Result<TaskResult<T, E>, bool> {
        let mut state = self.state.lock();
        match state.results.untaken.pop_front() {
            Some((_, result)) => Ok(result),
            None => Err(state.members > 0),
        }
    }

    /// Adds a waker to the tasks that wait for a result, in place of an earlier one. Returns `None` instead if there
    /// is a result, or no member is left.
    pub(super) fn add_waiter(&self, place: Option<Place>, waker: Waker) -> Option<Place> {
        let mut state = self.state.lock();
        if !state.results.untaken.is_empty() || state.members == 0 {
            drop(state);
            return None;
        }
        let Results { waiters, wakes, .. } = &mut state.results;
        let valid = place.filter(|place| place.wakes == *wakes);
        let (index, replaced) = match valid {
            Some(Place { index, .. }) => (index, waiters.replace(index, waker)),
            None => (waiters.insert(waker), None),
        };
        let place = Place { index, wakes: *wakes };
        drop(state);
        discard(replaced);
        Some(place)
    }

    /// Takes a waker out of that list, unless it was woken.
    pub(super) fn remove_waiter(&self, place: Place) {
        let mut state = self.state.lock();
        let Results { waiters, wakes, .. } = &mut state.results;
        let removed = if place.wakes == *wakes { waiters.remove(place.index) } else { None };
        drop(state);
        discard(removed);
    }
}

impl<T, E> HasLatch for Shared<T, E> {
    type Value = ();
    type Extra = ();

    fn latch(&self) -> &Latch<()> {
        &self.ended
    }
}
