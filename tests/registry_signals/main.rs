//! The ladder of a service: the first signal shuts down, the second forces, the third ends it.
//!
//! Signals concern the whole process: each step runs in a process of its own.

#![cfg(all(unix, feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::future::pending;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::{Filter, Phase, ServiceEnd, ShutdownPlan};
use rustix::process::{Signal as Number, getpid, kill_process};

const LONG: Duration = Duration::from_secs(600);

/// Says which part of a test this process is to play.
const ROLE: &str = "CANCELABLE_TEST_ROLE";

/// Runs a test of this file in a process of its own, and tells its exit code.
fn play(test: &str) -> Option<i32> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, test)
        .spawn()
        .unwrap();
    let give_up = Instant::now() + Duration::from_secs(50);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > give_up {
            child.kill().unwrap();
            panic!("{test} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_played(test: &str) -> bool {
    env::var_os(ROLE).is_some_and(|role| role == test)
}

fn raise(signal: Number) {
    kill_process(getpid(), signal).unwrap();
}

/// A service with one operation that takes all the time it is given.
fn serve(plan: ShutdownPlan, service: impl AsyncFnOnce(&Registry)) -> ServiceEnd {
    let registry = Registry::new();
    let deaf = pending::<()>().cancelable(never()).named("deaf").grace(LONG);
    let task = smol::spawn(deaf.registered_in(&registry));
    let stop = registry.shutdown_on_termination(plan.grace(LONG)).unwrap();
    let (_, end) = support::block_on(stop.serve(async {
        // Who is asked before its first poll has no grace.
        until(|| registry.stats().running == 1).await;
        service(&registry).await;
        pending::<()>().await;
    }));
    assert!(support::block_on(task).unwrap_err().was_forced());
    end
}

/// Yields until it is so.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        smol::future::yield_now().await;
    }
}

fn in_grace(registry: &Registry) -> bool {
    let found = registry.inspect(Filter::all());
    found.first().is_some_and(|found| found.phase == Phase::Grace)
}

#[test]
fn the_second_signal_forces() {
    let _watchdog = support::watchdog();
    if !is_played("the_second_signal_forces") {
        assert_eq!(play("the_second_signal_forces"), Some(0));
        return;
    }
    let end = serve(ShutdownPlan::new(), async |registry| {
        raise(Number::TERM);
        until(|| in_grace(registry)).await;
        // The first must have been seen, so that this is a second one.
        raise(Number::TERM);
    });
    assert!(end.insisted && end.report.is_clean());
    assert_eq!(end.report.cut_short, 1);
    assert_eq!(end.reason, Reason::signal(Signal::Term));
    assert_eq!(end.exit_code(), ExitCode::from(143));
}

#[test]
fn the_second_signal_ends_the_drain_delay() {
    let _watchdog = support::watchdog();
    if !is_played("the_second_signal_ends_the_drain_delay") {
        assert_eq!(play("the_second_signal_ends_the_drain_delay"), Some(0));
        return;
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let plan = ShutdownPlan::new().drain(LONG).on_request(move |_| sender.send(()).unwrap());
    let end = serve(plan, async |registry| {
        raise(Number::TERM);
        until(|| seen.try_recv().is_ok()).await;
        assert!(!registry.is_closed());
        raise(Number::INT);
    });
    assert!(end.insisted);
    assert_eq!(end.exit_code(), ExitCode::from(143), "that of the first");
}

#[test]
fn a_signal_after_a_service_that_ended_by_itself_forces() {
    let _watchdog = support::watchdog();
    if !is_played("a_signal_after_a_service_that_ended_by_itself_forces") {
        assert_eq!(play("a_signal_after_a_service_that_ended_by_itself_forces"), Some(0));
        return;
    }
    let registry = Registry::new();
    let deaf = pending::<()>().cancelable(never()).named("deaf").grace(LONG);
    let task = smol::spawn(deaf.registered_in(&registry));
    let stop = registry.shutdown_on_termination(ShutdownPlan::new().grace(LONG)).unwrap();
    let raises = async {
        until(|| in_grace(&registry)).await;
        raise(Number::INT);
    };
    let served = stop.serve(until(|| registry.stats().running == 1));
    let ((_, end), ()) = support::block_on(futures::future::join(served, raises));
    assert!(end.insisted && end.report.is_clean());
    assert_eq!(end.reason, Reason::manual("the service ended"));
    assert_eq!(end.exit_code(), ExitCode::FAILURE);
    assert!(support::block_on(task).unwrap_err().was_forced());
}

#[test]
fn the_third_signal_ends_the_process() {
    let _watchdog = support::watchdog();
    if !is_played("the_third_signal_ends_the_process") {
        assert_eq!(play("the_third_signal_ends_the_process"), Some(130));
        return;
    }
    let registry = Registry::new();
    let stuck = shield(pending::<()>()).cancelable(never()).registered_in(&registry);
    let task = smol::spawn(stuck);
    let plan = ShutdownPlan::new().grace(LONG).settle(LONG);
    let stop = registry.shutdown_on_termination(plan).unwrap();
    support::block_on(stop.serve(async {
        until(|| registry.stats().running == 1).await;
        raise(Number::TERM);
        until(|| registry.is_closed()).await;
        raise(Number::TERM);
        // They are of one kind only if they are seen one after the other.
        smol::Timer::after(Duration::from_millis(200)).await;
        raise(Number::INT);
        pending::<()>().await;
    }));
    drop(task);
    panic!("it has outlived the third signal");
}
