//! The bodies with sections: shields, clean-up and blocking closures.

use std::pin::pin;
#[cfg(feature = "blocking")]
use std::sync::mpsc::channel;

use cancelable::prelude::*;
use futures::future::join;
use futures::poll;
use futures::stream::{FuturesUnordered, StreamExt};
use smol::future::yield_now;

use super::bodies::Body;
use super::world::{LONG, World};

/// Returns the bodies of this file, each with its name.
pub(super) fn bodies() -> Vec<(&'static str, Body)> {
    vec![
        ("sections", |world, stop| world.run(has_sections(world.clone()), stop)),
        ("spawned sections", |world, stop| world.run(has_spawned_sections(world.clone()), stop)),
        ("calls in sections", |world, stop| world.run(calls_in_sections(world.clone()), stop)),
        ("calls in clean-up", |world, stop| {
            let run = calls_in_a_section(world.clone()).cancelable(stop);
            let [first, second] = [(); 2].map(|()| world.clone());
            let run = run.finally_for(LONG, |_| async move { goes_on(&first, true).await });
            world.whole(run.finally(|_| async move { goes_on(&second, false).await }), false)
        }),
        ("calls beside a section", |world, stop| {
            world.run(calls_beside_a_section(world.clone()), stop)
        }),
        #[cfg(feature = "blocking")]
        ("closures", |world, stop| world.run(runs_closures(world.clone()), stop)),
        #[cfg(feature = "blocking")]
        ("closures in sections", |world, stop| {
            world.run(runs_closures_in_sections(world.clone()), stop)
        }),
        #[cfg(feature = "blocking")]
        ("closures side by side", |world, stop| {
            let run = runs_closures_side_by_side(world.clone()).cancelable(stop);
            world.whole(run.joins_children(), true)
        }),
        #[cfg(feature = "blocking")]
        ("abandoned closures", |world, stop| world.run(abandons_closures(world.clone()), stop)),
    ]
}

fn current() -> Operation {
    Operation::current().expect("the body is an operation")
}

async fn has_sections(world: World) {
    shield(world.section()).await;
    yield_now().await;
    let both = shield_for(LONG, world.section());
    let mut others: FuturesUnordered<_> = (0..2).map(|_| shield(world.section())).collect();
    join(both, async { while others.next().await.is_some() {} }).await;
    shield(async {
        world.section().await;
        assert_eq!(world.section().cancelable(never()).named("inner").await, Ok(()));
    })
    .await;
}

async fn has_spawned_sections(world: World) {
    for _ in 0..2 {
        shield(world.lasting_section()).or_spawn(world.spawner()).await;
        yield_now().await;
    }
}

/// Makes all calls that tell code whether to continue. The caller is in a section, and `limited` says whether that section
/// has a limit.
async fn goes_on(world: &World, limited: bool) {
    let operation = current();
    world.expect(operation.check().is_ok(), "`check` in a section");
    let left = operation.remaining();
    world.expect(left.is_some() == limited, "`remaining` in a section");
    world.expect(left.is_none_or(|left| left <= LONG), "`remaining` is that of the section");
    let mut cancelled = pin!(operation.cancelled());
    world.expect(poll!(&mut cancelled).is_pending(), "`cancelled` waits in a section");
    let call = operation.wrap(|()| world.steps());
    world.expect(call(()).await.is_ok(), "`wrap` in a section");
    world.expect(poll!(&mut cancelled).is_pending(), "`cancelled` waits until the end");
    let child = world.steps().cancelable(never()).child_of(&operation).named("step");
    world.expect(child.await.is_ok(), "a child in a section");
    #[cfg(feature = "blocking")]
    world.expect(operation.run_blocking(|| ()).await.is_ok(), "`run_blocking` in a section");
    world.expect(operation.check().is_ok(), "`check` until the end");
}

async fn calls_in_a_section(world: World) {
    shield(async {
        world.sections.begin();
        goes_on(&world, false).await;
        world.sections.end();
    })
    .await;
}

async fn calls_in_sections(world: World) {
    shield(async {
        world.sections.begin();
        goes_on(&world, false).await;
        world.sections.end();
    })
    .await;
    yield_now().await;
    shield_for(LONG, async {
        world.sections.begin();
        goes_on(&world, true).await;
        shield(goes_on(&world, true)).await;
        world.sections.end();
    })
    .await;
}

/// A cancellation stops the calls beside a section, but not those in it.
async fn calls_beside_a_section(world: World) {
    let operation = current();
    let section = shield(async {
        world.sections.begin();
        goes_on(&world, false).await;
        world.sections.end();
    });
    let beside = async {
        let call = operation.wrap(|()| world.steps());
        for _ in 0..8 {
            let before = operation.is_cancelled();
            let called = call(()).await;
            world.expect(!before || called.is_err(), "`wrap` beside a section");
            world.expect(operation.check().is_err() == operation.is_cancelled(), "`check` beside");
            yield_now().await;
        }
    };
    join(section, beside).await;
}

/// Returns a closure that blocks until a task has taken a few steps. Once the closure has begun, it runs to its end.
#[cfg(feature = "blocking")]
fn closure(world: &World) -> impl FnOnce() + Send + 'static {
    let (open, gate) = channel::<()>();
    let steps = world.steps();
    world.spawn(async move {
        steps.await;
        drop(open);
    });
    let (held, closures) = (world.held.clone(), world.lasting.clone());
    move || {
        closures.begin();
        let _ = gate.recv();
        closures.end();
        drop(held);
    }
}

#[cfg(feature = "blocking")]
async fn runs_closures(world: World) {
    for _ in 0..2 {
        drop(current().run_blocking(closure(&world)).await);
        yield_now().await;
    }
}

#[cfg(feature = "blocking")]
async fn runs_closures_in_sections(world: World) {
    let operation = current();
    for _ in 0..2 {
        let call = shield(async {
            world.sections.begin();
            let called = operation.run_blocking(closure(&world)).await;
            world.expect(called.is_ok(), "`run_blocking` in a section");
            world.sections.end();
        });
        call.await;
        yield_now().await;
        drop(shield(operation.run_blocking(closure(&world))).await);
    }
}

#[cfg(feature = "blocking")]
async fn runs_closures_side_by_side(world: World) {
    let operation = current();
    let calls = [(); 2].map(|()| operation.run_blocking(closure(&world)));
    let mut calls: FuturesUnordered<_> = calls.into_iter().collect();
    world.child(world.steps());
    while calls.next().await.is_some() {}
}

#[cfg(feature = "blocking")]
async fn abandons_closures(world: World) {
    for _ in 0..2 {
        let held = world.held.clone();
        drop(current().run_blocking(move || drop(held)).abandon_on_cancel().await);
        yield_now().await;
    }
}
