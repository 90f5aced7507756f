//! Models for the loom model checker, which runs every interleaving of a few threads.
//!
//! Run with `RUSTFLAGS="--cfg cancelable_loom"`, in release mode, with only the feature `time`.
//!
//! Loom checks the locks, flags, cells and parking that `sync` replaces with loom's. It checks neither `Arc` nor a
//! standard-library cell that such a flag or lock guards. Thread-locals are shared by all threads of a model. Panics
//! in wakers and callbacks are contained, so no model asserts anything there. They count, and the model checks the
//! count afterwards.
//!
//! * [`wait`]: latches and their waiters.
//! * [`token`]: one token, its waiters and races.
//! * [`callbacks`]: callbacks of a token.
//! * [`limit`]: limits that are moved.
//! * [`tree`]: children and linked tokens.
//! * [`operation`]: the cause and the ending of an operation, and its hooks. [`family`]: parents and children.
//! * [`registry`]: members of a registry, and its shutdown.
//! * [`shield`]: a shield and the races around it.
//!
//! The models of deadline slots are in `timer`, those of groups in `group`.

mod callbacks;
mod family;
#[cfg(feature = "time")]
mod limit;
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

/// Runs every interleaving.
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    loom::model(body);
}

/// Runs every interleaving with at most three preemptions, for models with too many interleavings.
pub(crate) fn bounded_model(body: impl Fn() + Send + Sync + 'static) {
    model_within(3, body);
}

/// Runs every interleaving with at most `preemptions` preemptions.
pub(crate) fn model_within(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Polls the future, and sleeps until it is woken. If it is never woken, loom reports a deadlock.
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

/// A counter. Its atomic is not part of the model.
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
