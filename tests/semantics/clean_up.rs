//! Guarantees 1, 3, 9, 10 and 13, for clean-up.

use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{self, Log, Switch, lost, panic_of, poll_once, won, work};

/// An operation that notes the drop of its work and of its source, its clean-up, and its hooks.
fn noted<'a>(
    log: &'a Log,
    mut poll: impl FnMut(usize) -> Poll<io::Result<()>> + 'a,
    token: &'a CancellationToken,
) -> impl Future<Output = io::Result<()>> + 'a {
    let (held, source) = (log.on_drop("work dropped"), log.on_drop("source dropped"));
    let worker = work(move |number| {
        let _held = &held;
        poll(number)
    });
    let mut waiting = token.cancelled();
    let source = poll_fn(move |cx| {
        let _held = &source;
        Pin::new(&mut waiting).poll(cx)
    });
    let hooks = [log.clone(), log.clone(), log.clone()];
    let [completed, failed, cancelled] = hooks;
    worker
        .try_cancelable(source)
        .on_complete(move |_| completed.note("hook"))
        .on_error(move |_, _| failed.note("hook"))
        .on_cancel(move |_, _| cancelled.note("hook"))
        .finally(|_| async {
            log.note("clean-up begins");
            futures::pending!();
            log.note("clean-up ends");
        })
        .finally(|_| async { log.note("the next one") })
}

#[test]
fn g03_work_then_clean_up_then_hooks_then_outcome() {
    let _watchdog = support::watchdog();
    let all = [
        "work dropped",
        "source dropped",
        "clean-up begins",
        "clean-up ends",
        "the next one",
        "hook",
        "told",
    ];
    type Ending = fn() -> io::Result<()>;
    let endings: [(&str, Ending); 3] = [
        ("a value", || Ok(())),
        ("an error", || Err(io::Error::other("no disk"))),
        ("a panic", || panic!("on fire")),
    ];
    for (name, ending) in endings {
        let (log, token) = (Log::new(), CancellationToken::new());
        let poll = |number| if number < 2 { Poll::Pending } else { Poll::Ready(ending()) };
        let mut run = pin!(noted(&log, poll, &token));
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(poll_once(run.as_mut()).is_pending(), "{name}: it cleans up");
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(run.as_mut()).is_ready()));
        log.note("told");
        assert!(polled.unwrap_or(true), "{name}");
        assert_eq!(log.take(), all, "{name}");
    }
    for polls in 0..3 {
        let (log, token) = (Log::new(), CancellationToken::new());
        let mut run = pin!(noted(&log, |_| Poll::Pending, &token));
        for _ in 0..polls {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        token.cancel();
        assert!(poll_once(run.as_mut()).is_pending(), "it cleans up");
        let outcome = poll_once(run.as_mut());
        log.note("told");
        assert!(matches!(outcome, Poll::Ready(Err(_))));
        assert_eq!(log.take(), all, "cancelled after {polls} polls");
    }
}

#[test]
fn g01_clean_up_runs_after_unpolled_work() {
    let _watchdog = support::watchdog();
    let (log, tally) = (Log::new(), support::Tally::new());
    let run = tally.ready_at(1).cancelable(async { Reason::Disconnected }).finally(|outcome| {
        let early = matches!(outcome, Err(cancelled) if cancelled.is_disconnected());
        let log = &log;
        async move { log.note(if early { "told why" } else { "?" }) }
    });
    assert_eq!(lost(poll_once(pin!(run))), Reason::Disconnected);
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
    assert_eq!(log.take(), ["told why"]);
}

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + 'a>>;

#[test]
fn g10_outer_races_wait_for_clean_up() {
    let _watchdog = support::watchdog();
    for begun in [false, true] {
        for named in [false, true] {
            let tokens = [(); 2].map(|()| CancellationToken::new());
            let (log, gate) = (Log::new(), Switch::new());
            let (sender, reasons) = channel();
            let inner = pending::<()>().cancelable(&tokens[0]).finally(|outcome| {
                sender.send(outcome.as_ref().unwrap_err().reason().clone()).unwrap();
                async {
                    gate.source("gate").await;
                    log.note("clean-up ends");
                }
            });
            // A plain race in between, which is never cancelled.
            let between = async {
                let _ = inner.await;
                log.note("after the inner one");
            };
            let between = between.cancelable(never());
            let work = async {
                let _ = between.await;
                log.note("after the one between");
            };
            let outer = work.cancelable(&tokens[1]);
            let mut outer: Run<'_> =
                if named { Box::pin(outer.named("outer")) } else { Box::pin(outer) };
            assert!(poll_once(outer.as_mut()).is_pending());
            if begun {
                tokens[0].cancel_with("inner");
                assert!(poll_once(outer.as_mut()).is_pending());
            }
            tokens[1].cancel_with("outer");
            for _ in 0..2 {
                assert!(poll_once(outer.as_mut()).is_pending(), "{begun} {named}");
            }
            assert!(log.take().is_empty());
            gate.turn_on();
            assert_eq!(lost(poll_once(outer.as_mut())), Reason::manual("outer"));
            assert_eq!(log.take(), ["clean-up ends"], "what follows does not run");
            let expected = match (begun, named) {
                (true, _) => Reason::manual("inner"),
                (false, true) => {
                    Reason::parent_named(Some("outer".into()), Reason::manual("outer"))
                }
                // The operation cannot know the reason of the plain race around it. It only knows that it will be dropped
                // after this poll.
                (false, false) => Reason::Dropped,
            };
            assert_eq!(reasons.try_recv(), Ok(expected), "{begun} {named}");
        }
    }
}

#[test]
fn g10_clean_up_cannot_be_cancelled() {
    let _watchdog = support::watchdog();
    let (token, gate, log) = (CancellationToken::new(), Switch::new(), Log::new());
    let run = async { 7 }.cancelable(&token).named("run").finally(|_| async {
        gate.source("gate").await;
        let plain = async { 1 }.cancelable(never()).await;
        let operation = async { 2 }.cancelable(never()).named("within").await;
        let shielded = shield(async { 3 }).await;
        assert_eq!((plain, operation, shielded), (Ok(1), Ok(2), 3));
        log.note("all of it");
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("by the source");
    assert!(operation.cancel_with("by a handle"), "it has not ended");
    assert!(poll_once(run.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(won(poll_once(run)), 7, "nor is the value thrown away");
    assert_eq!(log.take(), ["all of it"]);
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), Some(Reason::manual("by a handle")));
}

#[test]
fn g13_panic_in_clean_up_fails_the_operation() {
    let _watchdog = support::watchdog();
    for work_panics in [false, true] {
        let log = Log::new();
        let (hook, called) = channel();
        let run = async { assert!(!work_panics, "the work") }
            .cancelable(never())
            .finally(|_| async { panic!("the clean-up") })
            .finally(|_| async { log.note("the next one") })
            .on_error(move |_, error| hook.send(error.to_string()).unwrap());
        let operation = run.operation();
        let first = if work_panics { "the work" } else { "the clean-up" };
        assert_eq!(panic_of(|| support::block_on(run)), first);
        assert_eq!(log.take(), ["the next one"]);
        assert_eq!(operation.status(), Status::Failed);
        assert_eq!(called.try_recv(), Ok(format!("panicked: {first}")));
    }
}

#[test]
fn g09_dropped_operation_reports_lost_clean_up() {
    let _watchdog = support::watchdog();
    for polls in 0..4 {
        let (log, token) = (Log::new(), CancellationToken::new());
        let [cancelled, lost] = [log.clone(), log.clone()];
        let worker = work(|poll| if poll < 2 { Poll::Pending } else { Poll::Ready(()) });
        let mut run = Box::pin(
            worker
                .cancelable(&token)
                .finally(|_| async {
                    log.note("clean-up begins");
                    futures::pending!();
                })
                .on_cancel(move |_, _| cancelled.note("on_cancel"))
                .on_clean_up_lost(move |_| lost.note("lost")),
        );
        for poll in 1..=polls {
            assert_eq!(poll_once(run.as_mut()).is_ready(), poll == 3);
        }
        drop(run);
        let expected: &[&str] = match polls {
            0 => &[],
            1 => &["on_cancel", "lost"],
            // The work has returned its value, and the caller never gets it.
            2 => &["clean-up begins", "on_cancel", "lost"],
            _ => &["clean-up begins"],
        };
        assert_eq!(log.take(), expected, "dropped after {polls} polls");
    }
}

#[test]
fn g09_dropped_operation_spawns_its_clean_up() {
    let _watchdog = support::watchdog();
    for polls in 0..4 {
        let (log, noted) = (Log::new(), Log::new());
        let (spawner, spawned) = channel();
        let note = log.clone();
        let worker = work(|poll| if poll < 2 { Poll::Pending } else { Poll::Ready(()) });
        let run = worker.cancelable(never()).finally_or_spawn(
            move |task| spawner.send(task).unwrap(),
            move |outcome| {
                let ended = if outcome.is_ok() { "after a value" } else { "after a drop" };
                async move {
                    note.note(ended);
                    futures::pending!();
                    note.note("done");
                }
            },
        );
        let [hook] = [noted.clone()];
        let mut run = Box::pin(run.on_cancel(move |_, _| hook.note("on_cancel")));
        for poll in 1..=polls {
            assert_eq!(poll_once(run.as_mut()).is_ready(), poll == 3);
        }
        drop(run);
        let tasks: Vec<_> = spawned.try_iter().collect();
        assert_eq!(tasks.len(), usize::from(polls == 1 || polls == 2), "after {polls} polls");
        assert_eq!(noted.take().len(), tasks.len(), "it was cancelled");
        for mut task in tasks {
            while poll_once(task.as_mut()).is_pending() {}
        }
        let expected: &[&str] = match polls {
            0 => &[],
            1 => &["after a drop", "done"],
            _ => &["after a value", "done"],
        };
        assert_eq!(log.take(), expected, "dropped after {polls} polls");
    }
}
