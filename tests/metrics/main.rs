//! The feature `metrics`: what a recorder receives about operations.
#![cfg(feature = "metrics")]

#[path = "../support/mod.rs"]
mod support;

mod recorder;

use std::env;
use std::future::pending;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::Poll;

use cancelable::metrics::{CANCELLATION_LATENCY, DURATION, ENDED, LONGEST_POLL, RUNNING, STARTED};
use cancelable::prelude::*;
use futures::{StreamExt, stream};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use recorder::{Log, recorded};
use support::{Wakes, block_on, panic_of, poll_once};

#[test]
fn each_way_to_end() {
    let _watchdog = support::watchdog();
    let log = recorded(|| {
        assert!(block_on(async {}.cancelable(never()).named("a")).is_ok());
        let failed = async { Err::<(), _>(std::io::Error::other("no disk")) };
        assert!(block_on(failed.try_cancelable(never()).named("a")).is_err());
        let cancelled = pending::<()>().cancelable(never()).named("a");
        cancelled.operation().cancel_with("stop");
        assert!(block_on(cancelled).is_err());
        let mut dropped = Box::pin(pending::<()>().cancelable(never()).named("a"));
        assert!(poll_once(dropped.as_mut()).is_pending());
        drop(dropped);
        let panicked = async { panic!("broken") }.cancelable(never()).named("a");
        assert_eq!(panic_of(|| drop(poll_once(pin!(panicked)))), "broken");
        let late = async { Operation::current().unwrap().cancel_with("stop") };
        assert_eq!(block_on(late.cancelable(never()).named("a")), Ok(true));
    });
    assert_eq!(log.sum(STARTED, "operation=a"), 6.0);
    assert_eq!(log.sum(RUNNING, "operation=a"), 0.0);
    let ended = |labels: &str| log.sum(ENDED, &format!("operation=a,{labels}"));
    assert_eq!(ended("outcome=completed,reason=none"), 1.0);
    assert_eq!(ended("outcome=completed,reason=manual"), 1.0);
    assert_eq!(ended("outcome=failed,reason=none"), 2.0);
    assert_eq!(ended("outcome=cancelled,reason=manual"), 1.0);
    assert_eq!(ended("outcome=cancelled,reason=dropped"), 1.0);
    assert_eq!(log.count(DURATION, "operation=a,outcome=failed"), 2);
    assert_eq!(log.count(CANCELLATION_LATENCY, "operation=a,reason=manual"), 2);
    assert_eq!(log.count(CANCELLATION_LATENCY, "operation=a,reason=dropped"), 1);
    assert_eq!(log.count(LONGEST_POLL, "operation=a"), 6);
}

#[test]
fn running() {
    let _watchdog = support::watchdog();
    let log = Log::default();
    cancelable::metrics::enable();
    metrics::with_local_recorder(&log, || {
        let mut runs: Vec<_> =
            (0..3).map(|_| Box::pin(pending::<()>().cancelable(never()).named("a"))).collect();
        for run in &mut runs {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        assert_eq!(log.sum(RUNNING, "operation=a"), 3.0);
        runs.pop();
        assert_eq!(log.sum(RUNNING, "operation=a"), 2.0);
        drop(runs);
        assert_eq!(log.sum(RUNNING, "operation=a"), 0.0);
    });
}

/// The program determines the possible values of a label. A name that comes from outside does not become a value.
#[test]
fn labels_are_bounded() {
    let _watchdog = support::watchdog();
    let log = recorded(|| {
        for page in 0..100 {
            let run = async {}.cancelable(never()).named(format!("page {page}"));
            assert!(block_on(run).is_ok());
        }
        assert!(block_on(async {}.cancelable(never()).metadata("a", "b")).is_ok());
        assert!(block_on(async {}.cancelable(never()).named("literal")).is_ok());
    });
    let labels = ["operation=literal", "operation=other", "operation=unnamed"];
    assert_eq!(log.labels(STARTED), labels);
    assert_eq!(labels.map(|label| log.sum(STARTED, label)), [1.0, 100.0, 1.0]);
}

#[test]
fn only_operations_that_were_polled() {
    let _watchdog = support::watchdog();
    let log = recorded(|| {
        drop(async {}.cancelable(never()).named("unpolled"));
        assert!(block_on(async {}.cancelable(never())).is_ok());
    });
    assert!(log.names().is_empty(), "{log:?}");
}

#[test]
fn stream_counts() {
    let _watchdog = support::watchdog();
    let log = recorded(|| {
        let rows = stream::iter([1, 2]).cancelable_stream(never()).named("rows");
        assert_eq!(block_on(rows.collect::<Vec<_>>()).len(), 2);
    });
    assert_eq!(log.sum(ENDED, "operation=rows,outcome=completed,reason=none"), 1.0);
}

/// The metrics do not count a task that runs `in_scope` as an operation.
#[test]
fn future_in_scope_does_not_count() {
    let _watchdog = support::watchdog();
    let log = recorded(|| {
        let run = async { Operation::current().unwrap().in_scope(async { 7 }).await };
        assert_eq!(block_on(run.cancelable(never()).named("outer")), Ok(7));
    });
    assert_eq!(log.labels(STARTED), ["operation=outer"]);
}

#[cfg(feature = "testing")]
#[test]
fn times_in_seconds() {
    use cancelable::testing;
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let seconds = Duration::from_secs;
    let log = recorded(|| {
        let run = pending::<()>().cancelable(timeout(seconds(20))).named("slow");
        let run =
            run.grace(seconds(30)).finally(move |_| async move { drop(timeout(seconds(5)).await) });
        assert!(testing::run(run).is_err());

        let time = testing::pause();
        let mut first = true;
        let work = std::future::poll_fn(|_| {
            time.advance(seconds(3));
            if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
        });
        let mut run = pin!(work.cancelable(never()).named("blocks"));
        assert!(poll_once(run.as_mut()).is_pending());
        time.advance(seconds(10));
        assert!(poll_once(run).is_ready());
    });
    assert_eq!(log.values(DURATION, "operation=slow,outcome=cancelled"), [55.0]);
    assert_eq!(log.values(CANCELLATION_LATENCY, "operation=slow,reason=timeout"), [35.0]);
    assert_eq!(log.values(DURATION, "operation=blocks,outcome=completed"), [16.0]);
    assert_eq!(log.values(LONGEST_POLL, "operation=blocks"), [3.0]);
}

#[test]
fn metrics_are_described() {
    let _watchdog = support::watchdog();
    let log = Log::default();
    metrics::with_local_recorder(&log, cancelable::metrics::enable);
    let mut names = [STARTED, ENDED, RUNNING, DURATION, CANCELLATION_LATENCY, LONGEST_POLL];
    names.sort_unstable();
    assert_eq!(log.described(), names);
}

/// Runs in a process of its own, because other tests enable metrics in this one.
#[test]
fn nothing_before_enable() {
    let _watchdog = support::watchdog();
    const ALONE: &str = "CANCELABLE_TEST_ALONE";
    if env::var_os(ALONE).is_none() {
        let mut alone = Command::new(env::current_exe().unwrap());
        alone.args(["nothing_before_enable", "--exact"]).env(ALONE, "1");
        assert!(alone.output().unwrap().status.success());
        return;
    }
    let log = Log::default();
    metrics::with_local_recorder(&log, || {
        let mut before = Box::pin(pending::<()>().cancelable(never()).named("before"));
        assert!(poll_once(before.as_mut()).is_pending());
        cancelable::metrics::enable();
        drop(before);
        assert!(log.names().is_empty());
        assert!(block_on(async {}.cancelable(never()).named("after")).is_ok());
        assert_eq!(log.labels(STARTED), ["operation=after"]);
    });
}

/// If a recorder panics, each operation still ends as it would without the recorder.
#[test]
fn g12_panic_of_a_recorder_is_contained() {
    struct Hostile;

    impl metrics::Recorder for Hostile {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
            panic!("a recorder that panics");
        }
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            panic!("a recorder that panics");
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            panic!("a recorder that panics");
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("a recorder that panics");
        }
    }

    let _watchdog = support::watchdog();
    metrics::with_local_recorder(&Hostile, || {
        cancelable::metrics::enable();
        let called = Wakes::new();
        let waker = called.waker();
        let run = async { 7 }.cancelable(never()).on_complete(move |_| waker.wake());
        assert_eq!(poll_once(pin!(run)), Poll::Ready(Ok(7)));
        assert_eq!((called.count(), Arc::strong_count(&called)), (1, 1));
    });
}
