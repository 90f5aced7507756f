//! Which operations are in the registry: from `registered` to any kind of end.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::Filter;
use smol::future::yield_now;

use crate::helpers::{ids, pending_polls, running, started};
use crate::support::{self, on_every_executor, poll_once};

#[test]
fn from_registration_to_drop() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).named("a").registered_in(&registry);
    let listed = registry.list();
    assert_eq!((listed.len(), registry.len()), (1, 1));
    assert_eq!(listed[0].status, Status::Pending);
    let (operation, run) = started(run);
    assert_eq!(registry.list()[0].status, Status::Running);
    operation.cancel_with("stop");
    assert_eq!(registry.list()[0].status, Status::Cancelling);
    assert_eq!(registry.list()[0].reason, Some(Reason::manual("stop")));
    drop(run);
    assert!(registry.list().is_empty());
}

#[test]
fn every_way_to_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let value = async {}.cancelable(never()).registered_in(&registry);
    assert_eq!(support::block_on(value), Ok(()));

    let error = async { Err::<(), _>(std::io::Error::other("no disk")) };
    let failed = error.try_cancelable(never()).registered_in(&registry);
    assert_eq!(registry.len(), 1);
    assert!(support::block_on(failed).is_err());

    let panics = async { panic!("on purpose") }.cancelable(never()).registered_in(&registry);
    assert!(catch_unwind(AssertUnwindSafe(|| support::block_on(panics))).is_err());

    let (operation, run) = running(&registry, "cancelled");
    operation.cancel();
    assert!(support::block_on(run).is_err());

    let (_, dropped) = running(&registry, "dropped");
    drop(dropped);
    drop(pending::<()>().cancelable(never()).registered_in(&registry));

    assert!(registry.is_empty());
    let stats = registry.stats();
    assert_eq!((stats.completed, stats.failed, stats.cancelled), (1, 2, 2));
    assert_eq!((stats.never_started, stats.active(), stats.ended()), (1, 0, 6));
}

#[test]
fn leaves_at_its_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut run = Box::pin(async {}.cancelable(never()).registered_in(&registry));
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(registry.is_empty());
    drop(run);
    assert_eq!(registry.stats().ended(), 1);
}

#[test]
fn stays_during_clean_up() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = async {}.cancelable(never()).finally(|_| pending_polls(1)).registered_in(&registry);
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(registry.len(), 1);
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(registry.is_empty());
}

#[test]
fn hidden_from_its_last_hooks() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (of_hook, (sender, told)) = (registry.clone(), std::sync::mpsc::channel());
    let run = async {}.cancelable(never()).registered_in(&registry).on_complete(move |operation| {
        let found = of_hook.get(operation.id()).is_some();
        sender.send((of_hook.list().len(), found, of_hook.len())).unwrap();
    });
    assert_eq!(support::block_on(run), Ok(()));
    assert_eq!(told.recv(), Ok((0, false, 1)));
    assert!(registry.is_empty());
}

#[test]
fn registered_twice() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = async {}.cancelable(never()).registered_in(&registry).registered_in(&registry);
    assert_eq!(registry.list().len(), 1);
    assert_eq!(support::block_on(run), Ok(()));
    assert_eq!((registry.len(), registry.stats().completed), (0, 1));
}

#[test]
fn registered_again_after_close() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = async { 7 }.cancelable(never()).registered_in(&registry);
    registry.close();
    let run = run.registered_in(&registry);
    assert_eq!((registry.len(), registry.stats().refused), (1, 0));
    assert_eq!(support::block_on(run), Ok(7));
}

#[test]
fn several_registries() {
    let _watchdog = support::watchdog();
    let (one, other) = (Registry::new(), Registry::new());
    let run = async {}.cancelable(never()).registered_in(&one).registered_in(&other);
    assert_eq!(ids(&one.list()), ids(&other.list()));
    assert_eq!(support::block_on(run), Ok(()));
    assert_eq!((one.stats().completed, other.stats().completed), (1, 1));
    assert!(one.is_empty() && other.is_empty());
}

#[test]
fn registered_after_its_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut run = Box::new(std::future::ready(()).cancelable(never()).named("early"));
    assert!(poll_once(std::pin::Pin::new(&mut *run)).is_ready());
    let run = run.registered_in(&registry);
    assert!(registry.is_empty());
    drop(run);
    assert_eq!(registry.stats().ended(), 0);
}

#[test]
fn registered_while_running() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut run = Box::new(pending::<()>().cancelable(never()).named("late"));
    assert!(poll_once(std::pin::Pin::new(&mut *run)).is_pending());
    let run = run.registered_in(&registry);
    assert_eq!(registry.list()[0].status, Status::Running);
    drop(run);
    assert!(registry.is_empty());
    // The same holds for a plain race that becomes an operation only after its first poll.
    let mut run = Box::new(pending::<()>().cancelable(never()));
    assert!(poll_once(std::pin::Pin::new(&mut *run)).is_pending());
    let run = run.registered_in(&registry);
    assert_eq!(registry.list()[0].status, Status::Running);
    drop(run);
    assert_eq!((registry.len(), registry.stats().cancelled), (0, 2));
}

#[test]
fn global() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never()).registered();
    let id = run.operation().id();
    assert_eq!(
        thread::spawn(move || Registry::global().get(id).map(|found| found.id())).join().unwrap(),
        Some(id)
    );
    assert_eq!(support::block_on(run), Ok(()));
    assert!(Registry::global().get(id).is_none());
}

#[test]
fn dropped_before_its_operations() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    drop(registry);
    operation.cancel();
    assert!(support::block_on(run).is_err());
}

#[test]
fn filters() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (parent, _parent_run) = running(&registry, "Ingest");
    let below = |name, user| {
        let run = pending::<()>().cancelable(never()).named(name).metadata("user", user);
        run.child_of(&parent).registered_in(&registry)
    };
    let (ann, bob) = (below("fetch /A", "ann"), below("fetch /b", "bob"));
    let nameless = pending::<()>().cancelable(never()).registered_in(&registry);
    let (ann, _ann_run) = started(ann);
    let bob_id = bob.operation().id();

    let find = |filter| ids(&registry.find(filter));
    assert_eq!(find(Filter::all()).len(), 4);
    assert_eq!(find(Filter::all().name("FETCH")), [ann.id(), bob_id]);
    assert_eq!(find(Filter::all().name("/a")), [ann.id()]);
    assert_eq!(find(Filter::all().name("")).len(), 3, "an operation without a name never matches");
    assert_eq!(find(Filter::all().status(Status::Pending)), [bob_id, nameless.operation().id()]);
    assert_eq!(find(Filter::all().status(Status::Running).name("fetch")), [ann.id()]);
    let either = Filter::all().status(Status::Running).status(Status::Pending);
    assert_eq!(find(either).len(), 4);
    assert_eq!(find(Filter::all().parent(parent.id())), [ann.id(), bob_id]);
    assert_eq!(find(Filter::all().parent(ann.id())), []);
    assert_eq!(find(Filter::all().metadata("user", "bob")), [bob_id]);
    assert_eq!(find(Filter::all().metadata("user", "bob").name("/a")), []);
    assert_eq!(find(Filter::all().metadata("nobody", "bob")), []);
    assert_eq!(find(Filter::all().matching(|found| found.name.is_none())).len(), 1);

    thread::sleep(Duration::from_millis(5));
    // An operation that has not started has no age.
    assert_eq!(find(Filter::all().older_than(Duration::from_millis(1))), [parent.id(), ann.id()]);
    assert_eq!(find(Filter::all().older_than(Duration::from_secs(600))), []);

    // Two conditions of one kind must both match.
    assert_eq!(find(Filter::all().name("fetch").name("/a")), [ann.id()]);
    assert_eq!(find(Filter::all().name("/a").name("/b")), []);
    assert_eq!(find(Filter::all().parent(parent.id()).parent(ann.id())), []);
    assert_eq!(find(Filter::all().parent(parent.id()).parent(parent.id())), [ann.id(), bob_id]);
    assert_eq!(find(Filter::all().metadata("user", "ann").metadata("user", "bob")), []);
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(600));
    assert_eq!(find(Filter::all().older_than(long).older_than(short)), []);
}

#[test]
fn case_in_any_script() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).named("Überprüfung").registered_in(&registry);
    assert_eq!(registry.find(Filter::all().name("ÜBERPRÜF")).len(), 1);
    drop(run);
}

#[test]
fn snapshots_do_not_change() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    operation.set_metadata("rows", "1");
    let listed = registry.list();
    operation.set_metadata("rows", "2");
    operation.cancel();
    drop(run);
    assert_eq!(listed[0].metadata["rows"], "1");
    assert_eq!(listed[0].status, Status::Running);
}

#[test]
fn drained() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let wakes = support::Wakes::new();
    let mut drained = std::pin::pin!(registry.drained());
    assert!(wakes.poll(drained.as_mut()).is_pending(), "empty, but not closed");
    let (_, run) = running(&registry, "a");
    assert!(registry.close());
    assert!(wakes.poll(drained.as_mut()).is_pending());
    drop(run);
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(drained.as_mut()).is_ready());
}

on_every_executor! {
    async fn listed_cancelled_recorded() {
        let registry = Registry::new();
        let of_work = registry.clone();
        let run = scope(never(), async move |operation: Operation| {
            yield_now().await;
            assert_eq!(of_work.list()[0].status, Status::Running);
            assert!(of_work.cancel(operation.id(), "enough"));
            pending::<()>().await;
        });
        let run = run.named("work").registered_in(&registry);
        assert_eq!(run.await, Err(Cancelled::new("enough")));
        assert!(registry.is_empty());
        assert_eq!(registry.history(Filter::all())[0].snapshot.status, Status::Cancelled);
    }
}
