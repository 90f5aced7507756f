//! `Operation::current()`.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, panic_any};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use cancelable::prelude::*;
use futures::FutureExt;

use crate::support::{self, Gate, Log, panic_of, poll_once};

/// Returns the name of the current operation.
fn current() -> Option<String> {
    Some(Operation::current()?.name()?.to_string())
}

#[track_caller]
fn is(name: &str) {
    assert_eq!(current().as_deref(), Some(name));
}

#[test]
fn none_outside() {
    let _watchdog = support::watchdog();
    assert!(Operation::current().is_none());
    let seen = support::block_on(async { current() }.cancelable(never()));
    assert_eq!(seen, Ok(None), "a plain run is no operation");
}

#[test]
fn innermost() {
    let _watchdog = support::watchdog();
    let work = async {
        is("outer");
        async {
            is("inner");
            async { is("inner") }.cancelable(never()).await.unwrap();
            futures::pending!();
            is("inner");
        }
        .cancelable(never())
        .named("inner")
        .await
        .unwrap();
        is("outer");
        futures::pending!();
        is("outer");
    };
    let mut run = pin!(work.cancelable(never()).named("outer"));
    for _ in 0..2 {
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(Operation::current().is_none(), "between polls it is nobody's thread");
    }
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(Operation::current().is_none());
}

#[test]
fn equals_the_handle() {
    let _watchdog = support::watchdog();
    let run = scope(never(), async |operation: Operation| {
        assert_eq!(Operation::current(), Some(operation.clone()));
        operation
    });
    let handle = run.operation();
    assert_eq!(support::block_on(run).unwrap(), handle);
}

#[test]
fn joined_operations_see_themselves() {
    let _watchdog = support::watchdog();
    let step = |name: &'static str| {
        let work = async move {
            for _ in 0..3 {
                is(name);
                futures::pending!();
            }
        };
        work.cancelable(never()).named(name)
    };
    let both = async { futures::join!(step("a"), step("b")) };
    let mut both = pin!(both.cancelable(never()).named("both"));
    while poll_once(both.as_mut()).is_pending() {
        assert!(Operation::current().is_none());
    }
}

#[test]
fn restored_after_a_panic() {
    let _watchdog = support::watchdog();
    let work = async {
        let inner = async { panic_any("on fire") }.cancelable(never()).named("inner");
        assert!(AssertUnwindSafe(inner).catch_unwind().await.is_err());
        is("outer");
        panic_any("outer on fire");
    };
    let run = work.cancelable(never()).named("outer");
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "outer on fire");
    assert!(Operation::current().is_none());
}

#[test]
fn seen_in_hooks_and_clean_up() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = |what: &'static str| {
        let log = log.clone();
        move || log.note(format_args!("{what}: {}", current().unwrap_or_default()))
    };
    let (start, progress, complete, clean_up) =
        (note("start"), note("progress"), note("complete"), note("finally"));
    let run = scope(never(), async |operation: Operation| operation.report_progress("half"))
        .named("run")
        .on_start(move |_| start())
        .on_progress(move |_, _| progress())
        .on_complete(move |_| complete())
        .finally(move |_| {
            clean_up();
            async move {
                futures::pending!();
                clean_up();
            }
        });
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(Operation::current().is_none());
    assert!(poll_once(run.as_mut()).is_ready());
    let seen = ["start: run", "progress: run", "finally: run", "finally: run", "complete: run"];
    assert_eq!(log.take(), seen);

    let (cancel, error) = (note("cancel"), note("error"));
    let run = pending::<()>().cancelable(never()).named("a").on_cancel(move |_, _| cancel());
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    let failed = async { Err::<(), _>(std::io::Error::other("no disk")) }.try_cancelable(never());
    let failed = failed.named("b").on_error(move |_, _| error());
    assert!(support::block_on(failed).is_err());
    assert_eq!(log.take(), ["cancel: a", "error: b"]);
    assert!(Operation::current().is_none());
}

#[test]
fn seen_in_the_source() {
    let _watchdog = support::watchdog();
    let source = poll_fn(|_| match current() {
        Some(name) => Poll::Ready(Reason::from(name)),
        None => Poll::Pending,
    });
    let run = pending::<()>().cancelable(source).named("run");
    assert_eq!(support::block_on(run).unwrap_err().into_reason(), Reason::manual("run"));
}

#[test]
fn not_inherited_by_threads_and_tasks() {
    let _watchdog = support::watchdog();
    let work = async {
        assert!(thread::spawn(current).join().unwrap().is_none());
        assert!(smol::spawn(async { current() }).await.is_none());
        is("run");
    };
    smol::block_on(work.cancelable(never()).named("run")).unwrap();
}

#[test]
fn in_scope_on_any_thread() {
    let _watchdog = support::watchdog();
    let run = async {}.cancelable(never()).named("run");
    let operation = run.operation();
    let mut task = Box::pin(operation.in_scope(async {
        is("run");
        futures::pending!();
        is("run");
        7
    }));
    assert!(poll_once(task.as_mut()).is_pending());
    assert!(Operation::current().is_none());
    let elsewhere = thread::spawn(move || {
        let polled = poll_once(task.as_mut());
        assert!(Operation::current().is_none());
        polled
    });
    assert_eq!(elsewhere.join().unwrap(), Poll::Ready(7));
    assert_eq!(operation.status(), Status::Pending, "it says nothing about the run");
}

#[test]
fn in_scope_restored_after_a_panic() {
    let _watchdog = support::watchdog();
    let work = async {
        let operation = Operation::current().unwrap();
        let task = smol::spawn(operation.in_scope(async {
            is("run");
            smol::future::yield_now().await;
            let below = async { Operation::current().unwrap().parent_id() };
            below.cancelable(never()).named("below").await.unwrap()
        }));
        assert_eq!(task.await, Some(operation.id()));
    };
    smol::block_on(work.cancelable(never()).named("run")).unwrap();

    let unpolled = async {}.cancelable(never()).named("run");
    let operation = unpolled.operation();
    let panics = operation.in_scope(async { panic_any("on fire") });
    let said = panic_of(|| -> () { support::block_on(panics) });
    assert_eq!(said, "on fire");
    assert!(Operation::current().is_none());
}

#[test]
fn in_scope_does_not_cancel() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    let mut task = pin!(operation.in_scope(gate.pass()));
    assert!(poll_once(task.as_mut()).is_pending());
    operation.cancel();
    assert!(poll_once(task.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(task.as_mut()).is_ready());
}
