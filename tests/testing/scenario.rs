//! `Scenario`.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, Scenario};

use super::{HOUR, ms, panic_of};
use crate::support;

/// Work that takes `millis` milliseconds.
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
fn value_before_step() {
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

/// A limit that ends at the time of a step fires first.
#[test]
fn value_at_step() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(ms(20)).cancel("stop").expect_completed();
    steps.run(|source| takes(20).cancelable(source));
}

#[test]
fn steps_before_first_poll() {
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
fn steps_in_order() {
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
fn parent_reason() {
    let _watchdog = support::watchdog();
    let parent_run = async {}.cancelable(never()).named("above");
    let parent = parent_run.operation();
    Scenario::new()
        .after(ms(5))
        .call(|| assert!(parent.cancel_with("stop")))
        .expect_cancelled("stop")
        .run(|_| takes(10).cancelable(never()).child_of(&parent));
}

#[test]
fn counts_from_start() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    let steps = Scenario::new().after(ms(5)).cancel("stop").expect_at(ms(5));
    steps.run(|source| takes(10).cancelable(source));
    assert_eq!(time.elapsed(), HOUR + ms(5));
}

#[test]
fn step_overflows() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(Duration::MAX).after(ms(1)).cancel("stop");
    steps.expect_completed().run(|source| takes(10).cancelable(source));
}

#[test]
fn other_reason() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().after(ms(20)).cancel("halt").expect_cancelled("stop");
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines[0],
        "expected that the operation is cancelled with: cancelled: stop; what happened:"
    );
    assert_eq!(lines[1].trim(), "20ms the source fires: cancelled: halt");
    assert!(lines[2].contains("20ms the operation returned Err("), "{said}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn other_outcome() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().expect_cancelled("stop");
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.contains("the operation is cancelled with: cancelled: stop"), "{said}");
    assert!(said.contains("30ms the operation returned Ok(30)"), "{said}");

    let steps = Scenario::new().cancel("stop").expect_completed();
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.starts_with("expected that the operation returns a value"), "{said}");
}

#[test]
fn other_time() {
    let _watchdog = support::watchdog();
    for steps in [
        Scenario::new().expect_at(ms(29)),
        Scenario::new().expect_within(ms(10)..ms(30)),
        Scenario::new().expect_within(ms(31)..),
    ] {
        let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
        assert!(said.starts_with("expected that the operation ends at "), "{said}");
    }
    let steps = Scenario::new().after(ms(30)).expect_pending();
    let said = panic_of(|| steps.run(|source| takes(30).cancelable(source)));
    assert!(said.starts_with("expected that the operation is pending at 30ms"), "{said}");
}

#[test]
fn panic_propagates() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().expect_cancelled("stop");
    let panics = async { panic!("no disk") };
    assert_eq!(panic_of(|| steps.run(|source| panics.cancelable(source))), "no disk");
}

#[test]
fn panic_outside_of_window() {
    let _watchdog = support::watchdog();
    let panics = async || {
        takes(30).await;
        panic!("no disk")
    };
    for (steps, expected) in [
        (Scenario::new().expect_at(ms(20)), "that the operation ends at 20ms"),
        (Scenario::new().expect_within(..ms(30)), "that the operation ends at ..30ms"),
        (Scenario::new().after(ms(40)).expect_pending(), "that the operation is pending at 40ms"),
    ] {
        let text = panic_of(|| steps.run(|source| panics().cancelable(source)));
        assert!(text.starts_with(&format!("expected {expected}; what happened:")), "{text}");
        assert!(text.ends_with("30ms the operation panicked: no disk"), "{text}");
    }
    let steps = Scenario::new().expect_at(ms(30));
    assert_eq!(panic_of(|| steps.run(|source| panics().cancelable(source))), "no disk");
}

/// An error type with a cancellation among its sources.
#[derive(Debug)]
enum CopyError {
    Cancelled(Cancelled),
    NoDisk,
}

impl From<Cancelled> for CopyError {
    fn from(cancelled: Cancelled) -> Self {
        CopyError::Cancelled(cancelled)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CopyError::Cancelled(_) => "copy was cancelled",
            CopyError::NoDisk => "no disk",
        })
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CopyError::Cancelled(cancelled) => Some(cancelled),
            CopyError::NoDisk => None,
        }
    }
}

#[test]
fn own_error_type() {
    let _watchdog = support::watchdog();
    let copy = async |fails: bool| match fails {
        true => Err(CopyError::NoDisk),
        false => Ok(takes(30).await),
    };
    Scenario::new().expect_completed().run(|stop| copy(false).try_cancelable(stop));
    Scenario::new().expect_error("no disk").run(|stop| copy(true).try_cancelable(stop));
    let cancelled = || Scenario::new().after(ms(20)).cancel("stop");
    cancelled().expect_cancelled("stop").run(|stop| copy(false).try_cancelable(stop));
    cancelled().expect_error("copy was cancelled").run(|stop| copy(false).try_cancelable(stop));
    let outcome = cancelled().outcome(|stop| copy(false).try_cancelable(stop));
    assert!(matches!(outcome, Err(CopyError::Cancelled(_))));

    let fails = Scenario::new().expect_cancelled("stop");
    let text = panic_of(|| fails.run(|stop| copy(true).try_cancelable(stop)));
    assert!(text.contains("the operation returned Err(NoDisk)"), "{text}");
}

#[test]
fn io_error() {
    let _watchdog = support::watchdog();
    let work = async { io::Result::Ok(takes(30).await) };
    let steps = Scenario::new().after(ms(20)).cancel("stop").expect_cancelled("stop");
    steps.run(|stop| work.try_cancelable(stop));
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let steps = Scenario::new().cancel("stop").expect_cancelled("stop").expect_at(ms(0));
    assert_eq!(format!("{steps:?}"), "Scenario { steps: 1, expected: 2 }");
}
