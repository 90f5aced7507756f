//! Streams in a registry.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use cancelable::registry::{Event, Filter, Phase};
use futures::{StreamExt, stream};

use crate::support::{self, block_on, poll_once};

#[test]
fn until_its_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let numbers = stream::iter(0..2).cancelable_stream(never()).named("numbers");
    let mut numbers = numbers.registered_in(&registry);
    assert_eq!(registry.list()[0].status, Status::Pending);
    block_on(async {
        assert_eq!(numbers.next().await, Some(Ok(0)));
        assert_eq!(registry.list()[0].status, Status::Running);
        assert_eq!(numbers.next().await, Some(Ok(1)));
        assert_eq!(numbers.next().await, None);
    });
    assert!(registry.is_empty());
    assert_eq!(registry.history(Filter::all().status(Status::Completed)).len(), 1);
}

#[test]
fn dropped() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    drop(stream::iter(0..2).cancelable_stream(never()).registered_in(&registry));
    let mut numbers = stream::iter(0..2).cancelable_stream(never()).registered_in(&registry);
    assert_eq!(block_on(numbers.next()), Some(Ok(0)));
    drop(numbers);
    let stats = registry.stats();
    assert_eq!((stats.active(), stats.never_started, stats.cancelled), (0, 1, 1));
}

#[test]
fn cancelled_by_the_registry() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut numbers =
        pin!(stream::pending::<u8>().cancelable_stream(never()).registered_in(&registry));
    assert!(poll_once(pin!(numbers.next())).is_pending());
    assert_eq!(registry.cancel_all(Filter::all(), "not needed"), 1);
    let cancelled = Cancelled::new("not needed");
    assert_eq!(poll_once(pin!(numbers.next())), Poll::Ready(Some(Err(cancelled))));
    assert!(registry.is_empty());
}

#[test]
fn snapshot_and_events() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(16);
    let items = stream::once(async { 7 })
        .chain(stream::once(async { shield(pending::<u8>()).named("flush").await }));
    let items = items.cancelable_stream(never()).report_every(1).registered_in(&registry);
    let mut items = pin!(items);
    let inspect = || registry.inspect(Filter::all()).remove(0);
    assert_eq!(inspect().last_poll, None);
    assert_eq!(poll_once(pin!(items.next())), Poll::Ready(Some(Ok(7))));
    let between = inspect();
    assert!(between.phase == Phase::Running && between.last_poll.is_some());
    assert!(between.in_poll.is_none());
    assert!(poll_once(pin!(items.next())).is_pending());
    assert_eq!(inspect().phase.to_string(), "in shield \"flush\"");
    let mut next = || block_on(events.next());
    assert!(matches!(next(), Some(Event::Registered(_))));
    assert!(matches!(next(), Some(Event::Started { .. })));
    assert!(matches!(next(), Some(Event::Progress { .. })));
}

#[test]
fn registered_late() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut running = stream::iter(0..2).cancelable_stream(never());
    let mut ended = stream::iter(0..0).cancelable_stream(never());
    assert_eq!(block_on(running.next()), Some(Ok(0)));
    assert_eq!(block_on(ended.next()), None);
    let _running = running.registered_in(&registry);
    let _ended = ended.registered_in(&registry);
    assert_eq!((registry.len(), registry.stats().running), (1, 1));
}
