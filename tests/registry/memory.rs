//! Memory: ended operations leave nothing behind.

use std::future::pending;
use std::sync::{Arc, Weak};

use allocation_counter::measure;
use cancelable::prelude::*;

use crate::helpers::{running, started};
use crate::support;

/// How many bytes may be left: far less than one for each operation.
const SLACK: i64 = 32 << 10;

fn leaves_nothing(registry: &Registry, mut operation: impl FnMut(&Registry)) {
    (0..2_000).for_each(|_| operation(registry));
    let grown = measure(|| (0..100_000).for_each(|_| operation(registry))).bytes_current;
    assert!(grown <= SLACK, "{grown} bytes more");
    assert!(registry.is_empty());
}

#[test]
fn ended_operations() {
    let _watchdog = support::watchdog();
    leaves_nothing(&Registry::with_history_limit(10), |registry| {
        let run = async {}.cancelable(never()).named("a").registered_in(registry);
        support::block_on(run).unwrap();
    });
}

#[test]
fn cancelled_operations() {
    let _watchdog = support::watchdog();
    leaves_nothing(&Registry::new(), |registry| {
        let (operation, run) = running(registry, "a");
        assert!(registry.cancel(operation.id(), "stop"));
        assert!(support::block_on(run).is_err());
    });
}

#[test]
fn dropped_operations() {
    let _watchdog = support::watchdog();
    leaves_nothing(&Registry::new(), |registry| {
        drop(running(registry, "a"));
        drop(pending::<()>().cancelable(never()).registered_in(registry));
    });
}

#[test]
fn idle_listener() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let _events = registry.events(10);
    leaves_nothing(&registry, |registry| drop(running(registry, "a")));
}

#[test]
fn shrinks_after_a_busy_moment() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(0);
    let kept = measure(|| {
        let runs: Vec<_> = (0..10_000)
            .map(|_| Box::new(pending::<()>().cancelable(never()).registered_in(&registry)))
            .collect();
        drop(runs);
    });
    assert!(kept.bytes_current <= SLACK, "{} bytes more", kept.bytes_current);
}

#[test]
fn shrinks_although_some_stay() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(0);
    let run = || Box::new(pending::<()>().cancelable(never()).registered_in(&registry));
    let _stay: Vec<_> = (0..64).map(|_| run()).collect();
    let kept = measure(|| drop((0..100_000).map(|_| run()).collect::<Vec<_>>()));
    assert!(kept.bytes_current <= SLACK, "{} bytes more", kept.bytes_current);
}

#[test]
fn queue_shrinks_after_a_burst() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(0);
    let mut events = registry.events(usize::MAX);
    let kept = measure(|| {
        (0..10_000).for_each(|_| drop(running(&registry, "a")));
        while futures::FutureExt::now_or_never(futures::StreamExt::next(&mut events)).is_some() {}
    });
    assert!(kept.bytes_current <= SLACK, "{} bytes more", kept.bytes_current);
}

#[test]
fn history_shrinks_with_its_limit() {
    let _watchdog = support::watchdog();
    let registry = Registry::with_history_limit(10_000);
    let kept = measure(|| {
        (0..10_000).for_each(|_| drop(running(&registry, "a")));
        registry.set_history_limit(10);
    });
    assert!(kept.bytes_current <= SLACK, "{} bytes more", kept.bytes_current);
}

#[test]
fn kept_handle() {
    let _watchdog = support::watchdog();
    let (held, registry) = (Arc::new(()), Registry::new());
    let weak: Weak<()> = Arc::downgrade(&held);
    let events = registry.events(1);
    let work = async move {
        let _held = held;
        pending::<()>().await;
    };
    let (operation, run) = started(work.cancelable(never()).registered_in(&registry));
    drop(run);
    assert!(weak.upgrade().is_none());
    drop(registry);
    // The stream ends with the registry.
    let mut events =
        support::block_on(async { futures::StreamExt::collect::<Vec<_>>(events).await });
    assert_eq!(events.len(), 2);
    assert_eq!(events.pop().unwrap().id(), Some(operation.id()));
}
