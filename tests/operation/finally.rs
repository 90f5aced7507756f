//! `finally`: clean-up that awaits, after the work is dropped and before the outcome is returned.

#[cfg(feature = "time")]
mod clean_up_for;
mod lost_clean_up;

use std::cell::Cell;
use std::future::{Future, pending};
use std::io;
use std::panic::{AssertUnwindSafe, panic_any};
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::FutureExt;

use crate::support::{self, Gate, Log, Tally, Wakes, kept, lost, panic_of, poll_once};

/// Runs work with two clean-up functions, and notes everything in order.
fn cleaned<F: Future<Output = Result<u32, io::Error>>>(
    work: F,
    source: impl Source,
    log: &Log,
) -> (Operation, impl Future<Output = Result<u32, io::Error>>) {
    let held = log.on_drop("work gone");
    let work = async move {
        let _held = held;
        work.await
    };
    let clean = |name: &'static str| {
        let log = log.clone();
        move |outcome: &Result<Result<u32, io::Error>, Cancelled>| {
            let outcome = match outcome {
                Ok(Ok(value)) => format!("{value}"),
                Ok(Err(error)) => format!("error {error}"),
                Err(cancelled) => format!("{cancelled}"),
            };
            log.note(format_args!("{name}: {outcome}"));
            async move {
                futures::pending!();
                log.note(format_args!("{name} done"));
            }
        }
    };
    let run = work.try_cancelable(source).finally(clean("a")).finally(clean("b"));
    let operation = run.operation();
    log.watch(&operation);
    (operation, run)
}

/// Polls a future to its end. Returns how many polls that took.
fn polls<F: Future + ?Sized>(mut run: Pin<&mut F>) -> (usize, F::Output) {
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = poll_once(run.as_mut()) {
            return (polls, output);
        }
    }
}

#[test]
fn runs_after_the_work_before_the_hooks() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let seen = |outcome: &str, hook: &str| {
        let (a, b) = (format!("a: {outcome}"), format!("b: {outcome}"));
        ["work gone", &a, "a done", &b, "b done", hook].map(str::to_owned)
    };

    let (_, run) = cleaned(async { Ok(7) }, never(), &log);
    let (count, outcome) = polls(pin!(run));
    assert_eq!((count, outcome.unwrap()), (3, 7));
    assert_eq!(log.take(), seen("7", "completed"));

    let (_, run) = cleaned(async { Err(io::Error::other("no disk")) }, never(), &log);
    assert_eq!(polls(pin!(run)).1.unwrap_err().to_string(), "no disk");
    assert_eq!(log.take(), seen("error no disk", "failed: no disk"));

    let (_, run) = cleaned(pending(), async { Reason::manual("stop") }, &log);
    assert!(polls(pin!(run)).1.is_err());
    assert_eq!(log.take(), seen("cancelled: stop", "hook: cancelled: stop"), "at the first look");

    let token = CancellationToken::new();
    let (_, run) = cleaned(pending(), &token, &log);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(polls(run.as_mut()).1.is_err());
    assert_eq!(log.take(), seen("cancelled: stop", "hook: cancelled: stop"), "later");

    let (operation, run) = cleaned(pending(), never(), &log);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(polls(run.as_mut()).1.is_err());
    assert_eq!(log.take(), seen("cancelled: stop", "hook: cancelled: stop"), "by a handle");

    let checks = async {
        let operation = Operation::current().unwrap();
        operation.cancel_with("stop");
        operation.check()?;
        Ok(7)
    };
    let (_, run) = cleaned(checks, never(), &log);
    assert!(polls(pin!(run)).1.is_err());
    assert_eq!(log.take(), seen("error cancelled: stop", "hook: cancelled: stop"));

    let (operation, run) = cleaned(async { panic_any("on fire") }, never(), &log);
    let said = panic_of(|| polls(pin!(run)).0);
    assert_eq!(said, "on fire");
    let told = seen("cancelled by an error: panicked: on fire", "failed: panicked: on fire");
    assert_eq!(log.take(), told);
    assert_eq!(operation.status(), Status::Failed);
}

#[test]
fn keeps_the_value() {
    let _watchdog = support::watchdog();
    let (gate, wakes) = (Gate::new(), Wakes::new());
    let run = async { Box::new(7) }.cancelable(never()).finally(|_| gate.pass());
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel_with("while it cleans up");
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(Box::new(7))));
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), Some(Reason::manual("while it cleans up")));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn not_called_before_the_end() {
    let _watchdog = support::watchdog();
    let (gate, called) = (Gate::new(), Cell::new(0));
    let run = gate.pass().cancelable(never()).finally(|_| {
        called.set(called.get() + 1);
        async { futures::pending!() }
    });
    let mut run = pin!(run);
    for _ in 0..3 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    assert_eq!(called.get(), 0);
    gate.open();
    assert_eq!(polls(run).0, 2);
    assert_eq!(called.get(), 1);
}

/// An inner operation with clean-up, inside a plain race or an operation.
fn nested<'a>(
    outer: &'a CancellationToken,
    inner: &'a CancellationToken,
    named: bool,
    gates: &'a [Gate; 2],
    log: &'a Log,
) -> Pin<Box<dyn Future<Output = Result<(), Cancelled>> + 'a>> {
    let work = async move {
        let inner = gates[0].pass().cancelable(inner).finally(move |_| async move {
            log.note("begun");
            gates[1].pass().await;
            log.note("done");
        });
        log.watch(&inner.operation());
        let _ = inner.await;
        log.note("after");
        pending::<()>().await;
    };
    let run = work.cancelable(outer);
    Box::pin(if named { run.named("outer") } else { run })
}

#[test]
fn shielded_from_an_outer_race() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let tokens = [(); 2].map(|()| CancellationToken::new());
        let (gates, log) = ([Gate::new(), Gate::new()], Log::new());
        let mut run = nested(&tokens[0], &tokens[1], named, &gates, &log);
        assert!(poll_once(run.as_mut()).is_pending());
        tokens[1].cancel_with("inner");
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["begun"]);
        tokens[0].cancel_with("outer");
        for _ in 0..2 {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        assert_eq!(log.take(), [""; 0]);
        gates[1].open();
        assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("outer"));
        assert_eq!(log.take(), ["done", "hook: cancelled: inner"], "what follows does not run");
    }
}

#[test]
fn shielded_if_begun_in_an_outer_last_poll() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        for both in [false, true] {
            let tokens = [(); 2].map(|()| CancellationToken::new());
            let (gates, log) = ([Gate::new(), Gate::new()], Log::new());
            let mut run = nested(&tokens[0], &tokens[1], named, &gates, &log);
            assert!(poll_once(run.as_mut()).is_pending());
            tokens[0].cancel_with("outer");
            if both {
                tokens[1].cancel_with("inner");
            } else {
                gates[0].open();
            }
            assert!(poll_once(run.as_mut()).is_pending(), "it is not over");
            assert_eq!(log.take(), ["begun"]);
            gates[1].open();
            assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("outer"));
            let seen = log.take();
            assert_eq!((seen[0].as_str(), seen.len()), ("done", 2), "{seen:?}");
        }
    }
}

#[test]
fn race_between_waits_too() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let token = CancellationToken::new();
    let inner = async {}.cancelable(never()).finally(|_| async {
        gate.pass().await;
        log.note("done");
    });
    let plain = async { inner.await.is_ok() }.cancelable(&token);
    let work = async {
        log.note(format_args!("{}", plain.await.is_err()));
        pending::<()>().await;
    };
    let outer = CancellationToken::new();
    let mut run = pin!(work.cancelable(&outer));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["done", "true"]);
    outer.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
}

#[test]
fn parent_does_not_cancel_it() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let outer = scope(never(), async |outer: Operation| {
        let inner = async {}.cancelable(never()).finally(|_| async {
            let current = Operation::current().unwrap();
            // Shields and races inside clean-up behave as usual.
            shield(gate.pass()).await;
            let value = async { 7 }.cancelable(never()).await;
            log.note(format_args!("{value:?} {} {}", current.is_cancelled(), outer.is_cancelled()));
        });
        inner.await.unwrap();
    });
    let operation = outer.operation();
    let mut outer = pin!(outer);
    assert!(poll_once(outer.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(outer.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(poll_once(outer)), Reason::manual("stop"));
    assert_eq!(log.take(), ["Ok(7) true true"]);
}

#[test]
fn rest_runs_after_a_panic() {
    let _watchdog = support::watchdog();
    for in_future in [false, true] {
        let log = Log::new();
        let run = async { 7 }
            .cancelable(never())
            .finally(|_| {
                assert!(in_future, "no clean-up");
                async { panic_any("no clean-up") }
            })
            .finally(|_| async { log.note("second") });
        let operation = run.operation();
        log.watch(&operation);
        assert_eq!(panic_of(|| support::block_on(run).is_ok()), "no clean-up");
        assert_eq!(log.take(), ["second", "failed: panicked: no clean-up"]);
        assert_eq!(operation.status(), Status::Failed);
        assert!(Operation::current().is_none());
    }
}

#[test]
fn first_of_two_panics_wins() {
    let _watchdog = support::watchdog();
    let run = async { panic_any("the work") }
        .cancelable(never())
        .finally(|_| async { panic_any("the clean-up") });
    let operation = run.operation();
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "the work");
    assert_eq!(operation.error().as_deref(), Some("panicked: the work"));
}

#[test]
fn panicked_operation_is_not_awaited() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let token = CancellationToken::new();
        let work = async {
            let run = async { panic_any("on fire") }.cancelable(never()).finally(|_| async {
                futures::pending!();
            });
            let mut run = Box::pin(run);
            let caught: Result<Result<(), _>, _> =
                AssertUnwindSafe(run.as_mut()).catch_unwind().await;
            assert!(caught.is_err());
            pending::<()>().await;
            drop(run);
        };
        let run = work.cancelable(&token);
        let mut run = pin!(if named { run.named("outer") } else { run });
        for _ in 0..2 {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready());
    }
}

#[test]
fn may_borrow() {
    let _watchdog = support::watchdog();
    let mut rows = vec![1];
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(never()).finally(|outcome| {
        let (value, rows) = (*outcome.as_ref().unwrap(), &mut rows);
        async move { rows.push(value + 1) }
    });
    assert_eq!(support::block_on(run), Ok(1));
    assert_eq!(rows, [1, 2]);
}

/// The destructor of the task's waker panics while the operation is dropped.
#[test]
fn hostile_waker_does_not_cut_the_end_short() {
    struct Hostile;

    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("the destructor of a waker");
        }
    }

    impl std::task::Wake for Hostile {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    let _watchdog = support::watchdog();
    let (registry, log) = (Registry::new(), Log::new());
    let hook = log.clone();
    let run = std::future::pending::<()>()
        .cancelable(never())
        .registered_in(&registry)
        .on_cancel(move |_, reason| hook.note(reason))
        .finally(|_| async {});
    let operation = run.operation();
    let mut run = Box::pin(run);
    let waker = std::task::Waker::from(std::sync::Arc::new(Hostile));
    assert!(run.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    // Dropping this waker does not panic, because the operation still holds a clone. Dropping that last clone will.
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(waker))).is_ok());
    drop(run);
    assert_eq!((operation.status(), registry.len()), (Status::Cancelled, 0));
    assert_eq!(log.take(), [Reason::Dropped.to_string()]);
}
