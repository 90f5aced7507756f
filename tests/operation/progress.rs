//! Progress reports and `on_progress` hooks.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cancelable::Text;
use cancelable::prelude::*;

use crate::support::{self, Log, poll_once};

fn operation() -> Operation {
    support::unpolled("")
}

/// Notes every report.
fn listen(operation: &Operation, log: &Log) {
    let log = log.clone();
    operation.on_progress(move |_, progress| log.note(progress));
}

#[test]
fn message_amount_and_details() {
    let _watchdog = support::watchdog();
    for message in
        [Progress::from("half"), "half".to_owned().into(), Progress::from(Text::from("half"))]
    {
        assert_eq!(message.message(), Some("half"));
        assert_eq!((message.fraction(), message.counted()), (None, None));
        assert_eq!(message, Progress::from("half"));
    }
    let full = Progress::steps(3, 4).with_message("a").with_message("b").with("k", "1");
    let full = full.with("k", "2").with("j", "3");
    assert_eq!(
        (full.message(), full.counted(), full.fraction()),
        (Some("b"), Some((3, 4)), Some(0.75))
    );
    assert_eq!(full.details().collect::<Vec<_>>(), [("j", "3"), ("k", "2")]);
    assert_eq!((full.get("k"), full.get("l")), (Some("2"), None));
    assert_eq!(full.to_string(), "b: 3 of 4 (j: 3, k: 2)");
}

#[test]
fn fractions_are_clamped() {
    let _watchdog = support::watchdog();
    for (given, taken) in [
        (0.0, 0.0),
        (0.4, 0.4),
        (1.0, 1.0),
        (-0.1, 0.0),
        (1.1, 1.0),
        (f64::INFINITY, 1.0),
        (f64::NEG_INFINITY, 0.0),
        (f64::NAN, 0.0),
    ] {
        assert_eq!(Progress::at(given).fraction(), Some(taken), "{given}");
        assert_eq!(Progress::at(given).counted(), None);
    }
    assert_eq!(Progress::steps(0, 0).fraction(), Some(1.0));
    assert_eq!(Progress::steps(5, 4).fraction(), Some(1.0));
    assert_eq!(Progress::steps(5, 4).counted(), Some((5, 4)), "what was said stays readable");
    assert_eq!(Progress::steps(u64::MAX, u64::MAX).fraction(), Some(1.0));
}

#[test]
fn display() {
    let _watchdog = support::watchdog();
    assert_eq!(Progress::default().to_string(), "");
    assert_eq!(Progress::from("half").to_string(), "half");
    assert_eq!(Progress::at(0.256).to_string(), "26%");
    assert_eq!(Progress::at(1.0).with_message("done").to_string(), "done: 100%");
    assert_eq!(Progress::steps(1, 2).to_string(), "1 of 2");
    assert_eq!(Progress::from("m").with("k", "v").to_string(), "m (k: v)");
}

#[test]
fn hooks_run_in_order() {
    let _watchdog = support::watchdog();
    let (log, operation) = (Log::new(), operation());
    for name in ["a", "b"] {
        let log = log.clone();
        operation.on_progress(move |operation, progress| {
            assert_eq!(operation.snapshot().progress.as_ref(), Some(progress));
            log.note(format_args!("{name}: {progress}"));
        });
    }
    operation.report_progress("one");
    operation.report_progress(Progress::steps(1, 2));
    assert_eq!(log.take(), ["a: one", "b: one", "a: 1 of 2", "b: 1 of 2"]);
}

#[test]
fn snapshot_has_the_last_report() {
    let _watchdog = support::watchdog();
    let operation = operation();
    assert_eq!(operation.snapshot().progress, None);
    operation.report_progress("one");
    operation.report_progress(Progress::at(0.5));
    assert_eq!(operation.snapshot().progress, Some(Progress::at(0.5)), "all of the last one");
}

#[test]
fn before_the_start_and_after_the_end() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    listen(&operation, &log);
    operation.report_progress("before");
    assert_eq!(support::block_on(run), Ok(7));
    operation.report_progress("after");
    assert_eq!(log.take(), ["before"], "hooks are gone at the end");
    assert_eq!(operation.snapshot().progress.unwrap().message(), Some("after"));
    assert_eq!(operation.status(), Status::Completed);
}

#[test]
fn after_a_cancellation() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(never()).finally(|_| async {
        Operation::current().unwrap().report_progress("closing");
    });
    let operation = run.operation();
    listen(&operation, &log);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel();
    operation.report_progress("stopping");
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["stopping", "closing"]);
}

#[test]
fn late_hook_is_dropped() {
    let _watchdog = support::watchdog();
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    support::block_on(run).unwrap();
    let held = Arc::new(());
    let (kept, handle) = (held.clone(), operation.clone());
    operation.on_progress(move |_, _| drop((handle.clone(), kept.clone())));
    assert_eq!(Arc::strong_count(&held), 1, "nothing would ever let go of it");
}

#[test]
fn from_any_thread() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let heard = Arc::new(AtomicUsize::new(0));
    let counts = heard.clone();
    operation.on_progress(move |_, progress| {
        assert_eq!(progress.counted().unwrap().1, 1000);
        counts.fetch_add(1, Ordering::SeqCst);
    });
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for step in 0..1000 {
                    operation.report_progress(Progress::steps(step, 1000));
                }
            });
        }
    });
    assert_eq!(heard.load(Ordering::SeqCst), 4000);
    assert_eq!(operation.snapshot().progress, Some(Progress::steps(999, 1000)));
}

#[test]
fn hook_that_reports() {
    let _watchdog = support::watchdog();
    let (log, operation) = (Log::new(), operation());
    let note = log.clone();
    operation.on_progress(move |operation, progress| {
        note.note(progress);
        if progress.message() == Some("one") {
            operation.report_progress("two");
        }
    });
    operation.report_progress("one");
    assert_eq!(log.take(), ["one", "two"]);
}

#[test]
fn stays_with_its_operation() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let outer = scope(never(), async |outer: Operation| {
        let inner = scope(never(), async |inner: Operation| inner.report_progress("inner"));
        inner.await.unwrap();
        assert_eq!(outer.snapshot().progress, None);
    });
    listen(&outer.operation(), &log);
    support::block_on(outer).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn unheard_reports_are_cheap() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let took = support::computing(|| {
        for step in 0..100_000 {
            operation.report_progress(Progress::steps(step, 100_000).with_message("hashing"));
        }
    });
    assert_eq!(operation.snapshot().progress.unwrap().counted(), Some((99_999, 100_000)));
    // In a debug build, while other tests run, this takes some tens of milliseconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
