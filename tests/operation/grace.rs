//! Grace periods: cancelled work may continue for a while before it is dropped.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::support::{self, Clock, Gate, Log, Tally, Wakes, kept, lost, poll_once};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn value_in_time_wins() {
    let _watchdog = support::watchdog();
    for by_handle in [false, true] {
        let (token, log, wakes) = (CancellationToken::new(), Log::new(), Wakes::new());
        let run = scope(&token, async |operation: Operation| {
            let reason = operation.cancelled().await;
            log.note(format_args!("asked: {reason}"));
            futures::pending!();
            "saved"
        });
        let run = run.grace(LONG);
        let operation = run.operation();
        log.watch(&operation);
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(if by_handle { operation.cancel_with("stop") } else { token.cancel_with("stop") });
        assert!(wakes.count() > 0);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["asked: cancelled: stop"]);
        assert_eq!(operation.status(), Status::Cancelling);
        assert!(operation.is_cancelled() && operation.check().is_err());
        assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok("saved")));
        assert_eq!(operation.status(), Status::Completed);
        assert_eq!(operation.reason(), Some(Reason::manual("stop")), "it stays readable");
        assert_eq!(log.take(), ["completed"]);
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn error_in_grace_is_a_cancellation() {
    let _watchdog = support::watchdog();
    let run = try_scope(never(), async |operation: Operation| {
        operation.cancelled().await;
        Err::<(), _>(io::Error::other("no disk"))
    });
    let run = run.grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.error().as_deref(), Some("no disk"));
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[test]
fn g06_error_in_grace_polls_no_fired_source() {
    let _watchdog = support::watchdog();
    let (wakes, gate, token) = (Wakes::new(), Gate::new(), CancellationToken::new());
    let fired = std::cell::Cell::new(0);
    let source = std::future::poll_fn(|cx| {
        let polled = pin!(token.cancelled()).poll(cx);
        fired.set(fired.get() + usize::from(polled.is_ready()));
        polled
    });
    let opened = gate.clone();
    let work = async move {
        opened.pass().await;
        Err::<(), _>(io::Error::other("no disk"))
    };
    let mut run = pin!(work.try_cancelable(source).grace(Duration::from_secs(3600)));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    let Poll::Ready(Err(error)) = wakes.poll(run.as_mut()) else { panic!("it has failed") };
    assert_eq!((error.to_string().as_str(), fired.get()), ("no disk", 1));
}

#[test]
fn returned_cancellation_is_not_forced() {
    let _watchdog = support::watchdog();
    let run = try_scope(never(), async |operation: Operation| {
        operation.cancelled().await;
        operation.check()?;
        Ok::<(), Cancelled>(())
    });
    let run = run.grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    let Poll::Ready(Err(cancelled)) = poll_once(run.as_mut()) else { panic!("it gave up") };
    assert!(!cancelled.was_forced());
    assert_eq!(cancelled.reason(), &Reason::manual("stop"));
    assert_eq!(operation.status(), Status::Cancelled);
}

#[test]
fn overdue_work_is_dropped() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for by_handle in [false, true] {
        let (token, tally, log) = (CancellationToken::new(), Tally::new(), Log::new());
        let run = tally.ready_at(0).cancelable(&token).grace(SHORT);
        let operation = run.operation();
        log.watch(&operation);
        let wakes = Wakes::new();
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(if by_handle { operation.cancel_with("stop") } else { token.cancel_with("stop") });
        let asked = clock.now();
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(run.as_mut()).is_pending(), "the clock starts at that poll");
        assert_eq!(tally.drops(), 0);
        clock.pass(SHORT);
        assert!(wakes.count() > 1, "the limit wakes it");
        let polled = wakes.poll(run.as_mut());
        clock.assert_passed(asked, SHORT);
        let Poll::Ready(Err(cancelled)) = polled else { panic!("it was dropped") };
        assert!(cancelled.was_forced());
        assert_eq!(cancelled.reason(), &Reason::manual("stop"));
        assert_eq!((tally.drops(), operation.status()), (1, Status::Cancelled));
        assert_eq!(log.take(), ["hook: cancelled: stop"]);
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g02_last_poll_after_grace_wins() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, gate, wakes) = (CancellationToken::new(), Gate::new(), Wakes::new());
    let mut run = pin!(gate.pass().cancelable(&token).grace(SHORT));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    gate.open();
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn zero_drops_at_once() {
    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let mut run = pin!(tally.ready_at(0).cancelable(&token).grace(Duration::ZERO));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("stop"));
    assert_eq!((tally.polls(), tally.drops()), (2, 1));
}

#[test]
fn none_if_the_source_has_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    for by_handle in [false, true] {
        let token = CancellationToken::new();
        let run = tally.ready_at(1).cancelable(&token).grace(LONG);
        let operation = run.operation();
        assert!(if by_handle { operation.cancel() } else { token.cancel() });
        let cancelled = support::block_on(run).unwrap_err();
        assert!(!cancelled.was_forced(), "the work was never asked");
    }
    assert_eq!((tally.polls(), tally.drops()), (0, 2));
}

#[test]
fn unused_without_a_cancellation() {
    let _watchdog = support::watchdog();
    let run = async {
        futures::pending!();
        7
    };
    let run = run.cancelable(timeout(LONG)).grace(Duration::ZERO);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(operation.reason(), None);
}

#[test]
fn g10_new_shields_begin_in_grace() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = scope(never(), async |operation: Operation| {
        operation.cancelled().await;
        // A shield begins in the grace period, and the code after it runs.
        shield(async { futures::pending!() }).await;
        log.note("after a shield");
        assert_eq!(async { 7 }.cancelable(never()).await, Ok(7));
        let below = async { 8 }.cancelable(never()).named("below");
        log.note(below.await.unwrap_err());
        7
    });
    let run = run.named("run").grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(7)));
    // Child operations are cancelled at once: each has its own grace period, or none.
    assert_eq!(log.take(), ["after a shield", "`below` cancelled: parent `run` cancelled: stop"]);
}

#[test]
fn g10_unfinished_shield_outlasts_grace() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (gate, log, wakes) = (Gate::new(), Log::new(), Wakes::new());
    let run = scope(never(), async |operation: Operation| {
        operation.cancelled().await;
        shield(async {
            gate.pass().await;
            log.note("section");
        })
        .await;
        log.note("after");
    });
    let run = run.grace(SHORT);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert!(wakes.poll(run.as_mut()).is_pending(), "the section is not over");
    gate.open();
    let Poll::Ready(Err(cancelled)) = wakes.poll(run.as_mut()) else { panic!("it is over") };
    assert!(cancelled.was_forced());
    assert_eq!(log.take(), ["section"]);
}

#[test]
fn second_cancellation_changes_nothing() {
    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let run = tally.ready_at(3).cancelable(&token).grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("first");
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(!operation.cancel_with("second") && !operation.token().cancel());
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(3)), "neither sooner nor later");
    assert_eq!(operation.reason(), Some(Reason::manual("first")));
}

#[test]
fn children_are_cancelled_when_it_begins() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never()).named("run").grace(LONG);
    let operation = run.operation();
    let below = pending::<()>().cancelable(never()).child_of(&operation);
    let below_it = below.operation();
    let (mut run, mut below) = (Box::pin(run), pin!(below));
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(below.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(lost(poll_once(below)).to_string(), "parent `run` cancelled: stop");
    assert_eq!(below_it.status(), Status::Cancelled);
    drop(run);
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[test]
fn inner_grace_does_not_delay_outer() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let (token, tally, log) = (CancellationToken::new(), Tally::new(), Log::new());
        let inner = tally.ready_at(0).cancelable(never()).grace(LONG);
        log.watch(&inner.operation());
        let run = async { inner.await.is_ok() }.cancelable(&token);
        let mut run = pin!(if named { run.named("outer") } else { run });
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("stop"));
        assert_eq!(tally.drops(), 1);
        let told = if named {
            "hook: parent `outer` cancelled: stop"
        } else {
            "hook: dropped before it was done"
        };
        assert_eq!(log.take(), [told]);
    }
}

#[test]
fn outer_grace_waits_for_inner() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = scope(never(), async |_| {
        let inner = scope(never(), async |inner: Operation| {
            inner.cancelled().await;
            futures::pending!();
            "inner saved"
        });
        let inner = inner.named("inner").grace(LONG);
        log.note(inner.await.unwrap());
        futures::pending!();
        "outer saved"
    });
    let run = run.named("outer").grace(LONG);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["inner saved"]);
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok("outer saved")));
}

#[test]
fn clean_up_runs_after_it() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (token, tally, log) = (CancellationToken::new(), Tally::new(), Log::new());
    let run = tally.ready_at(0).cancelable(&token).grace(SHORT).finally(|outcome| {
        assert_eq!(tally.drops(), 1);
        let forced = outcome.as_ref().is_err_and(Cancelled::was_forced);
        let log = &log;
        async move { log.note(format_args!("forced: {forced}")) }
    });
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), [""; 0]);
    assert!(clock.block_on(run).unwrap_err().was_forced());
    assert_eq!(log.take(), ["forced: true"]);
}

#[test]
fn drop_ends_it() {
    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let run = tally.ready_at(0).cancelable(&token).grace(LONG);
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(tally.drops(), 1);
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[test]
fn outer_race_ends_it() {
    let _watchdog = support::watchdog();
    let [inner, outer] = [(); 2].map(|()| CancellationToken::new());
    let (log, wakes) = (Log::new(), Wakes::new());
    let run = async {
        inner.cancel();
        pending::<()>().await;
    };
    let run = run.cancelable(&inner).grace(LONG).finally(|_| async { log.note("cleaned") });
    // `FuturesUnordered` polls the operation only if it was woken.
    let mut all: FuturesUnordered<_> = [run].into_iter().collect();
    let work = async { while all.next().await.is_some() {} };
    let mut work = pin!(work.cancelable(&outer));
    assert!(wakes.poll(work.as_mut()).is_pending());
    outer.cancel_with("stop");
    let mut woken = wakes.count();
    let mut polled = wakes.poll(work.as_mut());
    while polled.is_pending() {
        assert!(wakes.count() > woken, "nobody would poll it");
        woken = wakes.count();
        polled = wakes.poll(work.as_mut());
    }
    assert_eq!(lost(polled), Reason::manual("stop"));
    assert_eq!(log.take(), ["cleaned"]);
}

/// The operation is in a registry, so its grace period can be cut short, and something may hold its waker.
#[test]
fn keeps_no_waker_after_its_end() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    for ends in [false, true] {
        let (gate, token, wakes) = (Gate::new(), CancellationToken::new(), Wakes::new());
        let run =
            async { gate.pass().await }.cancelable(&token).registered_in(&registry).grace(LONG);
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel();
        assert!(wakes.poll(run.as_mut()).is_pending());
        if ends {
            gate.open();
            assert!(wakes.poll(run.as_mut()).is_ready());
        }
        drop(run);
        assert!(operation.status().is_final());
        assert_eq!(kept(&wakes), 0, "it ends by itself: {ends}");
    }
}
