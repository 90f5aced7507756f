//! A gate that work waits at until the test opens it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Work that passes the gate stays pending until it is open. Opening it wakes no task.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn new() -> Self {
        Gate::default()
    }

    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn pass(&self) -> impl Future<Output = ()> + Send + 'static {
        let open = self.0.clone();
        poll_fn(move |_| if open.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending })
    }
}
