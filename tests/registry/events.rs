//! Events: their order, and the bounds of their queues.

use std::future::pending;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use cancelable::operation::OperationId;
use cancelable::prelude::*;
use cancelable::registry::{Event, Events};
use futures::{FutureExt, Stream, StreamExt};

use crate::helpers::{pending_polls, running};
use crate::support::{self, Wakes, poll_once};

/// Takes all events that have arrived.
fn take(events: &mut Events) -> Vec<Event> {
    std::iter::from_fn(|| events.next().now_or_never().flatten()).collect()
}

/// Describes each event in a few words.
fn words(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Registered(_) => "registered".to_owned(),
        Event::Started { .. } => "started".to_owned(),
        Event::Progress { progress, .. } => format!("at {progress}"),
        Event::Cancelling { reason, .. } => format!("asked, {reason}"),
        Event::Ended(record) => record.snapshot.status.to_string(),
        Event::Refused { .. } => "refused".to_owned(),
        Event::Closed => "closed".to_owned(),
        Event::Missed { count, .. } => format!("missed {count}"),
        _ => unreachable!(),
    };
    events.iter().map(word).collect()
}

#[test]
fn in_order() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(100);
    let run = scope(never(), async |operation: Operation| {
        operation.report_progress("half");
        pending::<()>().await;
    });
    let mut run = Box::pin(run.named("a").registered_in(&registry));
    let operation = run.operation();
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    operation.cancel_with("again");
    assert!(poll_once(run.as_mut()).is_ready());
    operation.report_progress("too late");
    let told = take(&mut events);
    let expected = ["registered", "started", "at half", "asked, cancelled: stop", "cancelled"];
    assert_eq!(words(&told), expected);
    assert!(told.iter().all(|event| event.id() == Some(operation.id())));
}

#[test]
fn no_cancelling_without_request() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(100);
    support::block_on(async {}.cancelable(never()).registered_in(&registry)).unwrap();
    assert_eq!(words(&take(&mut events)), ["registered", "started", "completed"]);
    drop(pending::<()>().cancelable(never()).registered_in(&registry));
    let expected = ["registered", "asked, dropped before it was done", "cancelled"];
    assert_eq!(words(&take(&mut events)), expected);
}

#[test]
fn cancelled_before_registration() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(100);
    let run = pending::<()>().cancelable(never()).named("a");
    run.operation().cancel_with("stop");
    let run = run.registered_in(&registry);
    assert!(support::block_on(run).is_err());
    let expected = ["registered", "asked, cancelled: stop", "started", "cancelled"];
    assert_eq!(words(&take(&mut events)), expected);
}

#[test]
fn cancelled_during_registration() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(100);
    // With this many details, making a snapshot takes a while.
    let much = (0..3_000).fold(Progress::at(0.5), |progress, number| {
        progress.with(format!("{number}"), "something")
    });
    for _ in 0..100 {
        let run = pending::<()>().cancelable(never()).named("a");
        let operation = run.operation();
        operation.report_progress(much.clone());
        let looks = Barrier::new(2);
        let run = thread::scope(|threads| {
            threads.spawn(|| {
                looks.wait();
                while registry.get(operation.id()).is_none() {
                    std::hint::spin_loop();
                }
                // A snapshot reads the reason first and the progress last.
                thread::sleep(Duration::from_micros(20));
                operation.cancel_with("stop");
            });
            looks.wait();
            run.registered_in(&registry)
        });
        drop(run);
        let words = words(&take(&mut events));
        assert_eq!(words, ["registered", "asked, cancelled: stop", "cancelled"]);
    }
}

#[test]
fn missed() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(2);
    let (operation, run) = running(&registry, "a");
    (0..5).for_each(|step| operation.report_progress(format!("{step}")));
    assert_eq!(words(&take(&mut events)), ["missed 5", "at 3", "at 4"]);
    operation.report_progress("5");
    assert_eq!(words(&take(&mut events)), ["at 5"], "missed events are reported once");
    drop(run);
    assert_eq!(words(&take(&mut events)), ["asked, dropped before it was done", "cancelled"]);
}

#[test]
fn capacity_of_zero() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(0);
    let _running = running(&registry, "a");
    assert_eq!(words(&take(&mut events)), ["missed 1", "started"]);
}

#[test]
fn one_queue_per_listener() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (mut slow, mut quick) = (registry.events(1), registry.events(10));
    let _running = running(&registry, "a");
    let mut late = registry.events(10);
    assert_eq!(words(&take(&mut quick)), ["registered", "started"]);
    assert_eq!(words(&take(&mut slow)), ["missed 1", "started"]);
    assert!(take(&mut late).is_empty(), "earlier events are not sent");
}

#[test]
fn closed_and_refused() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(10);
    assert!(registry.close() && !registry.close());
    drop(pending::<()>().cancelable(never()).registered_in(&registry));
    assert_eq!(words(&take(&mut events)), ["closed", "refused"]);
}

#[test]
fn wakes_once_and_ends() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let wakes = Wakes::new();
    let mut events = pin!(registry.events(10));
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(events.as_mut().poll_next(&mut cx).is_pending());
    assert!(events.as_mut().poll_next(&mut cx).is_pending());
    let (_, run) = running(&registry, "a");
    assert_eq!(wakes.count(), 1);
    assert!(matches!(events.as_mut().poll_next(&mut cx), Poll::Ready(Some(Event::Registered(_)))));
    assert!(events.as_mut().poll_next(&mut cx).is_ready());
    assert!(events.as_mut().poll_next(&mut cx).is_pending());
    drop(registry);
    assert_eq!(wakes.count(), 1, "the operation keeps the registry");
    drop(run);
    assert_eq!(wakes.count(), 2, "once for both events");
    assert!(events.as_mut().poll_next(&mut cx).is_ready());
    assert!(events.as_mut().poll_next(&mut cx).is_ready());
    assert_eq!(events.as_mut().poll_next(&mut cx), Poll::Ready(None));
    assert_eq!(events.as_mut().poll_next(&mut cx), Poll::Ready(None));
}

#[test]
fn wakes_at_the_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let wakes = Wakes::new();
    let mut events = pin!(registry.events(10));
    let waker = wakes.waker();
    assert!(events.as_mut().poll_next(&mut Context::from_waker(&waker)).is_pending());
    drop(registry);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn many_listeners_take_linear_time() {
    let _watchdog = support::watchdog();
    let time = |count: usize| {
        support::computing(|| {
            let registry = Registry::new();
            let listeners: Vec<_> = (0..count).map(|_| registry.events(1)).collect();
            drop(listeners);
        })
    };
    let few = (0..5).map(|_| time(5_000)).min().unwrap();
    let many = (0..3).map(|_| time(50_000)).min().unwrap();
    // In quadratic time it would be 100 times as long.
    assert!(many < few * 50, "{many:?} for 50,000, {few:?} for 5,000");
}

#[test]
fn dropped_listener() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let wakes = Wakes::new();
    let mut events = Box::pin(registry.events(10));
    let waker = wakes.waker();
    assert!(events.as_mut().poll_next(&mut Context::from_waker(&waker)).is_pending());
    drop((events, waker));
    assert_eq!(std::sync::Arc::strong_count(&wakes), 1);
    let _running = running(&registry, "a");
}

/// Asserts that the events of each operation come in one of the possible orders.
fn follow(events: &[Event]) {
    let mut seen: std::collections::HashMap<OperationId, Vec<&'static str>> = Default::default();
    for event in events {
        let word = match event {
            Event::Registered(_) => "registered",
            Event::Started { .. } => "started",
            Event::Cancelling { .. } => "asked",
            Event::Ended(_) => "ended",
            other => panic!("{other:?}"),
        };
        seen.entry(event.id().unwrap()).or_default().push(word);
    }
    for words in seen.values() {
        let orders: [&[_]; 4] = [
            &["registered", "started", "ended"],
            &["registered", "started", "asked", "ended"],
            &["registered", "asked", "started", "ended"],
            &["registered", "asked", "ended"],
        ];
        assert!(orders.contains(&&words[..]), "{words:?}");
    }
}

#[test]
fn in_order_on_many_threads() {
    let _watchdog = support::watchdog();
    const OPERATIONS: usize = 500;
    let registry = Registry::new();
    let mut events = registry.events(OPERATIONS * 8);
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..OPERATIONS / 2 {
                    let work = pending_polls(2).cancelable(never()).registered_in(&registry);
                    let mut work = Box::pin(work);
                    while poll_once(work.as_mut()).is_pending() {}
                }
            });
        }
        threads.spawn(|| {
            while registry.stats().ended() < OPERATIONS as u64 {
                registry.cancel_all(cancelable::registry::Filter::all(), "stop");
            }
        });
    });
    let told = take(&mut events);
    let ended = told.iter().filter(|event| matches!(event, Event::Ended(_))).count();
    assert_eq!(ended, OPERATIONS);
    follow(&told);
}
