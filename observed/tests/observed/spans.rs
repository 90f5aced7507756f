//! The tree of operations is the tree of spans that `tracing-opentelemetry` exports.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::{TaskGroup, testing};
use opentelemetry::trace::{SpanId, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData, SpanExporter};
use private_harness::watchdog;
use tracing::dispatcher::{Dispatch, get_default, with_default};
use tracing::{Level, info_span};
use tracing_subscriber::Registry as Spans;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// Calls `f` while spans go to `exporter`. The exporter is reset when the returned provider is dropped.
fn exported_to(exporter: impl SpanExporter + 'static, f: impl FnOnce()) -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    with_default(&Dispatch::new(Spans::default().with(layer)), f);
    provider
}

/// Calls `f`, and returns the spans that were exported, by name.
fn exported(f: impl FnOnce()) -> BTreeMap<String, SpanData> {
    let exporter = InMemorySpanExporter::default();
    let _provider = exported_to(exporter.clone(), f);
    let spans = exporter.get_finished_spans().unwrap();
    let count = spans.len();
    let by_name: BTreeMap<_, _> =
        spans.into_iter().map(|span| (span.name.to_string(), span)).collect();
    assert_eq!(by_name.len(), count, "two spans have the same name");
    by_name
}

/// Returns the name of the span above, if there is one.
fn parent<'a>(spans: &'a BTreeMap<String, SpanData>, name: &str) -> Option<&'a str> {
    let above = spans[name].parent_span_id;
    if above == SpanId::INVALID {
        return None;
    }
    let parent = spans.iter().find(|(_, span)| span.span_context.span_id() == above);
    let (parent, span) = parent.unwrap_or_else(|| panic!("the parent of {name} is not exported"));
    assert_eq!(span.span_context.trace_id(), spans[name].span_context.trace_id());
    Some(parent)
}

/// Returns an attribute as text. Empty if the span does not have it.
fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

fn events(span: &SpanData) -> Vec<&str> {
    span.events.iter().map(|event| &*event.name).collect()
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns a task on a thread of its own, with the subscriber of this thread.
fn spawn(task: Task) {
    let subscriber = get_default(Dispatch::clone);
    drop(thread::spawn(move || with_default(&subscriber, || smol::block_on(task))));
}

#[test]
fn nested() {
    let _watchdog = watchdog();
    let spans = exported(|| {
        let inner = async {}.cancelable(never()).named("inner");
        let middle = inner.cancelable(never()).named("middle");
        let outer = middle.cancelable(never()).named("outer");
        assert_eq!(smol::block_on(outer), Ok(Ok(Ok(()))));
    });
    assert_eq!(parent(&spans, "inner"), Some("middle"));
    assert_eq!(parent(&spans, "middle"), Some("outer"));
    assert_eq!(parent(&spans, "outer"), None);
    assert_eq!(spans.len(), 3);
}

#[test]
fn across_a_scope_and_a_group() {
    let _watchdog = watchdog();
    let spans = exported(|| {
        // `spawn` passes on the subscriber of the thread that calls it.
        let group = TaskGroup::new(spawn).scope(never(), async |group| {
            group.spawn(async { async {}.cancelable(never()).named("in a member").await.unwrap() });
            group.spawn_cancelable(async {}.cancelable(never()).named("member"));
        });
        let outer = async {
            let scoped = Operation::current().unwrap().in_scope(async {
                assert!(async {}.cancelable(never()).named("scoped").await.is_ok());
            });
            let (done, waits) = futures::channel::oneshot::channel();
            spawn(Box::pin(async {
                scoped.await;
                done.send(()).unwrap();
            }));
            waits.await.unwrap();
            group.named("group").await.unwrap();
        };
        assert_eq!(smol::block_on(outer.cancelable(never()).named("outer")), Ok(()));
    });
    let parents = ["scoped", "group", "member", "in a member"].map(|name| parent(&spans, name));
    assert_eq!(parents, ["outer", "outer", "group", "group"].map(Some));
    let id = attribute(&spans["group"], "operation.id");
    assert_eq!(attribute(&spans["member"], "operation.parent_id"), id);
}

#[test]
fn outcomes() {
    let _watchdog = watchdog();
    let spans = exported(|| {
        assert_eq!(smol::block_on(async {}.cancelable(never()).named("completed")), Ok(()));
        let failed = async { Err::<(), _>(io::Error::other("no disk")) };
        assert!(smol::block_on(failed.try_cancelable(never()).named("failed")).is_err());
        let limit = timeout(Duration::from_secs(20));
        let slow = pending::<()>().cancelable(limit).named("slow").grace(Duration::from_secs(30));
        assert!(testing::run(slow).is_err());
    });
    let [completed, failed, slow] = ["completed", "failed", "slow"].map(|name| &spans[name]);
    assert_eq!(attribute(completed, "operation.outcome"), "completed");
    assert_eq!(completed.status, Status::Unset);
    assert_eq!(attribute(failed, "operation.outcome"), "failed");
    assert_eq!(attribute(failed, "operation.error"), "no disk");
    assert!(matches!(failed.status, Status::Error { .. }), "{:?}", failed.status);
    assert_eq!(attribute(slow, "operation.outcome"), "cancelled");
    assert_eq!(attribute(slow, "operation.reason"), "timed out after 20s");
    assert_eq!(attribute(slow, "operation.reason_kind"), "timeout");
    assert_eq!(attribute(slow, "operation.work_ns"), "50000000000");
    assert_eq!(attribute(slow, "operation.stopping_ns"), "30000000000");
    assert_eq!(slow.status, Status::Unset);
    assert_eq!(events(slow), ["cancel requested", "grace period begins"]);
}

/// The attributes of an event are its fields.
#[test]
fn shield_is_an_event() {
    let _watchdog = watchdog();
    let spans = exported(|| {
        let work = shield(timeout(Duration::from_secs(5))).named("flush");
        let run = work.cancelable(timeout(Duration::from_secs(2))).named("save");
        assert!(testing::run(run).is_err());
    });
    let save = &spans["save"];
    assert_eq!(events(save), ["cancel requested", "waits for a shield"]);
    let waits = save.events.iter().next_back().unwrap();
    let shield = waits.attributes.iter().find(|attribute| attribute.key.as_str() == "shield");
    assert_eq!(shield.unwrap().value.as_str(), "flush");
}

#[derive(Debug)]
struct Hostile;

impl SpanExporter for Hostile {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        panic!("an exporter that panics")
    }
}

/// An exporter that panics does not affect operations: they end, and call their hooks.
#[test]
fn exporter_that_panics() {
    let _watchdog = watchdog();
    let _provider = exported_to(Hostile, || {
        for _ in 0..2 {
            let called = testing::Wakes::new();
            let (completes, cancels) = (called.waker(), called.waker());
            let inner = async { 7 }.cancelable(never()).named("inner");
            let inner = inner.on_complete(move |_| completes.wake());
            let outer = async { inner.await.unwrap() + 1 }.cancelable(never()).named("outer");
            assert_eq!(smol::block_on(outer.finally(|_| async {})), Ok(8));

            let run = pending::<()>().cancelable(never()).named("cancelled");
            let run = run.on_cancel(move |_, _| cancels.wake());
            run.operation().cancel();
            assert!(smol::block_on(run).is_err());
            assert_eq!(called.count(), 2);
        }
    });
}

#[test]
fn filtered_out() {
    let _watchdog = watchdog();
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let targets = Targets::new().with_default(Level::TRACE);
    let targets = targets.with_target("cancelable", LevelFilter::OFF);
    with_default(&Dispatch::new(Spans::default().with(layer).with(targets)), || {
        let run = async { Operation::current().unwrap().span().is_disabled() };
        assert_eq!(smol::block_on(run.cancelable(never()).named("fetch")), Ok(true));
        // A span with another target is seen.
        let run = async {}.cancelable(never()).named("charge");
        let run = run.in_span(|_| info_span!(target: "billing", "charge"));
        assert_eq!(smol::block_on(run), Ok(()));
    });
    let spans = exporter.get_finished_spans().unwrap();
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["charge"]);
}
