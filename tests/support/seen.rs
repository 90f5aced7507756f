//! What came of a poll, and who keeps a waker.

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
