//! Shutdown: cancels the operations, waits for them, forces them, reports.

use std::future::pending;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::{Filter, Phase};

use crate::helpers::{Run, running, started};
use crate::support::{self, Wakes, on_every_executor, poll_once};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn empty_registry() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let report = support::block_on(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(report.is_clean() && !report.forced && registry.is_closed());
    assert_eq!(report.to_string(), "shutdown: nothing was running");
}

#[test]
fn begins_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "a");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(!registry.is_closed() && !operation.is_cancelled());
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert!(registry.is_closed() && operation.is_cancelled());
    assert_eq!(support::block_on(run), Err(Cancelled::new("shutting down")));
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown.as_mut()) else { panic!("still waiting") };
    assert!(report.is_clean());
    assert_eq!(report.stopped[0].snapshot.status, Status::Cancelled);
    assert!(report.to_string().starts_with("shutdown: the only operation stopped in "));
    assert!(report.to_string().ends_with("(1 cancelled)"));
}

#[test]
fn refuses_newcomers() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    support::block_on(registry.shutdown(Duration::ZERO).grace(LONG));
    let late = async { panic!("polled") }.cancelable(never()).registered_in(&registry);
    let operation = late.operation();
    assert_eq!(registry.len(), 0);
    assert_eq!(support::block_on(late), Err::<(), _>(Cancelled::new("shutting down")));
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(registry.stats().refused, 1);
    assert!(registry.history(Filter::all()).is_empty());
}

#[test]
fn waits_for_unpolled_operations() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).named("unpolled").registered_in(&registry);
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    drop(run);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert!(!report.stopped[0].snapshot.started);
    assert!(report.to_string().ends_with("(1 never started)"));
}

#[test]
fn reports_the_remaining() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, stays) = running(&registry, "stays");
    let (_, goes) = running(&registry, "goes");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(Duration::from_millis(5)));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    drop(goes);
    let report = support::block_on(shutdown);
    assert!(report.forced && !report.is_clean());
    assert!(report.took >= Duration::from_millis(5));
    assert_eq!((report.stopped.len(), report.remaining.len(), report.cut_short), (1, 1, 0));
    assert_eq!(report.remaining[0].snapshot.name.as_deref(), Some("stays"));
    // The remaining operation can still end.
    assert!(support::block_on(stays).is_err());
    assert!(support::block_on(registry.shutdown(Duration::ZERO).grace(LONG)).is_clean());
}

#[test]
fn two_shutdowns() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, run) = running(&registry, "a");
    let mut first = Box::pin(registry.shutdown(Duration::ZERO).grace(LONG));
    let mut second = Box::pin(registry.shutdown(Duration::ZERO).grace(LONG).because("later"));
    let wakes = Wakes::new();
    assert!(wakes.poll(first.as_mut()).is_pending() && wakes.poll(second.as_mut()).is_pending());
    drop(first);
    assert_eq!(support::block_on(run), Err(Cancelled::new("shutting down")));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(second.as_mut()).is_ready());
}

#[test]
fn cuts_grace_periods_short() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let saves = scope(never(), async |operation: Operation| {
        operation.cancelled().await;
    });
    let (_, mut saves) = started(saves.grace(LONG).named("saves").registered_in(&registry));
    let deaf = pending::<()>().cancelable(never()).grace(LONG).named("deaf");
    let (deaf, mut deaf_run) = started(deaf.registered_in(&registry));

    let mut shutdown =
        pin!(registry.shutdown(Duration::ZERO).grace(Duration::from_millis(5)).settle(LONG));
    let waiting = Wakes::new();
    assert!(waiting.poll(shutdown.as_mut()).is_pending());
    assert_eq!(poll_once(saves.as_mut()), Poll::Ready(Ok(())));
    let wakes = Wakes::new();
    assert!(wakes.poll(deaf_run.as_mut()).is_pending());
    assert_eq!(registry.inspect(Filter::all())[0].phase, Phase::Grace);

    while wakes.count() == 0 {
        assert!(waiting.poll(shutdown.as_mut()).is_pending());
        thread::yield_now();
    }
    let Poll::Ready(Err(cancelled)) = wakes.poll(deaf_run.as_mut()) else { panic!("goes on") };
    assert!(cancelled.was_forced());
    let Poll::Ready(report) = waiting.poll(shutdown.as_mut()) else { panic!("still waiting") };
    assert_eq!((report.cut_short, report.is_clean(), report.forced), (1, true, true));
    assert_eq!(deaf.status(), Status::Cancelled);
    assert!(report.to_string().ends_with("(1 cancelled, 1 completed, 1 grace period cut short)"));
}

#[test]
fn no_grace_period_after_force() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let run = pending::<()>().cancelable(never()).grace(LONG).registered_in(&registry);
    let (operation, run) = started(run);
    assert_eq!(registry.force(), 0);
    assert_eq!(operation.status(), Status::Running, "not cancelled, so it continues");
    operation.cancel();
    assert!(support::block_on(run).unwrap_err().was_forced());
}

#[test]
fn force_ends_the_wait() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "a");
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG).settle(Duration::ZERO));
    let wakes = Wakes::new();
    assert!(wakes.poll(shutdown.as_mut()).is_pending());
    assert_eq!(registry.force(), 0);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(report) = wakes.poll(shutdown) else { panic!("still waiting") };
    assert_eq!(report.remaining.len(), 1);
}

#[test]
fn leaves_shielded_operations_alone() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (of_parent, of_upload) = (registry.clone(), registry.clone());
    let (sender, receiver) = futures::channel::oneshot::channel::<()>();
    let work = async move {
        let part = async move {
            let part = receiver.cancelable(never()).named("part").registered_in(&of_upload);
            part.await.unwrap().unwrap();
        };
        let upload = part.cancelable(never()).named("upload").registered_in(&of_parent);
        shield(async { upload.await.unwrap() }).named("flush").await;
        panic!("the work goes on after its shield");
    };
    let (outer, mut run) = started(work.cancelable(never()).named("save").registered_in(&registry));
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    let asked: Vec<_> = registry.list().iter().map(|found| found.reason.is_some()).collect();
    assert_eq!(asked, [true, false, false]);
    assert!(poll_once(run.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Err(Cancelled::new("shutting down"))));
    let report = support::block_on(shutdown);
    let ends: Vec<_> = report.stopped.iter().map(|record| record.snapshot.status).collect();
    assert_eq!(ends, [Status::Cancelled, Status::Completed, Status::Completed]);
    assert_eq!(outer.status(), Status::Cancelled);
}

#[test]
fn shield_outside_the_registry() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let of_work = registry.clone();
    // The operation around `serve` is not in a registry, so nothing else would cancel `serve`.
    let work = shield(async move {
        let serve = pending::<()>().cancelable(never()).named("serve").registered_in(&of_work);
        assert!(serve.await.is_err());
    });
    let (_, run) = started(work.cancelable(never()).named("main"));
    let mut shutdown = pin!(registry.shutdown(Duration::ZERO).grace(LONG));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    assert_eq!(support::block_on(run), Ok(()));
    assert!(support::block_on(shutdown).is_clean());
}

#[test]
fn awaited_by_an_operation_of_its_registry() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, other) = running(&registry, "other");
    let stops = registry.shutdown(Duration::ZERO).grace(LONG).cancelable(never()).named("stops");
    let stopped = support::block_on(stops.registered_in(&registry));
    assert_eq!(stopped, Err(Cancelled::new("shutting down")));
    assert_eq!(support::block_on(other), Err(Cancelled::new("shutting down")));
}

#[test]
fn hooks_run_before_the_report() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (sender, told) = channel();
    let run =
        pending::<()>().cancelable(never()).registered_in(&registry).on_cancel(move |_, _| {
            thread::sleep(Duration::from_millis(50));
            sender.send(()).unwrap();
        });
    let (_, run) = started(run);
    let waits = registry.clone();
    let waiter = thread::spawn(move || {
        let report = support::block_on(waits.shutdown(Duration::ZERO).grace(LONG));
        (report.is_clean(), told.try_recv().is_ok())
    });
    assert!(support::block_on(run).is_err());
    assert_eq!(waiter.join().unwrap(), (true, true));
}

#[test]
fn registration_during_close() {
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let registry = Registry::new();
        let enters = registry.clone();
        let entering = thread::spawn(move || {
            let mut outcomes = Vec::new();
            loop {
                let run = async {}.cancelable(never()).registered_in(&enters);
                let outcome = support::block_on(run);
                let refused = outcome.is_err();
                outcomes.push(outcome);
                if refused && enters.is_closed() {
                    return outcomes.len() as u64;
                }
            }
        });
        let report = support::block_on(registry.shutdown(Duration::ZERO).grace(LONG));
        assert!(report.is_clean());
        assert!(registry.is_empty(), "reported, but not empty");
        let outcomes = entering.join().unwrap();
        let stats = registry.stats();
        assert_eq!(stats.ended() + stats.refused, outcomes);
    }
}

on_every_executor! {
    async fn stops_running_tasks() {
        let registry = Registry::new();
        let runs: Vec<Run> = (0..10)
            .map(|_| Box::pin(pending::<()>().cancelable(never()).registered_in(&registry)) as Run)
            .collect();
        let began = Instant::now();
        let stopping = async {
            while registry.stats().running < 10 {
                smol::future::yield_now().await;
            }
            registry.shutdown(Duration::ZERO).grace(LONG).await
        };
        let (outcomes, report) = futures::join!(futures::future::join_all(runs), stopping);
        assert!(outcomes.iter().all(Result::is_err));
        assert!(report.is_clean() && began.elapsed() < LONG);
        assert_eq!(report.stopped.len(), 10);
    }

    async fn cuts_grace_short_in_time() {
        let registry = Registry::new();
        let run = pending::<()>().cancelable(never()).grace(LONG).registered_in(&registry);
        let stopping = async {
            while registry.stats().running < 1 {
                smol::future::yield_now().await;
            }
            registry.shutdown(Duration::ZERO).grace(Duration::from_millis(10)).settle(LONG).await
        };
        let (outcome, report) = futures::join!(run, stopping);
        assert!(outcome.unwrap_err().was_forced());
        assert!(report.is_clean());
        assert_eq!(report.cut_short, 1);
    }
}
