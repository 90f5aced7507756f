//! A shutdown in phases: their order, their times, the second request, the report.

use std::future::pending;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::{ServiceEnd, Shutdown, ShutdownPhases, ShutdownPlan};
use cancelable::testing;

use crate::helpers::{running, started};
use crate::support::{self, Wakes, poll_once};

const LONG: Duration = Duration::from_secs(600);

/// Returns two registries, and the phases that shut them down.
fn two() -> (Registry, Registry, ShutdownPhases) {
    let (intake, workers) = (Registry::new(), Registry::new());
    let phases = Shutdown::phases().then("intake", &intake, Duration::ZERO).then(
        "workers",
        &workers,
        Duration::ZERO,
    );
    (intake, workers, phases)
}

fn names_and_counts(end: &ServiceEnd) -> Vec<(&str, usize, usize)> {
    let phases = end.report.phases.iter();
    phases.map(|phase| (phase.name.as_ref(), phase.stopped, phase.remaining)).collect()
}

#[test]
fn one_after_the_other() {
    let _watchdog = support::watchdog();
    let (intake, workers, phases) = two();
    let (_, first) = running(&intake, "accept");
    let (second_operation, second) = running(&workers, "work");
    let stop = async { Reason::manual("deployment") };
    let mut ends = pin!(phases.shutdown_when(stop, ShutdownPlan::new()));
    let wakes = Wakes::new();
    assert!(wakes.poll(ends.as_mut()).is_pending());
    assert!(intake.is_closed() && !workers.is_closed());
    assert!(!second_operation.is_cancelled());

    assert_eq!(support::block_on(first), Err(Cancelled::new("deployment")));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(ends.as_mut()).is_pending());
    assert!(workers.is_closed());

    assert_eq!(support::block_on(second), Err(Cancelled::new("deployment")));
    assert_eq!(wakes.count(), 2);
    let Poll::Ready(end) = wakes.poll(ends) else { panic!("still waiting") };
    assert_eq!(names_and_counts(&end), [("intake", 1, 0), ("workers", 1, 0)]);
    assert_eq!((end.report.stopped.len(), end.exit_code()), (2, ExitCode::SUCCESS));
    let printed = end.to_string();
    assert!(printed.contains("\nshutdown: all 2 operations stopped in "), "{printed}");
    assert!(printed.contains("\nintake: the only operation stopped in "), "{printed}");
}

#[test]
fn a_stuck_phase_only_delays() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        let (intake, workers) = (Registry::new(), Registry::new());
        let (_, _stuck) = running(&intake, "stuck");
        let phases = Shutdown::phases()
            .then("intake", &intake, Duration::from_secs(5))
            .then("workers", &workers, Duration::from_secs(7))
            .then("empty", &Registry::new(), Duration::from_secs(9));
        let (_, _stuck_too) = running(&workers, "stuck too");
        let stop = async { Reason::signal(Signal::Term) };
        let plan = ShutdownPlan::new()
            .load_balancer_delay(Duration::from_secs(3))
            .grace(Duration::from_secs(2))
            .settle(Duration::ZERO);
        let began = time.now();
        let end = phases.shutdown_when(stop, plan).await;
        // The delay once, and for each of the two phases the time to finish and the grace.
        assert_eq!(time.now() - began, Duration::from_secs(3 + 5 + 2 + 7 + 2));
        assert_eq!(names_and_counts(&end), [("intake", 0, 1), ("workers", 0, 1), ("empty", 0, 0)]);
        assert!(end.report.forced && !end.report.phases[0].is_clean());
        assert_eq!(end.report.phases[1].finish, Duration::from_secs(7));
        assert_eq!(end.exit_code(), ExitCode::FAILURE);
        assert!(end.to_string().contains("\nempty: nothing was running\n"), "{end}");
    });
}

#[test]
fn second_request_forces_all_phases() {
    let _watchdog = support::watchdog();
    let (intake, workers, phases) = two();
    let again = CancellationToken::new();
    let deaf = |registry| pending::<()>().cancelable(never()).grace(LONG).registered_in(registry);
    let (_, first) = started(deaf(&intake));
    let (_, second) = started(deaf(&workers));
    let plan = ShutdownPlan::new().settle(LONG);
    let stop = async { Reason::signal(Signal::Int) };
    let second_stop = again.clone();
    let ends = phases.shutdown_when(stop, plan).insist_when(move || second_stop);
    let mut ends = pin!(ends);
    assert!(poll_once(ends.as_mut()).is_pending());
    again.cancel();
    assert!(poll_once(ends.as_mut()).is_pending());
    assert!(support::block_on(first).unwrap_err().was_forced());
    assert!(poll_once(ends.as_mut()).is_pending());
    assert!(support::block_on(second).unwrap_err().was_forced());
    let end = support::block_on(ends);
    assert!(end.insisted && end.report.phases.iter().all(|phase| phase.forced));
    assert_eq!(end.exit_code(), ExitCode::from(130));
}

#[test]
fn no_phases() {
    let _watchdog = support::watchdog();
    let stop = async { Reason::manual("stop") };
    let end = support::block_on(Shutdown::phases().shutdown_when(stop, ShutdownPlan::new()));
    assert_eq!(end.report.to_string(), "shutdown: nothing was running");
}

#[test]
fn same_registry_twice() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, run) = running(&registry, "a");
    let phases = Shutdown::phases().then("once", &registry, Duration::ZERO).then(
        "again",
        &registry,
        Duration::ZERO,
    );
    let stop = async { Reason::manual("stop") };
    let mut ends = pin!(phases.shutdown_when(stop, ShutdownPlan::new()));
    assert!(poll_once(ends.as_mut()).is_pending());
    drop(run);
    let end = support::block_on(ends);
    assert_eq!(names_and_counts(&end), [("once", 1, 0), ("again", 0, 0)]);
}

#[cfg(feature = "signal")]
#[test]
fn on_termination_registers_at_once() {
    let _watchdog = support::watchdog();
    let (_, _, phases) = two();
    assert!(phases.shutdown_on_termination(ShutdownPlan::new()).is_ok());
}
