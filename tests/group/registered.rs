//! Groups in a registry that are dropped before their members have ended.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::operation::Snapshot;
use cancelable::prelude::*;
use cancelable::registry::Filter;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Wakes, poll_once};

const LONG: Duration = Duration::from_secs(600);

fn names(snapshots: &[Snapshot]) -> Vec<&str> {
    snapshots.iter().map(|snapshot| snapshot.name.as_deref().unwrap_or_default()).collect()
}

/// Returns a registry that lists an operation in place of the operation of a dropped group: the group had two members
/// and a daemon.
fn dropped_group(executor: &ByHand) -> (Registry, Operation) {
    let (registry, group) = (Registry::new(), executor.group::<(), String>());
    let operation = group.operation();
    group.spawn(pending());
    group.spawn_cancelable(pending().cancelable(never()));
    group.spawn_daemon(pending());
    let mut join = Box::pin(group.join().named("crawl").registered_in(&registry));
    assert!(poll_once(join.as_mut()).is_pending());
    executor.run();
    drop(join);
    assert_eq!(operation.status(), Status::Cancelled);
    (registry, operation)
}

#[test]
fn g18_dropped_group_is_listed_until_its_last_member_has_ended() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let (registry, group) = dropped_group(&executor);
    for task in 0..3 {
        let listed = registry.list();
        assert_eq!(names(&listed), ["crawl"]);
        assert_eq!((listed[0].parent_id, listed[0].status), (Some(group.id()), Status::Cancelling));
        executor.drop_task(task);
    }
    assert!(registry.is_empty());
    assert_eq!(group.child_count(), 0);
    assert_eq!(registry.history(Filter::all())[1].snapshot.status, Status::Cancelled);
}

/// A member that awaits its own group is not counted meanwhile, but it is once it has dropped the group.
#[test]
fn g18_member_that_dropped_its_group_is_listed() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let (registry, group) = (Registry::new(), executor.group::<(), String>());
    let (handle, gate) = (group.handle(), Gate::new());
    let (listing, pass) = (registry.clone(), gate.pass());
    group.spawn(pending());
    handle.spawn(shield(async move {
        let mut join = Box::pin(group.join().named("crawl").registered_in(&listing));
        assert!(futures::poll!(join.as_mut()).is_pending());
        drop(join);
        pass.await;
    }));
    executor.run();
    executor.drop_task(0);
    assert_eq!(names(&registry.list()), ["crawl"], "the other member has not ended");
    gate.open();
    executor.wake_all();
    executor.run();
    assert!(registry.is_empty());
}

#[test]
fn g18_shutdown_waits_for_the_members_of_a_dropped_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let (registry, _) = dropped_group(&executor);
    let wakes = Wakes::new();
    let mut shutdown = pin!(registry.shutdown(LONG));
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    executor.step(0);
    executor.step(1);
    assert_eq!(wakes.count(), 0, "the daemon is left");
    executor.step(2);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert!(report.is_clean());
}

#[test]
fn g18_shutdown_reports_the_members_of_a_dropped_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let (registry, group) = dropped_group(&executor);
    let report = support::block_on(registry.shutdown(Duration::ZERO).grace(Duration::ZERO));
    assert!(!report.is_clean());
    let remaining = &report.remaining[0].snapshot;
    assert_eq!((remaining.name.as_deref(), remaining.parent_id), (Some("crawl"), Some(group.id())));
    executor.run_all();
    assert!(registry.is_empty());
}

/// The registry is closed, and the group is the only operation in it.
#[test]
fn group_that_is_dropped_during_a_shutdown() {
    let _watchdog = support::watchdog();
    let (executor, registry) = (ByHand::new(), Registry::new());
    let group = executor.group::<(), String>();
    group.spawn(pending());
    let join = group.join().registered_in(&registry);
    executor.run();
    let mut shutdown = pin!(registry.shutdown(LONG));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    drop(join);
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert_eq!((registry.len(), registry.stats().refused), (1, 0));
    executor.run();
    assert!(poll_once(shutdown).is_ready());
}

#[test]
fn dropped_daemon_is_listed_as_a_daemon() {
    let _watchdog = support::watchdog();
    let (executor, registry) = (ByHand::new(), Registry::new());
    let group = executor.group::<(), String>();
    group.spawn(shield(pending()));
    let request = pending::<()>().cancelable(never()).registered_in(&registry);
    let join = group.join().daemon_in(&registry);
    executor.run();
    drop(join);
    let wakes = Wakes::new();
    let mut shutdown = pin!(registry.shutdown(LONG));
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    drop(request);
    assert_eq!(wakes.count(), 1, "only daemons are left");
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    executor.drop_task(0);
    assert!(poll_once(shutdown).is_ready());
}

/// Nothing of such a group is left, so the registry records only the group itself.
#[test]
fn dropped_group_without_members_leaves_at_once() {
    let _watchdog = support::watchdog();
    let (executor, registry) = (ByHand::new(), Registry::new());
    drop(executor.group::<(), String>().join().registered_in(&registry));
    assert_eq!(registry.history(Filter::all()).len(), 1, "it had no members");

    let group = TaskGroup::<()>::in_place();
    group.spawn(pending());
    let mut join = Box::pin(group.join().registered_in(&registry));
    assert!(poll_once(join.as_mut()).is_pending());
    drop(join);
    assert_eq!(registry.history(Filter::all()).len(), 2, "its members were in place");

    let group = executor.group::<u8, String>();
    group.spawn(async { 7 });
    executor.run();
    let mut join = pin!(group.join().registered_in(&registry));
    assert_eq!(poll_once(join.as_mut()), Poll::Ready(Ok(vec![Ok(7)])));
    assert_eq!(registry.history(Filter::all()).len(), 3, "its members had ended");
    assert!(registry.is_empty());
}
