//! The tree of operations is the tree of spans.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::thread;

use cancelable::TaskGroup;
use cancelable::prelude::*;
use tracing::subscriber::with_default;
use tracing::{Level, Span, info_span};

use super::collector::{Collector, named, parent_of};
use crate::support::{self, block_on};

/// A child with a name.
fn child(name: &'static str) -> Cancelable<impl Future<Output = ()> + Send, Never> {
    async {}.cancelable(never()).named(name)
}

type Never = cancelable::source::Never;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls a future in a span.
async fn in_span<F: Future>(span: Span, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| span.in_scope(|| future.as_mut().poll(cx))).await
}

fn above(name: &str) -> String {
    format!("{name} above")
}

#[test]
fn nested() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let middle = async { child("inner").await }.cancelable(never()).named("middle");
        let outer = middle.cancelable(never()).named("outer");
        assert!(block_on(outer).is_ok());
    });
    assert_eq!(parent_of(&spans, "inner").as_deref(), Some("middle"));
    assert_eq!(parent_of(&spans, "middle").as_deref(), Some("outer"));
    assert_eq!(parent_of(&spans, "outer"), None);
    let id = named(&spans, "middle").field("operation.id");
    assert_eq!(named(&spans, "inner").field("operation.parent_id"), id);
}

/// If user code enters a span between two operations, that span stays between their spans.
#[test]
fn span_in_between() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let outer = async {
            let name = above("inner");
            in_span(info_span!("load", operation.name = name.as_str()), child("inner")).await
        };
        let _request = info_span!("request", operation.name = "request").entered();
        assert!(block_on(outer.cancelable(never()).named("outer")).is_ok());
    });
    assert_eq!(parent_of(&spans, "inner"), Some(above("inner")));
    assert_eq!(parent_of(&spans, &above("inner")).as_deref(), Some("outer"));
    assert_eq!(parent_of(&spans, "outer").as_deref(), Some("request"));
}

/// In another task, the parent of the child's span is the span of the parent operation, not the span of the task.
#[test]
fn child_in_another_thread() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let outer = async {
            let below = child("below").child_of(&Operation::current().unwrap());
            let collector = collector.clone();
            let task = thread::spawn(|| {
                with_default(collector, || {
                    let _task = info_span!("task").entered();
                    block_on(below)
                })
            });
            task.join().unwrap()
        };
        assert!(block_on(outer.cancelable(never()).named("outer")).unwrap().is_ok());
    });
    let spans = collector.spans();
    assert_eq!(parent_of(&spans, "below").as_deref(), Some("outer"));
    assert!(spans.iter().all(|span| span.is_closed() && span.entered == span.exited));
}

#[test]
fn future_in_scope() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let outer = async {
            let scoped = Operation::current().unwrap().in_scope(async {
                in_span(info_span!("load", operation.name = "load"), child("below")).await
            });
            let collector = collector.clone();
            thread::spawn(|| with_default(collector, || block_on(scoped))).join().unwrap()
        };
        assert!(block_on(outer.cancelable(never()).named("outer")).unwrap().is_ok());
    });
    let spans = collector.spans();
    assert_eq!(parent_of(&spans, "below").as_deref(), Some("load"));
    assert_eq!(parent_of(&spans, "load").as_deref(), Some("outer"));
}

/// The future outlives the operation, whose span has closed by then.
#[test]
fn future_in_scope_after_the_end() {
    let _watchdog = support::watchdog();
    let spans = Collector::of(|| {
        let mut scoped = None;
        let outer = async { scoped = Some(Operation::current().unwrap().in_scope(child("below"))) };
        assert_eq!(block_on(outer.cancelable(never()).named("outer")), Ok(()));
        let _request = info_span!("request", operation.name = "request").entered();
        // The parent has completed, so its end does not cancel the child.
        assert_eq!(block_on(scoped.unwrap()), Ok(()));
    });
    assert_eq!(parent_of(&spans, "below").as_deref(), Some("request"));
    assert_eq!(named(&spans, "outer").exited, 1);
}

#[test]
fn members_of_a_group() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let spawn = {
            let collector = collector.clone();
            move |task: Task| {
                let collector = collector.clone();
                drop(thread::spawn(|| with_default(collector, || block_on(task))));
            }
        };
        let scope = TaskGroup::new(spawn).scope(never(), async |group| {
            group.spawn(async { child("in a member").await.unwrap() });
            group.spawn_cancelable(child("member"));
        });
        assert!(block_on(scope.named("group")).is_ok());
    });
    let spans = collector.spans();
    assert_eq!(parent_of(&spans, "in a member").as_deref(), Some("group"));
    assert_eq!(parent_of(&spans, "member").as_deref(), Some("group"));
}

/// If the parent has no span, the span of the nearest operation above it counts.
#[test]
fn parent_without_a_span() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let middle = async {
            let below = child("below").child_of(&Operation::current().unwrap());
            let collector = collector.clone();
            thread::spawn(|| with_default(collector, || block_on(below))).join().unwrap()
        };
        let middle = middle.cancelable(never()).in_span(|_| Span::none());
        let outer = async { middle.await.unwrap() }.cancelable(never()).named("outer");
        assert!(block_on(outer).unwrap().is_ok());
    });
    let spans = collector.spans();
    assert_eq!((spans.len(), parent_of(&spans, "below").as_deref()), (2, Some("outer")));
}

/// The closure that makes a span runs inside the span of the parent, whatever task calls it.
#[test]
fn span_of_the_user_in_another_thread() {
    let _watchdog = support::watchdog();
    let collector = Collector::new(Level::TRACE);
    with_default(collector.clone(), || {
        let outer = async {
            let below = async {}.cancelable(never()).child_of(&Operation::current().unwrap());
            let below = below.in_span(|_| info_span!("mine", operation.name = "below"));
            let collector = collector.clone();
            thread::spawn(|| with_default(collector, || block_on(below))).join().unwrap()
        };
        assert!(block_on(outer.cancelable(never()).named("outer")).unwrap().is_ok());
    });
    assert_eq!(parent_of(&collector.spans(), "below").as_deref(), Some("outer"));
}
