//! `force`: which shutdowns it affects.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::ShutdownPlan;

use crate::helpers::{running, started};
use crate::support::{self, Wakes, poll_once};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn later_shutdown_is_not_affected() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    assert_eq!(registry.force(), 0);
    let (_, run) = running(&registry, "a");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG).settle(Duration::ZERO));
    let wakes = Wakes::new();
    assert_eq!(registry.force(), 0, "it has not begun yet");
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    drop(run);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert!(report.is_clean() && !report.forced);
}

#[test]
fn every_waiting_shutdown() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "a");
    for _ in 0..3 {
        let shutdown = || registry.shutdown(Duration::ZERO).grace(LONG).settle(Duration::ZERO);
        let (mut first, mut second) = (pin!(shutdown()), pin!(shutdown()));
        let wakes = Wakes::new();
        assert!(wakes.poll(first.as_mut()).is_pending());
        assert!(wakes.poll(second.as_mut()).is_pending());
        registry.force();
        assert_eq!(wakes.count(), 2);
        assert!(wakes.poll(first).is_ready() && wakes.poll(second).is_ready());
    }
}

#[test]
fn second_request_during_the_load_balancer_delay() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    registry.force();
    let deaf = pending::<()>().cancelable(never()).grace(LONG).registered_in(&registry);
    let (_, run) = started(deaf);
    let plan = ShutdownPlan::new().load_balancer_delay(LONG).grace(LONG).settle(Duration::ZERO);
    let asked = async { Reason::signal(Signal::Term) };
    let again = CancellationToken::new();
    let second = again.clone();
    let mut ends = pin!(registry.shutdown_when(asked, plan).insist_when(move || second));
    assert!(poll_once(ends.as_mut()).is_pending());
    again.cancel();
    let Poll::Ready(end) = poll_once(ends.as_mut()) else { panic!("still waiting") };
    assert!(end.insisted && end.report.forced);
    assert!(support::block_on(run).unwrap_err().was_forced());
}
