//! What came of a poll, and who keeps a waker.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use cancelable::{Cancelled, Reason};

use super::Wakes;

/// How many clones of the waker are kept somewhere.
pub fn kept(wakes: &Arc<Wakes>) -> usize {
    Arc::strong_count(wakes) - 1
}

/// The reason, where it is over and was cancelled.
#[track_caller]
pub fn lost<T>(polled: Poll<Result<T, Cancelled>>) -> Reason {
    match polled {
        Poll::Ready(Err(cancelled)) => cancelled.into_reason(),
        Poll::Ready(Ok(_)) => panic!("the work won"),
        Poll::Pending => panic!("still pending"),
    }
}

/// What `f` panics with.
#[track_caller]
pub fn payload_of<R>(f: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    }
}

/// What `f` says when it panics.
#[track_caller]
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match payload_of(f).downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
    }
}
