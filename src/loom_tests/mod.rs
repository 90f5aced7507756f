//! Models for the loom model checker: every order in which a few threads may take their steps.
//!
//! Run with `RUSTFLAGS="--cfg cancelable_loom"`, in release mode, with the features `time` only.
//!
//! What loom sees is the lock, the flag, the cell and parking, which `sync` swaps for its own. It does
//! not see `Arc`, nor a cell of the standard library that a flag or a lock stands beside: both are
//! trusted. Nor does it see thread-locals: all threads of a model share them. No model asserts anything in a waker or a callback, for
//! a panic there is contained. They count, and the model looks at the count afterwards.
//!
//! * [`wait`]: a latch, and who waits for it.
//! * [`token`]: cancelling, waiting on a thread and in a race.
//! * [`callbacks`]: callbacks, and taking them back.
//! * [`tree`]: tokens above and below one another.
//! * [`operation`]: the cause and the ending of an operation, its hooks, and those above it.
//! * [`registry`]: who is in a registry, and the end of its intake.
//! * [`shield`]: what a shield and the races around it share.
//!
//! The models of deadline slots stand beside them, in `timer`.

mod callbacks;
mod operation;
mod registry;
mod shield;
mod token;
mod tree;
mod wait;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;

/// Goes through every order.
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    loom::model(body);
}

/// Goes through every order in which threads are interrupted at most three times: for models with
/// more orders than can be waited for.
pub(crate) fn bounded_model(body: impl Fn() + Send + Sync + 'static) {
    model_within(3, body);
}

/// Goes through every order in which threads are interrupted at most that often.
pub(crate) fn model_within(interruptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(body);
}

/// Polls, and sleeps until it is woken. Where nobody wakes it any more, loom reports a deadlock.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Alert(Notify);
    impl Wake for Alert {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }
    }
    let alert = Arc::new(Alert(Notify::new()));
    let waker = Waker::from(alert.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => alert.0.wait(),
        }
    }
}

/// Counts. The count itself is no part of any model.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Polls once with a waker that adds to this count.
    pub(crate) fn poll<F: Future + ?Sized>(
        self: &Arc<Self>,
        future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(self.clone())))
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.add();
    }
}
