//! `shield_for`: shields with a time limit.

use std::future::pending;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, lost, poll_once};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn protects_within_its_limit() {
    let _watchdog = support::watchdog();
    for limit in [LONG, Duration::MAX] {
        let (gate, log, token) = (Gate::new(), Log::new(), CancellationToken::new());
        let work = async {
            shield_for(limit, gate.pass()).await;
            log.note("after");
        };
        let mut run = pin!(work.cancelable(&token));
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("stop"));
        assert_eq!(log.take(), [""; 0]);
    }
}

#[test]
fn limit_passes_after_the_cancellation() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for named in [false, true] {
        let (token, tally, wakes) = (CancellationToken::new(), Tally::new(), Wakes::new());
        let run = shield_for(SHORT, tally.ready_at(0)).cancelable(&token);
        let run = if named { run.named("run") } else { run };
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert!(wakes.poll(run.as_mut()).is_pending());
        let polls = tally.polls();
        // The race has been woken by its source, and is now woken by the limit.
        clock.pass(SHORT);
        wakes.wait(2);
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
        assert_eq!((tally.polls(), tally.drops()), (polls, 1), "the section is not polled again");
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn limit_passes_before_the_cancellation() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, wakes, gate) = (CancellationToken::new(), Wakes::new(), Gate::new());
    let log = Log::new();
    let work = async {
        shield_for(SHORT, async {
            gate.pass().await;
            log.note("section");
        })
        .await;
        log.note("after");
        pending::<()>().await;
    };
    let mut run = pin!(work.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    wakes.wait(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["section", "after"], "it goes on without protection");
    token.cancel();
    assert!(wakes.poll(run.as_mut()).is_ready());

    let mut run = pin!(shield_for(SHORT, pending::<()>()).cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_ready());
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut run = pin!(shield_for(SHORT, pending::<()>()).cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    wakes.wait(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert!(wakes.poll(run.as_mut()).is_ready(), "at once");
}

#[test]
fn limit_passes_between_polls() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let mut run = pin!(shield_for(SHORT, tally.ready_at(0)).cancelable(&token));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    wakes.wait(1);
    token.cancel_with("stop");
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(tally.polls(), 1);
}

#[test]
fn zero_does_not_protect() {
    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let mut run = pin!(shield_for(Duration::ZERO, tally.ready_at(0)).cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!((tally.polls(), tally.drops()), (2, 1), "one last poll, as without a shield");

    let run = shield_for(Duration::ZERO, async { 7 }).cancelable(never());
    assert_eq!(support::block_on(run), Ok(7));
}

#[test]
fn inside_an_expired_shield() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for begun_before in [false, true] {
        let (token, wakes, gate) = (CancellationToken::new(), Wakes::new(), Gate::new());
        let tally = Tally::new();
        let work = shield_for(SHORT, async {
            if !begun_before {
                gate.pass().await;
            }
            shield(tally.ready_at(0)).await;
        });
        let mut run = pin!(work.cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(tally.polls(), usize::from(begun_before));
        token.cancel_with("stop");
        assert!(wakes.poll(run.as_mut()).is_pending());
        gate.open();
        clock.pass(SHORT);
        wakes.wait(2);
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    }
}

#[test]
fn begun_inside_an_expired_shield() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (first, second) = (Gate::new(), Gate::new());
    let work = shield_for(SHORT, async {
        first.pass().await;
        shield(second.pass()).await;
        pending::<()>().await;
    });
    let mut run = pin!(work.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    wakes.wait(1);
    first.open();
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_pending(), "there is nothing around it any more");
    second.open();
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
}

#[test]
fn starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let (clock, limit) = (Clock::start(), Duration::from_secs(1));
    let (gate, token) = (Gate::new(), CancellationToken::new());
    let section = shield_for(limit, gate.pass());
    clock.pass(limit);
    let mut run = pin!(section.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending(), "it still protects");
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
}

#[test]
fn wakes_its_own_task() {
    use futures::stream::{FuturesUnordered, StreamExt};

    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let work = async {
        let mut all = FuturesUnordered::new();
        all.push(shield_for(SHORT, pending::<()>()));
        all.push(shield_for(LONG, pending::<()>()));
        all.push(shield_for(SHORT, pending::<()>()));
        futures::future::select(pin!(all.next()), pending::<()>()).await;
    };
    let run = async {
        let limited = shield_for(SHORT, work);
        limited.await
    };
    let mut run = pin!(run.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    wakes.wait(2);
    // Woken by the outer limit, and possibly by an inner one.
    while wakes.poll(run.as_mut()).is_pending() {
        thread::yield_now();
    }
}
