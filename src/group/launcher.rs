//! `Launcher`: starts the tasks of members, on an executor or inside the future of the group.
//!
//! If there is a bound, members are queued when they are admitted. At most one thread at a time starts queued members, so
//! they start in the order in which they were admitted. Before that thread stops, it looks at the queue again under the
//! lock. So no member stays in the queue while there is room. The spawner is called with no lock held.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use super::in_place::InPlace;
use super::shared::{Shared, TaskResult};
use super::state::{Admitted, Seat};
use crate::panic::{contain, discard};
use crate::sync::Mutex;
use crate::wait::{HasLatch, Latch};

/// The task of a member.
pub(super) type Task<'env> = Pin<Box<dyn Future<Output = ()> + Send + 'env>>;

/// Where the tasks of members run.
pub(super) enum Place<'env> {
    /// On an executor. The function passes a task to it.
    Executor(Box<dyn Fn(Task<'env>) + Send + Sync + 'env>),
    /// Inside the future of the group.
    InPlace(InPlace<'env>),
}

pub(super) struct Launcher<'env, T, E> {
    pub(super) shared: Arc<Shared<T, E>>,
    place: Place<'env>,
    queue: Mutex<Queue<'env>>,
}

/// Members that wait until others have ended.
#[derive(Default)]
struct Queue<'env> {
    tasks: VecDeque<Task<'env>>,
    /// The largest number of members that run at once, if there is a bound.
    bound: Option<usize>,
    /// If there is a bound, the number of members that have not ended and are not in the queue.
    running: usize,
    /// Whether a thread is starting members.
    dispatching: bool,
}

impl<'env, T, E> Launcher<'env, T, E> {
    pub(super) fn new(place: Place<'env>) -> Arc<Self> {
        Arc::new(Launcher { shared: Shared::new(), place, queue: Mutex::default() })
    }

    pub(super) fn set_bound(&self, bound: usize) {
        let mut state = self.shared.state.lock();
        // Both locks are held, so a member that ends meanwhile is included in both counts, or in neither.
        let mut queue = self.queue.lock();
        if state.policy.bound.replace(bound).is_none() {
            queue.running = state.members;
        }
        queue.bound = Some(bound);
    }

    /// Starts a member that was admitted, or queues it.
    pub(super) fn start(&self, admitted: Admitted, task: Task<'env>) {
        if admitted.is_bounded {
            self.queue.lock().tasks.push_back(task);
            self.dispatch();
        } else if self.shared.operation.is_cancelled() {
            discard(task);
        } else {
            self.start_now(task);
        }
    }

    /// Starts a task. If the spawner panics or drops the task, the task ends as dropped.
    pub(super) fn start_now(&self, task: Task<'env>) {
        match &self.place {
            Place::Executor(spawner) => {
                let _ = contain(|| spawner(task));
            }
            Place::InPlace(members) => members.add(task),
        }
    }

    /// Adds `comes` to the number of running members, and subtracts `goes`.
    pub(super) fn change_running(&self, comes: usize, goes: usize) {
        let mut queue = self.queue.lock();
        queue.running = queue.running + comes - goes;
    }

    pub(super) fn is_in_place(&self) -> bool {
        matches!(self.place, Place::InPlace(_))
    }

    /// Polls the members that run inside the future of the group.
    pub(super) fn poll_in_place(&self, cx: &mut Context<'_>) {
        if let Place::InPlace(members) = &self.place {
            members.poll(cx);
        }
    }

    /// Cancels everything, because the owner is gone. Members in the future of the group end at once.
    pub(super) fn abandon(&self) {
        self.release_host();
        self.shared.abandon(!self.is_in_place());
        if let Place::InPlace(members) = &self.place {
            members.clear();
            self.dispatch();
        }
    }

    /// Records that a member has ended, and stores its result for the group. If the member counted towards the bound,
    /// starts queued members.
    pub(super) fn member_ended(&self, seat: Seat, is_plain: bool, result: TaskResult<T, E>) {
        if self.shared.member_ended(seat, is_plain, result) {
            self.change_running(0, 1);
            self.dispatch();
        }
    }

    /// Starts queued members while there is room. If the group is cancelled, drops all of them.
    pub(super) fn dispatch(&self) {
        let mut mine = false;
        loop {
            let cancelled = self.shared.operation.is_cancelled();
            let mut queue = self.queue.lock();
            if queue.dispatching && !mine {
                return;
            }
            let has_room = cancelled || queue.bound.is_none_or(|bound| queue.running < bound);
            let next = if has_room { queue.tasks.pop_front() } else { None };
            queue.running += usize::from(next.is_some());
            mine = next.is_some();
            queue.dispatching = mine;
            drop(queue);
            match next {
                Some(task) if cancelled => discard(task),
                Some(task) => self.start_now(task),
                None => return,
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Launcher<'static, T, E> {
    /// Drops queued members as soon as the group is cancelled, even if nothing polls the group.
    pub(super) fn empty_queue_on_cancel(self: Arc<Self>) {
        let launcher = Arc::downgrade(&self);
        self.shared.operation.on_request(move |_| {
            if let Some(launcher) = launcher.upgrade() {
                launcher.dispatch();
            }
        });
    }
}

impl<T, E> HasLatch for Launcher<'_, T, E> {
    type Value = ();
    type Extra = ();

    fn latch(&self) -> &Latch<()> {
        self.shared.latch()
    }
}
