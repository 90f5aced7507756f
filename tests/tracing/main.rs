//! The feature `tracing`: operations become spans, and contained panics and lost clean-up become warnings.
#![cfg(feature = "tracing")]

#[path = "../support/mod.rs"]
mod support;

mod collector;
mod hostile;
mod phases;
mod spans;
mod tree;

use std::fmt::{Debug, Write as _};
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use cancelable::prelude::*;
use support::{Wakes, poll_once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Records the events of this crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cancelable"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::WARN);
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Panics at each event.
struct Hostile;

impl Subscriber for Hostile {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        panic!("a subscriber that panics");
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn logged(f: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), f);
    let lines = log.0.lock().unwrap();
    lines.clone()
}

#[test]
fn lost_clean_up_warns() {
    let _watchdog = support::watchdog();
    let lines = logged(|| {
        let mut run =
            Box::pin(pending::<()>().cancelable(never()).named("save").finally(|_| async {}));
        assert!(poll_once(run.as_mut()).is_pending());
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("clean-up was lost") && lines[0].contains("`save`"), "{lines:?}");
}

#[test]
fn finished_clean_up_does_not_warn() {
    let _watchdog = support::watchdog();
    let lines = logged(|| {
        let run = pin!(async {}.cancelable(never()).finally(|_| async {}));
        assert!(poll_once(run).is_ready());
    });
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn panic_in_a_hook_warns() {
    let _watchdog = support::watchdog();
    let lines = logged(|| {
        let run = async {}.cancelable(never()).on_complete(|_| panic!("no disk"));
        assert!(Wakes::new().poll(pin!(run)).is_ready());
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("a callback panicked") && lines[0].contains("no disk"), "{lines:?}");
}

#[test]
fn g12_panic_in_a_subscriber_is_contained() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let called = Wakes::new();
    token.on_cancel(|_| panic!("a callback that panics")).detach();
    let waker = called.waker();
    token.on_cancel(move |_| waker.wake_by_ref()).detach();
    tracing::subscriber::with_default(Hostile, || assert!(token.cancel()));
    assert_eq!(called.count(), 1);
}
