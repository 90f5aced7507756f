//! `finally_for`: clean-up with a time limit.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use super::polls;
use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, lost, poll_once};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn done_in_time() {
    let _watchdog = support::watchdog();
    for limit in [LONG, Duration::MAX] {
        let log = Log::new();
        let run = async { 7 }.cancelable(never()).finally_for(limit, |_| async {
            futures::pending!();
            log.note("done");
        });
        assert_eq!(polls(pin!(run)), (2, Ok(7)));
        assert_eq!(log.take(), ["done"]);
    }
}

#[test]
fn overdue_is_dropped() {
    let _watchdog = support::watchdog();
    let (clock, log, tally) = (Clock::start(), Log::new(), Tally::new());
    let run = async { 7 }
        .cancelable(never())
        .finally_for(SHORT, |_| async {
            let _held = log.on_drop("dropped");
            tally.ready_at(0).await;
        })
        .finally(|_| async { log.note("next") });
    let operation = run.operation();
    log.watch(&operation);
    let wakes = Wakes::new();
    let mut run = pin!(run);
    let start = clock.now();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
    clock.assert_passed(start, SHORT);
    assert_eq!(log.take(), ["dropped", "next", "completed"]);
    assert_eq!((tally.drops(), kept(&wakes)), (1, 0));
    assert!(operation.elapsed() >= SHORT);
}

#[test]
fn zero_gets_one_poll() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = async { 7 }.cancelable(never()).finally_for(Duration::ZERO, |_| async {
        tally.ready_at(0).await;
    });
    assert_eq!(polls(pin!(run)), (1, Ok(7)));
    assert_eq!((tally.polls(), tally.drops()), (1, 1));
}

#[test]
fn starts_with_the_clean_up() {
    let _watchdog = support::watchdog();
    let (clock, gate, log) = (Clock::start(), Gate::new(), Log::new());
    let limit = Duration::from_millis(500);
    let run = gate.pass().cancelable(never()).finally_for(limit, |_| async {
        futures::pending!();
        log.note("done");
    });
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(limit);
    gate.open();
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["done"]);
}

#[test]
fn protection_ends_with_the_limit() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let work = async {
        let inner = async {}.cancelable(never()).finally_for(SHORT, |_| pending());
        inner.await.unwrap();
        unreachable!("a cancellation waits");
    };
    let mut run = pin!(work.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    let mut polled: Poll<Result<(), Cancelled>> = wakes.poll(run.as_mut());
    if polled.is_pending() {
        clock.pass(SHORT);
        wakes.wait(2);
        polled = wakes.poll(run.as_mut());
    }
    assert_eq!(lost(polled), Reason::manual("stop"));
}
