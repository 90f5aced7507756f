//! Many operations on many threads: no deadlock, no torn record, exact counts.

use std::collections::HashSet;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use cancelable::operation::Snapshot;
use cancelable::prelude::*;
use cancelable::registry::{Filter, HistoryQuery};

use crate::helpers::pending_polls;
use crate::support::{self, poll_once};

const THREADS: usize = 8;
const OPERATIONS: usize = 2_000;

/// Asserts that the fields of a snapshot fit together: they were read at one moment.
fn check(snapshot: &Snapshot) {
    let Snapshot { status, reason, error, name, metadata, elapsed, .. } = snapshot;
    match status {
        Status::Pending => assert!(error.is_none() && elapsed.is_zero(), "{snapshot:?}"),
        Status::Running => assert!(error.is_none() && reason.is_none(), "{snapshot:?}"),
        Status::Cancelling => {
            assert!(error.is_none() && reason.is_some(), "{snapshot:?}");
        }
        // The operation may have an error, too, if the work returned one after the cancellation.
        Status::Cancelled => assert!(reason.is_some(), "{snapshot:?}"),
        Status::Failed => assert!(error.is_some(), "{snapshot:?}"),
        Status::Completed => assert!(error.is_none(), "{snapshot:?}"),
        _ => unreachable!(),
    }
    assert_eq!(metadata["name"], *name.as_ref().unwrap());
}

/// Runs operations that end in every way. Returns how many completed, failed, were cancelled, and never started.
fn work(registry: &Registry, thread: usize) -> [u64; 4] {
    let mut counts = [0; 4];
    for number in 0..OPERATIONS {
        let name = format!("{thread}-{number}");
        let work = async move {
            pending_polls(1).await;
            if number % 5 == 0 { Err(std::io::Error::other("on purpose")) } else { Ok(()) }
        };
        let run = work.try_cancelable(never()).named(name.clone()).metadata("name", name);
        let run = run.registered_in(registry);
        let operation = run.operation();
        if number % 7 == 0 {
            drop(run);
            counts[3] += 1;
            continue;
        }
        let mut run = Box::pin(run);
        // Some are dropped while they are running, the others are polled to their end.
        if poll_once(run.as_mut()).is_pending() && number % 11 != 0 {
            while poll_once(run.as_mut()).is_pending() {}
        }
        drop(run);
        match operation.status() {
            Status::Completed => counts[0] += 1,
            Status::Failed => counts[1] += 1,
            Status::Cancelled => counts[2] += 1,
            other => panic!("{other}"),
        }
    }
    counts
}

#[test]
fn exact_under_load() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(100_000);
    let (over, bulk, listed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let until_over = |body: &dyn Fn()| {
        while !over.load(Ordering::Acquire) {
            body();
            thread::yield_now();
        }
    };
    let counts = thread::scope(|threads| {
        threads.spawn(|| {
            until_over(&|| {
                let list = registry.list();
                list.iter().for_each(check);
                assert!(list.iter().all(|found| !found.status.is_final()));
                assert!(list.is_sorted_by(|one, next| one.id < next.id), "each operation once");
                listed.fetch_add(list.len(), Ordering::Relaxed);
            });
        });
        threads.spawn(|| {
            until_over(&|| {
                let found = registry.find(Filter::all().status(Status::Running).name("1-"));
                assert!(found.iter().all(|found| found.status == Status::Running));
                registry.history(HistoryQuery::all().last(20)).iter().for_each(|record| {
                    check(&record.snapshot);
                });
                let _ = (registry.stats(), registry.inspect(Filter::all()));
            });
        });
        for name in ["3", "5"] {
            let (registry, bulk, until_over) = (&registry, &bulk, &until_over);
            threads.spawn(move || {
                until_over(&|| {
                    let count = registry.cancel_all(Filter::all().name(name), "in bulk");
                    bulk.fetch_add(count, Ordering::Relaxed);
                });
            });
        }
        let workers: Vec<_> = (0..THREADS)
            .map(|number| (number, &registry))
            .map(|(number, registry)| threads.spawn(move || work(registry, number)))
            .collect();
        let mut counts = [0; 4];
        for worker in workers {
            let of_one = worker.join().unwrap();
            counts.iter_mut().zip(of_one).for_each(|(sum, count)| *sum += count);
        }
        over.store(true, Ordering::Release);
        counts
    });

    let stats = registry.stats();
    let ended = [stats.completed, stats.failed, stats.cancelled, stats.never_started];
    assert_eq!(ended, counts);
    assert_eq!((stats.ended(), stats.active()), ((THREADS * OPERATIONS) as u64, 0));
    assert_eq!((registry.len(), registry.list().len()), (0, 0));
    let records = registry.history(Filter::all());
    assert_eq!(records.len(), THREADS * OPERATIONS);
    let ids: HashSet<_> = records.iter().map(|record| record.snapshot.id).collect();
    assert_eq!(ids.len(), records.len());
    records.iter().for_each(|record| check(&record.snapshot));
    // Every record of an operation that was cancelled in bulk has that reason, however it ended.
    let in_bulk = Some(Reason::manual("in bulk"));
    let said = records.iter().filter(|record| record.snapshot.reason == in_bulk).count();
    assert_eq!(bulk.load(Ordering::Relaxed), said);
}

#[test]
fn a_hundred_thousand() {
    let _watchdog = support::watchdog();
    const MANY: usize = 100_000;
    let registry = Registry::new();
    let enter = || pending::<()>().cancelable(never()).registered_in(&registry);
    let thousand = || (0..1_000).for_each(|_| drop(enter()));
    thousand();
    let alone = (0..5).map(|_| support::computing(thousand)).min().unwrap();
    let runs: Vec<_> = (0..MANY).map(|_| enter()).collect();
    assert_eq!(registry.len(), MANY);
    let among_many = (0..5).map(|_| support::computing(thousand)).min().unwrap();
    // If the time depended on the number of listed operations, it would be a thousand times as long.
    assert!(among_many < alone * 50, "{among_many:?}, alone {alone:?}");

    // Operations start and end while another thread lists all of them.
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Acquire) {
                assert!(registry.list().len() >= MANY);
            }
        });
        (0..20).for_each(|_| thousand());
        over.store(true, Ordering::Release);
    });
    assert_eq!(registry.cancel_all(Filter::all(), "stop"), MANY);
    drop(runs);
    assert!(registry.is_empty());
}
