//! `cancel_with_grace`: the canceller chooses the grace period.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{self, FuturesUnordered, StreamExt};

use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, poll_once};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn forced<T>(polled: Poll<Result<T, Cancelled>>) -> Reason {
    let Poll::Ready(Err(cancelled)) = polled else { panic!("it goes on") };
    assert!(cancelled.was_forced());
    cancelled.into_reason()
}

/// The grace period that the canceller passes applies, whether the operation has a longer one, a shorter one, or none.
#[test]
fn replaces_that_of_the_run() {
    let _watchdog = support::watchdog();
    for own in [None, Some(Duration::ZERO), Some(LONG)] {
        let clock = Clock::start();
        let (tally, wakes) = (Tally::new(), Wakes::new());
        let run = tally.ready_at(0).cancelable(never());
        let run = match own {
            None => run,
            Some(own) => run.grace(own),
        };
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(operation.cancel_with_grace("stop", SHORT));
        let asked = clock.now();
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!((tally.drops(), operation.status()), (0, Status::Cancelling));
        clock.pass(SHORT);
        assert!(wakes.count() > 1, "the limit wakes it");
        let polled = wakes.poll(run.as_mut());
        clock.assert_passed(asked, SHORT);
        assert_eq!(forced(polled), Reason::manual("stop"));
        assert_eq!((tally.drops(), operation.status()), (1, Status::Cancelled));
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g02_value_in_a_chosen_grace_wins() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (gate, wakes) = (Gate::new(), Wakes::new());
    let run = gate.pass().cancelable(never()).named("a");
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", SHORT));
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    gate.open();
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(())), "also in the last poll");
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(operation.status(), Status::Completed);
    assert!(!operation.cancel_with_grace("again", SHORT), "it has ended");
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn clock_starts_in_the_call() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(never()).named("a");
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", SHORT));
    clock.pass(SHORT);
    forced(poll_once(run));
}

#[test]
fn g04_first_canceller_chooses() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let cancel = |operation: &Operation| operation.cancel_with("now");
    let fire = |_: &Operation| token.cancel_with("now");
    let zero = |operation: &Operation| operation.cancel_with_grace("now", Duration::ZERO);
    let ways: [&dyn Fn(&Operation) -> bool; 3] = [&cancel, &zero, &fire];
    for (number, first) in ways.into_iter().enumerate() {
        let run = pending::<()>().cancelable(&token).named("a");
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(poll_once(run.as_mut()).is_pending());
        if number < 2 {
            assert!(first(&operation));
            assert!(!operation.cancel_with_grace("later", LONG));
            assert!(poll_once(run.as_mut()).is_ready(), "the second one has no effect");
        } else {
            assert!(operation.cancel_with_grace("later", LONG));
            assert!(first(&operation), "the token is cancelled, and fires too late");
            assert!(poll_once(run.as_mut()).is_pending());
            assert!(!operation.cancel() && !zero(&operation));
            assert!(poll_once(run.as_mut()).is_pending());
            assert_eq!(operation.reason(), Some(Reason::manual("later")));
        }
    }
}

#[test]
fn zero_gives_the_last_poll() {
    let _watchdog = support::watchdog();
    for is_ready in [false, true] {
        let gate = Gate::new();
        let run = gate.pass().cancelable(never()).grace(LONG);
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(operation.cancel_with_grace("stop", Duration::ZERO));
        if is_ready {
            gate.open();
            assert_eq!(poll_once(run), Poll::Ready(Ok(())));
        } else {
            forced(poll_once(run));
        }
    }
}

#[test]
fn without_end() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(never()).grace(SHORT);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", Duration::MAX));
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(LONG * 1000);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(operation.force());
    forced(poll_once(run));
}

#[test]
fn g01_not_before_the_start() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(never()).grace(LONG);
    let operation = run.operation();
    assert!(operation.cancel_with_grace("stop", LONG));
    let Poll::Ready(Err(cancelled)) = poll_once(pin!(run)) else { panic!("it never starts") };
    assert!(!cancelled.was_forced());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn force_ends_it() {
    let _watchdog = support::watchdog();
    for before in [false, true] {
        let wakes = Wakes::new();
        let run = pending::<()>().cancelable(never()).named("a");
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        if before {
            assert!(!operation.force());
        }
        assert!(operation.cancel_with_grace("stop", LONG));
        if !before {
            assert!(wakes.poll(run.as_mut()).is_pending());
            assert!(operation.force());
        }
        forced(wakes.poll(run.as_mut()));
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn shields_and_clean_up_finish() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (section, clean_up, wakes) = (Gate::new(), Gate::new(), Wakes::new());
    let (entered, cleaned) = (section.clone(), clean_up.clone());
    let work = async move {
        shield(entered.pass()).await;
        pending::<()>().await;
    };
    let run = work.cancelable(never()).finally(move |_| async move { cleaned.pass().await });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", SHORT));
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert!(wakes.poll(run.as_mut()).is_pending(), "the section is active");
    section.open();
    assert!(wakes.poll(run.as_mut()).is_pending(), "clean-up runs");
    clock.pass(SHORT);
    assert!(wakes.poll(run.as_mut()).is_pending());
    clean_up.open();
    forced(wakes.poll(run.as_mut()));
    assert_eq!(kept(&wakes), 0);
}

/// Children inside the work and in other tasks get the rest of the chosen grace period, whatever their own grace period is.
#[test]
fn g11_applies_to_the_children() {
    let _watchdog = support::watchdog();
    for own in [Duration::ZERO, LONG] {
        let clock = Clock::start();
        let (log, wakes) = (Log::new(), Wakes::new());
        let child = |name: &'static str| {
            let log = &log;
            async move {
                let run = scope(never(), async |operation: Operation| {
                    log.note(format_args!("{name}: {}", operation.cancelled().await));
                    pending::<()>().await;
                });
                let cancelled = run.grace(own).await.unwrap_err();
                log.note(format_args!("{name} was forced: {}", cancelled.was_forced()));
            }
        };
        let run = scope(never(), async |_: Operation| {
            let mut others = FuturesUnordered::new();
            others.push(child("other"));
            futures::join!(child("joined"), async { others.next().await });
            log.note("after the children");
            pending::<()>().await;
        });
        let run = run.named("run");
        let operation = run.operation();
        let task = pending::<()>().cancelable(never()).grace(own).child_of(&operation);
        let (mut run, mut task) = (pin!(run), pin!(task));
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(poll_once(task.as_mut()).is_pending());
        assert!(operation.cancel_with_grace("stop", SHORT * 2));
        clock.pass(SHORT);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(poll_once(task.as_mut()).is_pending());
        let mut noted = log.take();
        noted.sort();
        assert_eq!(
            noted,
            ["joined: parent `run` cancelled: stop", "other: parent `run` cancelled: stop"]
        );
        clock.pass(SHORT);
        assert_eq!(forced(poll_once(task)).kind(), ReasonKind::Parent);
        forced(wakes.poll(run.as_mut()));
        let noted = log.take();
        assert!(!noted.iter().any(|line| line == "after the children"), "the work is dropped");
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g11_not_to_children_in_a_shield() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = scope(never(), async |_: Operation| {
        let below = gate.pass().cancelable(never()).named("below");
        log.note(format_args!("{:?}", shield(below).await));
        pending::<()>().await;
    });
    let run = run.named("run");
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", LONG));
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["Ok(())"]);
}

#[test]
fn g16_bounds_the_wait_for_children() {
    let _watchdog = support::watchdog();
    for own in [None, Some(LONG)] {
        let clock = Clock::start();
        let wakes = Wakes::new();
        let run = std::future::ready(7).cancelable(never());
        let run = match own {
            None => run,
            Some(own) => run.grace(own),
        };
        let run = run.joins_children();
        let operation = run.operation();
        let (_child, mut run) =
            (pending::<()>().cancelable(never()).child_of(&operation), pin!(run));
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(operation.cancel_with_grace("stop", SHORT));
        assert!(wakes.poll(run.as_mut()).is_pending());
        clock.pass(SHORT);
        assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn items_keep_coming() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let wakes = Wakes::new();
    let items = stream::iter([1, 2, 3]).cancelable_stream(never());
    let operation = items.operation();
    let mut items = pin!(items);
    assert!(wakes.poll(pin!(items.next())).is_ready());
    assert!(operation.cancel_with_grace("stop", SHORT));
    assert_eq!(wakes.poll(pin!(items.next())), Poll::Ready(Some(Ok(2))));
    clock.pass(SHORT);
    let Poll::Ready(Some(last)) = wakes.poll(pin!(items.next())) else { panic!("it is over") };
    forced(Poll::Ready(last));
    assert_eq!(wakes.poll(pin!(items.next())), Poll::Ready(None));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn a_shutdown_cuts_it_short() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).registered_in(&registry);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(operation.cancel_with_grace("stop", LONG));
    assert!(poll_once(run.as_mut()).is_pending());
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(SHORT));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert_eq!(forced(poll_once(run)), Reason::manual("stop"), "its first reason stays");
    assert!(poll_once(shutdown).is_ready());
}
