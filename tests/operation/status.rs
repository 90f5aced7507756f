//! `Operation::status` and `elapsed`, from construction to the end.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, lost, poll_once};

#[test]
fn pending_running_completed() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let run = async {
        gate.pass().await;
        7
    };
    let run = run.cancelable(never());
    let operation = run.operation();
    let mut run = pin!(run);
    assert_eq!(operation.status(), Status::Pending);
    assert_eq!(operation.elapsed(), Duration::ZERO);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.status(), Status::Running);
    assert!(!operation.is_cancelled());
    gate.open();
    assert_eq!(operation.status(), Status::Running, "nothing happens between polls");
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!((operation.reason(), operation.error()), (None, None));
    assert!(!operation.is_cancelled() && operation.check().is_ok());
}

#[test]
fn cancelling_until_the_end() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never());
    let operation = run.operation();
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.cancel_with("stop"));
    assert_eq!(wakes.count(), 1, "whoever runs it is told");
    assert_eq!(operation.status(), Status::Cancelling);
    assert!(operation.is_cancelled() && !operation.status().is_final());
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(operation.status(), Status::Cancelled);
    assert!(operation.is_cancelled());
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn is_cancelled_in_shields_and_clean_up() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = scope(never(), async |operation: Operation| {
        shield(async {
            gate.pass().await;
            log.note(format_args!("shield: {} {}", operation.status(), operation.is_cancelled()));
            assert!(operation.check().is_ok());
        })
        .await;
    });
    let run = run.finally(|_| async {
        let operation = Operation::current().unwrap();
        log.note(format_args!("clean-up: {} {}", operation.status(), operation.is_cancelled()));
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.status(), Status::Cancelling);
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["shield: cancelling true", "clean-up: cancelling true"]);
    assert_eq!(operation.status(), Status::Cancelled);
}

#[test]
fn running_in_clean_up_after_a_value() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let run = async { 7 }.cancelable(never()).finally(|_| gate.pass());
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.status(), Status::Running);
    gate.open();
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(operation.status(), Status::Completed);
}

/// Runs an operation to its end, then calls everything that might change it.
#[track_caller]
fn stays(run: impl Future, operation: Operation, status: Status) {
    let clock = Clock::start();
    drop(clock.block_on(run));
    let before = operation.snapshot();
    assert_eq!(before.status, status);
    assert!(status.is_final());
    assert!(!operation.cancel() && !operation.cancel_with("too late"));
    operation.token().cancel_with("too late");
    assert_eq!(operation.snapshot(), before);
    assert_eq!(operation.is_cancelled(), before.reason.is_some());
    assert_eq!(operation.check().map_err(Cancelled::into_reason).err(), before.reason);
    clock.pass(Duration::from_millis(2));
    assert_eq!(operation.elapsed(), before.elapsed, "the clock has stopped");
}

#[test]
fn final_stays() {
    let _watchdog = support::watchdog();
    let completed = async { 7 }.cancelable(never());
    let operation = completed.operation();
    stays(completed, operation, Status::Completed);

    let failed = async { Err::<(), _>(std::io::Error::other("no disk")) }.try_cancelable(never());
    let operation = failed.operation();
    stays(failed, operation, Status::Failed);

    let cancelled = pending::<()>().cancelable(async { Reason::Disconnected });
    let operation = cancelled.operation();
    stays(cancelled, operation, Status::Cancelled);

    let completed_all_the_same = scope(never(), async |operation: Operation| operation.cancel());
    let operation = completed_all_the_same.operation();
    stays(completed_all_the_same, operation.clone(), Status::Completed);
    assert!(operation.is_cancelled(), "the request stays readable");
}

#[test]
fn g09_unpolled_drop_is_an_end() {
    let _watchdog = support::watchdog();
    for cancel in [false, true] {
        let (log, tally) = (Log::new(), Tally::new());
        let (start, spawn, clean_up, lost) = (log.clone(), log.clone(), log.clone(), log.clone());
        let run = tally
            .ready_at(1)
            .cancelable(never())
            .on_start(move |_| start.note("started"))
            .finally(|_| async { clean_up.note("finally") })
            .finally_or_spawn(move |_| spawn.note("spawned"), |_| async {})
            .on_clean_up_lost(move |_| lost.note("lost"));
        let operation = run.operation();
        log.watch(&operation);
        assert_eq!(cancel, cancel && operation.cancel_with("stop"));
        drop(run);
        assert_eq!(operation.status(), Status::Cancelled);
        let reason = if cancel { Reason::manual("stop") } else { Reason::Dropped };
        assert_eq!(operation.reason(), Some(reason.clone()));
        assert!(!operation.cancel() && operation.is_cancelled());
        assert_eq!(poll_once(pin!(operation.cancelled())), Poll::Ready(reason));
        let held = log.on_drop("released");
        operation.on_progress(move |_, _| unreachable!("{:p}", &held));
        operation.report_progress("unheard");
        assert_eq!(log.take(), ["released"]);
        assert_eq!((tally.polls(), tally.drops()), (0, 1));
    }
}

#[test]
fn g09_drop_midway_is_dropped() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let held = log.on_drop("the work is gone");
    let work = async move {
        let _held = held;
        pending::<()>().await;
    };
    let run = work.cancelable(never());
    let operation = run.operation();
    log.watch(&operation);
    let mut run = Box::pin(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::Dropped));
    assert!(operation.token().is_cancelled());
    assert_eq!(log.take(), ["the work is gone", "hook: dropped before it was done"]);
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g09_drop_after_cancel_keeps_the_reason() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(never());
    let operation = run.operation();
    log.watch(&operation);
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    drop(run);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(log.take(), ["hook: cancelled: stop"]);
}

#[test]
fn drop_after_the_end() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = async { 7 }.cancelable(never());
    let operation = run.operation();
    log.watch(&operation);
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_ready());
    drop(run);
    assert_eq!(operation.status(), Status::Completed);
    assert!(!operation.token().is_cancelled(), "nothing was cancelled");
    assert_eq!(log.take(), ["completed"]);
}

#[test]
fn handle_outlives_the_future() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(0).cancelable(never()).named("fetch"));
    let operation = run.operation();
    drop(operation.clone());
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(!operation.is_cancelled(), "dropping a handle cancels nothing");
    drop(run);
    assert_eq!(tally.drops(), 1);
    assert_eq!(operation.name(), Some("fetch"));
    assert_eq!(operation.snapshot().reason, Some(Reason::Dropped));
    operation.report_progress("late");
    assert_eq!(operation.snapshot().progress.unwrap().message(), Some("late"));
}

#[test]
fn elapsed_from_first_poll_to_end() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(never());
    let operation = run.operation();
    let mut run = pin!(run);
    clock.pass(Duration::from_millis(20));
    assert_eq!(operation.elapsed(), Duration::ZERO, "not from its making");
    let before = clock.now();
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(Duration::from_millis(5));
    assert!(operation.elapsed() >= Duration::from_millis(5));
    operation.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    let took = operation.elapsed();
    assert!(took >= Duration::from_millis(5) && took <= clock.now() - before);
    clock.pass(Duration::from_millis(5));
    assert_eq!(operation.elapsed(), took, "not beyond its end");
}
