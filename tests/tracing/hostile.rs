//! Subscribers that panic do not affect operations.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, with_default};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{self, Wakes, poll_once};

/// The methods of a subscriber that an operation calls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    NewSpan,
    Enter,
    Exit,
    Record,
    Event,
    Close,
    All,
}

/// Panics in one of its methods.
struct PanicsIn(Method);

impl PanicsIn {
    fn call(&self, method: Method) {
        if self.0 == method || self.0 == Method::All {
            panic!("a subscriber that panics in {method:?}");
        }
    }
}

impl Subscriber for PanicsIn {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.call(Method::NewSpan);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.call(Method::Record);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.call(Method::Event);
    }

    fn enter(&self, _: &Id) {
        self.call(Method::Enter);
    }

    fn exit(&self, _: &Id) {
        self.call(Method::Exit);
    }

    fn try_close(&self, _: Id) -> bool {
        self.call(Method::Close);
        true
    }
}

/// Each operation ends as it would without a subscriber, and calls its hooks.
#[test]
fn g12_panic_in_a_span_is_contained() {
    use Method::{All, Close, Enter, Event, Exit, NewSpan, Record};
    let _watchdog = support::watchdog();
    for method in [NewSpan, Enter, Exit, Record, Event, Close, All] {
        with_default(PanicsIn(method), || {
            let called = Wakes::new();
            let (completes, cancels) = (called.waker(), called.waker());
            let inner = async { 7 }.cancelable(never()).named("inner");
            let inner = inner.on_complete(move |_| completes.wake());
            let outer = async { inner.await.unwrap() + 1 }.cancelable(never()).named("outer");
            let outer = outer.finally(|_| async {});
            assert_eq!(poll_once(pin!(outer)), Poll::Ready(Ok(8)), "{method:?}");

            let run = pending::<()>().cancelable(never()).named("cancelled");
            let run = run.on_cancel(move |_, _| cancels.wake());
            let operation = run.operation();
            let mut run = pin!(run);
            assert!(poll_once(run.as_mut()).is_pending());
            assert!(operation.cancel());
            assert!(matches!(poll_once(run), Poll::Ready(Err(_))), "{method:?}");
            assert_eq!(called.count(), 2, "{method:?}");

            let mut dropped = Box::pin(pending::<()>().cancelable(never()).named("dropped"));
            assert!(poll_once(dropped.as_mut()).is_pending());
            drop(dropped);
        });
    }
}

#[test]
fn g12_panic_of_the_maker_is_contained() {
    let _watchdog = support::watchdog();
    let run = async { 7 }.cancelable(never()).in_span(|_| panic!("a maker that panics"));
    assert_eq!(poll_once(pin!(run)), Poll::Ready(Ok(7)));
}

/// A subscriber may look at the operation, and cancel it.
#[test]
fn subscriber_cancels() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never()).in_span(|operation| {
        assert!(operation.span().is_disabled());
        assert!(operation.cancel_with("from the maker"));
        tracing::Span::none()
    });
    let Poll::Ready(Err(cancelled)) = poll_once(pin!(run)) else { panic!("it is cancelled") };
    assert_eq!(cancelled.reason(), &Reason::manual("from the maker"));
}
