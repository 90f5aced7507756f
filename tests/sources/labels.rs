//! `named` and `because` of time limits: the reason is still a `Timeout`, and its text says more.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::{Labelled, Timeout};
use futures::future::FusedFuture;

use crate::support::{self, Clock, block_on, poll_once};

const MS: Duration = Duration::from_millis(1);

fn too_large() -> io::Error {
    io::Error::other("the index is too large")
}

#[test]
fn name_is_in_the_text() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let reason = clock.block_on(timeout(MS * 5).named("index"));
    assert_eq!(reason, Reason::timeout_named("index", MS * 5));
    assert_eq!(reason.to_string(), "timed out after 5ms (index)");
    assert_eq!((reason.kind(), reason.name()), (ReasonKind::Timeout, Some("index")));
    let reason = clock.block_on(deadline(clock.now()).named("index"));
    assert_eq!(reason.to_string(), "deadline passed (index)");
}

#[test]
fn named_limit_is_still_a_timeout() {
    let _watchdog = support::watchdog();
    let cancelled = Clock::start()
        .block_on(std::future::pending::<()>().cancelable(timeout(MS).named("index")))
        .unwrap_err();
    assert!(cancelled.is_timeout());
    let error = io::Error::from(cancelled);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "timed out after 1ms (index)");
}

/// As in Go, which reports `DeadlineExceeded` together with the cause: a caller that retries after timeouts still does so.
#[test]
fn cause_keeps_the_timeout() {
    let _watchdog = support::watchdog();
    let limit = timeout(MS * 5).because(Reason::error(too_large()));
    let cancelled =
        Clock::start().block_on(std::future::pending::<()>().cancelable(limit)).unwrap_err();
    assert!(cancelled.is_timeout());
    assert_eq!(cancelled.to_string(), "timed out after 5ms: the index is too large");
    let cause = cancelled.reason().downcast_ref::<io::Error>().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("the index is too large"));
    assert!(cancelled.source().is_some_and(|source| source.is::<io::Error>()));
    assert_eq!(io::Error::from(cancelled).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn texts_of_causes() {
    let _watchdog = support::watchdog();
    let text = |cause: Reason| block_on(timeout(Duration::ZERO).because(cause)).to_string();
    let start = "timed out after 0ns";
    assert_eq!(text(Reason::manual("too slow")), format!("{start}: too slow"));
    assert_eq!(text(Reason::Manual { message: None }), start);
    assert_eq!(text(Reason::error(too_large())), format!("{start}: the index is too large"));
    assert_eq!(text(Reason::Disconnected), format!("{start}: the other side disconnected"));
    let inner = Reason::timeout_named("inner", MS);
    assert_eq!(text(inner), format!("{start}: timed out after 1ms (inner)"));
}

#[test]
fn name_and_cause_in_either_order() {
    let _watchdog = support::watchdog();
    let first = block_on(timeout(Duration::ZERO).named("index").because("too slow"));
    let second = block_on(timeout(Duration::ZERO).because("too slow").named("index"));
    assert_eq!(first, second);
    assert_eq!(first.to_string(), "timed out after 0ns (index): too slow");
}

#[test]
fn last_label_counts() {
    let _watchdog = support::watchdog();
    let limit = timeout(Duration::ZERO).named("a").because("b").named("c").because("d");
    assert_eq!(block_on(limit).to_string(), "timed out after 0ns (c): d");
    let nameless = block_on(timeout(Duration::ZERO).named("a").named(""));
    assert_eq!((nameless.name(), nameless.to_string().as_str()), (None, "timed out after 0ns"));
}

#[test]
fn labels_count_in_comparisons() {
    let _watchdog = support::watchdog();
    let plain = Reason::timeout(MS);
    assert_ne!(plain, Reason::timeout_named("index", MS));
    assert_ne!(Reason::timeout_named("index", MS), Reason::timeout_named("query", MS));
    assert_eq!(Reason::timeout_named("index", MS), Reason::timeout_named("index", MS));
}

/// An error deep inside a cause is found.
#[test]
fn error_in_the_cause_of_a_parent() {
    let _watchdog = support::watchdog();
    let limit = timeout(Duration::ZERO)
        .because(Reason::all([Reason::Disconnected, Reason::parent(Reason::error(too_large()))]));
    let reason = Reason::parent(block_on(limit));
    assert!(reason.downcast_ref::<io::Error>().is_some());
    assert!(reason.downcast_ref::<std::fmt::Error>().is_none());
}

/// `any_of` still compares the ends of limits that have passed together.
#[test]
fn labelled_limits_are_compared() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut both = Box::pin(timeout(MS * 9).named("later") | timeout(MS * 7).named("earlier"));
    assert!(poll_once(both.as_mut()).is_pending());
    clock.pass(MS * 20);
    assert_eq!(clock.block_on(both), Reason::timeout_named("earlier", MS * 7));
}

#[test]
fn counts_for_the_deadline() {
    let _watchdog = support::watchdog();
    let run = scope(timeout(MS * 3_600_000).named("index"), async |operation: Operation| {
        operation.remaining()
    });
    assert!(block_on(run).is_ok_and(|remaining| remaining.is_some()));
}

#[test]
#[should_panic(expected = "polled after completion")]
fn fires_once() {
    let _watchdog = support::watchdog();
    let mut limit: Labelled<Timeout> = timeout(Duration::ZERO).named("index");
    assert!(!limit.is_terminated());
    assert!(poll_once(std::pin::pin!(&mut limit)).is_ready());
    assert!(limit.is_terminated());
    let _ = poll_once(std::pin::pin!(limit));
}

#[test]
fn all_of_keeps_labels() {
    let _watchdog = support::watchdog();
    let both = timeout(Duration::ZERO).named("a") & deadline(Instant::now()).named("b");
    let names = block_on(both)
        .leaves()
        .iter()
        .map(|leaf| leaf.name().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(names, ["a", "b"]);
}
