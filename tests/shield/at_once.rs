//! Several shields at once. Some of them are not polled in every poll of the race around them.

use std::pin::pin;

use cancelable::prelude::*;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::support::{self, Gate, Log, Wakes, kept, lost, poll_once};

#[test]
fn g10_all_sections_of_a_join_finish() {
    let _watchdog = support::watchdog();
    for first in [0, 1] {
        for named in [false, true] {
            let (gates, log) = ([Gate::new(), Gate::new()], Log::new());
            let token = CancellationToken::new();
            let part = async |number: usize| {
                shield(async {
                    gates[number].pass().await;
                    log.note(format_args!("section {number}"));
                })
                .await;
                log.note(format_args!("after {number}"));
            };
            let run = async { futures::join!(part(0), part(1)) }.cancelable(&token);
            let run = if named { run.named("run") } else { run };
            let mut run = pin!(run);
            assert!(poll_once(run.as_mut()).is_pending());
            token.cancel_with("stop");
            assert!(poll_once(run.as_mut()).is_pending());
            gates[first].open();
            assert!(poll_once(run.as_mut()).is_pending(), "the other one is not over");
            assert_eq!(log.take(), [format!("section {first}")]);
            gates[1 - first].open();
            assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("stop"));
            assert_eq!(log.take(), [format!("section {}", 1 - first)]);
        }
    }
}

#[test]
fn g10_work_beside_a_shield_continues() {
    let _watchdog = support::watchdog();
    let (gate, token, tally) = (Gate::new(), CancellationToken::new(), support::Tally::new());
    let run = async { futures::join!(shield(gate.pass()), tally.ready_at(0)) };
    let mut run = pin!(run.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(tally.polls(), 3, "the work is one future: it is polled as a whole");
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);
}

#[test]
fn g10_section_not_polled_each_time_is_awaited() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let token = CancellationToken::new();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..5).map(|_| futures::channel::oneshot::channel::<()>()).unzip();
        let log = Log::new();
        let work = async {
            let mut all: FuturesUnordered<_> = receivers
                .into_iter()
                .map(|receiver| {
                    let log = &log;
                    async move {
                        shield(async {
                            receiver.await.unwrap();
                            log.note("section");
                        })
                        .await;
                        log.note("after");
                    }
                })
                .collect();
            while all.next().await.is_some() {}
        };
        let run = work.cancelable(&token);
        let run = if named { run.named("run") } else { run };
        let mut run = pin!(run);
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        // None of the sections has been woken, so these polls of the race do not reach them.
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(wakes.poll(run.as_mut()).is_pending());
        let last = senders.len() - 1;
        let mut woken = wakes.count();
        for (number, sender) in senders.into_iter().enumerate() {
            sender.send(()).unwrap();
            assert!(wakes.count() > woken, "since the last poll began");
            woken = wakes.count();
            let polled = wakes.poll(run.as_mut());
            assert_eq!(log.take(), ["section"], "what follows does not run");
            if number < last {
                assert!(polled.is_pending(), "{number} of {last}");
            } else {
                assert_eq!(lost(polled), Reason::manual("stop"));
            }
        }
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn ten_thousand_at_once() {
    let _watchdog = support::watchdog();
    let (open, token, done) =
        (CancellationToken::new(), CancellationToken::new(), support::Tally::new());
    let work = async {
        let all: Vec<_> = (0..10_000)
            .map(|_| async {
                shield(open.cancelled()).await;
                // The number of polls counts how often this is reached.
                done.ready_at(1).await;
            })
            .collect();
        futures::future::join_all(all).await;
    };
    let mut run = pin!(work.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    open.cancel();
    // `FuturesUnordered` does not poll all of them in one poll.
    while poll_once(run.as_mut()).is_pending() {}
    assert_eq!(done.polls(), 0, "nothing that follows runs");
}

#[test]
fn many_in_turn_leave_nothing() {
    let _watchdog = support::watchdog();
    let (token, gate) = (CancellationToken::new(), Gate::new());
    let work = async {
        for _ in 0..10_000 {
            shield(async { futures::pending!() }).await;
        }
        gate.pass().await;
    };
    let mut run = pin!(work.cancelable(&token));
    for _ in 0..=10_000 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready(), "those that are over are not waited for");
}

#[test]
fn joined_races_await_their_own() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let tokens = [CancellationToken::new(), CancellationToken::new()];
    let work = async {
        let shielded = async { shield(gate.pass()).await }.cancelable(&tokens[0]);
        let bare = std::future::pending::<()>().cancelable(&tokens[1]);
        let shielded = async { log.note(format_args!("shielded {}", shielded.await.is_err())) };
        let bare = async { log.note(format_args!("bare {}", bare.await.is_err())) };
        futures::join!(shielded, bare);
    };
    let mut run = pin!(work.cancelable(never()));
    assert!(poll_once(run.as_mut()).is_pending());
    tokens.iter().for_each(|token| assert!(token.cancel()));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["bare true"], "the shield of the other one is none of its business");
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["shielded true"]);
}

#[test]
fn ready_section_lets_others_win() {
    let _watchdog = support::watchdog();
    // The work ends by itself while a section in it is not finished: its value wins.
    let (gate, token) = (Gate::new(), CancellationToken::new());
    let work = async {
        let section = pin!(shield(std::future::pending::<()>()));
        futures::future::select(section, pin!(gate.pass())).await;
        7
    };
    let mut run = pin!(work.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    assert_eq!(poll_once(run.as_mut()), std::task::Poll::Ready(Ok(7)));
}
