//! A child in another task watches the deadline of its parent by itself.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing;

use super::secs;
use crate::support::{self, Gate, Wakes, kept, lost, poll_once};

type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// Returns a pending operation with this source. It is polled once and then never again, as if its task were blocked.
fn blocked<S>(name: &'static str, source: S) -> (Operation, Run)
where
    S: Source,
    S::Future: 'static,
{
    start(pending().cancelable(source).named(name))
}

fn start<S: Future<Output = Reason> + 'static>(
    run: Cancelable<std::future::Pending<()>, S>,
) -> (Operation, Run) {
    let (operation, mut run): (_, Run) = (run.operation(), Box::pin(run));
    assert!(poll_once(run.as_mut()).is_pending());
    (operation, run)
}

fn reason(name: &'static str, limit: Duration) -> Reason {
    Reason::parent_named(Some(name.into()), Reason::timeout(limit))
}

#[test]
fn g11_child_in_another_task_keeps_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (parent, _parent_run) = blocked("parent", timeout(secs(10)));
    time.advance(secs(4));
    let by_handle = pending::<()>().cancelable(never()).child_of(&parent);
    let in_scope = parent.in_scope(pending::<()>().cancelable(never()).named("below"));
    let (mut by_handle, mut in_scope) = (pin!(by_handle), pin!(in_scope));
    let (wakes, others) = (Wakes::new(), Wakes::new());
    assert!(wakes.poll(by_handle.as_mut()).is_pending());
    assert!(others.poll(in_scope.as_mut()).is_pending());
    time.advance(secs(5));
    assert_eq!((wakes.count(), others.count()), (0, 0));
    time.advance(secs(1));
    assert_eq!((wakes.count(), others.count()), (1, 1));
    assert!(!parent.is_cancelled(), "nothing has polled it");
    assert_eq!(lost(wakes.poll(by_handle)), reason("parent", secs(10)));
    assert_eq!(lost(others.poll(in_scope)), reason("parent", secs(10)));
    assert_eq!((kept(&wakes), kept(&others)), (0, 0));
}

#[test]
fn g11_child_does_not_start_after_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (parent, _parent_run) = blocked("parent", timeout(secs(10)));
    time.advance(secs(10));
    let child = poll_fn(|_| -> Poll<()> { panic!("polled") }).cancelable(never());
    let polled = poll_once(pin!(child.child_of(&parent)));
    assert_eq!(lost(polled), reason("parent", secs(10)));
}

/// A child in the same task as its parent is cancelled by the parent, so it does not register the limit itself.
#[test]
fn child_in_the_same_task_holds_no_limit() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let work = pending::<()>().cancelable(never()).named("child");
    let run = work.cancelable(timeout(secs(10))).named("parent");
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    time.advance(secs(10));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run)), Reason::timeout(secs(10)));
}

/// Once a parent has ended, its limit no longer counts for its children. The limit of the next operation above then counts.
#[test]
fn g11_next_limit_counts_if_the_parent_has_ended() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (top, _top_run) = blocked("top", timeout(secs(20)));
    let gate = Gate::new();
    let middle = gate.pass().cancelable(timeout(secs(10))).child_of(&top);
    let (handle, mut middle) = (middle.operation(), Box::pin(middle));
    assert!(poll_once(middle.as_mut()).is_pending());
    let (lowest, mut run) = start(pending().cancelable(never()).child_of(&handle));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(middle.as_mut()).is_ready());
    time.advance(secs(10));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(!lowest.is_cancelled());
    let before = wakes.count();
    time.advance(secs(10));
    assert_eq!(wakes.count(), before + 1);
    assert_eq!(lost(wakes.poll(run.as_mut())), reason("top", secs(20)));
}

/// A child may start before its parent, which then has no deadline yet. The child is woken once the parent has one.
#[test]
fn g11_child_that_starts_before_its_parent_keeps_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let parent = pending::<()>().cancelable(timeout(secs(10))).named("parent");
    let operation = parent.operation();
    let (child, mut child_run) = start(pending().cancelable(never()).child_of(&operation));
    let (below, mut below_run) = start(pending().cancelable(never()).child_of(&child));
    let (wakes, others) = (Wakes::new(), Wakes::new());
    assert!(wakes.poll(child_run.as_mut()).is_pending());
    assert!(others.poll(below_run.as_mut()).is_pending());
    time.advance(secs(100));
    assert_eq!(child.deadline(), None);
    let mut parent = pin!(parent);
    assert!(poll_once(parent.as_mut()).is_pending());
    assert_eq!((wakes.count(), others.count()), (1, 0));
    assert!(wakes.poll(child_run.as_mut()).is_pending());
    assert_eq!((wakes.count(), others.count()), (1, 1));
    assert!(others.poll(below_run.as_mut()).is_pending());
    assert_eq!((child.remaining(), below.remaining()), (Some(secs(10)), Some(secs(10))));
    time.advance(secs(10));
    assert_eq!((wakes.count(), others.count()), (2, 2));
    // Nothing polls the child or the parent.
    assert_eq!(lost(others.poll(below_run.as_mut())), reason("parent", secs(10)));
    assert_eq!(lost(wakes.poll(child_run.as_mut())), reason("parent", secs(10)));
    drop((child_run, below_run));
    assert_eq!((kept(&wakes), kept(&others)), (0, 0));
}

#[test]
fn child_that_starts_before_a_parent_without_a_deadline_is_not_woken() {
    let _watchdog = support::watchdog();
    let _time = testing::pause();
    let parent = pending::<()>().cancelable(never()).named("parent");
    let operation = parent.operation();
    let mut child = pin!(pending::<()>().cancelable(never()).child_of(&operation));
    let wakes = Wakes::new();
    assert!(wakes.poll(child.as_mut()).is_pending());
    let mut parent = Box::pin(parent);
    assert!(poll_once(parent.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    operation.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    let parent = Reason::parent_named(Some("parent".into()), Reason::manual("stop"));
    assert_eq!(lost(wakes.poll(child)), parent);
}

/// A child waits for a parent that has a deadline from its own parent already. The limit of the parent's source makes the
/// deadline earlier.
#[test]
fn g11_deadline_becomes_earlier_as_the_parent_starts() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (top, _top_run) = blocked("top", timeout(secs(30)));
    let parent = pending::<()>().cancelable(timeout(secs(10))).named("parent").child_of(&top);
    let (operation, mut parent) = (parent.operation(), Box::pin(parent));
    let (child, mut run) = start(pending().cancelable(never()).child_of(&operation));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(child.remaining(), Some(secs(30)));
    assert!(poll_once(parent.as_mut()).is_pending());
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(child.remaining(), Some(secs(10)));
    time.advance(secs(10));
    assert_eq!(wakes.count(), 2);
    assert_eq!(lost(wakes.poll(run.as_mut())), reason("parent", secs(10)));
}

/// The same if the parent never starts: the deadline of its own parent counts.
#[test]
fn g11_deadline_of_a_parent_that_never_starts() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (top, _top_run) = blocked("top", timeout(secs(30)));
    let parent = pending::<()>().cancelable(timeout(secs(10))).named("parent").child_of(&top);
    let operation = parent.operation();
    let (_child, mut run) = start(pending().cancelable(never()).child_of(&operation));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    time.advance(secs(30));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run.as_mut())), reason("top", secs(30)));
}

/// The middle one of three has a limit of its own and starts first. The lowest keeps the earlier deadline of the top, which
/// starts last.
#[test]
fn g11_earlier_deadline_comes_from_the_top() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let top = pending::<()>().cancelable(timeout(secs(10))).named("top");
    let handle = top.operation();
    let (middle, mut middle_run) = start(pending().cancelable(timeout(secs(30))).child_of(&handle));
    let (lowest, mut run) = start(pending().cancelable(never()).child_of(&middle));
    let (wakes, others) = (Wakes::new(), Wakes::new());
    assert!(others.poll(middle_run.as_mut()).is_pending());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(lowest.remaining(), Some(secs(30)));
    let mut top = pin!(top);
    assert!(poll_once(top.as_mut()).is_pending());
    assert_eq!(others.count(), 1);
    assert!(others.poll(middle_run.as_mut()).is_pending());
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(lowest.remaining(), Some(secs(10)));
    time.advance(secs(10));
    assert_eq!(wakes.count(), 2);
    assert_eq!(lost(wakes.poll(run.as_mut())), reason("top", secs(10)));
}

/// An operation within the work of a child that waits for the deadline.
#[test]
fn g11_deadline_is_known_below_a_child_that_waits_for_it() {
    let _watchdog = support::watchdog();
    let _time = testing::pause();
    let parent = pending::<()>().cancelable(timeout(secs(10))).named("parent");
    let operation = parent.operation();
    let within = pending::<()>().cancelable(never()).named("within");
    let inner = within.operation();
    let child = within.cancelable(never()).child_of(&operation);
    let (mut child, wakes) = (pin!(child), Wakes::new());
    assert!(wakes.poll(child.as_mut()).is_pending());
    let mut parent = pin!(parent);
    assert!(poll_once(parent.as_mut()).is_pending());
    assert!(wakes.poll(child.as_mut()).is_pending());
    assert!(wakes.poll(child.as_mut()).is_pending());
    assert_eq!(inner.remaining(), Some(secs(10)));
}

/// An operation that has started and has children gets a parent with a deadline.
#[test]
fn g11_late_parent_has_a_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (parent, _parent_run) = blocked("parent", timeout(secs(10)));
    let mut run = pending::<()>().cancelable(never());
    let operation = run.operation();
    let (_early, _early_run) = start(pending().cancelable(never()).child_of(&operation));
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    let _run = run.child_of(&parent);
    let (late, mut late_run) = start(pending().cancelable(never()).child_of(&operation));
    let wakes = Wakes::new();
    assert!(wakes.poll(late_run.as_mut()).is_pending());
    assert_eq!(late.remaining(), Some(secs(10)));
    time.advance(secs(10));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(late_run.as_mut())), reason("parent", secs(10)));
}
