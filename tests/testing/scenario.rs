//! Scenarios.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, Scenario};

use super::{HOUR, ms, panic_of};
use crate::support;

/// Work that takes so many milliseconds.
async fn takes(millis: u64) -> u64 {
    timeout(ms(millis)).await;
    millis
}

#[test]
fn cancelled_after_20_ms() {
    let _watchdog = support::watchdog();
    Scenario::new()
        .after(ms(20))
        .cancel("stop")
        .expect_cancelled("stop")
        .expect_at(ms(20))
        .expect_within(ms(20)..ms(21))
        .run(|source| takes(21).cancelable(source));
}

#[test]
fn work_that_is_done_before_wins() {
    let _watchdog = support::watchdog();
    let called = Cell::new(false);
    let outcome = Scenario::new()
        .after(ms(20))
        .cancel("stop")
        .call(|| called.set(true))
        .expect_completed()
        .expect_at(ms(19))
        .outcome(|source| takes(19).cancelable(source));
    assert_eq!(outcome, Ok(19));
    assert!(!called.get(), "steps after its end are left out");
}

/// A limit that ends at the moment of a step comes first.
#[test]
fn work_that_is_done_at_that_moment_wins() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(ms(20)).cancel("stop").expect_completed();
    steps.run(|source| takes(20).cancelable(source));
}

#[test]
fn steps_before_any_pause_come_before_the_first_poll() {
    let _watchdog = support::watchdog();
    for (steps, starts) in [(Scenario::new(), false), (Scenario::new().after(Duration::ZERO), true)]
    {
        let polled = Cell::new(false);
        let work = async {
            polled.set(true);
            pending::<()>().await;
        };
        let steps = steps.cancel("stop").after(ms(1)).cancel("too late");
        let steps = steps.expect_cancelled("stop").expect_at(ms(0));
        steps.run(|source| work.cancelable(source));
        assert_eq!(polled.get(), starts);
    }
}

#[test]
fn steps_come_one_after_another() {
    let _watchdog = support::watchdog();
    let seen = RefCell::new(Vec::new());
    let run = takes(100).cancelable(never()).grace(ms(5));
    let operation = run.operation();
    let note = |what: &'static str| {
        let (seen, operation) = (&seen, &operation);
        move || seen.borrow_mut().push((what, operation.elapsed(), operation.status()))
    };
    Scenario::new()
        .call(note("a"))
        .after(ms(10))
        .call(note("b"))
        .call(|| assert!(operation.cancel_with("by handle")))
        .call(note("c"))
        .after(ms(4))
        .call(note("d"))
        .expect_pending()
        .expect_cancelled("by handle")
        .expect_at(ms(15))
        .run(|_| run);
    let (running, cancelling) = (Status::Running, Status::Cancelling);
    assert_eq!(
        *seen.borrow(),
        [
            ("a", ms(0), Status::Pending),
            ("b", ms(10), running),
            ("c", ms(10), cancelling),
            ("d", ms(14), cancelling),
        ]
    );
}

#[test]
fn a_parent_is_told_by_its_reason() {
    let _watchdog = support::watchdog();
    let parent = async {}.cancelable(never()).named("above").operation();
    Scenario::new()
        .after(ms(5))
        .call(|| assert!(parent.cancel_with("stop")))
        .expect_cancelled("stop")
        .run(|_| takes(10).cancelable(never()).child_of(&parent));
}

#[test]
fn its_time_counts_from_its_start_and_is_that_of_the_test() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    let steps = Scenario::new().after(ms(5)).cancel("stop").expect_at(ms(5));
    steps.run(|source| takes(10).cancelable(source));
    assert_eq!(time.elapsed(), HOUR + ms(5));
}

#[test]
fn steps_beyond_what_the_clock_can_tell_never_come() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(Duration::MAX).after(ms(1)).cancel("stop");
    steps.expect_completed().run(|source| takes(10).cancelable(source));
}

#[test]
fn a_reason_that_is_another() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(ms(20)).cancel("halt").expect_cancelled("stop");
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "expected that the run is cancelled for: cancelled: stop; what happened:");
    assert_eq!(lines[1].trim(), "20ms the source fires: cancelled: halt");
    assert!(lines[2].contains("20ms the run came out as Err("), "{said}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_outcome_that_is_another() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().expect_cancelled("stop");
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.contains("the run is cancelled for: cancelled: stop"), "{said}");
    assert!(said.contains("30ms the run came out as Ok(30)"), "{said}");

    let steps = Scenario::new().cancel("stop").expect_completed();
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.starts_with("expected that the run returns a value"), "{said}");
}

#[test]
fn a_time_that_is_another() {
    let _watchdog = support::watchdog();
    for steps in [
        Scenario::new().expect_at(ms(29)),
        Scenario::new().expect_within(ms(10)..ms(30)),
        Scenario::new().expect_within(ms(31)..),
    ] {
        let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
        assert!(said.starts_with("expected that the run ends at "), "{said}");
    }
    let steps = Scenario::new().after(ms(30)).expect_pending();
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.starts_with("expected that the run is pending at 30ms"), "{said}");
}

#[test]
fn a_panic_of_the_work_goes_through() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().expect_cancelled("stop");
    let panics = async { panic!("no disk") };
    assert_eq!(panic_of(|| steps.run(|source| panics.cancelable(source))), "no disk");
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().cancel("stop").expect_cancelled("stop").expect_at(ms(0));
    assert_eq!(format!("{steps:?}"), "Scenario { steps: 1, expected: 2 }");
}
