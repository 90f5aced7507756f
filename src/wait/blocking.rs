//! Blocking a thread until a latch is set. The thread parks, and its waker unparks it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{HasLatch, Waiter};
use crate::clock;
use crate::sync::{Thread, current, park, park_timeout};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until the latch is set. A stray unpark only causes one more poll.
pub(crate) fn blocking_wait<L: HasLatch<Value: Clone>>(latch: L) -> L::Value {
    let value = poll_and_sleep(latch, || {
        park();
        true
    });
    match value {
        Some(value) => value,
        None => unreachable!("this wait has no limit"),
    }
}

/// Blocks until the latch is set or `limit` has passed.
pub(crate) fn blocking_wait_timeout<L: HasLatch<Value: Clone>>(
    latch: L,
    limit: Duration,
) -> Option<L::Value> {
    let Some(end) = clock::real().checked_add(limit) else { return Some(blocking_wait(latch)) };
    poll_and_sleep(latch, || {
        let left = end.saturating_duration_since(clock::real());
        if !left.is_zero() {
            park_timeout(left);
        }
        // Returns true after a sleep, even if the time is up now, so that the latch is polled once more before the wait
        // gives up.
        !left.is_zero()
    })
}

/// Blocks until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // If the waker was woken since the poll, `park` returns at once.
            Poll::Pending => park(),
        }
    }
}

/// Polls the latch and calls `sleep` alternately, until the latch is set or `sleep` returns false.
fn poll_and_sleep<L>(latch: L, mut sleep: impl FnMut() -> bool) -> Option<L::Value>
where
    L: HasLatch<Value: Clone>,
{
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut waiting = Waiter::new(latch);
    loop {
        match waiting.poll("blocking_wait", &mut Context::from_waker(&waker), L::Value::clone) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending if sleep() => {}
            Poll::Pending => return None,
        }
    }
}
