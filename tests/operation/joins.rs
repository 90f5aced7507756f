//! `joins_children` and `cancels_children`: an operation ends after everything below it.

use std::future::{pending, ready};
use std::io;
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::task::Poll;
#[cfg(feature = "time")]
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use smol::LocalExecutor;

use crate::support::{self, Gate, Log, Switch, Wakes, kept, lost, panic_of, poll_once};

type Child = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// Returns a child that never ends by itself. It has been polled once outside of its parent, as if in a task of its own.
fn child_of(parent: &Operation) -> (Operation, Child) {
    let child = pending::<()>().cancelable(never()).named("child").child_of(parent);
    let (operation, mut child): (_, Child) = (child.operation(), Box::pin(child));
    assert!(poll_once(child.as_mut()).is_pending());
    (operation, child)
}

fn parent_reason(reason: impl Into<Reason>) -> Option<Reason> {
    Some(Reason::parent_named(Some("parent".into()), reason.into()))
}

/// Returns the reason of the children of an operation that has cancelled its children.
fn dismissed() -> Option<Reason> {
    parent_reason("its work has ended")
}

/// How the work of the operation ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Value,
    Error,
    Panic,
    Cancelled,
    /// Its source has fired by the first poll.
    Unstarted,
}

const WAYS: [Way; 5] = [Way::Value, Way::Error, Way::Panic, Way::Cancelled, Way::Unstarted];

async fn work(way: Way) -> io::Result<()> {
    match way {
        Way::Value => Ok(()),
        Way::Error => Err(io::Error::other("no disk")),
        Way::Panic => panic_any("on fire"),
        Way::Cancelled | Way::Unstarted => pending().await,
    }
}

/// Clean-up, hooks and the outcome come after the children, however the work ended.
#[test]
fn g16_joined_before_clean_up() {
    let _watchdog = support::watchdog();
    for way in WAYS {
        for cancels in [false, true] {
            let (log, source) = (Log::new(), CancellationToken::new());
            if way == Way::Unstarted {
                source.cancel_with("stop");
            }
            let note = |what| {
                let log = log.clone();
                move |_: &_| async move { log.note(what) }
            };
            // Clean-up that was added earlier waits too.
            let run = work(way).try_cancelable(&source).named("parent").finally(note("first"));
            let run = if cancels { run.cancels_children() } else { run.joins_children() };
            let run = run.finally(note("second"));
            let operation = run.operation();
            log.watch(&operation);
            let (child, child_run) = child_of(&operation);

            let (mut run, wakes) = (Box::pin(run), Wakes::new());
            if way == Way::Cancelled {
                assert!(wakes.poll(run.as_mut()).is_pending());
                source.cancel_with("stop");
            }
            assert!(wakes.poll(run.as_mut()).is_pending(), "{way:?}");
            let before = wakes.count();
            assert!(wakes.poll(run.as_mut()).is_pending(), "{way:?}");
            assert_eq!((log.take().len(), wakes.count()), (0, before), "{way:?}");
            let is_cancelled = matches!(way, Way::Cancelled | Way::Unstarted);
            let told = if is_cancelled { parent_reason("stop") } else { dismissed() };
            assert_eq!(child.reason(), told.filter(|_| is_cancelled || cancels), "{way:?}");
            assert_eq!(operation.is_cancelled(), is_cancelled);

            drop(child_run);
            assert_eq!(wakes.count(), before + 1, "{way:?}");
            let ended = match way {
                Way::Panic => {
                    assert_eq!(panic_of(|| wakes.poll(run.as_mut()).is_ready()), "on fire");
                    "failed: panicked: on fire"
                }
                _ => match wakes.poll(run.as_mut()) {
                    Poll::Ready(Ok(())) => "completed",
                    Poll::Ready(Err(_)) if way == Way::Error => "failed: no disk",
                    Poll::Ready(Err(_)) => "hook: cancelled: stop",
                    Poll::Pending => panic!("{way:?}"),
                },
            };
            assert_eq!(log.take(), ["first", "second", ended], "{way:?}");
            assert_eq!(kept(&wakes), 0, "{way:?}");
        }
    }
}

#[test]
fn g16_nothing_to_join() {
    let _watchdog = support::watchdog();
    let run = async { 7 }.cancelable(never());
    assert_eq!(poll_once(pin!(run.joins_children())), Poll::Ready(Ok(7)));
    let run = async { 7 }.cancelable(never());
    assert_eq!(poll_once(pin!(run.cancels_children().joins_children())), Poll::Ready(Ok(7)));
}

#[test]
fn g16_joins_nest() {
    let _watchdog = support::watchdog();
    let top = ready(1).cancelable(never()).named("top").joins_children();
    let middle =
        ready(2).cancelable(never()).named("middle").joins_children().child_of(&top.operation());
    let (lowest, lowest_run) = child_of(&middle.operation());
    let (mut top, mut middle) = (Box::pin(top), Box::pin(middle));
    let (above, between) = (Wakes::new(), Wakes::new());
    assert!(above.poll(top.as_mut()).is_pending() && between.poll(middle.as_mut()).is_pending());
    drop(lowest_run);
    assert_eq!((above.count(), between.count()), (0, 1));
    assert_eq!(between.poll(middle.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!((above.count(), lowest.status()), (1, Status::Cancelled));
    assert_eq!(above.poll(top.as_mut()), Poll::Ready(Ok(1)));
}

/// Children that are added during the wait are joined or cancelled too. Children in a shield of the operation are not
/// cancelled.
#[test]
fn g16_late_and_shielded_children() {
    let _watchdog = support::watchdog();
    let slot = std::cell::RefCell::new(None);
    let work = async {
        let operation = Operation::current().unwrap();
        shield(async { *slot.borrow_mut() = Some(child_of(&operation)) }).await;
    };
    let run = work.cancelable(never()).named("parent").cancels_children();
    let (operation, mut run) = (run.operation(), Box::pin(run));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    let (shielded, shielded_run) = slot.take().unwrap();
    assert!(!shielded.is_cancelled());
    let late = pending::<()>().cancelable(never()).child_of(&operation);
    assert_eq!(late.operation().reason(), dismissed());
    drop(shielded_run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(lost(poll_once(pin!(late))), dismissed().unwrap());
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(())));
    assert_eq!((operation.status(), operation.reason()), (Status::Completed, None));
}

/// A child in a combinator of the work is dropped with the work. A task that an executor polls inside the work is not a
/// child of the operation.
#[test]
fn g16_parts_of_the_work_cannot_block_the_wait() {
    let _watchdog = support::watchdog();
    let executor = LocalExecutor::new();
    let task = executor.spawn(pending::<()>().cancelable(never()).named("task"));
    let source = CancellationToken::new();
    let work = async {
        let mut parts = FuturesUnordered::new();
        parts.push(pending::<()>().cancelable(never()).named("part"));
        let worker = executor.run(pending::<()>());
        futures::join!(worker, parts.next());
    };
    let run = work.cancelable(&source).named("parent").joins_children();
    let (operation, mut run) = (run.operation(), Box::pin(run));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    for _ in 0..9 {
        assert!(wakes.poll(run.as_mut()).is_pending());
    }
    assert_eq!(operation.child_count(), 2);
    source.cancel_with("stop");
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(operation.child_count(), 0);
    assert!(!task.is_finished());
}

#[test]
fn g16_dropped_during_the_wait() {
    let _watchdog = support::watchdog();
    let run = ready(()).cancelable(never()).named("parent").joins_children();
    let (operation, mut run) = (run.operation(), Box::pin(run));
    let (child, child_run) = child_of(&operation);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(
        (operation.status(), operation.reason()),
        (Status::Cancelled, Some(Reason::Dropped))
    );
    assert_eq!(child.reason(), parent_reason(Reason::Dropped));
    drop(child_run);
    assert_eq!(kept(&wakes), 0);
}

/// During the wait, the operation can be cancelled by a handle, its source, its parent, or a race around it. The outcome
/// stays the same. The source is polled during the wait, but not after it has fired.
#[test]
fn g16_cancelled_during_the_wait() {
    let _watchdog = support::watchdog();
    type Cancel = fn(&Operation, &Switch, &Operation, &CancellationToken);
    let ways: [(Cancel, Reason); 4] = [
        (|handle, _, _, _| _ = handle.cancel_with("stop"), Reason::manual("stop")),
        (|_, source, _, _| source.turn_on(), Reason::manual("switch")),
        (|_, _, parent, _| _ = parent.cancel_with("stop"), Reason::parent(Reason::manual("stop"))),
        (|_, _, _, around| _ = around.cancel(), Reason::Dropped),
    ];
    for (cancel, reason) in ways {
        let (source, above) = (Switch::new(), support::unpolled(""));
        let around = CancellationToken::new();
        let run = ready(7).cancelable(source.source("switch")).named("parent").child_of(&above);
        let run = run.joins_children();
        let (operation, mut run) = (run.operation(), Box::pin(run.cancelable(&around)));
        let (child, child_run) = child_of(&operation);
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        let before = wakes.count();
        cancel(&operation, &source, &above, &around);
        assert!(wakes.count() > before, "{reason}");
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(operation.reason(), Some(reason.clone()));
        assert!(child.is_cancelled(), "{reason}");
        let before = wakes.count();
        drop(child_run);
        assert!(wakes.count() > before, "{reason}");
        let polled = wakes.poll(run.as_mut());
        assert_eq!(operation.status(), Status::Completed);
        if reason == Reason::Dropped {
            assert!(lost(polled).message().is_none());
        } else {
            assert_eq!(polled, Poll::Ready(Ok(Ok(7))), "{reason}");
        }
    }
}

#[test]
fn g16_streams_join() {
    let _watchdog = support::watchdog();
    for cancels in [false, true] {
        let source = CancellationToken::new();
        let pages = stream::iter([1]).cancelable_stream(&source).named("parent");
        let pages = if cancels { pages.cancels_children() } else { pages.joins_children() };
        let (operation, mut pages) = (pages.operation(), Box::pin(pages));
        assert_eq!(pages.next().now_or_never(), Some(Some(Ok(1))));
        let (child, child_run) = child_of(&operation);
        let wakes = Wakes::new();
        assert!(wakes.poll(pin!(pages.next())).is_pending());
        assert_eq!(child.reason(), dismissed().filter(|_| cancels));
        source.cancel_with("stop");
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(pin!(pages.next())).is_pending());
        assert!(child.is_cancelled());
        let before = wakes.count();
        drop(child_run);
        assert_eq!(wakes.count(), before + 1);
        assert_eq!(wakes.poll(pin!(pages.next())), Poll::Ready(None));
        assert_eq!(operation.status(), Status::Completed);
    }
}

#[test]
fn g16_tasks_in_scope_are_joined() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let run = ready(()).cancelable(never()).joins_children();
    let mut task = pin!(run.operation().in_scope(gate.pass()));
    let (mut run, wakes) = (Box::pin(run), Wakes::new());
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(task.as_mut()).is_ready());
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run.as_mut()).is_ready());
}

/// The limit of the operation passes while the operation waits for a child.
#[test]
#[cfg(all(feature = "time", feature = "testing"))]
fn g16_limit_fires_during_the_wait() {
    let _watchdog = support::watchdog();
    let time = cancelable::testing::pause();
    let limit = Duration::from_secs(10);
    let run = ready(7).cancelable(timeout(limit)).named("parent").joins_children();
    let (operation, mut run) = (run.operation(), Box::pin(run));
    let (child, mut child_run) = child_of(&operation);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(operation.remaining(), Some(limit));
    time.advance(limit);
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(child.reason(), parent_reason(Reason::timeout(limit)));
    let before = wakes.count();
    assert_eq!(lost(poll_once(child_run.as_mut())), child.reason().unwrap());
    assert_eq!(wakes.count(), before + 1);
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(operation.reason(), Some(Reason::timeout(limit)));
}

/// After a cancellation the wait ends with the grace period.
#[test]
#[cfg(all(feature = "time", feature = "testing"))]
fn g16_grace_period_bounds_the_wait() {
    let _watchdog = support::watchdog();
    let time = cancelable::testing::pause();
    let grace = Duration::from_secs(5);
    let run = ready(7).cancelable(never()).grace(grace).joins_children();
    let (operation, mut run) = (run.operation(), Box::pin(run));
    let (child, _child_run) = child_of(&operation);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    time.advance(Duration::from_secs(60));
    assert_eq!(wakes.count(), 0, "it is not cancelled");
    operation.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(child.is_cancelled());
    time.advance(grace);
    assert_eq!(wakes.count(), 2);
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!((operation.child_count(), kept(&wakes)), (1, 0));
}

/// The wait also ends if a registry cuts grace periods short.
#[test]
#[cfg(feature = "time")]
fn g16_force_ends_the_wait() {
    use cancelable::registry::{Filter, Phase};

    let _watchdog = support::watchdog();
    for grace in [None, Some(Duration::MAX)] {
        let registry = Registry::new();
        let run = ready(7).cancelable(never()).registered_in(&registry);
        let run = match grace {
            None => run,
            Some(grace) => run.grace(grace),
        };
        let run = run.joins_children();
        let (operation, mut run) = (run.operation(), Box::pin(run));
        let (child, _child_run) = child_of(&operation);
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        let phase = || registry.inspect(Filter::all())[0].phase.clone();
        assert!(matches!(phase(), Phase::Child { id, .. } if id == child.id()));
        operation.cancel();
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert!(matches!(phase(), Phase::Child { id, .. } if id == child.id()));
        let before = wakes.count();
        assert_eq!(registry.force(), 1);
        assert_eq!(wakes.count(), before + 1);
        assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)));
        assert_eq!(kept(&wakes), 0);
    }
}
