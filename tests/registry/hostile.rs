//! Hostile use: hooks, predicates, wakers and destructors that call the registry, or panic.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use cancelable::prelude::*;
use cancelable::registry::{Filter, HistoryQuery};
use futures::{FutureExt, Stream, StreamExt};

use crate::helpers::{running, started};
use crate::support::{self, poll_once};

/// Calls every method of the registry.
fn call_everything(registry: &Registry) {
    let listed = registry.list();
    for found in &listed {
        let _ = registry.get(found.id);
    }
    let _ = registry.inspect(Filter::all());
    let _ = registry.history(HistoryQuery::all().last(3));
    let _ = (registry.stats(), registry.len(), registry.is_closed());
    drop(registry.events(1));
    registry.set_history_limit(100);
    let run = pending::<()>().cancelable(never()).named("from a hook").registered_in(registry);
    assert!(registry.cancel(run.operation().id(), "at once"));
    drop(run);
    // If the current operation is cancelled, the new one ends at once.
    let mut run = Box::pin(pending::<()>().cancelable(never()).registered_in(registry));
    let _ = poll_once(run.as_mut());
    drop(run);
    let _ = registry.cancel_all(Filter::all().name("nobody"), "none");
}

#[test]
fn hooks_call_everything() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let _events = registry.events(10);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let call = |what: &'static str| {
        let (registry, calls) = (registry.clone(), calls.clone());
        move || {
            call_everything(&registry);
            calls.lock().unwrap().push(what);
        }
    };
    let (start, progress, cancelled) = (call("start"), call("progress"), call("cancel"));
    let (token, filter) = (call("token"), call("filter"));
    let run = scope(never(), async |operation: Operation| {
        operation.report_progress("half");
        pending::<()>().await;
    });
    let run = run
        .registered_in(&registry)
        .on_start(move |_| start())
        .on_progress(move |_, _| progress())
        .on_cancel(move |_, _| cancelled());
    let (operation, run) = started(run);
    operation.token().on_cancel(move |_| token()).detach();
    registry.find(Filter::all().matching(move |_| {
        filter();
        true
    }));
    registry.cancel_all(Filter::all(), "stop");
    assert!(support::block_on(run).is_err());
    assert_eq!(calls.lock().unwrap()[..], ["start", "progress", "filter", "token", "cancel"]);
    assert!(registry.is_empty());
}

/// A waker that calls every method of the registry, then panics.
struct Hostile(Registry);

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        call_everything(&self.0);
        panic!("a waker that panics");
    }
}

#[test]
fn wakers_call_everything_and_panic() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let waker = Waker::from(Arc::new(Hostile(registry.clone())));
    let mut cx = Context::from_waker(&waker);
    let mut events = Box::pin(registry.events(100));
    assert!(events.as_mut().poll_next(&mut cx).is_pending());
    let mut run = Box::pin(pending::<()>().cancelable(never()).registered_in(&registry));
    assert!(run.as_mut().poll(&mut cx).is_pending());
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), 1);
    drop(run);
    assert!(registry.is_empty());
}

#[test]
fn predicate_panics() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    let panics = || Filter::all().matching(|_| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(|| registry.find(panics()))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| registry.cancel_all(panics(), "x"))).is_err());
    drop(run);
    assert!(catch_unwind(AssertUnwindSafe(|| registry.history(panics()))).is_err());
    assert!(operation.is_cancelled());
    assert_eq!(registry.stats().ended(), 1);
}

/// Calls every method of the registry when it is dropped.
#[derive(Debug)]
struct CallsOnDrop(Registry);

impl std::fmt::Display for CallsOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error with a destructor")
    }
}

impl std::error::Error for CallsOnDrop {}

impl Drop for CallsOnDrop {
    fn drop(&mut self) {
        call_everything(&self.0);
    }
}

#[test]
fn destructors_call_everything() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(1);
    let events = registry.events(1);
    for _ in 0..3 {
        let (operation, run) = running(&registry, "a");
        operation.cancel_with(Reason::error(CallsOnDrop(registry.clone())));
        drop((operation, run));
    }
    registry.clear_history();
    registry.set_history_limit(0);
    drop(events);
    assert!(registry.is_empty());
}

/// Panics when it is dropped.
#[derive(Debug)]
struct PanicsOnDrop;

impl std::fmt::Display for PanicsOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error that panics when it goes")
    }
}

impl std::error::Error for PanicsOnDrop {}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn destructors_panic() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(1);
    let mut events = registry.events(1);
    let (operation, run) = running(&registry, "a");
    operation.cancel_with(Reason::error(PanicsOnDrop));
    drop((operation, run));
    // Only the history and the queue still hold the error, and both must make room.
    let (_, run) = running(&registry, "b");
    drop(run);
    assert_eq!((registry.len(), registry.stats().ended()), (0, 2));
    assert!(events.next().now_or_never().is_some());
}

/// If several destructors panic one after another during a single drop, the process is not aborted, whatever drops the
/// values.
#[test]
fn many_destructors_panic_at_once() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = |registry: &Registry| {
        let (operation, run) = running(registry, "a");
        operation.cancel_with(Reason::error(PanicsOnDrop));
        drop(run);
    };
    let events = registry.events(100);
    (0..4).for_each(|_| run(&registry));
    registry.set_history_limit(2);
    registry.clear_history();
    drop(events);
    (0..4).for_each(|_| run(&registry));
    drop(registry);
}

/// If a list is the last owner of operations and the destructors of their errors panic, dropping the list does not panic.
#[test]
fn list_drops_errors_that_panic() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(0);
    let runs: Vec<_> = (0..3).map(|_| running(&registry, "a")).collect();
    for (operation, _) in &runs {
        operation.cancel_with(Reason::error(PanicsOnDrop));
    }
    let runs = Mutex::new(runs);
    let filter = Filter::all().matching(move |_| {
        let ended = std::mem::take(&mut *runs.lock().unwrap());
        ended.into_iter().for_each(|(operation, run)| {
            drop(run);
            drop(operation);
        });
        false
    });
    assert!(registry.find(filter).is_empty());
    assert!(registry.is_empty());
}

#[test]
fn last_handle_from_a_list() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    let held = CallsOnDrop(registry.clone());
    operation.on_complete(move |_| drop(held));
    let found = registry.get(operation.id()).unwrap();
    drop((operation, run));
    drop(found);
    assert!(registry.is_empty());
}
