//! A log of what happened, in order.

use std::fmt::Display;
use std::mem;
use std::sync::{Arc, Mutex};

use cancelable::{Operation, Status};

/// A list of notes, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Log::default()
    }

    pub fn note(&self, what: impl Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    /// Returns the notes since the last call.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }

    /// Notes `what` when it is dropped.
    pub fn on_drop(&self, what: &'static str) -> NoteOnDrop {
        NoteOnDrop { log: self.clone(), what }
    }

    /// Adds hooks that note how the operation ends, and check that its handle agrees.
    pub fn watch(&self, operation: &Operation) {
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
pub struct NoteOnDrop {
    log: Log,
    what: &'static str,
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.log.note(self.what);
    }
}
