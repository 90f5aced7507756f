//! Hooks: which run, in which order, how often, and when their captures are dropped.

mod dropped_once;
mod hold;

use std::future::{Future, pending};
use std::io;
use std::panic::panic_any;
use std::pin::pin;

use cancelable::prelude::*;

use crate::support::{self, Log, lost, panic_of, poll_once};

/// Adds two hooks of every kind.
fn with_hooks<F: Future<Output = io::Result<u32>>>(
    work: F,
    source: impl Source,
    log: &Log,
) -> impl Future<Output = io::Result<u32>> {
    let note = |what: &'static str| {
        let log = log.clone();
        move |number: u32| log.note(format_args!("{what} {number}"))
    };
    let (start, complete, cancel, error, progress) =
        (note("start"), note("complete"), note("cancel"), note("error"), note("progress"));
    let mut run = work.try_cancelable(source);
    for number in 1..=2 {
        let (start, complete, cancel, error, progress) =
            (start.clone(), complete.clone(), cancel.clone(), error.clone(), progress.clone());
        run = run
            .on_error(move |_, _| error(number))
            .on_cancel(move |_, _| cancel(number))
            .on_complete(move |_| complete(number))
            .on_start(move |_| start(number))
            .on_progress(move |_, _| progress(number));
    }
    run
}

#[test]
fn each_ending_runs_its_own_in_order() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let report = || Operation::current().unwrap().report_progress("half");

    let run = with_hooks(
        async {
            report();
            Ok(7)
        },
        never(),
        &log,
    );
    assert_eq!(support::block_on(run).unwrap(), 7);
    let seen = ["start 1", "start 2", "progress 1", "progress 2", "complete 1", "complete 2"];
    assert_eq!(log.take(), seen);

    let run = with_hooks(async { Err(io::Error::other("no disk")) }, never(), &log);
    assert!(support::block_on(run).is_err());
    assert_eq!(log.take(), ["start 1", "start 2", "error 1", "error 2"]);

    let panics = with_hooks(async { panic_any("on fire") }, never(), &log);
    assert_eq!(panic_of(|| support::block_on(panics).is_ok()), "on fire");
    assert_eq!(log.take(), ["start 1", "start 2", "error 1", "error 2"]);

    let cancelled = ["start 1", "start 2", "cancel 1", "cancel 2"];
    let run = with_hooks(pending(), async { Reason::Disconnected }, &log);
    assert!(support::block_on(run).is_err());
    assert_eq!(log.take(), cancelled);

    let checks = async {
        let operation = Operation::current().unwrap();
        operation.cancel();
        operation.check()?;
        Ok(7)
    };
    assert!(support::block_on(with_hooks(checks, never(), &log)).is_err());
    assert_eq!(log.take(), cancelled);

    let mut run = Box::pin(with_hooks(pending(), never(), &log));
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(log.take(), cancelled);

    drop(with_hooks(pending(), never(), &log));
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn panic_is_contained() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = |what: &'static str| {
        let log = log.clone();
        move || log.note(what)
    };
    let (start, progress, complete) = (note("start"), note("progress"), note("complete"));
    let run = scope(never(), async |operation: Operation| {
        operation.report_progress("half");
        7
    });
    let run = run
        .on_start(|_| panic_any("start"))
        .on_start(move |_| start())
        .on_progress(|_, _| panic_any("progress"))
        .on_progress(move |_, _| progress())
        .on_complete(|_| panic_any(7))
        .on_complete(move |_| complete());
    let operation = run.operation();
    assert_eq!(support::block_on(run), Ok(7));
    assert_eq!(log.take(), ["start", "progress", "complete"]);
    assert_eq!(operation.status(), Status::Completed);

    let (cancel, error) = (note("cancel"), note("error"));
    let run = pending::<()>()
        .cancelable(async { Reason::manual("stop") })
        .on_cancel(|_, _| panic_any("cancel"))
        .on_cancel(move |_, _| cancel());
    assert_eq!(support::block_on(run).unwrap_err().into_reason(), Reason::manual("stop"));
    let run = async { panic_any("the work") }
        .cancelable(never())
        .on_error(|_, _| panic_any("the hook"))
        .on_error(move |_, _| error());
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "the work");
    assert_eq!(log.take(), ["cancel", "error"]);
    assert!(Operation::current().is_none());
}

#[test]
fn panic_during_a_panic_is_contained() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = log.clone();
    let run = pending::<()>()
        .cancelable(never())
        .on_cancel(|_, _| panic_any("the hook"))
        .on_cancel(move |_, reason| note.note(reason));
    let said = panic_of(|| {
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        // Unwinding drops the operation. A panic that escapes its destructor would abort the
        // process.
        panic_any("outside");
    });
    assert_eq!(said, "outside");
    assert_eq!(log.take(), ["dropped before it was done"]);
}

#[test]
fn on_start_may_cancel() {
    let _watchdog = support::watchdog();
    let tally = support::Tally::new();
    let run = tally.ready_at(1).cancelable(never()).on_start(|operation| {
        assert_eq!(operation.status(), Status::Running);
        assert!(operation.cancel_with("not now"));
    });
    let log = Log::new();
    log.watch(&run.operation());
    let mut run = pin!(run);
    assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("not now"));
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
    assert_eq!(log.take(), ["hook: cancelled: not now"]);
}

#[test]
fn ending_cannot_be_changed() {
    let _watchdog = support::watchdog();
    let run = async { 7 }.cancelable(never()).on_complete(|operation| {
        assert!(!operation.cancel_with("too late"));
        assert_eq!(operation.reason(), None);
    });
    let operation = run.operation();
    assert_eq!(support::block_on(run), Ok(7));
    assert_eq!(operation.status(), Status::Completed);
}

#[test]
fn may_add_hooks() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = log.clone();
    let first = log.clone();
    let run = async { 7 }
        .cancelable(never())
        .on_start(move |operation| {
            let (complete, progress) = (note.clone(), note.clone());
            operation.on_complete(move |_| complete.note("from the start"));
            operation.on_progress(move |operation, _| {
                progress.note("progress");
                // The new hook gets the next report, not this one.
                let again = progress.clone();
                operation.on_progress(move |_, _| again.note("again"));
            });
            operation.report_progress("one");
            operation.report_progress("two");
        })
        .on_complete(move |operation| {
            first.note("first");
            let nested = first.clone();
            operation.on_complete(move |operation| {
                nested.note("nested");
                let deeper = nested.clone();
                operation.on_complete(move |_| deeper.note("deeper"));
            });
            // A hook of another ending, which will not run.
            operation.on_cancel(|_, _| unreachable!());
            operation.on_error(|_, _| unreachable!());
        });
    assert_eq!(support::block_on(run), Ok(7));
    let mut seen = log.take();
    assert_eq!(seen[..3], ["progress", "progress", "again"]);
    // A hook that is added while the operation ends runs once, but its place in the order is not defined.
    seen[3..].sort();
    assert_eq!(seen[3..], ["deeper", "first", "from the start", "nested"]);
}

#[test]
fn late_hook_of_the_ending_runs_at_once() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    support::block_on(run).unwrap();
    log.watch(&operation);
    assert_eq!(log.take(), ["completed"]);

    let run = pending::<()>().cancelable(async { Reason::manual("stop") });
    let operation = run.operation();
    support::block_on(run).unwrap_err();
    log.watch(&operation);
    log.watch(&operation);
    assert_eq!(log.take(), ["hook: cancelled: stop", "hook: cancelled: stop"]);

    let run = async { Err::<(), _>(io::Error::other("no disk")) }.try_cancelable(never());
    let operation = run.operation();
    support::block_on(run).unwrap_err();
    log.watch(&operation);
    assert_eq!(log.take(), ["failed: no disk"]);
    assert!(Operation::current().is_none());
}

#[test]
fn none_before_the_work_is_gone() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(never());
    let operation = run.operation();
    log.watch(&operation);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    log.watch(&operation);
    assert_eq!(log.take(), [""; 0]);
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["hook: cancelled: stop", "hook: cancelled: stop"]);
}

/// Calls every method of a handle. If the caller held a lock, this would deadlock.
fn call_everything(operation: &Operation) {
    let _ = (operation.id(), operation.name(), operation.status(), operation.reason());
    let _ = (operation.error(), operation.is_cancelled(), operation.elapsed());
    let _ = (operation.deadline(), operation.remaining(), operation.parent_id());
    operation.set_metadata("k", "v");
    let _ = (operation.metadata(), operation.snapshot(), format!("{operation:?}"));
    let _ = (operation.check(), operation.token(), operation.token().child_token());
    operation.on_complete(|_| {});
    operation.on_cancel(|_, _| {});
    operation.on_error(|_, _| {});
    operation.cancel_with("from within");
    let below_run = pending::<()>().cancelable(never()).child_of(operation);
    let below = below_run.operation();
    assert_eq!(below.parent_id(), Some(operation.id()));
    drop(support::block_on(operation.wrap(async |()| ())(())));
}

#[test]
fn g12_hooks_may_call_everything() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = |what: &'static str| {
        let log = log.clone();
        move || log.note(what)
    };
    let (start, complete, cancel, error) =
        (note("start"), note("complete"), note("cancel"), note("error"));
    let progress = note("progress");
    let all = move |operation: &Operation| {
        call_everything(operation);
        operation.report_progress("x");
        operation.on_progress(|_, _| {});
    };
    let run = async { 7 }
        .cancelable(never())
        .on_start(move |operation| {
            call_everything(operation);
            start();
        })
        .on_progress(move |operation, _| {
            call_everything(operation);
            progress();
        })
        .on_complete(move |operation| {
            all(operation);
            complete();
        });
    run.operation().report_progress("x");
    assert!(support::block_on(run).is_err(), "cancelled from within");
    assert_eq!(log.take(), ["progress", "start"]);

    let run = async { 7 }.cancelable(never()).on_complete(move |operation| all(operation));
    assert_eq!(support::block_on(run), Ok(7));
    let run = pending::<()>().cancelable(never()).on_cancel(move |operation, _| {
        all(operation);
        cancel();
    });
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    let failing = async { Err::<(), _>(io::Error::other("no disk")) };
    let run = failing.try_cancelable(never()).on_error(move |operation, _| {
        all(operation);
        error();
    });
    assert!(support::block_on(run).is_err());
    assert_eq!(log.take(), ["cancel", "error"]);
}

#[test]
fn g12_captures_are_dropped_without_a_lock() {
    let _watchdog = support::watchdog();
    struct CallOnDrop(Operation);
    impl Drop for CallOnDrop {
        fn drop(&mut self) {
            call_everything(&self.0);
            self.0.report_progress("dropped");
        }
    }
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    let held = CallOnDrop(operation.clone());
    operation.on_cancel(move |_, _| drop(held));
    let held = CallOnDrop(operation.clone());
    operation.on_progress(move |_, _| assert!(!held.0.status().is_final()));
    let held = CallOnDrop(operation.clone());
    operation.on_complete(move |_| drop(held));
    assert_eq!(support::block_on(run), Ok(7));
}

#[test]
fn added_during_the_end_run_once() {
    let _watchdog = support::watchdog();
    for _ in 0..500 {
        let log = Log::new();
        let run = async { 7 }.cancelable(never());
        let operation = run.operation();
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                barrier.wait();
                log.watch(&operation);
            });
            barrier.wait();
            assert_eq!(support::block_on(run), Ok(7));
        });
        assert_eq!(log.take(), ["completed"]);
    }
}

#[test]
fn on_progress_may_report() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    let note = log.clone();
    operation.on_progress(move |operation, progress| {
        note.note(progress);
        match progress.message() {
            Some("one") => operation.report_progress("two"),
            Some("two") => operation.report_progress("three"),
            _ => {}
        }
    });
    operation.report_progress("one");
    assert_eq!(log.take(), ["one", "two", "three"]);
}

#[test]
fn on_progress_hears_ending_hooks() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = log.clone();
    let run = async {}
        .cancelable(never())
        .on_progress(move |_, progress| note.note(progress))
        .on_complete(|operation| {
            // A hook of another kind, which will not run, does not affect the others.
            operation.on_cancel(|_, _| unreachable!());
            operation.report_progress("after");
        });
    let operation = run.operation();
    support::block_on(run).unwrap();
    operation.report_progress("too late");
    assert_eq!(log.take(), ["after"]);
}
