//! Guarantee 11, for operations: a cancellation goes down, never up or sideways.

use std::future::{pending, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::Poll;
#[cfg(feature = "time")]
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, lost, poll_once};

type Run = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// Returns every way in which an operation may end, and the reason that its children get, if any.
fn ends() -> Vec<(&'static str, Option<Reason>, Run, Operation)> {
    fn made<F, S>(
        name: &'static str,
        told: Option<Reason>,
        work: F,
        source: S,
    ) -> (&'static str, Option<Reason>, Run, Operation)
    where
        F: Future<Output = io::Result<()>> + 'static,
        S: Future<Output = Reason> + 'static,
    {
        let run = work.try_cancelable(source).named("above");
        let operation = run.operation();
        (name, told, Box::pin(run), operation)
    }
    let by = |reason: &'static str| {
        move || {
            let operation = Operation::current().unwrap();
            operation.cancel_with(reason);
            pending::<io::Result<()>>()
        }
    };
    let checked = || async { Ok(Operation::current().unwrap().check()?) };
    let stop = Reason::manual("stop");
    let ends = [
        made("a value", None, ready(Ok(())), never()),
        made("an error", None, ready(Err(io::Error::other("no disk"))), never()),
        made("its source", Some(stop.clone()), pending(), ready(stop.clone())),
        made("a handle", Some(stop.clone()), async move { by("stop")().await }, never()),
        made(
            "a handle, and `check`",
            Some(stop.clone()),
            async move {
                drop(by("stop")());
                checked().await
            },
            never(),
        ),
    ];
    #[cfg(feature = "time")]
    let timed = {
        let limit = Reason::timeout(Duration::ZERO);
        let met = Reason::condition("disk", 1);
        [
            made("a limit", Some(limit), pending(), timeout(Duration::ZERO)),
            made("a condition", Some(met), pending(), condition(|| true).named("disk")),
        ]
    };
    #[cfg(not(feature = "time"))]
    let timed = [];
    ends.into_iter().chain(timed).collect()
}

#[test]
fn g11_every_cause_reaches_child_operations() {
    let _watchdog = support::watchdog();
    for (name, told, run, above) in ends() {
        let below = pending::<()>().cancelable(never()).child_of(&above).named("between");
        let lowest = pending::<()>().cancelable(never()).child_of(&below.operation());
        let (mut below, mut lowest) = (pin!(below), pin!(lowest));
        assert!(poll_once(below.as_mut()).is_pending() && poll_once(lowest.as_mut()).is_pending());
        drop(support::block_on(run));
        let told = told.map(|reason| Reason::parent_named(Some("above".into()), reason));
        for run in [below, lowest] {
            match (poll_once(run), &told) {
                (Poll::Pending, None) => {}
                (polled, Some(told)) => {
                    // The reason names the operation at the top, however many are in between.
                    let reason = lost(polled);
                    assert_eq!(&reason, told, "{name}");
                    let said = told.to_string();
                    assert!(said.starts_with("parent `above` cancelled"), "{name}: {said}");
                }
                (Poll::Ready(_), None) => panic!("{name}: those below are left alone"),
            }
        }
    }
}

#[test]
fn g11_drop_cancels_child_operations() {
    let _watchdog = support::watchdog();
    let above = pending::<()>().cancelable(never()).named("above");
    let operation = above.operation();
    let mut above = Box::pin(above);
    assert!(poll_once(above.as_mut()).is_pending());
    let mut below = pin!(pending::<()>().cancelable(never()).child_of(&operation));
    let wakes = Wakes::new();
    assert!(wakes.poll(below.as_mut()).is_pending());
    drop(above);
    assert_eq!(wakes.count(), 1);
    let dropped = Reason::parent_named(Some("above".into()), Reason::Dropped);
    assert_eq!(lost(wakes.poll(below)), dropped);
}

#[test]
fn g11_child_cancels_no_parent_sibling_or_source() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, inner) = channel();
    let run = async {
        let one = pending::<()>().cancelable(&token).named("one");
        let other = pending::<()>().cancelable(&token).named("other");
        sender.send((one.operation(), other.operation())).unwrap();
        futures::join!(one, other)
    };
    let run = run.cancelable(&token).named("above");
    let above = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let (one, other) = inner.recv().unwrap();
    assert_eq!((one.parent_id(), other.parent_id()), (Some(above.id()), Some(above.id())));
    assert!(one.cancel_with("this one"));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(one.status(), Status::Cancelled);
    assert!(!above.is_cancelled() && !other.is_cancelled() && !token.is_cancelled());
}

#[test]
fn g11_code_after_a_cancelled_child_does_not_run() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    // For the code around it, an inner race that its own source has ended is a value like any other. Here the work returns
    // after it.
    let token = CancellationToken::new();
    let work = async {
        let inner = pending::<()>().cancelable(&token);
        log.note(if inner.await.is_err() { "after" } else { "?" });
    };
    let mut run = pin!(work.cancelable(&token).named("outer"));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert_eq!(poll_once(run), Poll::Ready(Ok(())));
    assert_eq!(log.take(), ["after"]);
    for in_a_plain_race in [false, true] {
        let token = CancellationToken::new();
        let work = async {
            let inner = pending::<()>().cancelable(never()).named("inner");
            let inner = async {
                if in_a_plain_race {
                    inner.cancelable(never()).await.map(drop)
                } else {
                    inner.await
                }
            };
            log.note(if inner.await.is_err() { "after" } else { "value after" });
        };
        let mut run = pin!(work.cancelable(&token).named("outer"));
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
        assert!(log.take().is_empty());
    }
}

#[cfg(feature = "time")]
#[test]
fn g11_in_grace_code_after_a_child_runs() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let work = async {
        let inner = pending::<()>().cancelable(never()).named("inner");
        inner.await.unwrap_err().is_parent()
    };
    let mut run = pin!(work.cancelable(&token).grace(Duration::MAX));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(crate::support::won(poll_once(run)));
}

#[test]
fn g11_child_of_a_cancelled_operation_never_starts() {
    let _watchdog = support::watchdog();
    let above_run = async {}.cancelable(never()).named("above");
    let above = above_run.operation();
    above.cancel_with("stop");
    let (tally, told) =
        (support::Tally::new(), Reason::parent_named(Some("above".into()), Reason::manual("stop")));
    let below = tally.ready_at(1).cancelable(never()).child_of(&above);
    assert_eq!(lost(poll_once(pin!(below))), told);
    let below = above.in_scope(tally.ready_at(1).cancelable(never()).named("below"));
    assert_eq!(lost(poll_once(pin!(below))), told);
    assert_eq!(tally.polls(), 0);
}

#[test]
fn g11_spawned_task_is_no_child_unless_asked() {
    let _watchdog = support::watchdog();
    // Two tasks on another thread wait for the token `gate`, so it must keep both wakers.
    let (gate, log) = (CancellationToken::new(), Log::new());
    let above_run = async {}.cancelable(never());
    let above = above_run.operation();
    let part = |what: &'static str| {
        let (gate, log) = (gate.clone().cancelled_owned(), log.clone());
        async move {
            let run = gate.cancelable(never()).named("part");
            let parent = |operation: Operation| operation.parent_id().is_some();
            let below = parent(run.operation());
            assert!(!below, "it has not started");
            let handle = run.operation();
            let outcome = run.await;
            log.note(if parent(handle) && outcome.is_err() { what } else { "left alone" });
        }
    };
    let inside = smol::spawn(above.in_scope(part("cancelled")));
    let alone = smol::spawn(part("?"));
    support::block_on(async {
        smol::future::yield_now().await;
        above.cancel();
        inside.await;
        gate.cancel();
        alone.await;
    });
    assert_eq!(log.take(), ["cancelled", "left alone"]);
}
