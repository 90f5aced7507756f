//! The phases of an operation, as times and as events of its span.
#![cfg(feature = "testing")]

use std::future::pending;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing;

use super::collector::{Collector, Seen, named};
use crate::support;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Returns the times of the work, the stopping and the clean-up, in milliseconds.
fn times(span: &Seen) -> [Option<u64>; 3] {
    ["work", "stopping", "clean_up"].map(|phase| {
        let nanos = span.fields.get(&format!("operation.{phase}_ns"))?;
        Some(nanos.parse::<u64>().unwrap() / 1_000_000)
    })
}

#[test]
fn completed() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = timeout(ms(20)).cancelable(never()).named("quick");
        assert!(testing::run(run.finally(|_| async { drop(timeout(ms(5)).await) })).is_ok());
    });
    let span = named(&spans, "quick");
    assert_eq!(times(span), [Some(20), None, Some(5)]);
    assert!(span.events.is_empty());
}

#[test]
fn grace_and_clean_up() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = pending::<()>().cancelable(timeout(ms(20))).named("slow").grace(ms(30));
        assert!(testing::run(run.finally(|_| async { drop(timeout(ms(5)).await) })).is_err());
    });
    let span = named(&spans, "slow");
    assert_eq!(times(span), [Some(50), Some(30), Some(5)]);
    let requested = "cancel requested, reason=timed out after 20ms, reason_kind=timeout";
    assert_eq!(span.events, [requested, "grace period begins"]);
}

#[test]
fn forced() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = pending::<()>().cancelable(timeout(ms(20))).named("deaf").grace(ms(600));
        let operation = run.operation();
        let force = async {
            timeout(ms(35)).await;
            assert!(operation.force());
            assert!(!operation.force());
        };
        let (outcome, ()) = testing::run(async { futures::join!(run, force) });
        assert!(outcome.unwrap_err().was_forced());
    });
    let span = named(&spans, "deaf");
    assert_eq!(times(span), [Some(35), Some(15), Some(0)]);
    assert_eq!(span.events[1..], ["grace period begins", "forced"]);
}

#[test]
fn shields_that_are_waited_for() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let work = async {
            shield(timeout(ms(1))).named("not awaited").await;
            let flush = shield(timeout(ms(50))).named("flush");
            let unnamed = shield_for(ms(40), timeout(ms(40)));
            futures::join!(flush, unnamed);
            unreachable!("it is dropped");
        };
        let inner = work.cancelable(never()).named("inner");
        let outer = inner.cancelable(timeout(ms(20))).named("outer");
        assert!(testing::run(outer).is_err());
    });
    let outer = named(&spans, "outer");
    assert_eq!(times(outer), [Some(51), Some(31), Some(0)]);
    let mut events = outer.events[1..].to_vec();
    events.sort();
    assert_eq!(events, ["waits for a shield", "waits for a shield, shield=flush"]);
}

#[test]
fn children_that_are_waited_for() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let time = testing::pause();
        let run = timeout(ms(1)).cancelable(never()).named("parent").joins_children();
        let child = timeout(ms(30)).cancelable(never()).named("child").child_of(&run.operation());
        let both = async { futures::join!(run, child) };
        let (outcome, _) = time.block_on(both);
        assert!(outcome.is_ok());
    });
    let parent = named(&spans, "parent");
    assert_eq!(times(parent), [Some(1), None, Some(29)]);
    assert_eq!(parent.events, ["waits for its children"]);
}

#[test]
fn cancelled_before_the_start() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = pending::<()>().cancelable(never()).named("late");
        run.operation().cancel_with("stop");
        assert!(testing::run(run).is_err());
    });
    let span = named(&spans, "late");
    assert_eq!(times(span), [Some(0), Some(0), Some(0)]);
    assert_eq!(span.events, ["cancel requested, reason=cancelled: stop, reason_kind=manual"]);
}

/// The time of stopping counts from the call that cancels, although the task is polled later.
#[test]
fn requested_by_another_task() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let time = testing::pause();
        let run = pending::<()>().cancelable(never()).named("busy");
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(support::poll_once(run.as_mut()).is_pending());
        time.advance(ms(10));
        operation.cancel_with("stop");
        time.advance(ms(7));
        assert!(support::poll_once(run.as_mut()).is_ready());
    });
    assert_eq!(times(named(&spans, "busy")), [Some(17), Some(7), Some(0)]);
}
