//! Work that is cancelled and dropped at each of its awaits. The work uses everything that operations own: waits for ends,
//! groups, sections, closures, moved limits and shutdowns. All of it ends, and nothing is kept.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::{Shutdown, ShutdownPlan};
use cancelable::{Limit, TaskGroup};
use futures::future::join;
use futures::stream::{FuturesUnordered, StreamExt};
use smol::future::yield_now;

use crate::support::on_every_executor;

/// A time that is longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// More polls than any of the bodies takes.
const AWAITS: usize = 100;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The state that a body shares with its test.
#[derive(Clone)]
struct World {
    spawner: Arc<dyn Fn(Task) + Send + Sync>,
    /// Everything that must be dropped holds a clone of this.
    held: Arc<()>,
    operations: Arc<Mutex<Vec<Operation>>>,
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    cleaned: Arc<AtomicUsize>,
}

impl World {
    fn new(spawner: impl Fn(Task) + Send + Sync + 'static) -> Self {
        World {
            spawner: Arc::new(spawner),
            held: Arc::default(),
            operations: Arc::default(),
            begun: Arc::default(),
            ended: Arc::default(),
            cleaned: Arc::default(),
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawner)(Box::pin(task));
    }

    /// Returns work that takes a few polls.
    fn steps(&self) -> impl Future<Output = ()> + Send + use<> {
        let held = self.held.clone();
        async move {
            for _ in 0..2 {
                yield_now().await;
            }
            drop(held);
        }
    }

    /// Returns work that must run to its end once it has begun.
    fn section(&self) -> impl Future<Output = ()> + Send + use<> {
        let (begun, ended, steps) = (self.begun.clone(), self.ended.clone(), self.steps());
        // Held until `ended` has been incremented, possibly on another thread. The test reads `ended` only once this is
        // gone.
        let held = self.held.clone();
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            steps.await;
            ended.fetch_add(1, Ordering::SeqCst);
            drop(held);
        }
    }

    /// Spawns an operation with clean-up, as a child of the current one.
    fn child(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        registry: &Registry,
    ) -> Operation {
        let parent = Operation::current().unwrap();
        let clean_up = self.steps();
        let run = work.cancelable(never()).child_of(&parent).registered_in(registry);
        let run = run.finally(|_| clean_up);
        let operation = run.operation();
        self.operations.lock().unwrap().push(operation.clone());
        self.spawn(async move { drop(run.await) });
        operation
    }

    /// Makes an operation of a body.
    fn run<S>(
        &self,
        body: Body,
        source: S,
    ) -> impl Future<Output = Result<(), Cancelled>> + Send + use<S>
    where
        S: Future<Output = Reason> + Send,
    {
        let (cleaned, steps) = (self.cleaned.clone(), self.steps());
        let clean_up = async move {
            steps.await;
            cleaned.fetch_add(1, Ordering::SeqCst);
        };
        let run = body(self.clone()).cancelable(source).named("body").finally(|_| clean_up);
        self.operations.lock().unwrap().push(run.operation());
        run
    }

    /// Waits until everything has ended, and checks that nothing is left. `outcome` is `None` if the operation was
    /// dropped.
    async fn settle(self, outcome: Option<Result<(), Cancelled>>, ends_sections: bool) {
        let operations = self.operations.lock().unwrap().clone();
        for operation in &operations {
            operation.ended().await;
            operation.children_ended().await;
            assert_eq!((operation.child_count(), operation.status().is_final()), (0, true));
        }
        // Tasks on other threads may take a moment to be dropped.
        while Arc::strong_count(&self.held) > 1 {
            yield_now().await;
        }
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        if ends_sections || outcome.is_some() {
            assert_eq!(count(&self.begun), count(&self.ended), "sections");
        }
        assert_eq!(count(&self.cleaned), usize::from(outcome.is_some()), "clean-up");
        let (status, reason) = (operations[0].status(), operations[0].reason());
        match outcome {
            None => assert_eq!((status, reason), (Status::Cancelled, Some(Reason::Dropped))),
            Some(Ok(())) => assert_eq!(status, Status::Completed),
            Some(Err(cancelled)) => {
                assert_eq!((status, reason), (Status::Cancelled, Some(cancelled.into_reason())));
            }
        }
    }
}

type Body = fn(World) -> Task;

async fn waits_for_an_end(world: World) {
    let child = world.child(world.steps(), &Registry::new());
    assert!(child.ended().await.is_final());
    assert!(child.ended().await.is_final(), "again");
    yield_now().await;
}

async fn cancels_and_waits(world: World) {
    let child = world.child(pending(), &Registry::new());
    yield_now().await;
    assert_eq!(child.cancel_and_wait("enough").await, Status::Cancelled);
    yield_now().await;
}

async fn waits_for_children(world: World) {
    let operation = Operation::current().unwrap();
    (0..3).for_each(|_| drop(world.child(world.steps(), &Registry::new())));
    operation.children_ended().await;
    assert_eq!(operation.child_count(), 0);
    yield_now().await;
}

async fn uses_groups(world: World) {
    let spawner = world.spawner.clone();
    let new = move || {
        let spawner = spawner.clone();
        TaskGroup::<u32>::new(move |task| spawner(Box::pin(task)))
    };
    let member = |number: u32| {
        let steps = world.steps();
        async move {
            steps.await;
            number
        }
    };
    let group = new().at_most(2);
    (0..3).for_each(|number| drop(group.spawn(member(number))));
    assert_eq!(group.join().await.map(|results| results.len()), Ok(3));
    let scope = new().scope(never(), async |group| {
        group.spawn_daemon(pending());
        group.spawn(member(7)).await
    });
    drop(scope.await);
}

async fn has_sections(world: World) {
    shield(world.section()).await;
    yield_now().await;
    let both = shield_for(LONG, world.section());
    let mut others: FuturesUnordered<_> = (0..2).map(|_| shield(world.section())).collect();
    join(both, async { while others.next().await.is_some() {} }).await;
    shield(async {
        let operation = Operation::current().unwrap();
        world.section().await;
        assert!(operation.check().is_ok());
        let inner = world.section().cancelable(never()).named("inner").await;
        assert_eq!(inner, Ok(()));
    })
    .await;
}

async fn has_sections_that_outlive_a_drop(world: World) {
    for _ in 0..2 {
        let spawner = world.spawner.clone();
        shield(world.section()).or_spawn(move |task| spawner(task)).await;
        yield_now().await;
    }
}

#[cfg(feature = "blocking")]
async fn abandons_closures(world: World) {
    let operation = Operation::current().unwrap();
    for _ in 0..2 {
        let held = world.held.clone();
        let call = operation.run_blocking(move || drop(held)).abandon_on_cancel();
        drop(call.await);
        yield_now().await;
    }
}

async fn moves_limits(world: World) {
    let limit = Limit::after(LONG);
    for _ in 0..2 {
        limit.reset();
        assert!(world.steps().cancelable(limit.reached()).await.is_ok());
        assert!(limit.extend(LONG));
    }
    let (steps, more) = (world.steps(), world.steps());
    let run = scope(never(), async move |operation: Operation| {
        steps.await;
        operation.report_progress("half");
        more.await;
    });
    assert!(run.stalled_after(LONG).await.is_ok());
}

async fn shuts_down_in_phases(world: World) {
    let [intake, workers] = [(); 2].map(|()| Registry::new());
    world.child(world.steps(), &intake);
    world.child(pending(), &workers);
    let phases = Shutdown::phases().then("intake", &intake, LONG);
    let phases = phases.then("workers", &workers, Duration::ZERO);
    let stop = async {
        yield_now().await;
        Reason::manual("deployment")
    };
    let end = phases.shutdown_when(stop, ShutdownPlan::new()).await;
    assert!(end.report.remaining.is_empty());
}

fn bodies() -> Vec<(&'static str, Body)> {
    vec![
        ("an end", |world| Box::pin(waits_for_an_end(world))),
        ("cancel and wait", |world| Box::pin(cancels_and_waits(world))),
        ("children", |world| Box::pin(waits_for_children(world))),
        ("groups", |world| Box::pin(uses_groups(world))),
        ("sections", |world| Box::pin(has_sections(world))),
        ("spawned sections", |world| Box::pin(has_sections_that_outlive_a_drop(world))),
        #[cfg(feature = "blocking")]
        ("closures", |world| Box::pin(abandons_closures(world))),
        ("limits", |world| Box::pin(moves_limits(world))),
        ("phases", |world| Box::pin(shuts_down_in_phases(world))),
    ]
}

/// Spawns on the executor of this thread.
fn spawn_here(task: Task) {
    match tokio::runtime::Handle::try_current() {
        Ok(tokio) => drop(tokio.spawn(task)),
        Err(_) => smol::spawn(task).detach(),
    }
}

/// Runs every body, and cancels or drops it before each of its polls in turn.
async fn at_every_await(drops: bool) {
    for (name, body) in bodies() {
        let mut at = 0;
        let mut touched = true;
        while touched {
            at += 1;
            assert!(at < AWAITS, "{name} does not end");
            let (world, token) = (World::new(spawn_here), CancellationToken::new());
            let mut run = Box::pin(world.run(body, token.clone().cancelled_owned()));
            let mut polls = 0;
            let outcome = poll_fn(|cx| {
                polls += 1;
                if polls == at && drops {
                    return Poll::Ready(None);
                }
                if polls == at {
                    token.cancel_with("stop");
                }
                run.as_mut().poll(cx).map(Some)
            });
            let outcome = outcome.await;
            touched = polls >= at;
            drop(run);
            world.settle(outcome, name == "spawned sections").await;
        }
    }
}

on_every_executor! {
    async fn cancelled_at_every_await() {
        at_every_await(false).await;
    }

    async fn dropped_at_every_await() {
        at_every_await(true).await;
    }
}

/// The same tests with the test kit. The executor of the spawned tasks runs inside the operation.
#[cfg(feature = "testing")]
mod in_virtual_time {
    use std::cell::RefCell;

    use cancelable::testing::{cancel_at_every_await, drop_at_every_await};
    use smol::Executor;

    use super::*;
    use crate::support;

    /// Runs `test` with each body. `test` gets two functions: one makes an operation from the body and a token, the other
    /// checks that nothing is left of the operation.
    fn each_body(
        test: impl Fn(
            &dyn Fn(CancellationToken) -> Run,
            &dyn Fn(Option<Result<(), Cancelled>>),
        ) -> usize,
    ) {
        for (name, body) in bodies() {
            let last = RefCell::new(None);
            let make = |token: CancellationToken| {
                let executor = Arc::new(Executor::new());
                let spawner = executor.clone();
                let world = World::new(move |task| spawner.spawn(task).detach());
                let run = world.run(body, token.cancelled_owned());
                *last.borrow_mut() = Some((executor.clone(), world));
                Box::pin(async move { executor.run(run).await }) as Run
            };
            let check = |outcome| {
                let (executor, world): (Arc<Executor<'_>>, World) = last.take().unwrap();
                let settles = world.settle(outcome, name == "spawned sections");
                support::block_on(executor.run(settles));
            };
            assert!(test(&make, &check) > 2, "{name}");
        }
    }

    type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;

    #[test]
    fn cancelled_at_every_await() {
        let _watchdog = support::watchdog();
        each_body(|make, check| cancel_at_every_await(make, |_, outcome| check(Some(outcome))));
    }

    #[test]
    fn dropped_at_every_await() {
        let _watchdog = support::watchdog();
        let make_one = |make: &dyn Fn(CancellationToken) -> Run| make(CancellationToken::new());
        each_body(|make, check| {
            drop_at_every_await(|| make_one(make), |_, outcome| check(outcome))
        });
    }
}
