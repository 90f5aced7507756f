//! `shutdown_on_termination`: the first signal shuts down, the second forces, the third ends the process.
//!
//! Signals go to the whole process, so each test runs in a process of its own.

#![cfg(all(unix, feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::{Filter, Phase, ServiceEnd, ShutdownPlan};
use rustix::process::{Signal as Number, getpid, kill_process};

const LONG: Duration = Duration::from_secs(600);

/// Names the test that the child process is to run.
const ROLE: &str = "CANCELABLE_TEST_ROLE";

/// Runs a test of this file in a process of its own, and returns how that process ended.
fn play(test: &str) -> ExitStatus {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, test)
        .spawn()
        .unwrap();
    let give_up = Instant::now() + Duration::from_secs(50);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
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

/// Runs a service with one operation that uses its whole grace period.
fn serve(plan: ShutdownPlan, service: impl AsyncFnOnce(&Registry)) -> ServiceEnd {
    let registry = Registry::new();
    let deaf = pending::<()>().cancelable(never()).named("deaf").grace(LONG);
    let task = smol::spawn(deaf.registered_in(&registry));
    let stop = registry.shutdown_on_termination(plan.finish(Duration::ZERO).grace(LONG)).unwrap();
    let (_, end) = support::block_on(stop.serve(async {
        // An operation that is cancelled before its first poll has no grace period.
        until(|| registry.stats().running == 1).await;
        service(&registry).await;
        pending::<()>().await;
    }));
    assert!(support::block_on(task).unwrap_err().was_forced());
    end
}

/// Yields until the condition is true.
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
fn second_signal_forces() {
    let _watchdog = support::watchdog();
    if !is_played("second_signal_forces") {
        assert_eq!(play("second_signal_forces").code(), Some(0));
        return;
    }
    let end = serve(ShutdownPlan::new(), async |registry| {
        raise(Number::TERM);
        until(|| in_grace(registry)).await;
        // The first signal has been seen by now, so this one counts as the second.
        raise(Number::TERM);
    });
    assert!(end.insisted && end.report.is_clean());
    assert_eq!(end.report.cut_short, 1);
    assert_eq!(end.reason, Reason::signal(Signal::Term));
    assert_eq!(end.exit_code(), ExitCode::from(143));
}

#[test]
fn second_signal_ends_the_load_balancer_delay() {
    let _watchdog = support::watchdog();
    if !is_played("second_signal_ends_the_load_balancer_delay") {
        assert_eq!(play("second_signal_ends_the_load_balancer_delay").code(), Some(0));
        return;
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let plan =
        ShutdownPlan::new().load_balancer_delay(LONG).on_request(move |_| sender.send(()).unwrap());
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
fn signal_after_the_service_returned() {
    let _watchdog = support::watchdog();
    if !is_played("signal_after_the_service_returned") {
        assert_eq!(play("signal_after_the_service_returned").code(), Some(0));
        return;
    }
    let registry = Registry::new();
    let deaf = pending::<()>().cancelable(never()).named("deaf").grace(LONG);
    let task = smol::spawn(deaf.registered_in(&registry));
    let plan = ShutdownPlan::new().finish(Duration::ZERO).grace(LONG);
    let stop = registry.shutdown_on_termination(plan).unwrap();
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
fn third_signal_ends_the_process() {
    let _watchdog = support::watchdog();
    if !is_played("third_signal_ends_the_process") {
        assert_eq!(play("third_signal_ends_the_process").signal(), Some(Number::INT.as_raw()));
        return;
    }
    let registry = Registry::new();
    let stuck = shield(pending::<()>()).cancelable(never()).registered_in(&registry);
    let task = smol::spawn(stuck);
    let plan = ShutdownPlan::new().finish(Duration::ZERO).grace(LONG).settle(LONG);
    let stop = registry.shutdown_on_termination(plan).unwrap();
    support::block_on(stop.serve(async {
        until(|| registry.stats().running == 1).await;
        raise(Number::TERM);
        until(|| registry.is_closed()).await;
        raise(Number::TERM);
        // The pause separates the signals. Two signals at the same time could be seen in either order.
        smol::Timer::after(Duration::from_millis(200)).await;
        raise(Number::INT);
        pending::<()>().await;
    }));
    drop(task);
    panic!("it has outlived the third signal");
}
