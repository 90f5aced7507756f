//! `cancel` and `cancel_all`: exact counts, and parents before their children.

use std::future::pending;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::{Filter, HistoryQuery};

use crate::helpers::{Run, running, started};
use crate::support::{self, poll_once};

#[test]
fn once() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    assert!(registry.cancel(operation.id(), "first"));
    assert!(!registry.cancel(operation.id(), "second"));
    assert_eq!(support::block_on(run), Err(Cancelled::new("first")));
    assert!(!registry.cancel(operation.id(), "third"));
}

#[test]
fn before_the_first_poll() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = async {}.cancelable(never()).registered_in(&registry);
    assert!(registry.cancel(run.operation().id(), "first"));
    assert_eq!(support::block_on(run), Err(Cancelled::new("first")));
}

#[test]
fn filtered() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (fetch, _fetch_run) = running(&registry, "fetch");
    let (parse, _parse_run) = running(&registry, "parse");
    assert_eq!(registry.cancel_all(Filter::all().name("fetch"), "offline"), 1);
    assert!(fetch.is_cancelled() && !parse.is_cancelled());
    assert_eq!(registry.cancel_all(Filter::all(), "all"), 1, "one of the two was cancelled before");
    assert_eq!(fetch.reason(), Some(Reason::manual("offline")));
    assert_eq!(registry.cancel_all(Filter::all(), "all"), 0);
}

/// Makes a parent, a child that has started inside the parent, and a child of that child.
fn tree(registry: &Registry) -> (Vec<Operation>, Run) {
    let (of_child, of_parent) = (registry.clone(), registry.clone());
    let run = async move {
        let child = async move {
            let last = pending::<()>().cancelable(never()).named("last").registered_in(&of_child);
            let _ = last.await;
            panic!("the child goes on after the end of its own child");
        };
        let child = child.cancelable(never()).named("child").registered_in(&of_parent);
        let _ = child.await;
        panic!("the parent goes on after the end of its child");
    };
    let run = run.cancelable(never()).named("parent").registered_in(registry);
    let mut run: Run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let all = registry.list().iter().map(|found| registry.get(found.id).unwrap()).collect();
    (all, run)
}

#[test]
fn children_count() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (all, run) = tree(&registry);
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 3);
    let kinds: Vec<_> = all.iter().map(|operation| operation.reason().unwrap().kind()).collect();
    assert_eq!(kinds, [ReasonKind::Manual, ReasonKind::Parent, ReasonKind::Parent]);
    assert_eq!(support::block_on(run), Err(Cancelled::new("stop")));
    assert_eq!(registry.stats().cancelled, 3);
}

#[test]
fn filtered_children_do_not_count() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (all, _run) = tree(&registry);
    assert_eq!(registry.cancel_all(Filter::all().name("parent"), "stop"), 1);
    assert!(all.iter().all(Operation::is_cancelled));
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 0, "all were cancelled before");
}

#[test]
fn child_older_than_its_parent() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let child = pending::<()>().cancelable(never()).named("child").registered_in(&registry);
    let (parent, _parent_run) = running(&registry, "parent");
    let (child, _child_run) = started(child.child_of(&parent));
    assert!(child.id() < parent.id());
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 2);
    assert!(child.reason().unwrap().kind() == ReasonKind::Parent);
}

#[test]
fn operation_in_a_shield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let of_parent = registry.clone();
    let parent = shield(async move {
        let inner = pending::<()>().cancelable(never()).named("inner");
        let _ = inner.registered_in(&of_parent).await;
    });
    let (parent, run) = started(parent.cancelable(never()).named("outer").registered_in(&registry));
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 2);
    assert_eq!(support::block_on(run), Err(Cancelled::new("stop")));
    assert_eq!(parent.status(), Status::Cancelled);
}

/// A registered operation below another one counts as below it, even if the operation between them is not registered.
#[test]
fn unregistered_operation_in_between() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (top, _top) = running(&registry, "top");
    let (between, _between) = started(pending::<()>().cancelable(never()).child_of(&top));
    let below = pending::<()>().cancelable(never()).child_of(&between).registered_in(&registry);
    let (below, _below) = started(below);
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 2);
    assert_eq!(below.reason().unwrap().kind(), ReasonKind::Parent);
}

/// Two operations can have the same reason of the kind `Parent`. A call counts only the operations that it has cancelled
/// itself, not those that an earlier call has cancelled for the same reason.
#[test]
fn for_a_reason_that_another_operation_has() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (first, _first) = running(&registry, "first");
    let below = pending::<()>().cancelable(never()).child_of(&first).registered_in(&registry);
    let (below, _below) = started(below);
    first.cancel();
    let (second, _second) = running(&registry, "second");
    let reason = below.reason().unwrap();
    assert_eq!(registry.cancel_all(Filter::all(), reason.clone()), 1);
    assert_eq!(second.reason(), Some(reason));
}

#[test]
fn nested_calls() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (first, _first_run) = running(&registry, "first");
    let (_, _second_run) = running(&registry, "second");
    let (of_callback, (sender, told)) = (registry.clone(), std::sync::mpsc::channel());
    let callback = first.token().on_cancel(move |_| {
        sender.send(of_callback.cancel_all(Filter::all(), "stop")).unwrap();
    });
    callback.detach();
    let outer = registry.cancel_all(Filter::all(), "stop");
    assert_eq!((outer, told.recv().unwrap()), (1, 1));
}

#[test]
fn nested_call_with_the_same_reason() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (first, _first_run) = running(&registry, "first");
    let (second, _second_run) = running(&registry, "second");
    let (of_callback, (sender, told)) = (registry.clone(), std::sync::mpsc::channel());
    // Cancels the second operation for the same reason.
    let callback = first.token().on_cancel(move |reason| {
        sender.send(of_callback.cancel(second.id(), reason.clone())).unwrap();
    });
    callback.detach();
    let outer = registry.cancel_all(Filter::all(), "stop");
    assert_eq!((outer, told.recv()), (1, Ok(true)));
}

#[test]
fn dropped_unpolled_meanwhile() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    // With this many details, making a snapshot takes a while.
    let much = (0..3_000).fold(Progress::at(0.5), |progress, number| {
        progress.with(format!("{number}"), "something")
    });
    for pause in 0..100 {
        let run = pending::<()>().cancelable(never()).registered_in(&registry);
        run.operation().report_progress(much.clone());
        let drops = Barrier::new(2);
        let count = thread::scope(|threads| {
            threads.spawn(|| {
                drops.wait();
                drop(run);
            });
            drops.wait();
            thread::sleep(Duration::from_micros(pause));
            registry.cancel_all(Filter::all(), "stop")
        });
        let record = registry.history(HistoryQuery::all().last(1)).remove(0);
        let said = record.snapshot.reason == Some(Reason::manual("stop"));
        assert_eq!(count == 1, said, "{:?}", record.snapshot.reason);
    }
}

#[test]
fn concurrent_calls() {
    let _watchdog = support::watchdog();
    const OPERATIONS: usize = 500;
    const THREADS: usize = 4;
    for _ in 0..10 {
        let registry = Registry::new();
        let mut runs = Vec::new();
        for _ in 0..OPERATIONS / 2 {
            let (parent, run) = running(&registry, "parent");
            let below = pending::<()>().cancelable(never()).named("below").child_of(&parent);
            runs.push((run, started(below.registered_in(&registry)).1));
        }
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (registry, barrier) = (registry.clone(), barrier.clone());
                thread::spawn(move || {
                    barrier.wait();
                    registry.cancel_all(Filter::all(), "stop")
                })
            })
            .collect();
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(counts.sum::<usize>(), OPERATIONS);
        drop(runs);
        assert!(registry.is_empty());
    }
}
