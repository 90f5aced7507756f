//! Shutdown: operations first get time to finish, then they are cancelled, then they are forced.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::{Event, Shutdown, ShutdownPlan, ShutdownReport};
use cancelable::testing::{self, PausedTime};
use futures::channel::oneshot;
use futures::future::join;

use crate::helpers::{Run, running, started};
use crate::support::{self, Wakes, poll_once};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Starts an operation that finishes when the sender sends.
fn request(registry: &Registry) -> (oneshot::Sender<()>, Operation, Run) {
    let (sender, receiver) = oneshot::channel();
    let work = async { receiver.await.unwrap() };
    let (operation, run) =
        started(work.cancelable(never()).named("request").registered_in(registry));
    (sender, operation, run)
}

/// Runs a shutdown and returns how long it took on the virtual clock.
async fn timed(time: &PausedTime, shutdown: Shutdown) -> (Duration, ShutdownReport) {
    let began = time.now();
    let report = shutdown.await;
    (time.now() - began, report)
}

#[test]
fn ends_once_the_last_operation_has_finished() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (sender, operation, mut run) = request(&registry);
    let mut shutdown = pin!(registry.shutdown(secs(600)));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(registry.is_closed() && !operation.is_cancelled());
    sender.send(()).unwrap();
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert_eq!((report.is_clean(), report.forced), (true, false));
    assert_eq!(report.stopped[0].snapshot.status, Status::Completed);
    assert!(report.to_string().ends_with("(1 completed)"), "{report}");
}

#[test]
fn idle_registry_takes_no_time() {
    let _watchdog = support::watchdog();
    let stop = async { Reason::signal(Signal::Term) };
    let mut ends = pin!(Registry::new().shutdown_when(stop, ShutdownPlan::new()));
    let Poll::Ready(end) = poll_once(ends.as_mut()) else { panic!("waits for nothing") };
    assert!(end.report.is_clean());
}

#[test]
fn each_step_takes_its_time() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let registry = Registry::new();
        let deaf = pending::<()>().cancelable(never()).grace(secs(600)).registered_in(&registry);
        let (operation, run) = started(deaf);
        let began = time.now();
        let shutdown = registry.shutdown(secs(20)).grace(secs(7)).settle(secs(3));
        let work = async {
            operation.cancelled().await;
            assert_eq!(time.now() - began, secs(20));
            assert!(run.await.unwrap_err().was_forced());
            assert_eq!(time.now() - began, secs(27));
        };
        let (report, ()) = join(shutdown, work).await;
        assert_eq!((time.now() - began, report.cut_short), (secs(27), 1));
        assert!(report.is_clean() && report.forced);
    });
}

#[test]
fn stuck_operation_takes_all_the_time() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let registry = Registry::new();
        let deaf = shield(pending::<()>()).cancelable(never()).grace(secs(600));
        let (_, _stuck) = started(deaf.registered_in(&registry));
        let shutdown = registry.shutdown(secs(20)).grace(secs(7)).settle(secs(3));
        let (took, report) = timed(&time, shutdown).await;
        // The operation has not been polled since it was cancelled, so its grace period has not begun and cannot be cut
        // short.
        assert_eq!((took, report.remaining.len()), (secs(27), 1));
    });
}

#[test]
fn default_times() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let registry = Registry::new();
        let (_, _stuck) = running(&registry, "stuck");
        let began = time.now();
        let stop = async { Reason::signal(Signal::Int) };
        registry.shutdown_when(stop, ShutdownPlan::new()).await;
        assert_eq!(time.now() - began, secs(25));
    });
}

#[test]
fn grace_of_zero_leaves_the_last_wait() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let registry = Registry::new();
        let (_, run) = running(&registry, "a");
        let shutdown = registry.shutdown(secs(20)).grace(Duration::ZERO);
        let ((took, report), outcome) = join(timed(&time, shutdown), run).await;
        assert_eq!(outcome, Err(Cancelled::new("shutting down")));
        assert_eq!((took, report.is_clean()), (secs(20), true));
    });
}

#[test]
fn force_ends_the_time_to_finish() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let deaf = pending::<()>().cancelable(never()).grace(secs(600)).registered_in(&registry);
    let (operation, run) = started(deaf);
    let mut shutdown = pin!(registry.shutdown(secs(600)).grace(secs(600)).settle(secs(600)));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    registry.force();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(operation.is_cancelled());
    assert!(support::block_on(run).unwrap_err().was_forced());
    assert!(support::block_on(shutdown).is_clean());
}

#[test]
fn daemons_are_cancelled_once_the_others_have_finished() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let registry = Registry::new();
        let writer = pending::<()>().cancelable(never()).named("writer").daemon_in(&registry);
        let (writer, writer_run) = started(writer);
        let (sender, _, run) = request(&registry);
        let work = async {
            sleep(secs(4)).await;
            assert!(!writer.is_cancelled());
            sender.send(()).unwrap();
            run.await
        };
        let shutdown = timed(&time, registry.shutdown(secs(20)));
        let ((took, report), (outcome, ended)) = join(shutdown, join(work, writer_run)).await;
        assert_eq!((took, outcome), (secs(4), Ok(())));
        assert_eq!(ended, Err(Cancelled::new("shutting down")));
        assert_eq!((report.stopped.len(), report.forced), (2, false));
    });
}

/// Waits on the virtual clock.
async fn sleep(length: Duration) {
    let _ = pending::<()>().cancelable(timeout(length)).await;
}

#[test]
fn operations_inside_a_running_one_are_accepted() {
    let _watchdog = support::watchdog();
    let (registry, inside) = (Registry::new(), Registry::new());
    inside.close();
    let (sender, receiver) = oneshot::channel::<()>();
    let (closed, of_work) = (inside, registry.clone());
    let work = async move {
        receiver.await.unwrap();
        let step = async { 7 }.cancelable(never()).named("step").registered_in(&of_work);
        assert_eq!(step.await, Ok(7));
        // This operation is not below an operation of the closed registry.
        assert!(async {}.cancelable(never()).registered_in(&closed).await.is_err());
    };
    let of_clean_up = registry.clone();
    let work = work.cancelable(never()).finally(move |_| async move {
        let flush = async { 8 }.cancelable(never()).named("flush").registered_in(&of_clean_up);
        assert_eq!(flush.await, Ok(8));
    });
    let mut run: Run = Box::pin(work.registered_in(&registry));
    assert!(poll_once(run.as_mut()).is_pending());
    let mut shutdown = pin!(registry.shutdown(secs(600)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert_eq!(support::block_on(run), Ok(()));
    assert!(support::block_on(shutdown).is_clean());
    assert_eq!((registry.stats().completed, registry.stats().refused), (3, 0));
}

#[test]
fn child_of_a_running_operation_is_accepted() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "parent");
    registry.close();
    let child = pending::<()>().cancelable(never()).child_of(&operation).registered_in(&registry);
    assert_eq!(registry.len(), 2);
    drop((child, run));
    assert!(poll_once(pin!(registry.drained())).is_ready());
    // The parent has left.
    let late = async {}.cancelable(never()).child_of(&operation).registered_in(&registry);
    assert!(registry.is_empty());
    assert!(support::block_on(late).is_err());
    assert_eq!(registry.stats().refused, 1);
}

#[test]
fn child_of_a_daemon_is_a_daemon() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (writer, run) = started(pending::<()>().cancelable(never()).daemon_in(&registry));
    let mut shutdown = pin!(registry.shutdown(secs(600)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    let last = pending::<()>().cancelable(never()).child_of(&writer).registered_in(&registry);
    assert_eq!(registry.len(), 2);
    drop(run);
    assert!(poll_once(shutdown.as_mut()).is_pending());
    drop(last);
    assert!(support::block_on(shutdown).is_clean());
}

#[test]
fn children_that_came_late_are_cancelled_too() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let registry = Registry::new();
    let (operation, _run) = running(&registry, "parent");
    let mut shutdown = pin!(registry.shutdown(secs(5)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    let child = pending::<()>().cancelable(never()).child_of(&operation).registered_in(&registry);
    let (child, _child_run) = started(child);
    time.advance(secs(5));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert_eq!(child.reason().map(|reason| reason.kind()), Some(ReasonKind::Parent));
}

#[test]
fn closing_fires_with_the_reason() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(8);
    let (mut early, wakes) = (pin!(registry.closing()), Wakes::new());
    assert!(wakes.poll(early.as_mut()).is_pending());
    let mut shutdown = pin!(registry.shutdown(secs(600)).because("deployment"));
    assert!(poll_once(shutdown.as_mut()).is_ready());
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(early), Poll::Ready(Reason::manual("deployment")));
    assert_eq!(support::block_on(registry.closing()), Reason::manual("deployment"));
    assert_eq!(support::block_on(futures::StreamExt::next(&mut events)), Some(Event::Closed));
}
