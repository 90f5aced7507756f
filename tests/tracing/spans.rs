//! The span of one operation: its fields, when it is entered, and when it closes.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::{StreamExt, stream};
use tracing::field::Empty;
use tracing::subscriber::with_default;
use tracing::{Level, Span, info, info_span, warn_span};

use super::collector::{Collector, named};
use crate::support::{self, Wakes, block_on, panic_of, poll_once};

#[test]
fn fields_of_the_default_span() {
    let _watchdog = support::watchdog();
    let mut id = String::new();
    let spans = Collector::of(|| {
        let run = async { 7 }.cancelable(never()).named("fetch");
        id = run.operation().id().to_string();
        assert_eq!(block_on(run), Ok(7));
    });
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    let metadata = span.metadata;
    assert_eq!((metadata.name(), metadata.target()), ("operation", "cancelable::operation"));
    assert_eq!(*metadata.level(), Level::INFO);
    assert!(span.is_closed());
    assert_eq!((span.field("operation.id"), span.name()), (&*id, "fetch"));
    assert_eq!((span.field("otel.name"), span.field("operation.outcome")), ("fetch", "completed"));
    for absent in ["operation.parent_id", "operation.reason", "operation.stopping_ns"] {
        assert!(!span.fields.contains_key(absent), "{absent}: {span:?}");
    }
}

#[test]
fn no_name() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        assert_eq!(block_on(async {}.cancelable(never()).metadata("a", "b")), Ok(()))
    });
    assert_eq!((spans.len(), spans[0].name(), spans[0].field("otel.name")), (1, "", ""));
}

#[test]
fn plain_race_is_no_span() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| assert_eq!(block_on(async {}.cancelable(never())), Ok(())));
    assert!(spans.is_empty());
}

#[test]
fn entered_around_each_poll() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let mut polls = 0;
        let work = poll_fn(|_| {
            info!("in the work");
            polls += 1;
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        let run = work.cancelable(never()).named("work");
        let run = run.on_start(|_| info!("starts")).on_complete(|_| info!("completes"));
        let mut run = pin!(run.finally(|_| {
            let mut pending = true;
            poll_fn(move |_| {
                info!("in the clean-up");
                if std::mem::take(&mut pending) { Poll::Pending } else { Poll::Ready(()) }
            })
        }));
        info!("outside");
        for _ in 0..3 {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        assert!(poll_once(run).is_ready());
    });
    let span = named(&spans, "work");
    assert_eq!((span.entered, span.exited), (4, 4));
    // The parent of an event in user code is the current span. The collector does not record that.
    assert!(span.is_closed());
}

#[test]
fn events_of_the_user_are_inside() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let note = || _ = Span::current().record("note", "inside");
        let make = |_: &Operation| info_span!("mine", note = Empty, operation.name = "work");
        let run = async move { note() }.cancelable(never()).in_span(make);
        assert_eq!(block_on(run), Ok(()));
    });
    assert_eq!(named(&spans, "work").field("note"), "inside");
}

#[test]
fn each_way_to_end() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let failed = async { Err::<(), _>(std::io::Error::other("no disk")) };
        assert!(block_on(failed.try_cancelable(never()).named("failed")).is_err());
        let cancelled = pending::<()>().cancelable(never()).named("cancelled");
        cancelled.operation().cancel_with("stop");
        assert!(block_on(cancelled).is_err());
        let mut dropped = Box::pin(pending::<()>().cancelable(never()).named("dropped"));
        assert!(poll_once(dropped.as_mut()).is_pending());
        drop(dropped);
        let panicked = async { panic!("broken") }.cancelable(never()).named("panicked");
        assert_eq!(panic_of(|| drop(poll_once(pin!(panicked)))), "broken");
    });
    let ended = |name| {
        let span = named(&spans, name);
        assert!(span.is_closed() && span.entered == span.exited);
        let fields = ["outcome", "reason", "reason_kind", "error"];
        fields.map(|field| span.field(&format!("operation.{field}")))
    };
    assert_eq!(ended("failed"), ["failed", "", "", "no disk"]);
    assert_eq!(ended("cancelled"), ["cancelled", "cancelled: stop", "manual", ""]);
    assert_eq!(ended("dropped"), ["cancelled", "dropped before it was done", "dropped", ""]);
    assert_eq!(ended("panicked"), ["failed", "", "", "panicked: broken"]);
    assert_eq!(named(&spans, "failed").field("otel.status_code"), "ERROR");
    assert_eq!(named(&spans, "cancelled").field("otel.status_code"), "");
}

/// Work that completes after the request to cancel has both an outcome and a reason.
#[test]
fn completed_although_cancelled() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = async { Operation::current().unwrap().cancel_with("stop") };
        assert_eq!(block_on(run.cancelable(never()).named("late")), Ok(true));
    });
    let span = named(&spans, "late");
    let fields = (span.field("operation.outcome"), span.field("operation.reason"));
    assert_eq!(fields, ("completed", "cancelled: stop"));
    assert_eq!(span.events, ["cancel requested, reason=cancelled: stop, reason_kind=manual"]);
}

#[test]
fn none_before_the_first_poll() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = async {}.cancelable(never()).named("unpolled");
        assert!(run.operation().span().is_disabled());
        drop(run);
    });
    assert!(spans.is_empty());
}

/// A handle of the operation does not keep the span open, and a token keeps nothing of the operation.
#[test]
fn closes_at_the_end() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let run = async {}.cancelable(never()).named("short");
        let (operation, token) = (run.operation(), run.operation().token());
        assert_eq!(block_on(run), Ok(()));
        assert!(collector.spans()[0].is_closed());
        assert!(operation.span().is_disabled());
        token.cancel();
        assert!(collector.spans()[0].events.is_empty());
    });
}

#[test]
fn handle_of_the_span() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let run = pending::<()>().cancelable(never()).named("linked");
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        operation.span().record("operation.error", "seen from outside");
        drop(run);
    });
    assert_eq!(named(&spans, "linked").field("operation.error"), "seen from outside");
}

#[test]
fn below_the_level() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::WARN);
    with_default(collector.clone(), || {
        assert_eq!(block_on(async {}.cancelable(never()).named("default")), Ok(()));
        let run = async {}.cancelable(never()).named("mine");
        let run =
            run.in_span(|_| warn_span!(target: "billing", "charge", operation.outcome = Empty));
        assert_eq!(block_on(run), Ok(()));
    });
    let spans = collector.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!((spans[0].metadata.target(), spans[0].metadata.name()), ("billing", "charge"));
    assert_eq!(spans[0].field("operation.outcome"), "completed");
}

#[test]
fn no_span_on_request() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let quiet = async {}.cancelable(never()).named("quiet").in_span(|_| Span::none());
        assert_eq!(block_on(quiet), Ok(()));
    });
    assert!(spans.is_empty());
}

/// If `in_span` is called twice, the second closure makes the span. The first closure is dropped without being called.
#[test]
fn last_maker_counts() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let spans = Collector::of(|| {
        let waker = wakes.waker();
        let run = async {}.cancelable(never()).in_span(move |_| {
            waker.wake();
            Span::none()
        });
        let run = run.in_span(|_| info_span!("last"));
        assert_eq!(block_on(run), Ok(()));
    });
    assert_eq!((spans.len(), wakes.count(), std::sync::Arc::strong_count(&wakes)), (1, 0, 1));
    assert_eq!(spans[0].metadata.name(), "last");
}

#[test]
fn stream_is_a_span() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let rows = stream::iter([1, 2]).cancelable_stream(never()).named("rows");
        assert_eq!(block_on(rows.collect::<Vec<_>>()), [Ok(1), Ok(2)]);
    });
    let span = named(&spans, "rows");
    assert_eq!(span.field("operation.outcome"), "completed");
    assert!(span.entered >= 3 && span.entered == span.exited);
}
