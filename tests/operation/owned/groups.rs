//! The bodies with groups of tasks.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::time::Duration;

use cancelable::TaskGroup;
use cancelable::group::{GroupHandle, TaskError};
use cancelable::prelude::*;
use futures::poll;
use smol::future::yield_now;

use super::bodies::Body;
use super::world::{LONG, World};

/// Returns the bodies of this file, each with its name.
pub(super) fn bodies() -> Vec<(&'static str, Body)> {
    vec![
        ("group", |world, stop| world.run(joins_a_group(world.clone()), stop)),
        ("scope", |world, stop| world.run(has_a_scope(world.clone()), stop)),
        ("failing member", |world, stop| world.run(has_a_failing_member(world.clone()), stop)),
        ("panicking member", |world, stop| world.run(has_a_panicking_member(world.clone()), stop)),
        ("group that keeps going", |world, stop| world.run(keeps_going(world.clone()), stop)),
        ("next", |world, stop| world.run(takes_the_next(world.clone()), stop)),
        ("group in place", |world, stop| world.run(has_a_group_in_place(world.clone()), stop)),
        ("dropped group", |world, stop| world.run(drops_a_group(world.clone()), stop)),
        ("members with clean-up", |world, stop| world.run(cleans_up_members(world.clone()), stop)),
        ("group that joins", |world, stop| {
            let group = Group::fallible(world.spawner());
            (0..2).for_each(|number| drop(group.spawn(member(world, number))));
            let run = group.scope(stop, async |group| drop(group.spawn(async { 2 }).await));
            world.whole(run, true)
        }),
    ]
}

/// The error of a member that fails.
const FAILED: &str = "no disk";

/// A limit that passes only if the member that would cancel the group was dropped.
const ENOUGH: Duration = Duration::from_secs(600);

type Group = TaskGroup<'static, u32, &'static str>;

/// Returns a group that uses the spawner of the world, and notes that its operation ends after its members.
fn group(world: &World) -> Group {
    let group = Group::fallible(world.spawner());
    world.note(&group.operation(), false, true);
    group
}

/// Returns work that takes a few polls and returns a number.
fn member(world: &World, number: u32) -> impl Future<Output = u32> + Send + 'static {
    let section = world.section();
    async move {
        shield(section).await;
        number
    }
}

/// Returns work that fails after a few polls.
fn failing(world: &World) -> impl Future<Output = Result<u32, &'static str>> + Send + 'static {
    let steps = world.steps();
    async move {
        steps.await;
        Err(FAILED)
    }
}

async fn joins_a_group(world: World) {
    let group = group(&world).at_most(2);
    (0..3).for_each(|number| drop(group.spawn(member(&world, number))));
    let joined = group.join().await;
    assert!(joined == Ok(vec![Ok(0), Ok(1), Ok(2)]) || world.is_disturbed(), "{joined:?}");
}

async fn has_a_scope(world: World) {
    let scope = group(&world).scope(never(), async |group: GroupHandle<'_, _, _>| {
        group.spawn_daemon(pending());
        let first = group.spawn(member(&world, 7)).await;
        group.spawn(member(&world, 8));
        first
    });
    let outcome = scope.await;
    assert!(outcome == Ok(Ok(7)) || world.is_disturbed(), "{outcome:?}");
}

async fn has_a_failing_member(world: World) {
    let group = group(&world);
    let results = group.handle();
    group.spawn(pending());
    group.spawn_daemon(pending());
    group.try_spawn(failing(&world));
    let joined = group.try_join_within(timeout(ENOUGH)).await;
    let failed = joined == Err(TaskError::Failed(FAILED));
    assert!(failed || world.is_disturbed(), "{joined:?}");
    assert!(results.take_results().into_iter().all(|result| result.is_err()));
    yield_now().await;
}

async fn has_a_panicking_member(world: World) {
    let group = group(&world).at_most(2);
    let panics = group.spawn(async {
        yield_now().await;
        resume_unwind(Box::new("on fire"))
    });
    (0..2).for_each(|_| drop(group.spawn(pending())));
    let joined = group.join_within(timeout(ENOUGH)).await;
    let Ok(joined) = joined else { return assert!(world.is_disturbed()) };
    assert!(joined.len() == 2 && joined.iter().all(|result| result.is_err()), "{joined:?}");
    let panicked = panics.await;
    let told = matches!(&panicked, Err(TaskError::Panicked(text)) if text == "on fire");
    assert!(told || world.is_disturbed(), "{panicked:?}");
}

async fn keeps_going(world: World) {
    let group = group(&world).keep_going();
    group.try_spawn(failing(&world));
    group.spawn(member(&world, 1));
    group.spawn(async { resume_unwind(Box::new("on fire")) });
    group.spawn_daemon(pending());
    let joined = group.join().named("all").await;
    let told = matches!(
        joined.as_deref(),
        Ok([Err(TaskError::Failed(FAILED)), Ok(1), Err(TaskError::Panicked(_))])
    );
    assert!(told || world.is_disturbed(), "{joined:?}");
}

async fn takes_the_next(world: World) {
    let scope = group(&world).scope(never(), async |group: GroupHandle<'_, _, _>| {
        (0..3).for_each(|number| drop(group.spawn(member(&world, number))));
        let mut sum = 0;
        while let Some(result) = group.next().await {
            sum += result.unwrap_or_default();
            yield_now().await;
        }
        sum
    });
    let sum = scope.await;
    assert!(sum == Ok(3) || world.is_disturbed(), "{sum:?}");
}

/// The members borrow, and one of them is an operation with clean-up.
async fn has_a_group_in_place(world: World) {
    let group = TaskGroup::in_place().at_most(2);
    world.note(&group.operation(), true, true);
    group.spawn(shield(world.section()));
    group.spawn(world.steps());
    let run = world.steps().cancelable(never()).finally(|_| world.section());
    group.spawn_cancelable(run);
    group.spawn_daemon(pending());
    let joined = group.join().registered_in(&world.registry).await;
    assert!(joined == Ok(vec![Ok(()); 3]) || world.is_disturbed(), "{joined:?}");
}

/// Drops a group whose members have begun, and waits for them.
async fn drops_a_group(world: World) {
    let group = Group::fallible(world.spawner());
    let operation = group.operation();
    world.note(&operation, true, false);
    group.spawn(pending());
    let steps = world.steps();
    group.spawn(shield(async {
        steps.await;
        1
    }));
    let clean_up = world.steps();
    group.spawn_cancelable(pending().cancelable(never()).finally(|_| clean_up));
    let mut join = Box::pin(group.join().named("dropped").registered_in(&world.registry));
    for _ in 0..2 {
        assert!(poll!(join.as_mut()).is_pending());
        yield_now().await;
    }
    drop(join);
    operation.children_ended().await;
    assert_eq!(operation.child_count(), 0);
}

/// The group has a grace period and clean-up, and its members are operations with clean-up.
async fn cleans_up_members(world: World) {
    let group = group(&world).grace(LONG);
    for number in 0..2 {
        let (steps, clean_up) = (world.steps(), world.steps());
        let work = async move {
            steps.await;
            number
        };
        group.spawn_cancelable(work.cancelable(never()).named("member").finally(|_| clean_up));
    }
    let clean_up = world.section();
    let joined = group.join().finally(|_| clean_up).await;
    assert!(joined == Ok(vec![Ok(0), Ok(1)]) || world.is_disturbed(), "{joined:?}");
}
