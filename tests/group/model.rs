//! Random groups, in place and on an executor that is driven by hand. Whatever happens, every task ends with exactly one
//! outcome, and nothing is left behind.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use cancelable::group::{GroupHandle, JoinHandle, TaskError};
use cancelable::prelude::*;
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, option, prop_oneof};

use crate::by_hand::ByHand;
use crate::orders::{Failed, Inbox, Order, any_order};
use crate::support::{self, check_random, poll_once};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Adds a member and keeps or drops its handle.
    Spawn {
        kept: bool,
        operation: bool,
    },
    SpawnDaemon,
    /// A member that adds a member when it is first polled.
    SpawnNested,
    Order {
        member: usize,
        order: Order,
    },
    Poll {
        task: usize,
    },
    DropTask {
        task: usize,
    },
    DropHandle {
        handle: usize,
    },
    PollHandle {
        handle: usize,
    },
    TakeResults,
    PollGroup,
    Close,
    Cancel,
    DropGroup,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..8_usize;
    let step = prop_oneof![
        6 => (any::<bool>(), any::<bool>()).prop_map(|(kept, operation)| Step::Spawn { kept, operation }),
        1 => Just(Step::SpawnDaemon),
        1 => Just(Step::SpawnNested),
        5 => (at.clone(), any_order()).prop_map(|(member, order)| Step::Order { member, order }),
        6 => at.clone().prop_map(|task| Step::Poll { task }),
        1 => at.clone().prop_map(|task| Step::DropTask { task }),
        1 => at.clone().prop_map(|handle| Step::DropHandle { handle }),
        2 => at.prop_map(|handle| Step::PollHandle { handle }),
        1 => Just(Step::TakeResults),
        3 => Just(Step::PollGroup),
        1 => Just(Step::Close),
        1 => Just(Step::Cancel),
        1 => Just(Step::DropGroup),
    ];
    collection::vec(step, 0..40)
}

/// The state that the members share with the test.
#[derive(Clone, Default)]
struct World {
    /// The orders for the members, by the number of the member.
    orders: Arc<Mutex<Vec<Inbox>>>,
    /// The outcomes that were delivered.
    outcomes: Arc<AtomicUsize>,
    /// Every future and every value of a member holds a clone of this.
    alive: Arc<()>,
}

type Value = (usize, Arc<()>);
type Outcome = Result<Value, TaskError<Failed>>;

impl World {
    /// Returns the future of a new member.
    fn member(&self) -> impl Future<Output = Result<Value, Failed>> + Send + 'static {
        let mut orders = self.orders.lock().unwrap();
        let number = orders.len();
        orders.push(Inbox::default());
        drop(orders);
        let (orders, alive) = (self.orders.clone(), self.alive.clone());
        async move {
            let order = poll_fn(|cx| orders.lock().unwrap()[number].poll(cx));
            order.await.obey((number, alive))
        }
    }

    fn note(&self, outcome: Outcome) {
        if let Ok((number, _)) = outcome {
            let orders = self.orders.lock().unwrap();
            assert!(
                matches!(orders[number].order(), Some(Order::Return)),
                "a value without an order"
            );
        }
        self.outcomes.fetch_add(1, Ordering::SeqCst);
    }
}

fn run(in_place: bool, bound: Option<usize>, keeps_going: bool, steps: Vec<Step>) {
    let (executor, world) = (ByHand::new(), World::default());
    let mut group: TaskGroup<'_, Value, Failed> =
        if in_place { TaskGroup::fallible_in_place() } else { executor.group() };
    if let Some(bound) = bound {
        group = group.at_most(bound);
    }
    if keeps_going {
        group = group.keep_going();
    }
    let handle: GroupHandle<_, _> = group.handle();
    let operation = group.operation();
    let mut join = Some(Box::pin(group.join()));
    let (mut handles, mut joined, mut daemons) = (Vec::new(), false, 0);
    let spawned = Arc::new(AtomicUsize::new(0));
    for step in steps {
        match step {
            Step::Spawn { kept, operation } => {
                let refused = handle.is_closed();
                let member = if operation {
                    handle.try_spawn_cancelable(
                        world.member().try_cancelable(never()).named("member"),
                    )
                } else {
                    handle.try_spawn(world.member())
                };
                spawned.fetch_add(1, Ordering::SeqCst);
                // Only its handle returns the result of a member that was refused.
                if kept || refused {
                    handles.push(Box::pin(member));
                }
            }
            Step::SpawnDaemon => {
                let alive = world.alive.clone();
                daemons += 1;
                handle.spawn_daemon(async move {
                    let _alive = alive;
                    std::future::pending().await
                });
            }
            Step::SpawnNested if !handle.is_closed() => {
                let (outer, inner) = (world.member(), world.member());
                let (group, count) = (handle.clone(), spawned.clone());
                count.fetch_add(1, Ordering::SeqCst);
                let world = world.clone();
                handle.try_spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    let member = group.try_spawn(inner);
                    if member.is_finished() {
                        // The member was refused, or cancelled with the group.
                        world.note(member.await);
                    }
                    outer.await
                });
            }
            Step::Order { member, order } => {
                let mut orders = world.orders.lock().unwrap();
                let waker = orders.get_mut(member).and_then(|inbox| inbox.give(order));
                drop(orders);
                waker.into_iter().for_each(Waker::wake);
            }
            Step::Poll { task } if task < executor.spawned() => drop(executor.step(task)),
            Step::DropTask { task } if task < executor.spawned() => executor.drop_task(task),
            Step::DropHandle { handle } if handle < handles.len() => {
                let handle: Pin<Box<JoinHandle<_, _>>> = handles.remove(handle);
                if handle.is_finished() {
                    handles.push(handle);
                }
            }
            Step::PollHandle { handle } if handle < handles.len() => {
                if let Poll::Ready(outcome) = poll_once(handles[handle].as_mut()) {
                    drop(handles.remove(handle));
                    world.note(outcome);
                }
            }
            Step::TakeResults => handle.take_results().into_iter().for_each(|it| world.note(it)),
            Step::PollGroup => {
                if let Some(run) = &mut join {
                    if let Poll::Ready(results) = poll_once(run.as_mut()) {
                        (join, joined) = (None, true);
                        assert!(handle.is_empty() && handle.is_closed());
                        assert_eq!(results.is_err(), operation.status() == Status::Cancelled);
                        results.into_iter().flatten().for_each(|it| world.note(it));
                    }
                }
            }
            Step::Close => handle.close(),
            Step::Cancel => drop(operation.cancel_with("stop")),
            Step::DropGroup => join = None,
            _ => {}
        }
        assert!(bound.is_none_or(|bound| executor.pending() <= bound + daemons), "the bound");
    }
    // From here on everything ends.
    operation.cancel_with("the end");
    executor.run_all();
    assert_eq!(executor.pending(), 0, "a task is left");
    if let Some(mut run) = join.take() {
        let mut polls = 0..if in_place { 10 } else { 1 };
        let results = polls.find_map(|_| match poll_once(run.as_mut()) {
            Poll::Ready(results) => Some(results),
            Poll::Pending => None,
        });
        let results = results.expect("it has ended");
        results.into_iter().flatten().for_each(|it| world.note(it));
        joined = true;
    }
    assert!(handle.is_empty());
    for mut handle in handles {
        let Poll::Ready(outcome) = poll_once(handle.as_mut()) else { panic!("it has ended") };
        world.note(outcome);
    }
    handle.take_results().into_iter().for_each(|it| world.note(it));
    let outcomes = world.outcomes.load(Ordering::SeqCst);
    assert_eq!(outcomes, spawned.load(Ordering::SeqCst), "one outcome each");
    if joined {
        assert!(handle.is_closed());
    }
    assert_eq!(Arc::strong_count(&world.alive), 1, "something of a member is kept");
}

#[test]
fn g18_every_member_ends_once_and_leaves_nothing() {
    let _watchdog = support::watchdog();
    let inputs = (any::<bool>(), option::of(1..3_usize), any::<bool>(), steps());
    check_random(4_000, inputs, |(in_place, bound, keeps_going, steps)| {
        run(in_place, bound, keeps_going, steps);
    });
}
