//! Tasks that run `in_scope` of a registered operation.

use std::future::{Pending, pending};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use cancelable::operation::InScope;
use cancelable::prelude::*;
use cancelable::registry::{Filter, Phase};

use crate::helpers::{ids, running, started};
use crate::support::{self, Wakes, poll_once};

const LONG: Duration = Duration::from_secs(600);

/// Starts a task that never ends by itself.
fn task(operation: &Operation) -> (Operation, Pin<Box<InScope<Pending<()>>>>) {
    let mut task = Box::pin(operation.in_scope(pending()));
    let child = operation.children().pop().unwrap();
    assert!(poll_once(task.as_mut()).is_pending());
    (child, task)
}

#[test]
fn g16_listed_until_they_end() {
    let _watchdog = support::watchdog();
    let (registry, other) = (Registry::new(), Registry::new());
    let run = pending::<()>().cancelable(never()).registered_in(&registry).registered_in(&other);
    let (operation, run) = started(run);
    let (child, task) = task(&operation);
    for registry in [&registry, &other] {
        assert_eq!(ids(&registry.list()), [operation.id(), child.id()]);
        let inspected = registry.inspect(Filter::all());
        assert!(matches!(inspected[0].phase, Phase::Child { id, .. } if id == child.id()));
        assert_eq!(inspected[1].phase, Phase::Running);
        assert!(inspected[1].last_poll.is_some() && inspected[1].in_poll.is_none());
    }
    drop(run);
    assert_eq!(ids(&registry.list()), [child.id()], "the operation has ended");
    drop(task);
    assert!(registry.is_empty() && other.is_empty());
    assert_eq!(registry.history(Filter::all())[1].snapshot.id, child.id());
}

#[test]
fn g16_shutdown_is_not_clean_while_a_task_lives() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "request");
    let (child, background) = task(&operation);
    drop(run);
    let mut shutdown = pin!(registry.shutdown(LONG));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(child.is_cancelled());
    // The task does not stop, although its operation has ended. The next task belongs to the same operation.
    let (late, background_too) = task(&operation);
    drop(background);
    assert_eq!((wakes.count(), ids(&registry.list())), (0, vec![late.id()]));
    drop(background_too);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert!(report.is_clean());
}

#[test]
fn g16_task_that_comes_during_a_shutdown_is_reported() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "request");
    let mut shutdown = pin!(registry.shutdown(Duration::from_millis(5)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    let (late, _background) = task(&operation);
    drop(run);
    let report = support::block_on(shutdown);
    assert_eq!((report.stopped.len(), report.remaining.len()), (1, 1));
    assert_eq!(report.remaining[0].snapshot.id, late.id());
    assert_eq!(registry.stats().refused, 0);
}

/// A task comes after the shutdown is over, so the report could not contain it any more.
#[test]
fn g16_task_after_the_last_operation_is_refused() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "request");
    drop(run);
    let (child, background) = task(&operation);
    assert_eq!(ids(&registry.list()), [child.id()], "the registry is open");
    drop(background);
    assert!(support::block_on(registry.shutdown(LONG)).is_clean());
    let (child, _background) = task(&operation);
    assert_eq!((registry.len(), registry.stats().refused), (0, 1));
    assert!(child.is_cancelled());
}

/// Daemons wait for tasks of other operations. Tasks of daemons are daemons.
#[test]
fn daemons_and_tasks() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let writer = pending::<()>().cancelable(never()).named("writer").daemon_in(&registry);
    let (writer, run) = started(writer);
    let (request, request_run) = running(&registry, "request");
    let (_, writing) = task(&writer);
    let (_, background) = task(&request);
    drop(request_run);
    let wakes = Wakes::new();
    let mut shutdown = pin!(registry.shutdown(LONG));
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(!writer.is_cancelled());
    drop(background);
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(writer.is_cancelled());
    // Only daemons are left, so there is no operation that they could wait for.
    let (late, background) = task(&request);
    drop((run, writing));
    assert_eq!((wakes.count(), ids(&registry.list())), (1, vec![late.id()]));
    drop(background);
    assert!(support::block_on(shutdown).is_clean());
}
