//! Work that is lent to a race: it outlives the race, and continues where the race stopped it.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{self, Gate, lost, poll_once};

#[test]
fn g10_stopped_section_returns_its_value_later() {
    let _watchdog = support::watchdog();
    for begun in [false, true] {
        let (before, within, token) = (Gate::new(), Gate::new(), CancellationToken::new());
        let mut work = pin!(async {
            before.pass().await;
            let value = shield(async {
                within.pass().await;
                7
            });
            value.await + 1
        });
        if begun {
            before.open();
        }
        {
            let mut run = pin!(work.as_mut().cancelable(&token));
            assert!(poll_once(run.as_mut()).is_pending());
            token.cancel();
            assert_eq!(poll_once(run.as_mut()).is_pending(), begun);
            before.open();
            within.open();
            if begun {
                assert!(poll_once(run).is_ready());
            }
        }
        assert_eq!(poll_once(work), Poll::Ready(8), "begun: {begun}");
    }
}

#[test]
fn g10_section_not_begun_begins_later() {
    let _watchdog = support::watchdog();
    let (gate, token, tally) = (Gate::new(), CancellationToken::new(), support::Tally::new());
    let mut work = pin!(async {
        gate.pass().await;
        shield(tally.ready_at(1)).await
    });
    {
        let mut run = pin!(work.as_mut().cancelable(&token));
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        token.cancel();
        assert!(poll_once(run).is_ready());
        assert_eq!(tally.polls(), 0);
    }
    assert_eq!(poll_once(work), Poll::Ready(1));
}

#[test]
fn g10_section_begun_before_the_race_is_not_awaited() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut section = Box::pin(shield(pending::<()>()));
    assert!(poll_once(section.as_mut()).is_pending());
    let mut run = pin!(section.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run).is_ready());
}

#[cfg(feature = "time")]
#[test]
fn section_past_its_limit_continues_unprotected() {
    let _watchdog = support::watchdog();
    let clock = support::Clock::start();
    let wakes = support::Wakes::new();
    let [first, second] = [(); 2].map(|()| CancellationToken::new());
    let limit = std::time::Duration::from_millis(5);
    let mut section = pin!(shield_for(limit, pending::<()>()));
    {
        let mut run = pin!(section.as_mut().cancelable(&first));
        assert!(wakes.poll(run.as_mut()).is_pending());
        first.cancel();
        while wakes.poll(run.as_mut()).is_pending() {
            clock.pass(limit);
        }
    }
    let mut run = pin!(section.cancelable(&second));
    assert!(poll_once(run.as_mut()).is_pending());
    second.cancel();
    assert!(poll_once(run).is_ready());
}

/// An outer race waits for an inner race and then stops it. If the inner race is polled again afterwards, it returns its
/// outcome.
#[test]
fn g10_awaited_race_keeps_its_outcome() {
    let _watchdog = support::watchdog();
    for done in [false, true] {
        let (work, clean_up, token) = (Gate::new(), Gate::new(), CancellationToken::new());
        let run = async {
            work.pass().await;
            7
        };
        let mut run = pin!(run.cancelable(never()).named("run").finally(|_| clean_up.pass()));
        let operation = run.operation();
        if done {
            work.open();
        }
        {
            let mut tick = pin!(run.as_mut().cancelable(&token));
            assert!(poll_once(tick.as_mut()).is_pending());
            token.cancel_with("tick");
            assert!(poll_once(tick.as_mut()).is_pending(), "it waits for the clean-up");
            clean_up.open();
            assert_eq!(lost(poll_once(tick)), Reason::manual("tick"));
        }
        assert!(operation.status().is_final());
        let again = poll_once(run);
        if done {
            assert_eq!(again, Poll::Ready(Ok(7)));
        } else {
            assert_eq!(lost(again), Reason::Dropped);
        }
    }
}
