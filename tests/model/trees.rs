//! Random trees of operations, in one task or in many. Whatever happens, every operation ends exactly once, for a reason
//! that has really occurred, and leaves nothing behind.
//!
//! After each step, every reason must have a cause, no child of a cancelled parent may continue, and the lists of children
//! and the registry must show exactly the operations that have not ended. At the end, only tasks that have been woken are
//! polled, so a lost wake-up leaves a task behind.

mod node;
mod world;

use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::operation::{Ended, OperationId};
use cancelable::prelude::*;
use cancelable::testing::{PausedTime, pause};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, prop_oneof};

use self::node::{Afterwards, Node, Order, Place, Plan, Seen};
use self::world::{Boxed, Task, World};
use crate::support::{self, Wakes, check_random, kept};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Polls a task, woken or not.
    Poll(usize),
    /// Polls all tasks that are woken.
    Run,
    Order(usize, Order),
    Cancel(usize),
    Fire(usize),
    DropTask(usize),
    Pass(u64),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let place = prop_oneof![
        3 => Just(Place::Work),
        2 => Just(Place::Section),
        2 => Just(Place::Combinator),
        1 => Just(Place::Task),
        2 => Just(Place::SpawnedTask),
        2 => Just(Place::Scope),
    ];
    let limit = || option::weighted(0.2, 0..40_u64);
    let afterwards = prop_oneof![
        4 => Just(Afterwards::Leaves),
        1 => Just(Afterwards::Joins),
        1 => Just(Afterwards::Cancels),
    ];
    let clean_up = option::weighted(0.3, 0..3_usize);
    let plan = (0..8_usize, place, afterwards, clean_up, limit(), limit());
    let plan = plan.prop_map(|(parent, place, afterwards, clean_up, grace, limit)| Plan {
        parent,
        place,
        afterwards,
        clean_up,
        grace,
        limit,
    });
    vec(plan, 1..8)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..8_usize;
    let order =
        prop_oneof![4 => Just(Order::Return), 1 => Just(Order::Fail), 1 => Just(Order::Panic)];
    let step = prop_oneof![
        4 => at.clone().prop_map(Step::Poll),
        4 => Just(Step::Run),
        3 => (at.clone(), order).prop_map(|(node, order)| Step::Order(node, order)),
        3 => at.clone().prop_map(Step::Cancel),
        2 => at.clone().prop_map(Step::Fire),
        1 => at.prop_map(Step::DropTask),
        2 => (1..30_u64).prop_map(Step::Pass),
    ];
    vec(step, 0..30)
}

/// Waits for the end of one operation, and for its children.
#[derive(Default)]
struct Waiters {
    ended: Option<Waits<Ended>>,
    children: Option<Waits<Boxed>>,
}

struct Waits<F> {
    future: F,
    wakes: Arc<Wakes>,
}

/// What the oracle knows about an operation, besides its node.
#[derive(Default)]
struct Known {
    reason: Option<Reason>,
    waiters: Waiters,
}

struct Trial {
    world: Rc<World>,
    known: Vec<Known>,
    time: PausedTime,
}

impl Trial {
    fn new(plans: &[Plan]) -> Self {
        let time = pause();
        let world = World::new(plans);
        let known = plans.iter().map(|_| Known::default()).collect();
        Trial { world, known, time }
    }

    fn apply(&mut self, step: Step) {
        let world = self.world.clone();
        let (nodes, tasks) = (world.nodes.len(), world.tasks.borrow().len());
        match step {
            Step::Poll(task) => world.poll(task % tasks),
            Step::Run => world.run(),
            Step::Order(node, order) => world.nodes[node % nodes].order(order),
            Step::Cancel(node) => {
                let node = &world.nodes[node % nodes];
                let Some(operation) = node.operation.get() else { return };
                let goes_on = !operation.status().is_final() && operation.reason().is_none();
                node.cancelled.set(node.cancelled.get() || goes_on);
                assert_eq!(operation.cancel_with(node.handle_reason()), goes_on);
            }
            Step::Fire(node) => {
                let node = &world.nodes[node % nodes];
                node.fired.set(true);
                node.source.cancel_with(node.source_reason());
            }
            Step::DropTask(task) => world.drop_task(task % tasks),
            Step::Pass(by) => self.time.advance(Duration::from_millis(by)),
        }
        self.check();
    }

    /// Checks what must hold at any time.
    fn check(&mut self) {
        let world = self.world.clone();
        let ids: BTreeSet<_> = world.existing().map(|(_, operation)| operation.id()).collect();
        let goes_on =
            |operation: &Operation| !operation.status().is_final() || operation.child_count() > 0;
        for (node, operation) in world.existing() {
            self.check_reason(node, operation);
            self.check_waiters(node, operation);
            let (status, noted) = (operation.status(), node.noted.lock().unwrap());
            let ends = if status.is_final() && operation.snapshot().started { 1 } else { 0 };
            assert_eq!(noted.ends, vec![status; ends], "hooks of {operation:?}");

            // The operation has waited for its children, unless its grace period or a drop has ended the wait.
            let was_cut = matches!(*node.seen.borrow(), Seen::Dropped(_))
                || operation.is_cancelled() && node.plan.grace.is_some();
            if node.plan.afterwards != Afterwards::Leaves && status.is_final() && !was_cut {
                assert_eq!(operation.child_count(), 0, "{operation:?} has waited");
            }

            let listed: BTreeSet<OperationId> =
                operation.children().iter().map(Operation::id).collect();
            let expected = world
                .existing()
                .map(|(_, child)| child)
                .filter(|child| child.parent_id() == Some(operation.id()) && goes_on(child));
            let expected: BTreeSet<_> = expected.map(Operation::id).collect();
            assert_eq!(&listed & &ids, expected, "children of {operation:?}");
        }
        let listed: BTreeSet<_> = world.registry.list().iter().map(|listed| listed.id).collect();
        let running = world.existing().filter(|(_, operation)| !operation.status().is_final());
        let running: BTreeSet<_> = running.map(|(_, operation)| operation.id()).collect();
        assert_eq!(&listed & &ids, running, "the registry");
        assert_eq!(*world.faults.borrow(), [""; 0]);
    }

    /// Checks that the reason does not change and that something has caused it. Also checks that a child is cancelled if its
    /// parent is.
    fn check_reason(&mut self, node: &Node, operation: &Operation) {
        let (known, reason) = (self.known[node.number].reason.clone(), operation.reason());
        match (&known, &reason) {
            (None, None) => {}
            (None, Some(reason)) => {
                assert!(self.is_true(node, reason), "{operation:?}: {reason:?}")
            }
            (known, reason) => assert_eq!(*known, *reason, "the reason of {operation:?}"),
        }
        self.known[node.number].reason = reason;
        let Some(parent) = self.world.parent(node).and_then(|parent| parent.operation.get()) else {
            return;
        };
        let is_bound = match node.plan.place {
            Place::Work => operation.snapshot().started,
            Place::Scope => operation.parent_id().is_some(),
            Place::Task | Place::SpawnedTask => true,
            Place::Section | Place::Combinator => false,
        };
        if is_bound && parent.is_cancelled() && !operation.status().is_final() {
            assert!(operation.is_cancelled(), "{operation:?} below {parent:?}");
        }
    }

    /// Returns whether something has happened that cancels the operation for this reason.
    fn is_true(&self, node: &Node, reason: &Reason) -> bool {
        let has_passed = |node: &Node| {
            let started = node.operation.get().map(Operation::elapsed);
            node.limit().filter(|limit| started.is_some_and(|elapsed| elapsed >= *limit))
        };
        match reason {
            Reason::Timeout { .. } => {
                has_passed(node).is_some_and(|limit| *reason == Reason::timeout(limit))
            }
            Reason::Dropped => {
                let is_gone = matches!(*node.seen.borrow(), Seen::Dropped(_));
                // A race around the operation waits for its clean-up, or for its children.
                let is_awaited = || {
                    node.outlasts_its_work()
                        && self
                            .world
                            .around(node)
                            .any(|outer| outer.operation.get().is_some_and(Operation::is_cancelled))
                };
                is_gone || is_awaited()
            }
            Reason::Parent { .. } => self.bound_above(node).any(|above| {
                let operation = above.operation.get().unwrap();
                let limit = has_passed(above).map(Reason::timeout);
                let cancels = above.plan.afterwards == Afterwards::Cancels;
                let dismissal = cancels.then(|| above.dismissal());
                let reasons = operation.reason().into_iter().chain(limit).chain(dismissal);
                let mut reasons =
                    reasons.map(|cause| Reason::parent_named(Some(above.name().into()), cause));
                reasons.any(|cause| cause == *reason)
            }),
            reason if *reason == node.handle_reason() => node.cancelled.get(),
            reason => *reason == node.source_reason() && node.fired.get(),
        }
    }

    /// Returns the operations whose cancellation cancels this one.
    fn bound_above(&self, node: &Node) -> impl Iterator<Item = &Node> {
        let next = |node: &&Node| {
            if node.plan.place == Place::Section { None } else { self.world.parent(node) }
        };
        std::iter::successors(self.world.nodes.get(node.number), next).skip(1)
    }

    /// Checks that each waiter is woken when its wait is over.
    fn check_waiters(&mut self, node: &Node, operation: &Operation) {
        let waiters = &mut self.known[node.number].waiters;
        let has_ended = operation.status().is_final();
        if let Some(Waits { future, wakes }) = &mut waiters.ended {
            assert_eq!(wakes.count(), usize::from(has_ended), "woken at the end");
            if has_ended {
                assert_eq!(wakes.poll(pin!(future)), Poll::Ready(operation.status()));
                waiters.ended = None;
            }
        } else {
            let (mut future, wakes) = (operation.ended(), Wakes::new());
            assert_eq!(wakes.poll(pin!(&mut future)).is_ready(), has_ended);
            waiters.ended = (!has_ended).then_some(Waits { future, wakes });
        }
        let count = operation.child_count();
        if let Some(Waits { future, wakes }) = &mut waiters.children {
            assert!(count > 0 || wakes.count() > 0, "woken when there is no child");
            if wakes.count() > 0 {
                let polled = wakes.poll(future.as_mut());
                assert_eq!(polled.is_ready(), count == 0);
                if polled.is_ready() {
                    waiters.children = None;
                }
            }
        } else if count > 0 {
            let wait = operation.children_ended();
            let mut wait = Waits { future: Box::pin(wait) as Boxed, wakes: Wakes::new() };
            assert!(wait.wakes.poll(wait.future.as_mut()).is_pending());
            waiters.children = Some(wait);
        }
    }

    /// Lets all operations end, and checks how they end.
    fn end(mut self) {
        let world = self.world.clone();
        for _ in 0..3 {
            world.run();
            self.check();
            world.nodes.iter().for_each(|node| node.order(Order::Return));
            self.time.advance(Duration::from_secs(1));
        }
        world.run();
        self.check();
        world.forget_wakers();
        for (number, task) in world.tasks.borrow().iter().enumerate() {
            let Task { future, wakes, .. } = task;
            assert!(future.is_none(), "task {number} does not end");
            assert_eq!(kept(wakes), 0, "the waker of task {number} is kept");
        }
        for (node, operation) in world.existing() {
            let (seen, status) = (node.seen.borrow(), operation.status());
            let reason = operation.reason();
            let expected = match &*seen {
                Seen::Nothing => panic!("{operation:?} has no outcome"),
                Seen::Value => Status::Completed,
                Seen::Failure if reason.is_some() => Status::Cancelled,
                Seen::Failure | Seen::Panic => Status::Failed,
                Seen::Cancelled(_) => Status::Cancelled,
                Seen::Dropped(before) if before.is_final() => *before,
                Seen::Dropped(_) => Status::Cancelled,
            };
            assert_eq!(status, expected, "{operation:?}: {seen:?}");
            assert!(status != Status::Cancelled || reason.is_some());
            if let Seen::Cancelled(cause) = &*seen {
                assert_eq!(Some(cause), reason.as_ref());
            }
            let started = operation.snapshot().started;
            let lost = node.noted.lock().unwrap().lost;
            let owed = usize::from(started && node.plan.clean_up.is_some());
            assert_eq!(node.cleaned.get() + lost, owed, "clean-up of {operation:?}: {seen:?}");
            assert!(
                lost == 0
                    || *seen == Seen::Dropped(Status::Cancelling)
                    || *seen == Seen::Dropped(Status::Running)
            );
            assert_eq!(operation.child_count(), 0);
            let waiters = &self.known[node.number].waiters;
            assert!(waiters.ended.is_none() && waiters.children.is_none());
        }
        assert!(world.registry.is_empty());
        assert_eq!(Rc::strong_count(&world.held), 1, "something is kept");
    }
}

fn follow(plans: &[Plan], steps: &[Step]) {
    let mut trial = Trial::new(plans);
    steps.iter().for_each(|step| trial.apply(*step));
    trial.end();
}

#[test]
fn g16_every_operation_of_a_tree_ends_once() {
    let _watchdog = support::watchdog();
    check_random(1000, (plans(), steps()), |(plans, steps)| follow(&plans, &steps));
}
