//! What the tests of the contract share: sources fired by hand, work made of a closure, drop logs.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cancelable::{Cancelled, Reason};

pub(crate) use crate::support::{kept, lost};

/// Fires a [`Strict`] source by hand, and counts what happens to it.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    on: AtomicBool,
    polls: AtomicUsize,
    drops: AtomicUsize,
    /// The last waker that was handed in: a source is free to forget those before it.
    waker: Mutex<Option<Waker>>,
}

impl Switch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn many(count: usize) -> Vec<Arc<Self>> {
        (0..count).map(|_| Switch::new()).collect()
    }

    pub(crate) fn turn_on(&self) {
        self.on.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }

    /// A source that fires once this is on, for the reason of that name.
    pub(crate) fn source(self: &Arc<Self>, name: impl Into<String>) -> Strict {
        Strict { switch: self.clone(), name: name.into(), fired: false }
    }
}

/// A source of someone else, which panics when it is polled after it has fired.
#[derive(Debug)]
pub(crate) struct Strict {
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

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Log::default()
    }

    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    /// What has been noted since the last call.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        mem::take(&mut self.0.lock().unwrap())
    }

    /// Notes `what` when it is dropped.
    pub(crate) fn on_drop(&self, what: &'static str) -> NoteOnDrop {
        NoteOnDrop { log: self.clone(), what }
    }
}

/// See [`Log::on_drop`].
#[derive(Debug)]
pub(crate) struct NoteOnDrop {
    log: Log,
    what: &'static str,
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.log.note(self.what);
    }
}

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Work whose poll of that number (1 is the first) is made by the closure.
pub(crate) fn work<T>(mut poll: impl FnMut(usize) -> Poll<T>) -> impl Future<Output = T> {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        poll(polls)
    })
}

/// The value, where the race is over and the work has won.
#[track_caller]
pub(crate) fn won<T>(polled: Poll<Result<T, Cancelled>>) -> T {
    match polled {
        Poll::Ready(Ok(value)) => value,
        Poll::Ready(Err(cancelled)) => panic!("the source won: {cancelled}"),
        Poll::Pending => panic!("still pending"),
    }
}

/// What `f` says when it panics.
#[track_caller]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload.downcast::<&str>().map(|text| (*text).to_owned()).unwrap(),
        },
    }
}
