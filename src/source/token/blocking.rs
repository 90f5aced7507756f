//! Blocking a thread until a token is cancelled. The waker of such a waiter unparks its thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::node::Node;
use crate::clock;
use crate::reason::Reason;
use crate::sync::{Thread, current, park, park_timeout};
use crate::wait::Waiter;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until the node is cancelled. A stray unpark only causes one more poll.
pub(super) fn wait(node: &Arc<Node>) -> Reason {
    let reason = poll_and_sleep(node, || {
        park();
        true
    });
    match reason {
        Some(reason) => reason,
        None => unreachable!("this wait has no limit"),
    }
}

/// Blocks until the node is cancelled or `limit` has passed.
pub(super) fn wait_timeout(node: &Arc<Node>, limit: Duration) -> Option<Reason> {
    let Some(end) = clock::real().checked_add(limit) else { return Some(wait(node)) };
    poll_and_sleep(node, || {
        let left = end.saturating_duration_since(clock::real());
        if !left.is_zero() {
            park_timeout(left);
        }
        !left.is_zero()
    })
}

/// Blocks until the future is ready.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => park(),
        }
    }
}

/// Polls and sleeps in turn, until `sleep` returns false.
fn poll_and_sleep(node: &Arc<Node>, mut sleep: impl FnMut() -> bool) -> Option<Reason> {
    node.register_with_parents();
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut waiting = Waiter::new(&**node);
    loop {
        match waiting.poll("blocking_wait", &mut Context::from_waker(&waker), Reason::clone) {
            Poll::Ready(reason) => return Some(reason),
            Poll::Pending if sleep() => {}
            Poll::Pending => return None,
        }
    }
}
