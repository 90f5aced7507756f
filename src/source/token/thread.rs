//! Waiting for a token on a thread: the thread is one more waker in the list.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::node::Node;
use crate::Reason;
use crate::clock;
use crate::sync::{Thread, current, park, park_timeout};
use crate::wait::Waiting;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until the node is cancelled. A stray unpark only makes it look once more.
pub(super) fn wait(node: &Arc<Node>) -> Reason {
    match wait_with(node, || {
        park();
        true
    }) {
        Some(reason) => reason,
        None => unreachable!("waits without a limit"),
    }
}

/// Blocks until the node is cancelled or the limit has passed.
pub(super) fn wait_timeout(node: &Arc<Node>, limit: Duration) -> Option<Reason> {
    let Some(end) = clock::real().checked_add(limit) else { return Some(wait(node)) };
    wait_with(node, || {
        let left = end.saturating_duration_since(clock::real());
        if !left.is_zero() {
            park_timeout(left);
        }
        !left.is_zero()
    })
}

/// Looks, then sleeps, in turn, until `sleep` says that it has not slept.
fn wait_with(node: &Arc<Node>, mut sleep: impl FnMut() -> bool) -> Option<Reason> {
    node.enter();
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut waiting = Waiting::new(&**node);
    loop {
        match waiting.poll("blocking_wait", &mut Context::from_waker(&waker), Reason::clone) {
            Poll::Ready(reason) => return Some(reason),
            Poll::Pending if sleep() => {}
            Poll::Pending => return None,
        }
    }
}
