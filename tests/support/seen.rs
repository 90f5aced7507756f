//! Helpers for the results of polls, for panic messages, and for counting clones of wakers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use cancelable::{Cancelled, Reason};

use super::Wakes;

/// Returns how many clones of the waker exist.
pub fn kept(wakes: &Arc<Wakes>) -> usize {
    Arc::strong_count(wakes) - 1
}

/// Returns the reason. Panics unless the race was cancelled.
#[track_caller]
pub fn lost<T>(polled: Poll<Result<T, Cancelled>>) -> Reason {
    match polled {
        Poll::Ready(Err(cancelled)) => cancelled.into_reason(),
        Poll::Ready(Ok(_)) => panic!("the work won"),
        Poll::Pending => panic!("still pending"),
    }
}

/// Returns the value. Panics unless the work won.
#[track_caller]
pub fn won<T>(polled: Poll<Result<T, Cancelled>>) -> T {
    match polled {
        Poll::Ready(Ok(value)) => value,
        Poll::Ready(Err(cancelled)) => panic!("the source won: {cancelled}"),
        Poll::Pending => panic!("still pending"),
    }
}

/// Returns the payload of the panic of `f`.
#[track_caller]
pub fn payload_of<R>(f: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    }
}

/// Returns the message of the panic of `f`.
#[track_caller]
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match payload_of(f).downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
    }
}
