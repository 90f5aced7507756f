//! Shields that protect for so long at most.

use std::future::pending;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, lost, poll_once};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn within_its_limit_it_is_a_shield() {
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
fn when_its_limit_passes_after_the_cancellation_it_is_cut_there() {
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
        // First its source woke it, then the limit.
        clock.pass(SHORT);
        wakes.wait(2);
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
        assert_eq!((tally.polls(), tally.drops()), (polls, 1), "the section is not polled again");
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn when_its_limit_passes_before_the_cancellation_it_protects_no_more() {
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
fn a_limit_that_has_passed_unseen_protects_no_more() {
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
fn a_limit_of_zero_protects_from_nothing() {
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
fn one_within_another_whose_limit_has_passed_protects_no_more() {
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
fn one_that_is_begun_after_the_limit_around_it_has_passed_is_a_shield_of_its_own() {
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
fn the_limit_counts_from_its_first_poll() {
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
fn it_wakes_the_task_of_its_own_when_not_polled_directly() {
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
    // Woken by one of the inner limits perhaps, then by the outer one.
    while wakes.poll(run.as_mut()).is_pending() {
        thread::yield_now();
    }
}
