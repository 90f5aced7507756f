//! Guarantees 12 and 13, for operations: hooks, and a panic of the work.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

use cancelable::prelude::*;

use crate::operations::watch;
use crate::support::{self, Log, OnDrop, lost, panic_of, poll_once, work};

#[test]
fn g12_hooks_run_in_order_without_a_lock() {
    let _watchdog = support::watchdog();
    // Every method is called from another thread. If a lock were held, that thread would wait forever.
    let elsewhere = |operation: &Operation| {
        let operation = operation.clone();
        let call = move || {
            drop((operation.name(), operation.metadata(), operation.snapshot()));
            drop((operation.token().child_token(), operation.reason(), operation.check()));
            operation.set_metadata("k", "v");
            operation.on_cancel(|_, _| {});
            operation.on_error(|_, _| {});
            drop(pending::<()>().cancelable(never()).child_of(&operation));
        };
        thread::spawn(call).join().unwrap();
    };
    let log = Log::new();
    let [a, b, c, d, e] = [(); 5].map(|()| log.clone());
    let run = scope(never(), async |operation: Operation| operation.report_progress("half"))
        .on_start(move |operation| {
            elsewhere(operation);
            a.note("start 1");
        })
        .on_start(move |_| b.note("start 2"))
        .on_progress(move |operation, _| {
            elsewhere(operation);
            c.note("progress");
        })
        .on_complete(move |operation| {
            elsewhere(operation);
            operation.report_progress("too late to be heard twice");
            d.note("complete 1");
        })
        .on_complete(move |operation| {
            e.note("complete 2");
            operation.on_complete(move |_| e.note("complete 3"));
        });
    support::block_on(run).unwrap();
    let expected =
        ["start 1", "start 2", "progress", "progress", "complete 1", "complete 2", "complete 3"];
    assert_eq!(log.take(), expected);
}

#[test]
fn g12_hook_may_cancel_and_drop_the_last_handle() {
    let _watchdog = support::watchdog();
    for hook_of_start in [false, true] {
        let log = Log::new();
        let (ran, cancelled) = (log.clone(), log.clone());
        let cell = Arc::new(Mutex::new(None::<Operation>));
        let last = cell.clone();
        let hook = move |operation: &Operation| {
            operation.cancel_with("by a hook");
            drop(last.lock().unwrap().take());
            ran.note("hook");
        };
        let run = pending::<()>().cancelable(never()).on_cancel(move |_, _| cancelled.note("end"));
        let run = if hook_of_start {
            run.on_start(hook)
        } else {
            run.on_progress(move |operation, _| hook(operation))
        };
        let operation = run.operation();
        *cell.lock().unwrap() = Some(operation.clone());
        let mut run = pin!(run);
        if !hook_of_start {
            assert!(poll_once(run.as_mut()).is_pending());
            operation.report_progress("half");
        }
        drop(operation);
        assert_eq!(lost(poll_once(run)), Reason::manual("by a hook"));
        assert_eq!(log.take(), ["hook", "end"]);
        assert!(cell.lock().unwrap().is_none());
    }
}

#[test]
fn g12_panic_in_a_hook_is_contained() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let [start, progress, complete] = [(); 3].map(|()| log.clone());
    let run = scope(never(), async |operation: Operation| {
        operation.report_progress("half");
        7
    });
    let run = run
        .on_start(|_| panic!("a hook of the start"))
        .on_start(move |_| start.note("start"))
        .on_progress(|_, _| panic!("a hook of progress"))
        .on_progress(move |_, _| progress.note("progress"))
        .on_complete(|_| panic!("a hook of the end"))
        .on_complete(move |_| complete.note("complete"));
    let operation = run.operation();
    assert_eq!(support::block_on(run), Ok(7));
    assert_eq!(log.take(), ["start", "progress", "complete"]);
    assert_eq!(operation.status(), Status::Completed);

    // The same holds while another panic unwinds, and when the operation is dropped.
    let run = pending::<()>().cancelable(never()).on_cancel(|_, _| panic!("a hook of the end"));
    let cancelled = log.clone();
    let mut run = Box::pin(run.on_cancel(move |_, _| cancelled.note("cancel")));
    assert!(poll_once(run.as_mut()).is_pending());
    let said = panic_of(|| {
        let _run = run;
        panic!("another");
    });
    assert_eq!(said, "another");
    assert_eq!(log.take(), ["cancel"]);
}

#[test]
fn g13_panic_is_recorded_first() {
    let _watchdog = support::watchdog();
    for panics_at in 1..4 {
        for cleans_up in [false, true] {
            let log = Log::new();
            let token = CancellationToken::new();
            let worker = work(|poll| {
                assert!(poll < panics_at, "on fire");
                Poll::<()>::Pending
            });
            let run = worker.cancelable(&token).named("run");
            let operation = run.operation();
            watch(&operation, &log);
            let run: Pin<Box<dyn Future<Output = Result<(), Cancelled>> + '_>> = if cleans_up {
                Box::pin(run.finally(|_| async { log.note("clean-up") }))
            } else {
                Box::pin(run)
            };
            let seen = Cell::new(None);
            let unwound = OnDrop(|| seen.set(Some(operation.status())));
            let mut outer = Box::pin(async move {
                let _unwound = unwound;
                run.await
            });
            for _ in 1..panics_at {
                assert!(poll_once(outer.as_mut()).is_pending());
            }
            if panics_at == 3 {
                // The same holds for a panic in the last poll.
                token.cancel_with("stop");
            }
            assert_eq!(panic_of(|| poll_once(outer.as_mut())), "on fire");
            assert_eq!(seen.get(), Some(Status::Failed), "seen while it unwinds");
            assert_eq!(operation.status(), Status::Failed);
            assert_eq!(operation.error().as_deref(), Some("panicked: on fire"));
            assert_eq!(operation.is_cancelled(), panics_at == 3);
            let expected: &[&str] =
                if cleans_up { &["clean-up", "on_error"] } else { &["on_error"] };
            assert_eq!(log.take(), expected);
        }
    }
}

#[test]
fn g13_panic_in_a_custom_source_ends_the_operation() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(async { panic!("the source gives up") }).named("run");
    let operation = run.operation();
    watch(&operation, &log);
    let mut run = Box::pin(run);
    let caught = catch_unwind(AssertUnwindSafe(|| poll_once(run.as_mut()).is_ready()));
    assert!(caught.is_err());
    drop(run);
    // The work did not panic, so it is unknown how it would have ended.
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::Dropped));
    assert_eq!(log.take(), ["on_cancel"]);
    assert!(Operation::current().is_none());
}
