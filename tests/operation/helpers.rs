//! What the tests of operations share: a log, gates, and what a panic said.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::fmt::Display;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::{Operation, Status};

#[allow(unused_imports, reason = "each test file uses its part of it")]
pub(crate) use crate::support::{kept, lost};

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Log::default()
    }

    pub(crate) fn note(&self, what: impl Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    /// What has been noted since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }

    /// Notes `what` when it is dropped.
    pub(crate) fn on_drop(&self, what: &'static str) -> NoteOnDrop {
        NoteOnDrop { log: self.clone(), what }
    }

    /// Notes which hooks of the ending the operation calls, with what, in which status.
    pub(crate) fn watch(&self, operation: &Operation) {
        let log = self.clone();
        operation.on_complete(move |operation| {
            assert_eq!(operation.status(), Status::Completed);
            log.note("completed");
        });
        let log = self.clone();
        operation.on_cancel(move |operation, reason| {
            assert_eq!(operation.status(), Status::Cancelled);
            assert_eq!(operation.reason().as_ref(), Some(reason));
            log.note(format_args!("hook: {reason}"));
        });
        let log = self.clone();
        operation.on_error(move |operation, error| {
            assert_eq!(operation.status(), Status::Failed);
            assert_eq!(operation.error().unwrap(), error.to_string().as_str());
            log.note(format_args!("failed: {error}"));
        });
    }
}

/// See [`Log::on_drop`].
#[derive(Debug)]
pub(crate) struct NoteOnDrop {
    log: Log,
    what: &'static str,
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.log.note(self.what);
    }
}

/// Lets those pass who wait at it, once it is open. It wakes nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn new() -> Self {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self) -> impl Future<Output = ()> + Send + 'static {
        let open = self.0.clone();
        poll_fn(move |_| if open.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending })
    }
}

/// What `f` panics with.
#[track_caller]
pub(crate) fn payload_of<R>(f: impl FnOnce() -> R) -> Box<dyn std::any::Any + Send> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    }
}

/// What `f` says when it panics.
#[track_caller]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match payload_of(f).downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
    }
}
