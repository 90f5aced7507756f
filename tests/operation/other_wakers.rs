//! Operations that are polled with another waker than the operation around them.
//!
//! An operation in a combinator of the outer work ends with that work. An operation in a task that an executor polls
//! inside the outer work does not.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use smol::LocalExecutor;

use crate::support::{self, Wakes, lost, poll_once, poll_while_woken};

type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

fn child() -> (Run, Operation) {
    let run = pending::<()>().cancelable(never()).named("child");
    let operation = run.operation();
    (Box::pin(run), operation)
}

/// Returns a combinator that polls a child, and the child. If `nested`, another combinator is between them.
fn in_combinator(nested: bool) -> (FuturesUnordered<Run>, Operation) {
    let (run, child) = child();
    let mut all: FuturesUnordered<Run> = [run].into_iter().collect();
    if nested {
        let mut inner = all;
        let inner: Run = Box::pin(async move { inner.next().await.unwrap() });
        all = [inner].into_iter().collect();
    }
    (all, child)
}

#[test]
fn part_of_a_combinator_ends_with_the_parent() {
    let _watchdog = support::watchdog();
    for nested in [false, true] {
        let (mut all, child) = in_combinator(nested);
        let run = async move { all.next().await }.cancelable(never()).named("parent");
        let parent = run.operation();
        let mut run = pin!(run);
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(child.parent_id(), Some(parent.id()));
        parent.cancel_with("stop");
        assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
        assert_eq!(child.status(), Status::Cancelled);
        let reason = child.reason().unwrap();
        assert_eq!(reason.to_string(), "parent `parent` cancelled: stop");
    }
}

#[cfg(feature = "time")]
#[test]
fn part_of_a_combinator_is_told_within_a_grace_period() {
    let _watchdog = support::watchdog();
    for nested in [false, true] {
        let (mut all, child) = in_combinator(nested);
        let work = async move { all.next().await.unwrap().unwrap_err().reason().to_string() };
        let run = work.cancelable(never()).named("parent").grace(std::time::Duration::MAX);
        let parent = run.operation();
        let mut run = pin!(run);
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        parent.cancel_with("stop");
        let ended = poll_while_woken(&wakes, run);
        assert_eq!(ended, Poll::Ready(Ok("parent `parent` cancelled: stop".to_owned())));
        assert_eq!(child.status(), Status::Cancelled);
    }
}

#[test]
fn part_of_a_combinator_is_told_while_a_section_is_waited_for() {
    let _watchdog = support::watchdog();
    let (run, child) = child();
    let (gate, mut all) = (CancellationToken::new(), FuturesUnordered::new());
    all.push(run);
    let work = {
        let gate = gate.clone();
        async move { futures::join!(shield(gate.cancelled()), all.next()) }
    };
    let run = work.cancelable(never()).named("parent");
    let parent = run.operation();
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    parent.cancel_with("stop");
    assert!(poll_while_woken(&wakes, run.as_mut()).is_pending());
    assert_eq!(child.status(), Status::Cancelled);
    gate.cancel();
    assert!(poll_while_woken(&wakes, run.as_mut()).is_ready());
}

#[test]
fn task_of_an_executor_is_left_alone() {
    let _watchdog = support::watchdog();
    for grace in [false, true] {
        let executor = LocalExecutor::new();
        let gate = CancellationToken::new();
        let run = gate.clone().cancelled_owned().map(drop).cancelable(never()).named("task");
        let operation = run.operation();
        let task = executor.spawn(run);
        let worker = executor.run(pending::<()>()).cancelable(never()).named("worker");
        #[cfg(feature = "time")]
        let worker = if grace { worker.grace(std::time::Duration::MAX) } else { worker };
        let parent = worker.operation();
        {
            let mut worker = pin!(worker);
            let wakes = Wakes::new();
            assert!(poll_while_woken(&wakes, worker.as_mut()).is_pending());
            parent.cancel();
            let polled = poll_while_woken(&wakes, worker.as_mut());
            assert_eq!(polled.is_pending(), grace && cfg!(feature = "time"));
        }
        assert!(!operation.is_cancelled());
        gate.cancel();
        assert_eq!(support::block_on(executor.run(task)), Ok(()), "grace: {grace}");
        assert_eq!((operation.status(), operation.parent_id()), (Status::Completed, None));
    }
}

/// Everything that runs inside `in_scope` belongs to the operation, even a task of an executor.
#[test]
fn task_of_an_executor_in_a_scope_is_a_child() {
    let _watchdog = support::watchdog();
    let executor = LocalExecutor::new();
    let parent_run = async {}.cancelable(never()).named("parent");
    let parent = parent_run.operation();
    let (run, child) = child();
    let task = executor.spawn(run);
    let mut worker = pin!(parent.in_scope(executor.run(pending::<()>())));
    let wakes = Wakes::new();
    assert!(poll_while_woken(&wakes, worker.as_mut()).is_pending());
    parent.cancel();
    assert!(poll_while_woken(&wakes, worker.as_mut()).is_pending());
    assert_eq!((child.status(), child.parent_id()), (Status::Cancelled, Some(parent.id())));
    assert!(poll_once(pin!(task)).is_ready());
}

/// Drives an operation like a `block_on`: polls it until it is not woken any more, then lets it end. This happens inside
/// the current operation, which is cancelled.
fn block_on_child() {
    let (gate, wakes) = (CancellationToken::new(), Wakes::new());
    let mut run = pin!(gate.cancelled().map(drop).cancelable(never()).named("child"));
    assert!(poll_while_woken(&wakes, run.as_mut()).is_pending());
    gate.cancel();
    assert_eq!(wakes.poll(run), Poll::Ready(Ok(())));
}

#[test]
fn blocking_in_a_cancelled_operation_does_not_spin() {
    let _watchdog = support::watchdog();
    // The `block_on` is called in the poll in which the outer operation is cancelled.
    let work = async {
        Operation::current().unwrap().cancel();
        block_on_child();
    };
    assert_eq!(poll_once(pin!(work.cancelable(never()).named("parent"))), Poll::Ready(Ok(())));

    // The `block_on` is called in a destructor of the work.
    let done = Cell::new(false);
    let work = async {
        let _last = support::OnDrop(|| {
            block_on_child();
            done.set(true);
        });
        pending::<()>().await;
    };
    let mut run = pin!(work.cancelable(never()).named("parent"));
    assert!(poll_once(run.as_mut()).is_pending());
    run.operation().cancel();
    assert!(poll_once(run).is_ready());
    assert!(done.get());
}

/// The work polls a part in a combinator, and clean-up polls the same part again. In between, the operation is cancelled.
#[test]
fn part_that_outlives_the_work_is_not_cancelled() {
    let _watchdog = support::watchdog();
    let gate = CancellationToken::new();
    let child = gate.clone().cancelled_owned().map(drop).cancelable(never()).named("child");
    let operation = child.operation();
    let all = RefCell::new(FuturesUnordered::from_iter([child]));
    let next = || poll_fn(|cx| all.borrow_mut().poll_next_unpin(cx));
    let work = async { assert!(futures::poll!(next()).is_pending()) };
    let run = work.cancelable(never()).finally(|_| next().map(drop));
    let parent = run.operation();
    let (mut run, wakes) = (pin!(run), Wakes::new());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(operation.parent_id(), Some(parent.id()));
    parent.cancel();
    assert!(poll_while_woken(&wakes, run.as_mut()).is_pending());
    assert_eq!((operation.is_cancelled(), operation.parent_id()), (false, None));
    gate.cancel();
    assert!(poll_while_woken(&wakes, run).is_ready());
    assert_eq!(operation.status(), Status::Completed);
}
