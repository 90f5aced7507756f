//! Sources that are fired by hand, and panic if they are polled after that.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cancelable::Reason;

/// Fires a [`Strict`] source by hand, and counts its polls and drops.
#[derive(Debug, Default)]
pub struct Switch {
    on: AtomicBool,
    polls: AtomicUsize,
    drops: AtomicUsize,
    /// The waker of the last poll. A source may forget the wakers of earlier polls.
    waker: Mutex<Option<Waker>>,
}

impl Switch {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn many(count: usize) -> Vec<Arc<Self>> {
        (0..count).map(|_| Switch::new()).collect()
    }

    pub fn turn_on(&self) {
        self.on.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    pub fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }

    /// Returns a source that fires once the switch is on, with `name` as the reason.
    pub fn source(self: &Arc<Self>, name: impl Into<String>) -> Strict {
        Strict { switch: self.clone(), name: name.into(), fired: false }
    }
}

/// A custom source, which panics if it is polled after it has fired.
#[derive(Debug)]
pub struct Strict {
    switch: Arc<Switch>,
    name: String,
    fired: bool,
}

impl Future for Strict {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        assert!(!self.fired, "the source `{}` was polled again after it fired", self.name);
        self.switch.polls.fetch_add(1, Ordering::SeqCst);
        *self.switch.waker.lock().unwrap() = Some(cx.waker().clone());
        if !self.switch.on.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.fired = true;
        Poll::Ready(Reason::from(self.name.clone()))
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        self.switch.drops.fetch_add(1, Ordering::SeqCst);
    }
}
