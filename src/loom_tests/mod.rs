//! Models for the loom model checker, which runs every interleaving of a few threads.
//!
//! Run the models with `RUSTFLAGS="--cfg cancelable_loom"`, in release mode, with only the feature `time`.
//!
//! Loom checks the locks, flags, cells and thread parking for which the module `sync` substitutes loom's own types. Loom
//! does not check `Arc`, or a standard-library cell that a flag or a lock guards. All threads of a model share the same
//! thread-locals. A failed assertion in a waker or a callback would go unnoticed, because the crate catches the panic. So
//! wakers and callbacks only count their calls, and the model checks the count afterwards.
//!
//! * [`wait`]: latches and their waiters.
//! * [`token`]: one token, its waiters and races.
//! * [`callbacks`]: callbacks of a token.
//! * [`limit`]: time limits whose ends are moved.
//! * [`tree`]: children and linked tokens.
//! * [`operation`]: the cause and the ending of an operation, and its hooks. [`family`]: parent and child operations.
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

/// Runs every interleaving with at most three preemptions. Use this for a model that has too many interleavings to run them
/// all.
pub(crate) fn bounded_model(body: impl Fn() + Send + Sync + 'static) {
    model_within(3, body);
}

/// Runs every interleaving with at most `preemptions` preemptions.
pub(crate) fn model_within(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Polls the future until it is ready, and sleeps after each poll until the future is woken. If the future is never woken,
/// loom reports a deadlock.
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

/// A counter. Loom does not see the atomic in it, so counting adds no interleavings.
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
