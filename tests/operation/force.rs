//! `force`: ends the grace period of one operation.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{self, StreamExt};

use crate::support::{self, Gate, Tally, Wakes, kept, poll_once};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn ends_the_grace_period() {
    let _watchdog = support::watchdog();
    let (tally, wakes) = (Tally::new(), Wakes::new());
    let run = tally.ready_at(0).cancelable(never()).grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_pending());
    let before = wakes.count();
    assert!(operation.force());
    assert!(!operation.force(), "the first call has ended it");
    assert_eq!(wakes.count(), before + 1);
    let Poll::Ready(Err(cancelled)) = wakes.poll(run.as_mut()) else { panic!("it was dropped") };
    assert!(cancelled.was_forced());
    assert_eq!(cancelled.reason(), &Reason::manual("stop"));
    assert_eq!((tally.drops(), operation.status()), (1, Status::Cancelled));
    assert!(!operation.force(), "it has ended");
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g02_last_poll_after_force_wins() {
    let _watchdog = support::watchdog();
    let (gate, wakes) = (Gate::new(), Wakes::new());
    let run = gate.pass().cancelable(never()).grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert!(operation.force());
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn before_the_grace_period() {
    let _watchdog = support::watchdog();
    for polls_before in [0, 1] {
        for cancelled_first in [false, true] {
            let run = pending::<()>().cancelable(never()).grace(LONG);
            let operation = run.operation();
            let mut run = pin!(run);
            for _ in 0..polls_before {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            if cancelled_first {
                operation.cancel();
                assert!(!operation.force(), "it has not begun yet");
            } else {
                assert!(!operation.force(), "it is not cancelled");
                assert!(!operation.is_cancelled());
                assert!(poll_once(run.as_mut()).is_pending());
                operation.cancel();
            }
            let Poll::Ready(Err(cancelled)) = poll_once(run.as_mut()) else { panic!("it goes on") };
            let has_started = polls_before == 1 || !cancelled_first;
            assert_eq!(cancelled.was_forced(), has_started, "work that never starts has none");
        }
    }
}

#[test]
fn not_if_there_is_none() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never()).named("a");
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(!operation.force());
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel();
    let Poll::Ready(Err(cancelled)) = poll_once(run) else { panic!("it was dropped") };
    assert!(!cancelled.was_forced());
}

#[test]
fn shields_and_clean_up_finish() {
    let _watchdog = support::watchdog();
    let (section, clean_up, wakes) = (Gate::new(), Gate::new(), Wakes::new());
    let (entered, cleaned) = (section.clone(), clean_up.clone());
    let work = async move {
        shield(entered.pass()).await;
        pending::<()>().await;
    };
    let run =
        work.cancelable(never()).grace(LONG).finally(move |_| async move { cleaned.pass().await });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.force());
    assert!(wakes.poll(run.as_mut()).is_pending(), "the section is active");
    assert!(!operation.force());
    section.open();
    assert!(wakes.poll(run.as_mut()).is_pending(), "clean-up runs");
    assert!(!operation.force());
    assert!(wakes.poll(run.as_mut()).is_pending());
    clean_up.open();
    let Poll::Ready(Err(cancelled)) = wakes.poll(run.as_mut()) else { panic!("clean-up is over") };
    assert!(cancelled.was_forced());
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g16_force_of_one_ends_the_wait() {
    let _watchdog = support::watchdog();
    for grace in [None, Some(LONG)] {
        let wakes = Wakes::new();
        let run = std::future::ready(7).cancelable(never());
        let run = match grace {
            None => run,
            Some(grace) => run.grace(grace),
        };
        let run = run.joins_children();
        let operation = run.operation();
        let (_child, mut run) =
            (pending::<()>().cancelable(never()).grace(LONG).child_of(&operation), pin!(run));
        assert!(wakes.poll(run.as_mut()).is_pending());
        operation.cancel();
        assert!(wakes.poll(run.as_mut()).is_pending());
        let before = wakes.count();
        assert!(operation.force());
        assert_eq!(wakes.count(), before + 1);
        assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn stream_gets_no_last_poll() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let items = stream::iter([1, 2, 3]).cancelable_stream(never()).grace(LONG);
    let operation = items.operation();
    let mut items = pin!(items);
    assert!(wakes.poll(pin!(items.next())).is_ready());
    operation.cancel();
    assert_eq!(wakes.poll(pin!(items.next())), Poll::Ready(Some(Ok(2))), "it continues");
    assert!(operation.force());
    let Poll::Ready(Some(Err(cancelled))) = wakes.poll(pin!(items.next())) else {
        panic!("it was dropped")
    };
    assert!(cancelled.was_forced());
    assert_eq!(wakes.poll(pin!(items.next())), Poll::Ready(None));
    assert_eq!(kept(&wakes), 0);
}

/// If `force` is called before an operation is registered, the registry still watches the operation as usual.
#[test]
fn registered_after_force() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).grace(LONG);
    let operation = run.operation();
    assert!(!operation.force());
    let mut run = pin!(run.registered_in(&registry));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(registry.force(), 0);
    operation.cancel();
    let Poll::Ready(Err(cancelled)) = poll_once(run.as_mut()) else { panic!("it was dropped") };
    assert!(cancelled.was_forced());
    assert!(registry.is_empty());
}
