//! Guarantees 1, 2, 4, 9 and 14, for operations.

use std::future::{pending, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, Log, Switch, Tally, Wakes, kept, lost, poll_once, won};

/// Notes which hooks run.
pub(crate) fn watch(operation: &Operation, log: &Log) {
    let [completed, failed, cancelled] = [log.clone(), log.clone(), log.clone()];
    operation.on_complete(move |_| completed.note("on_complete"));
    operation.on_error(move |_, _| failed.note("on_error"));
    operation.on_cancel(move |_, _| cancelled.note("on_cancel"));
}

#[test]
fn g01_cancelled_operation_never_starts() {
    let _watchdog = support::watchdog();
    let parent_run = async {}.cancelable(never());
    let parent = parent_run.operation();
    let cancels: [fn(&Operation, &Operation); 4] = [
        |operation, _| {
            operation.cancel_with("early");
        },
        |operation, _| {
            operation.token().cancel_with("early");
        },
        |operation, _| {
            let hook = |operation: &Operation| {
                operation.cancel_with("early");
            };
            operation.on_progress(move |operation, _| hook(operation));
            operation.report_progress("cancels");
        },
        |_, parent| {
            parent.cancel_with("early");
        },
    ];
    for (number, cancel) in cancels.into_iter().enumerate() {
        let tally = Tally::new();
        let run = tally.ready_at(1).cancelable(never()).child_of(&parent);
        let operation = run.operation();
        cancel(&operation, &parent);
        assert_eq!((operation.status(), operation.is_cancelled()), (Status::Pending, true));
        let reason = lost(poll_once(pin!(run)));
        assert_eq!(reason.root(), &Reason::manual("early"), "{number}");
        assert_eq!((tally.polls(), tally.drops()), (0, 1), "{number}");
    }
    // `on_start` hooks run before the source is polled.
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(never()).on_start(|operation| {
        operation.cancel();
    });
    assert!(matches!(poll_once(pin!(run)), Poll::Ready(Err(_))));
    assert_eq!(tally.polls(), 0);
}

#[test]
fn g02_value_wins_over_a_handle() {
    let _watchdog = support::watchdog();
    let (tally, wakes, log) = (Tally::new(), Wakes::new(), Log::new());
    let run = tally.ready_at(2).cancelable(never());
    let operation = run.operation();
    watch(&operation, &log);
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.cancel_with("stop"));
    assert_eq!(wakes.count(), 1, "the task is woken, once");
    assert_eq!(won(wakes.poll(run)), 2, "polled exactly once more");
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(log.take(), ["on_complete"]);
}

#[cfg(feature = "time")]
#[test]
fn g02_value_in_grace_wins() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let (token, gate) = (CancellationToken::new(), Switch::new());
    let run = scope(&token, async |operation: Operation| {
        let reason = operation.cancelled().await;
        // The work continues as usual: code after a shield runs, and so do new operations.
        shield(gate.source("gate")).await;
        assert_eq!(async { 1 }.cancelable(never()).await, Ok(1));
        reason
    });
    let run = run.grace(Duration::MAX);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.status(), Status::Cancelling);
    gate.turn_on();
    assert_eq!(won(poll_once(run)), Reason::manual("stop"));
    assert_eq!(operation.status(), Status::Completed);
    assert!(operation.is_cancelled());

    // When the grace period is over, the work is dropped, and the error is returned.
    let (tally, limit) = (Tally::new(), Duration::from_millis(5));
    let (clock, run) =
        (support::Clock::start(), tally.ready_at(0).cancelable(timeout(limit)).grace(limit));
    let start = clock.now();
    let cancelled = clock.block_on(run).unwrap_err();
    clock.assert_passed(start, 2 * limit);
    assert!(cancelled.is_timeout() && cancelled.was_forced());
    assert_eq!(tally.drops(), 1);

    // An operation that has not started has no grace period.
    let early = tally.ready_at(1).cancelable(ready(Reason::Disconnected)).grace(Duration::MAX);
    assert!(!support::block_on(early).unwrap_err().was_forced());
}

#[test]
fn g04_every_view_shows_the_first_reason() {
    let _watchdog = support::watchdog();
    type Cancel = fn(&Operation, &CancellationToken, &Operation);
    let cancels: [(&str, Cancel); 4] = [
        ("the source", |_, token, _| {
            token.cancel_with("a");
        }),
        ("a handle", |operation, _, _| {
            operation.cancel_with("a");
        }),
        ("its token", |operation, _, _| {
            operation.token().cancel_with("a");
        }),
        ("above", |_, _, above| {
            above.cancel_with("a");
        }),
    ];
    for (first, (name, cancel)) in cancels.iter().enumerate() {
        let (token, above) = (CancellationToken::new(), support::unpolled(""));
        let (hook, hooked) = channel();
        let (gate, tally) = (Switch::new(), Tally::new());
        let run = async {
            shield(gate.source("gate")).await;
            tally.ready_at(0).await
        };
        let run = run.cancelable(&token).child_of(&above);
        let operation = run.operation();
        let on_token = operation.token();
        operation.on_cancel(move |_, reason| hook.send(reason.clone()).unwrap());
        let mut run = pin!(run);
        assert!(poll_once(run.as_mut()).is_pending());
        cancel(&operation, &token, &above);
        assert!(poll_once(run.as_mut()).is_pending(), "the shield waits");
        // All later calls return `false`.
        for (other, (_, cancel)) in cancels.iter().enumerate() {
            if other != first {
                cancel(&operation, &token, &above);
            }
        }
        assert!(!operation.cancel(), "and are told");
        gate.turn_on();
        let reason = lost(poll_once(run));
        let expected = match first {
            3 => Reason::parent(Reason::manual("a")),
            _ => Reason::manual("a"),
        };
        assert_eq!(reason, expected, "{name}");
        assert_eq!(hooked.try_recv(), Ok(reason.clone()), "{name}");
        assert_eq!(operation.reason(), Some(reason.clone()), "{name}");
        assert_eq!(operation.snapshot().reason, Some(reason.clone()), "{name}");
        assert_eq!(operation.check(), Err(reason.clone().into()), "{name}");
        assert_eq!(on_token.reason(), Some(reason), "{name}");
    }
}

#[test]
fn g04_ended_operation_does_not_change() {
    let _watchdog = support::watchdog();
    let fail = || async { Err::<(), _>(io::Error::other("no disk")) };
    let log = Log::new();
    type Ends = (Status, Operation, Pin<Box<dyn Future<Output = ()>>>);
    let runs: [Ends; 3] = [
        {
            let run = async {}.cancelable(never());
            (Status::Completed, run.operation(), Box::pin(async { drop(run.await) }))
        },
        {
            let run = fail().try_cancelable(never());
            (Status::Failed, run.operation(), Box::pin(async { drop(run.await) }))
        },
        {
            let run = pending::<()>().cancelable(ready(Reason::Disconnected));
            (Status::Cancelled, run.operation(), Box::pin(async { drop(run.await) }))
        },
    ];
    for (status, operation, mut run) in runs {
        watch(&operation, &log);
        support::block_on(run.as_mut());
        assert_eq!(log.take().len(), 1, "one kind of hooks");
        let before = operation.snapshot();
        assert!(!operation.cancel_with("late"));
        operation.token().cancel_with("late");
        drop(run);
        assert_eq!(operation.snapshot(), before);
        assert_eq!(operation.status(), status);
        assert_eq!(operation.is_cancelled(), status == Status::Cancelled);
        assert!(log.take().is_empty());
    }
}

#[test]
fn g09_drop_is_a_cancellation() {
    let _watchdog = support::watchdog();
    for polls in 1..3 {
        let (log, wakes, token) = (Log::new(), Wakes::new(), CancellationToken::new());
        let held = log.on_drop("work dropped");
        let worker = async move {
            let _held = held;
            pending::<()>().await;
        };
        let run = worker.cancelable(&token).named("run");
        let operation = run.operation();
        watch(&operation, &log);
        let mut run = Box::pin(run);
        for _ in 0..polls {
            assert!(wakes.poll(run.as_mut()).is_pending());
        }
        drop(run);
        assert_eq!(log.take(), ["work dropped", "on_cancel"]);
        assert_eq!(operation.status(), Status::Cancelled);
        assert_eq!(operation.reason(), Some(Reason::Dropped));
        assert_eq!(kept(&wakes), 0, "nothing stays registered");
        assert!(!token.is_cancelled());
    }
}

#[test]
fn g09_unpolled_operation_runs_nothing() {
    let _watchdog = support::watchdog();
    for cancelled in [false, true] {
        let (log, tally) = (Log::new(), Tally::new());
        let run = tally.ready_at(1).cancelable(never()).on_start(|_| panic!("it never starts"));
        let run = run.finally(|_| async { panic!("there is nothing to clean up") });
        let operation = run.operation();
        watch(&operation, &log);
        if cancelled {
            operation.cancel_with("early");
        }
        drop(run);
        assert_eq!(operation.status(), Status::Cancelled);
        let reason = if cancelled { Reason::manual("early") } else { Reason::Dropped };
        assert_eq!(operation.reason(), Some(reason));
        assert!(!operation.cancel());
        assert!(log.take().is_empty());
        assert_eq!((tally.polls(), tally.drops()), (0, 1));
    }
}

#[test]
fn g09_drop_keeps_an_earlier_reason() {
    let _watchdog = support::watchdog();
    let (log, token) = (Log::new(), CancellationToken::new());
    let work = async { shield(pending::<()>()).await };
    let run = work.cancelable(&token).named("run");
    let operation = run.operation();
    watch(&operation, &log);
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(log.take(), ["on_cancel"]);
}

#[test]
fn g14_operation_reads_take_no_lock() {
    let _watchdog = support::watchdog();
    let unpolled = pending::<()>().cancelable(never());
    let operation = unpolled.operation();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Keeps the locks of the operation busy.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                operation.set_metadata("k", "v");
                operation.report_progress("busy");
                drop(pending::<()>().cancelable(never()).child_of(&operation));
            }
        });
        for _ in 0..10_000 {
            assert!(!operation.is_cancelled() && operation.reason().is_none());
            assert!(operation.status() == Status::Pending && operation.check().is_ok());
        }
        assert!(operation.cancel());
        assert!(operation.is_cancelled() && operation.check().is_err());
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn g14_operations_spawn_no_task() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let token = CancellationToken::new();
        let section = async { shield(pending::<()>()).await };
        let mut run = pin!(section.cancelable(&token).named("run").finally(|_| pending()));
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    });
}
