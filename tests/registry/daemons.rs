//! Daemons: a shutdown cancels them last.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing;

use crate::helpers::{Run, running, started};
use crate::support::{self, Wakes, poll_once};

const LONG: Duration = Duration::from_secs(600);

fn daemon(registry: &Registry, name: &'static str) -> (Operation, Run) {
    started(pending::<()>().cancelable(never()).named(name).daemon_in(registry))
}

#[test]
fn cancelled_once_the_others_have_left() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (writer, first) = daemon(&registry, "writer");
    let (request, second) = running(&registry, "request");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(request.is_cancelled() && !writer.is_cancelled());

    assert_eq!(support::block_on(second), Err(Cancelled::new("shutting down")));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert_eq!(support::block_on(first), Err(Cancelled::new("shutting down")));
    assert_eq!(wakes.count(), 2);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert_eq!((report.stopped.len(), report.forced), (2, false));
}

#[test]
fn only_daemons() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (writer, run) = daemon(&registry, "writer");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert!(writer.is_cancelled());
    drop(run);
    assert!(support::block_on(shutdown).is_clean());
}

#[test]
fn cancelled_when_the_grace_is_over() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let registry = Registry::new();
    let (writer, run) = daemon(&registry, "writer");
    let (_, _stuck) = running(&registry, "stuck");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(Duration::from_secs(5)));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    time.advance(Duration::from_secs(5));
    assert_eq!(wakes.count(), 1);
    // The shutdown waits for the cancelled daemon as long as it would wait for an operation whose grace period was cut
    // short.
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(writer.is_cancelled());
    drop(run);
    time.advance(Duration::from_secs(1));
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert!(report.forced);
    assert_eq!((report.stopped.len(), report.remaining.len()), (1, 1));
}

#[test]
fn cancelled_with_its_parent() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (request, _run) = running(&registry, "request");
    let below = pending::<()>().cancelable(never()).child_of(&request).daemon_in(&registry);
    let (daemon, _below) = started(below);
    assert!(poll_once(pin!(registry.shutdown(Duration::ZERO).grace(LONG))).is_pending());
    assert!(daemon.reason().is_some_and(|reason| reason.kind() == ReasonKind::Parent));
}

#[test]
fn first_registration_decides() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).daemon_in(&registry).registered_in(&registry);
    let (daemon, run) = started(run);
    let (_, regular) = running(&registry, "regular");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert!(!daemon.is_cancelled());
    drop((regular, run));
    assert!(support::block_on(shutdown).is_clean());
}

#[test]
fn a_second_shutdown_cancels_them() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (writer, run) = daemon(&registry, "writer");
    let (_, regular) = running(&registry, "regular");
    assert!(poll_once(pin!(registry.shutdown(Duration::ZERO).grace(LONG))).is_pending());
    drop(regular);
    assert!(!writer.is_cancelled());
    let mut again = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(poll_once(again.as_mut()).is_pending());
    assert!(writer.is_cancelled());
    drop(run);
    assert!(support::block_on(again).is_clean());
}

#[test]
fn drained_waits_for_daemons() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, run) = daemon(&registry, "writer");
    registry.close();
    let mut drained = pin!(registry.drained());
    let wakes = Wakes::new();
    assert!(wakes.poll(drained.as_mut()).is_pending());
    drop(run);
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(drained).is_ready());
}
