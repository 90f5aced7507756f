//! The history and the stats.

use std::collections::HashSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::{Filter, HistoryQuery};

use crate::helpers::{pending_polls, running, started};
use crate::support::{self, poll_once};

fn run(registry: &Registry, name: impl Into<cancelable::Text>) {
    let run = async {}.cancelable(never()).named(name).registered_in(registry);
    assert_eq!(support::block_on(run), Ok(()));
}

fn names(registry: &Registry, query: impl Into<HistoryQuery>) -> Vec<String> {
    let records = registry.history(query);
    records.iter().map(|record| record.snapshot.name.as_ref().unwrap().to_string()).collect()
}

#[test]
fn keeps_the_latest() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(3);
    (0..5).for_each(|number| run(&registry, number.to_string()));
    assert_eq!(names(&registry, Filter::all()), ["2", "3", "4"]);
    assert_eq!(registry.stats().completed, 5, "evicted records count");
    registry.set_history_limit(2);
    assert_eq!(names(&registry, Filter::all()), ["3", "4"]);
    run(&registry, "5");
    assert_eq!(names(&registry, Filter::all()), ["4", "5"]);
    registry.set_history_limit(0);
    run(&registry, "6");
    assert!(registry.history(Filter::all()).is_empty());
    registry.set_history_limit(9);
    run(&registry, "7");
    assert_eq!(names(&registry, Filter::all()), ["7"]);
}

#[test]
fn limit_of_zero() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(0);
    run(&registry, "a");
    assert!(registry.history(Filter::all()).is_empty());
    assert_eq!(registry.stats().completed, 1);
}

#[test]
fn filters_before_last() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    (0..6).for_each(|number| run(&registry, format!("{} {number}", ["a", "b"][number % 2])));
    let of_a = HistoryQuery::all().filter(Filter::all().name("a"));
    assert_eq!(names(&registry, of_a.clone()), ["a 0", "a 2", "a 4"]);
    assert_eq!(names(&registry, of_a.clone().last(2)), ["a 2", "a 4"]);
    assert_eq!(names(&registry, of_a.clone().last(9)).len(), 3);
    assert_eq!(names(&registry, of_a.last(0)).len(), 0);
    let none = Filter::all().status(Status::Failed);
    assert_eq!(names(&registry, none).len(), 0);
}

#[test]
fn since_is_inclusive() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    run(&registry, "before");
    thread::sleep(Duration::from_millis(2));
    run(&registry, "after");
    let records = registry.history(Filter::all());
    let at = |index: usize| HistoryQuery::all().since(records[index].ended_at);
    assert_eq!(names(&registry, at(0)), ["before", "after"]);
    assert_eq!(names(&registry, at(1)), ["after"]);
    assert_eq!(
        names(&registry, HistoryQuery::all().since(Instant::now() + Duration::from_secs(9))).len(),
        0
    );
}

#[test]
fn polling_without_gaps() {
    let _watchdog = support::watchdog();
    const EACH: usize = 5_000;
    let registry = Registry::with_history_limit(2 * EACH);
    let over = AtomicUsize::new(0);
    let mut told = HashSet::new();
    let mut since = Instant::now();
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                (0..EACH).for_each(|_| run(&registry, "a"));
                over.fetch_add(1, Ordering::Release);
            });
        }
        while told.len() < 2 * EACH {
            let are_over = over.load(Ordering::Acquire) == 2;
            let asked = Instant::now();
            let records = registry.history(HistoryQuery::all().since(since));
            told.extend(records.iter().map(|record| record.snapshot.id));
            since = asked;
            assert!(!are_over || told.len() == 2 * EACH, "{} of {}", told.len(), 2 * EACH);
        }
    });
    let records = registry.history(Filter::all());
    assert!(records.is_sorted_by_key(|record| record.ended_at), "the latest last");
}

/// Each thread may have a clock of its own in tests.
#[cfg(all(feature = "time", feature = "testing"))]
#[test]
fn clock_of_another_thread() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    thread::scope(|threads| {
        threads.spawn(|| {
            let time = cancelable::testing::pause();
            time.advance(Duration::from_secs(86_400));
            run(&registry, "tomorrow");
            registry.history(Filter::all());
        });
    });
    run(&registry, "today");
    let now = Instant::now();
    assert_eq!(names(&registry, HistoryQuery::all().since(now)), ["tomorrow"]);
}

#[test]
fn record() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let work = async {
        Operation::current().unwrap().report_progress("half");
        Err::<(), _>(std::io::Error::other("no disk"))
    };
    let failed = work.try_cancelable(never()).named("save").metadata("to", "disk");
    assert!(support::block_on(failed.registered_in(&registry)).is_err());
    let record = &registry.history(Filter::all())[0];
    assert_eq!(record.snapshot.status, Status::Failed);
    assert_eq!(record.snapshot.error.as_deref(), Some("no disk"));
    assert_eq!(record.snapshot.metadata["to"], "disk");
    assert_eq!(record.snapshot.progress, Some("half".into()));
    assert_eq!(record.stopping, None);
}

#[test]
fn drop_is_not_a_request() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    drop(running(&registry, "dropped"));
    drop(pending::<()>().cancelable(never()).named("unpolled").registered_in(&registry));
    let records = registry.history(Filter::all());
    assert_eq!(records[0].snapshot.reason, Some(Reason::Dropped));
    assert_eq!((records[0].stopping, records[1].stopping), (None, None));
    assert_eq!(
        (records[1].snapshot.status, records[1].snapshot.started),
        (Status::Cancelled, false)
    );
    let stats = registry.stats();
    assert_eq!((stats.average_stopping, stats.longest_stopping), (None, None));
    assert_eq!(stats.cancelled_by[&ReasonKind::Dropped], 1);
}

#[test]
fn token_cancelled_after_the_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = async {}.cancelable(never()).registered_in(&registry).on_complete(|operation| {
        assert!(operation.token().cancel());
    });
    assert_eq!(support::block_on(run), Ok(()));
    let record = &registry.history(Filter::all())[0];
    assert_eq!((record.snapshot.status, record.stopping), (Status::Completed, None));
    assert_eq!(record.snapshot.reason, None);
}

#[test]
fn stopping_time() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let flush = shield(pending_polls(1));
    let (operation, mut flushing) =
        started(flush.cancelable(never()).named("flush").registered_in(&registry));
    let (quick, quick_run) = running(&registry, "quick");
    quick.cancel();
    assert!(support::block_on(quick_run).is_err());

    operation.cancel();
    thread::sleep(Duration::from_millis(20));
    assert!(poll_once(flushing.as_mut()).is_ready());
    let records = registry.history(Filter::all());
    let (quick, flush) = (records[0].stopping.unwrap(), records[1].stopping.unwrap());
    assert!(flush >= Duration::from_millis(20), "{flush:?}");
    let stats = registry.stats();
    assert_eq!(stats.longest_stopping, Some(flush.max(quick)));
    assert_eq!(stats.average_stopping, Some((flush + quick) / 2));
}

#[test]
fn cancelled_with_its_parent() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let parent_run = async {}.cancelable(never()).named("parent");
    let parent = parent_run.operation();
    let child = pending::<()>().cancelable(never()).child_of(&parent).registered_in(&registry);
    let (_, run) = started(child);
    parent.cancel();
    thread::sleep(Duration::from_millis(20));
    assert!(support::block_on(run).is_err());
    assert!(registry.history(Filter::all())[0].stopping.unwrap() >= Duration::from_millis(20));
    assert_eq!(registry.stats().cancelled_by[&ReasonKind::Parent], 1);
}

#[test]
fn stats() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    assert_eq!(
        (registry.stats().average_duration, registry.stats().longest_duration),
        (None, None)
    );
    let unpolled = pending::<()>().cancelable(never()).registered_in(&registry);
    let (_, _running) = running(&registry, "running");
    let (operation, _cancelling) = running(&registry, "cancelling");
    operation.cancel();
    let mut long = Box::pin(pending_polls(1).cancelable(never()).registered_in(&registry));
    assert!(poll_once(long.as_mut()).is_pending());
    thread::sleep(Duration::from_millis(20));
    assert!(poll_once(long.as_mut()).is_ready());
    run(&registry, "short");

    let stats = registry.stats();
    assert_eq!((stats.pending, stats.running, stats.cancelling), (1, 1, 1));
    let records = registry.history(Filter::all());
    let (long, short) = (records[0].snapshot.elapsed, records[1].snapshot.elapsed);
    assert!(long >= Duration::from_millis(20));
    assert_eq!(stats.longest_duration, Some(long));
    assert_eq!(stats.average_duration, Some((long + short) / 2));

    registry.clear_history();
    let stats = registry.stats();
    assert_eq!((stats.ended(), stats.active(), stats.longest_duration), (0, 3, None));
    assert!(registry.history(Filter::all()).is_empty());
    drop(unpolled);
}

#[test]
fn durations_by_outcome() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, cancelled) = running(&registry, "cancelled");
    thread::sleep(Duration::from_millis(20));
    registry.cancel_all(Filter::all(), "stop");
    assert!(support::block_on(cancelled).is_err());
    let failed = async { Err::<(), _>(std::io::Error::other("no disk")) };
    assert!(support::block_on(failed.try_cancelable(never()).registered_in(&registry)).is_err());
    (0..3).for_each(|_| run(&registry, "completed"));
    drop(pending::<()>().cancelable(never()).registered_in(&registry));

    let (stats, records) = (registry.stats(), registry.history(Filter::all()));
    for (status, count) in [(Status::Completed, 3), (Status::Failed, 1), (Status::Cancelled, 1)] {
        let of_status = records
            .iter()
            .filter(|record| record.snapshot.status == status && record.snapshot.started);
        let elapsed: Vec<_> = of_status.map(|record| record.snapshot.elapsed).collect();
        let durations = stats.durations(status);
        assert_eq!(durations.count(), count);
        assert_eq!(durations.min(), elapsed.iter().min().copied());
        assert_eq!(durations.max(), elapsed.iter().max().copied());
        assert_eq!(durations.average(), Some(elapsed.iter().sum::<Duration>() / count as u32));
        assert_eq!(durations.percentile(100.0), durations.max());
    }
    assert_eq!(stats.average_duration, stats.durations(Status::Completed).average());
    assert_eq!(stats.stopping_durations().max(), stats.longest_stopping);
    for status in [Status::Pending, Status::Running, Status::Cancelling] {
        assert_eq!(stats.durations(status).count(), 0);
    }
}
