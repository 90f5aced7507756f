//! The bodies: small pieces of work. Each of them uses one of the things that operations own.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cancelable::Limit;
use cancelable::prelude::*;
use cancelable::registry::{Shutdown, ShutdownPlan};
use futures::future::select;
use smol::future::yield_now;

use super::world::{LONG, Run, World};
use crate::support::OnDrop;

/// Makes the operation of a body, which the token cancels.
pub(super) type Body = fn(&World, CancellationToken) -> Run;

/// Returns the bodies of this file, each with its name.
pub(super) fn bodies() -> Vec<(&'static str, Body)> {
    vec![
        ("an end", |world, stop| world.run(waits_for_an_end(world.clone()), stop)),
        ("cancel and wait", |world, stop| world.run(cancels_and_waits(world.clone()), stop)),
        ("children", |world, stop| world.run(waits_for_children(world.clone()), stop)),
        ("children left", |world, stop| world.run(spawns_children(world.clone()), stop)),
        ("children joined", |world, stop| {
            world.whole(spawns_children(world.clone()).cancelable(stop).joins_children(), true)
        }),
        ("children cancelled", |world, stop| {
            world.whole(
                spawns_deaf_children(world.clone()).cancelable(stop).cancels_children(),
                true,
            )
        }),
        ("in scope", |world, stop| world.run(spawns_in_scope(world.clone()), stop)),
        ("in scope, joined", |world, stop| {
            world.whole(spawns_in_scope(world.clone()).cancelable(stop).joins_children(), true)
        }),
        ("limits", |world, stop| world.run(moves_limits(world.clone()), stop)),
        ("limit as source", |world, stop| {
            let limit = Limit::after(LONG);
            let source = any_of((stop, any_of(Some(limit.reached()))));
            world.whole(moves(limit, world.clone()).cancelable(source), false)
        }),
        ("labels", |world, stop| world.run(meets_labelled_limits(world.clone()), stop)),
        ("grace", |world, stop| {
            let work = saves_when_cancelled(world.steps(), world.section());
            world.whole(work.cancelable(stop).grace(LONG), false)
        }),
        ("force", |world, stop| world.run(forces_a_child(world.clone()), stop)),
        ("chosen grace", |world, stop| world.run(lets_a_child_save(world.clone()), stop)),
        ("strict", |world, stop| world.whole(world.steps().cancelable(stop).strict(), false)),
        ("stalled", |world, stop| {
            world.whole(reports(world.clone()).cancelable(stop).stalled_after(LONG), false)
        }),
        ("phases", |world, stop| world.run(shuts_down_in_phases(world.clone()), stop)),
        ("daemons", |world, stop| world.run(shuts_down_daemons(world.clone()), stop)),
        ("callbacks", |world, stop| world.run(unregisters(world.clone()), stop)),
    ]
}

fn current() -> Operation {
    Operation::current().expect("the body is an operation")
}

async fn waits_for_an_end(world: World) {
    let child = world.child(world.steps());
    assert!(child.ended().await.is_final());
    assert!(child.ended().await.is_final(), "again");
    yield_now().await;
}

async fn cancels_and_waits(world: World) {
    let child = world.child(pending());
    yield_now().await;
    assert_eq!(child.cancel_and_wait("enough").await, Status::Cancelled);
    yield_now().await;
}

async fn waits_for_children(world: World) {
    (0..3).for_each(|_| drop(world.child(world.steps())));
    current().children_ended().await;
    assert_eq!(current().child_count(), 0);
    yield_now().await;
}

/// Returns while its children go on. One of them has a child too, and one panics.
async fn spawns_children(world: World) {
    let below = world.clone();
    world.child(async move {
        yield_now().await;
        below.child(below.steps());
    });
    world.child(async {
        yield_now().await;
        std::panic::resume_unwind(Box::new("on fire"));
    });
    yield_now().await;
}

/// Returns while its children wait for a cancellation. One of them has a child of its own.
async fn spawns_deaf_children(world: World) {
    let below = world.clone();
    world.child(pending());
    world.child(async move {
        below.child(pending());
        pending().await
    });
    yield_now().await;
}

/// Spawns tasks that are in scope of the operation. One of them spawns a task in its own scope.
async fn spawns_in_scope(world: World) {
    let operation = current();
    world.spawn(operation.in_scope(world.steps()));
    let (steps, below) = (world.steps(), world.clone());
    world.spawn(operation.in_scope(async move {
        steps.await;
        below.spawn(current().in_scope(below.steps()));
    }));
    yield_now().await;
}

async fn moves_limits(world: World) {
    let limit = Limit::after(LONG);
    assert!(world.steps().cancelable(limit.reached()).await.is_ok());
    moves(limit.clone(), world.clone()).await;
    limit.set(Instant::now());
    assert!(limit.reached().cancelable(never()).await.is_ok());
    assert!(pending::<()>().cancelable(limit.reached()).await.unwrap_err().is_timeout());
    assert!(!limit.reset() && !limit.disarm());
}

/// Moves a limit between its awaits.
async fn moves(limit: Limit, world: World) {
    let moves: [&dyn Fn() -> bool; 4] = [
        &|| limit.extend(LONG),
        &|| limit.set(Instant::now() + LONG + LONG),
        &|| limit.disarm(),
        &|| limit.reset(),
    ];
    // The moves are not `Send`, so they do not live across the awaits.
    let moved = moves.map(|moves| moves());
    assert_eq!(moved, [true; 4]);
    world.steps().await;
    assert!(limit.disarm());
    yield_now().await;
    assert!(limit.reset() && limit.extend(LONG));
    yield_now().await;
}

async fn meets_labelled_limits(world: World) {
    let short = || timeout(Duration::from_millis(1)).named("index");
    let slow = pending::<()>().cancelable(any_of(Some(short()))).await.unwrap_err();
    assert!(slow.is_timeout() && slow.to_string().contains("index"), "{slow}");
    assert_eq!(world.steps().cancelable(any_of(None::<CancellationToken>)).await, Ok(()));
    let caused = Limit::after(Duration::ZERO).because("the index is slow");
    let slow = pending::<()>().cancelable(caused.reached()).await.unwrap_err();
    assert!(slow.is_timeout() && slow.to_string().contains("the index is slow"), "{slow}");
}

/// Stops working once the operation is cancelled, and then saves the result in a section.
async fn saves_when_cancelled(work: impl Future<Output = ()>, save: impl Future<Output = ()>) {
    let operation = current();
    drop(select(pin!(work), pin!(operation.cancelled())).await);
    shield(save).await;
    yield_now().await;
}

async fn forces_a_child(world: World) {
    let deaf = pending().cancelable(never()).grace(LONG).registered_in(&world.registry);
    let child = world.spawn_child(deaf, true);
    // If the work is dropped, the child does not use its grace period either.
    let forces = OnDrop(|| {
        child.force();
    });
    yield_now().await;
    child.cancel_with("stop");
    yield_now().await;
    drop(forces);
    assert_eq!(child.ended().await, Status::Cancelled);
}

async fn lets_a_child_save(world: World) {
    let child = world.child(saves_when_cancelled(world.steps(), world.steps()));
    yield_now().await;
    child.cancel_with_grace("stop", LONG);
    assert!(child.ended().await.is_final());
    let deaf = world.child(pending());
    yield_now().await;
    deaf.cancel_with_grace("stop", Duration::ZERO);
    // If the body was cancelled first, its child has the grace period of the body.
    deaf.force();
    assert_eq!(deaf.ended().await, Status::Cancelled);
}

async fn reports(world: World) {
    for _ in 0..2 {
        world.steps().await;
        current().report_progress("on");
    }
}

async fn shuts_down_in_phases(world: World) {
    let [intake, workers] = [(); 2].map(|()| Registry::new());
    world.spawn_child(world.steps().cancelable(never()).registered_in(&intake), false);
    world.spawn_child(pending().cancelable(never()).registered_in(&workers), false);
    world.spawn_child(pending().cancelable(never()).daemon_in(&workers), false);
    let phases = Shutdown::phases().then("intake", &intake, LONG);
    let phases = phases.then("workers", &workers, Duration::ZERO);
    let stop = async {
        yield_now().await;
        Reason::manual("deployment")
    };
    let end = phases.shutdown_when(stop, ShutdownPlan::new()).await;
    assert!(end.report.remaining.is_empty());
}

async fn shuts_down_daemons(world: World) {
    let registry = Registry::new();
    let daemon = world.spawn_child(pending().cancelable(never()).daemon_in(&registry), false);
    let other =
        world.spawn_child(world.steps().cancelable(never()).registered_in(&registry), false);
    yield_now().await;
    let report = registry.shutdown(LONG).await;
    assert!(report.remaining.is_empty() && registry.is_empty());
    assert!(daemon.status().is_final() && other.status().is_final());
}

/// Registers a callback and waits until it is gone, once in time, and once while another task cancels the token.
async fn unregisters(world: World) {
    for cancels in [false, true] {
        let (token, calls) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let (counts, held) = (calls.clone(), world.held.clone());
        let registration = token.on_cancel(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
            drop(held);
        });
        if cancels {
            world.spawn(async move {
                yield_now().await;
                token.cancel();
            });
        }
        yield_now().await;
        let in_time = registration.unregister_and_wait().await;
        assert_eq!(calls.load(Ordering::SeqCst), usize::from(!in_time));
        assert_eq!(Arc::strong_count(&calls), 1, "nothing of the callback is kept");
        yield_now().await;
    }
}
