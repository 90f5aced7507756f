//! `wrap`: calls that are refused or interrupted once the operation is cancelled.

use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
#[cfg(feature = "time")]
use std::time::Duration;

use cancelable::prelude::*;
use futures::future::FusedFuture;

#[cfg(feature = "time")]
use crate::support::Clock;
use crate::support::{self, Gate, Tally, Wakes, kept, lost, panic_of, poll_once};

fn operation() -> Operation {
    support::unpolled("")
}

#[test]
fn passes_arguments_and_values() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let add = operation.wrap(async |(a, b): (u32, u32)| a + b);
    assert_eq!(support::block_on(add((3, 4))), Ok(7));
    assert_eq!(support::block_on(add((1, 1))), Ok(2), "as often as wanted");
    let fails = operation.wrap(async |text: &str| text.parse::<u32>());
    assert!(support::block_on(fails("x")).unwrap().is_err(), "an error is a value");
    assert_eq!(support::block_on(fails("7")).unwrap(), Ok(7));
}

#[test]
fn may_borrow_and_be_joined() {
    let _watchdog = support::watchdog();
    let (calls, operation) = (Cell::new(0), operation());
    let call = operation.wrap(async |by: u32| {
        futures::pending!();
        calls.set(calls.get() + by);
        calls.get()
    });
    let (mut first, mut second) = (pin!(call(1)), pin!(call(2)));
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    assert_eq!(poll_once(second.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!(poll_once(first.as_mut()), Poll::Ready(Ok(3)));
}

/// Calls a wrapped function, asserts that it refuses, and returns the reason.
#[track_caller]
fn refuses(operation: &Operation) -> Reason {
    let calls = Cell::new(0);
    let call = operation.wrap(|()| {
        calls.set(calls.get() + 1);
        async { 7 }
    });
    let refused = support::block_on(call(())).unwrap_err();
    assert_eq!(calls.get(), 0, "it is not even called");
    refused.into_reason()
}

#[test]
fn refuses_for_every_cause() {
    let _watchdog = support::watchdog();
    let cancelled = operation();
    cancelled.cancel_with("stop");
    assert_eq!(refuses(&cancelled), Reason::manual("stop"));

    let by_token = operation();
    by_token.token().cancel_with("stop");
    assert_eq!(refuses(&by_token), Reason::manual("stop"));

    let parent = async {}.cancelable(never()).named("above");
    let child_run = async {}.cancelable(never()).child_of(&parent.operation());
    let child = child_run.operation();
    parent.operation().cancel_with("stop");
    assert_eq!(refuses(&child).root(), &Reason::manual("stop"));

    let run = pending::<()>().cancelable(async { Reason::Disconnected });
    let by_source = run.operation();
    assert!(support::block_on(run).is_err());
    assert_eq!(refuses(&by_source), Reason::Disconnected);

    let run = pending::<()>().cancelable(never());
    let dropped = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(refuses(&dropped), Reason::Dropped);
}

#[test]
fn refuses_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let (tally, operation) = (Tally::new(), operation());
    let call = operation.wrap(|()| tally.ready_at(1));
    let call = pin!(call(()));
    operation.cancel_with("stop");
    assert_eq!(lost(poll_once(call)), Reason::manual("stop"));
    assert_eq!(tally.polls(), 0);
}

#[cfg(feature = "time")]
#[test]
fn refuses_after_an_unseen_deadline() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for nested in [false, true] {
        let polled = Cell::new(false);
        let late = async |operation: Operation| {
            // The work does not await here, so nothing notices that the deadline passes.
            clock.pass(Duration::from_millis(10));
            assert!(!operation.is_cancelled());
            operation.wrap(async |()| polled.set(true))(()).await
        };
        let limit = timeout(Duration::from_millis(5));
        let work = scope(limit, async |outer: Operation| match nested {
            true => scope(never(), late).await?,
            false => late(outer).await,
        });
        let cancelled = clock.block_on(work).and_then(|called| called).unwrap_err();
        assert_eq!(cancelled.reason().root().kind(), ReasonKind::Timeout);
        assert!(!polled.get(), "it never starts");
    }
}

#[cfg(feature = "time")]
#[test]
fn continues_if_the_deadline_was_none() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    // A source that checks something at intervals.
    let source = async {
        loop {
            timeout(Duration::from_millis(1)).await;
        }
    };
    let work = scope(source, async |operation: Operation| {
        futures::pending!();
        clock.pass(Duration::from_millis(10));
        operation.wrap(async |()| 7)(()).await
    });
    assert_eq!(clock.block_on(work), Ok(Ok(7)));
}

#[cfg(feature = "time")]
#[test]
fn pause_of_a_condition_is_no_deadline() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let source = condition(|| false).every(Duration::from_millis(1));
    let work = scope(source, async |operation: Operation| {
        futures::pending!();
        clock.pass(Duration::from_millis(10));
        operation.wrap(async |()| 7)(()).await
    });
    let mut work = pin!(work);
    assert!(poll_once(work.as_mut()).is_pending());
    assert_eq!(poll_once(work.as_mut()), Poll::Ready(Ok(Ok(7))));
}

#[test]
fn interrupts_a_call() {
    let _watchdog = support::watchdog();
    let (tally, operation, wakes) = (Tally::new(), operation(), Wakes::new());
    let call = operation.wrap(|()| tally.ready_at(0));
    let mut call = pin!(call(()));
    assert!(wakes.poll(call.as_mut()).is_pending());
    assert_eq!(kept(&wakes), 1);
    operation.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(call.as_mut())), Reason::manual("stop"));
    assert_eq!((tally.polls(), tally.drops()), (2, 1), "one last poll");
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn ready_call_wins() {
    let _watchdog = support::watchdog();
    let (gate, operation) = (Gate::new(), operation());
    let call = operation.wrap(async |()| {
        gate.pass().await;
        7
    });
    let mut call = pin!(call(()));
    assert!(poll_once(call.as_mut()).is_pending());
    gate.open();
    operation.cancel();
    assert_eq!(poll_once(call.as_mut()), Poll::Ready(Ok(7)));
}

#[test]
fn shield_in_a_call_finishes() {
    let _watchdog = support::watchdog();
    let (gate, operation, after) = (Gate::new(), operation(), Cell::new(false));
    let call = operation.wrap(async |()| {
        shield(gate.pass()).await;
        after.set(true);
    });
    let mut call = pin!(call(()));
    assert!(poll_once(call.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(call.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(poll_once(call.as_mut())), Reason::manual("stop"));
    assert!(!after.get());
}

#[test]
fn outlives_the_handle() {
    let _watchdog = support::watchdog();
    let held = Arc::new(());
    let call = {
        let operation = operation();
        let held = held.clone();
        operation.wrap(move |()| {
            let held = held.clone();
            async move { Arc::strong_count(&held) }
        })
    };
    assert_eq!(support::block_on(call(())), Ok(3));
    drop(call);
    assert_eq!(Arc::strong_count(&held), 1);

    let (operation, wakes) = (operation(), Wakes::new());
    let mut dropped = Box::pin(operation.wrap(|()| pending::<()>())(()));
    assert!(wakes.poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(kept(&wakes), 0, "a call that is dropped leaves the list");
}

#[test]
fn polled_after_completion() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let mut call = pin!(operation.wrap(async |()| 7)(()));
    assert!(!call.is_terminated());
    assert_eq!(poll_once(call.as_mut()), Poll::Ready(Ok(7)));
    assert!(call.is_terminated());
    assert!(panic_of(|| poll_once(call.as_mut())).contains("polled after completion"));

    operation.cancel();
    let mut call = pin!(operation.wrap(async |()| 7)(()));
    assert!(!call.is_terminated());
    assert!(poll_once(call.as_mut()).is_ready());
    assert!(call.is_terminated());
    assert!(panic_of(|| poll_once(call.as_mut())).contains("polled after completion"));
}

/// Repeats the call until it succeeds, with a pause after each attempt. Returns the cancellation if there is one.
async fn retry<T, E>(
    call: impl AsyncFn() -> Result<Result<T, E>, Cancelled>,
    pause: impl AsyncFn() -> Result<(), Cancelled>,
) -> Result<T, Cancelled> {
    loop {
        if let Ok(value) = call().await? {
            return Ok(value);
        }
        pause().await?;
    }
}

#[test]
fn retry_loop() {
    let _watchdog = support::watchdog();
    let (operation, attempts) = (operation(), Cell::new(0));
    let try_it = operation.wrap(async |()| {
        attempts.set(attempts.get() + 1);
        if attempts.get() == 3 { Ok(attempts.get()) } else { Err("busy") }
    });
    let short = operation.wrap(async |()| {});
    let value = support::block_on(retry(async || try_it(()).await, async || short(()).await));
    assert_eq!(value, Ok(3));

    // A cancellation interrupts the pause, and there is no further attempt.
    attempts.set(10);
    let long = operation.wrap(async |()| pending::<()>().await);
    let mut paused = pin!(retry(async || try_it(()).await, async || long(()).await));
    assert!(poll_once(paused.as_mut()).is_pending());
    assert_eq!(attempts.get(), 11);
    operation.cancel_with("stop");
    assert_eq!(lost(poll_once(paused.as_mut())), Reason::manual("stop"));
    assert_eq!(attempts.get(), 11);
    let refused = support::block_on(retry(async || try_it(()).await, async || short(()).await));
    assert_eq!(refused.unwrap_err().into_reason(), Reason::manual("stop"));
    assert_eq!(attempts.get(), 11);
}

/// The race is not polled: its task is busy with something else.
#[cfg(feature = "time")]
#[test]
fn refuses_if_its_race_is_not_polled() {
    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(10);
    let run = std::future::pending::<()>().cancelable(timeout(limit));
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    std::thread::sleep(limit * 2);
    assert!(!operation.is_cancelled());
    let called = Cell::new(0);
    let call = operation.wrap(|()| {
        called.set(called.get() + 1);
        async {}
    });
    let late = pin!(call(()));
    let cancelled = support::block_on(late).unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::timeout(limit));
    assert_eq!(called.get(), 0);
    assert_eq!(operation.reason(), Some(Reason::timeout(limit)));
    assert_eq!(lost(poll_once(run)), Reason::timeout(limit));
}

/// The deadline passes between the call and its first poll.
#[cfg(feature = "time")]
#[test]
fn refuses_at_a_first_poll_after_the_deadline() {
    let _watchdog = support::watchdog();
    let (limit, tally) = (Duration::from_millis(10), Tally::new());
    let run = std::future::pending::<()>().cancelable(timeout(limit));
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let call = pin!(operation.wrap(|()| tally.ready_at(1))(()));
    std::thread::sleep(limit * 2);
    assert_eq!(lost(Poll::Ready(support::block_on(call))), Reason::timeout(limit));
    assert_eq!(tally.polls(), 0);
}

/// When clean-up runs, the race between work and source is over, so the limit no longer counts.
#[cfg(feature = "time")]
#[test]
fn starts_in_clean_up_after_the_deadline() {
    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(5);
    let done = Cell::new(false);
    let run = async { 7 }.cancelable(timeout(limit));
    let operation = run.operation();
    let run = run.finally(|_| async {
        std::thread::sleep(limit * 2);
        done.set(operation.wrap(async |()| true)(()).await.unwrap());
    });
    assert_eq!(support::block_on(run), Ok(7));
    assert!(done.get());
    assert_eq!((operation.status(), operation.reason()), (Status::Completed, None));
}
