//! `PoolTask`: a future that resolves to the result of a closure on the thread pool of the crate `blocking`.
//!
//! The pool uses the crate `async-task`, which calls user code in some places: it wakes, clones and drops the waker of its
//! caller, and drops a closure that has not begun or a result that was not taken. If the user code panics there,
//! `async-task` aborts the process. So `PoolTask` gives it a waker of this crate, and wraps the closure and the result in a
//! type that contains panics of destructors (guarantee 12).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;

use crate::panic::discard;
use crate::wait::WakerSlot;

/// Runs a closure on the pool. A closure that has not begun when the task is dropped does not run.
pub(crate) fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> PoolTask<T> {
    let f = Contained(Some(f));
    let relay = Arc::new(Relay(WakerSlot::default()));
    PoolTask {
        // A panic of the closure is caught here, because the destructor of its payload may panic too.
        task: blocking::unblock(move || {
            let f = f;
            Contained(f.take().map(|f| catch_unwind(AssertUnwindSafe(f))))
        }),
        waker: Waker::from(relay.clone()),
        relay,
    }
}

/// A closure on the pool. Resolves to the closure's result. If the closure panics, the poll panics with the same
/// payload.
pub(crate) struct PoolTask<T> {
    task: blocking::Task<Contained<thread::Result<T>>>,
    relay: Arc<Relay>,
    /// The waker of the relay.
    waker: Waker,
}

impl<T> Future for PoolTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let PoolTask { task, relay, waker } = &mut *self;
        // The waker is registered before the task is polled. If the closure ends in between, the poll sees that.
        relay.0.register(cx.waker());
        let result = ready!(Pin::new(task).poll(&mut Context::from_waker(waker)));
        relay.0.clear();
        match result.take() {
            Some(Ok(value)) => Poll::Ready(value),
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("only this takes the result"),
        }
    }
}

/// Drops the user's waker now: the pool keeps the relay until the closure ends.
impl<T> Drop for PoolTask<T> {
    fn drop(&mut self) {
        self.relay.0.clear();
    }
}

/// Wakes the task that polls a [`PoolTask`].
struct Relay(WakerSlot);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// A user value. A panic of its destructor is contained.
struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    fn take(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}
