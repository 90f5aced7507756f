//! The bodies on an executor that is driven by hand, in virtual time. The test cancels or drops something before each poll
//! of any task, and polls only tasks that were woken. So a lost wake-up leaves a task behind.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::testing::{PausedTime, pause};
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::sample::select;

use super::all_bodies;
use super::bodies::Body;
use super::world::{LONG, World};
use crate::support::by_hand::ByHand;
use crate::support::{self, check_random};

/// More polls than any of the bodies takes, with its tasks.
const POLLS: usize = 400;

/// How long, in real time, to wait for the closures of a body on other threads.
const PATIENCE: Duration = Duration::from_secs(20);

/// The grace period of a patient cancellation.
const GRACE: Duration = Duration::from_secs(1);

/// What the test does before a poll.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Source,
    Handle,
    Parent,
    /// Cancels with a grace period.
    Patient,
    /// Cancels with a grace period of zero.
    AtOnce,
    /// Cancels, and ends the grace period.
    Force,
    DropBody,
    /// Drops the task that would be polled next.
    DropNext,
}

const ACTIONS: [Action; 8] = [
    Action::Source,
    Action::Handle,
    Action::Parent,
    Action::Patient,
    Action::AtOnce,
    Action::Force,
    Action::DropBody,
    Action::DropNext,
];

/// Which of the woken tasks is polled next.
#[derive(Clone, Copy, Debug)]
enum Order {
    OldestFirst,
    NewestFirst,
    InTurn,
}

const ORDERS: [Order; 3] = [Order::OldestFirst, Order::NewestFirst, Order::InTurn];

impl Order {
    fn next(self, woken: &[usize], last: usize) -> Option<usize> {
        match self {
            Order::OldestFirst => woken.first(),
            Order::NewestFirst => woken.last(),
            Order::InTurn => woken.iter().find(|task| **task > last).or(woken.first()),
        }
        .copied()
    }
}

struct Trial {
    executor: ByHand,
    world: World,
    token: CancellationToken,
    body: Operation,
    /// The number of the task of the body.
    task: usize,
    outcome: Arc<Mutex<Option<Result<(), Cancelled>>>>,
    time: PausedTime,
}

impl Trial {
    fn new(body: Body) -> Self {
        let (time, executor, token) = (pause(), ByHand::new(), CancellationToken::new());
        // The tasks of the executor hold the world, so the world does not keep the executor alive.
        let spawner = executor.clone();
        let world = World::new(move |task| spawner.spawn(task));
        let (run, outcome) = (body(&world, token.clone()), Arc::new(Mutex::new(None)));
        let (task, seen) = (executor.spawned(), outcome.clone());
        executor.spawn(Box::pin(async move {
            let outcome = run.await;
            *seen.lock().unwrap() = Some(outcome);
        }));
        let body = world.body();
        Trial { executor, world, token, body, task, outcome, time }
    }

    fn act(&self, action: Action, next: usize) {
        let Trial { executor, world, token, body, .. } = self;
        match action {
            Action::Source => drop(token.cancel_with("stop")),
            Action::Handle => drop(body.cancel_with("stop")),
            Action::Parent => drop(world.parent.cancel_with("stop")),
            Action::Patient | Action::AtOnce => {
                world.leaves_children();
                let grace = if action == Action::Patient { GRACE } else { Duration::ZERO };
                body.cancel_with_grace("stop", grace);
            }
            Action::Force => {
                world.leaves_children();
                body.cancel_with("stop");
                body.force();
            }
            Action::DropBody => {
                world.drops();
                executor.drop_task(self.task);
            }
            // If something was dropped before, the next task may be work that was handed to the spawner. That work must not
            // be lost.
            Action::DropNext if world.has_dropped() => {}
            Action::DropNext => {
                world.drops();
                executor.drop_task(next);
            }
        }
    }

    /// Returns the next task to poll. If no task is woken, lets time pass or waits for other threads. Returns `None` once
    /// all tasks have ended.
    fn next(&self, order: Order, last: usize) -> Option<usize> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(next) = order.next(&self.executor.woken(), last) {
                return Some(next);
            }
            if self.executor.pending() == 0 {
                return None;
            }
            match self.time.until_next() {
                Some(next) if next < LONG / 2 => self.time.advance(next),
                _ => thread::yield_now(),
            }
            assert!(Instant::now() < give_up, "no task is woken: {:?}", self.world.operations());
        }
    }

    /// Drives the body and its tasks to their end. Acts before the polls with the given numbers, counted from 0. Returns the
    /// number of polls.
    fn drive(self, order: Order, actions: &[(usize, Action)]) -> usize {
        let (mut polls, mut last) = (0, 0);
        while let Some(next) = self.next(order, last) {
            for (_, action) in actions.iter().filter(|(at, _)| *at == polls) {
                self.act(*action, next);
                self.world.check();
            }
            self.executor.step(next);
            self.world.check();
            (polls, last) = (polls + 1, next);
            assert!(polls < POLLS, "it does not end: {:?}", self.world.operations());
        }
        // A closure on another thread may take a moment to end.
        let give_up = Instant::now() + PATIENCE;
        while Arc::strong_count(&self.world.held) > 1 || self.executor.wakers() > 0 {
            assert!(Instant::now() < give_up, "something is kept");
            thread::yield_now();
        }
        let outcome = self.outcome.lock().unwrap().take();
        self.world.check_end(outcome.as_ref());
        self.check_reason(actions);
        assert!(self.time.elapsed() < LONG, "a limit had to pass");
        polls
    }

    /// Checks that an action has caused the reason of the body.
    fn check_reason(&self, actions: &[(usize, Action)]) {
        let Some(reason) = self.body.reason() else { return };
        let stop = || Reason::manual("stop");
        let is_cause = |(_, action): &(usize, Action)| match action {
            Action::Parent => reason == Reason::parent_named(Some("parent".into()), stop()),
            Action::DropBody | Action::DropNext => reason == Reason::Dropped,
            _ => reason == stop(),
        };
        assert!(actions.iter().any(is_cause), "{reason:?}");
    }
}

#[test]
fn each_action_before_every_poll() {
    let _watchdog = support::watchdog();
    for (name, body) in all_bodies() {
        for order in [Order::NewestFirst, Order::InTurn] {
            for action in ACTIONS {
                for at in 0.. {
                    // Printed if the test fails.
                    println!("{name}: {action:?} before poll {at}, {order:?}");
                    if Trial::new(body).drive(order, &[(at, action)]) <= at {
                        assert!(at > 2, "{name}");
                        break;
                    }
                }
            }
        }
    }
}

fn actions() -> impl Strategy<Value = Vec<(usize, Action)>> {
    let action = select(&ACTIONS[..]);
    vec((0..30_usize, action), 2..5)
}

#[test]
fn several_actions() {
    let _watchdog = support::watchdog();
    let order = select(&ORDERS[..]);
    for (name, body) in all_bodies() {
        check_random(50, (order.clone(), actions()), |(order, actions)| {
            println!("{name}: {actions:?}, {order:?}");
            Trial::new(body).drive(order, &actions);
        });
    }
}
