//! A stream that a test feeds by hand, with counters.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cancelable::{Cancelled, Reason};
use futures::Stream;

use crate::support::Wakes;

/// A stream of the items that its [`Tap`] pushes.
#[derive(Debug)]
pub(crate) struct Feed(Tap);

/// The other end of a [`Feed`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Tap(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    polls: AtomicUsize,
    drops: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<u32>,
    ended: bool,
    waker: Option<Waker>,
}

/// Creates a stream and its other end.
pub(crate) fn feed() -> (Feed, Tap) {
    let tap = Tap::default();
    (Feed(tap.clone()), tap)
}

impl Tap {
    pub(crate) fn push(&self, item: u32) {
        self.change(|state| state.items.push_back(item));
    }

    pub(crate) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.state.lock().unwrap();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn drops(&self) -> usize {
        self.0.drops.load(Ordering::SeqCst)
    }

    /// Returns how many items have not been pulled.
    pub(crate) fn left(&self) -> usize {
        self.0.state.lock().unwrap().items.len()
    }
}

impl Stream for Feed {
    type Item = u32;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        let shared = &self.0.0;
        shared.polls.fetch_add(1, Ordering::SeqCst);
        let mut state = shared.state.lock().unwrap();
        if let Some(item) = state.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.0.drops.fetch_add(1, Ordering::SeqCst);
        self.0.0.state.lock().unwrap().waker = None;
    }
}

/// Polls for the next item.
pub(crate) fn next<St: Stream + ?Sized>(
    stream: Pin<&mut St>,
    wakes: &Arc<Wakes>,
) -> Poll<Option<St::Item>> {
    stream.poll_next(&mut Context::from_waker(&wakes.waker()))
}

/// What `next` returns for an item.
pub(crate) fn item<T>(item: T) -> Poll<Option<Result<T, Cancelled>>> {
    Poll::Ready(Some(Ok(item)))
}

/// What `next` returns for a cancellation.
pub(crate) fn error<T>(reason: impl Into<Reason>) -> Poll<Option<Result<T, Cancelled>>> {
    Poll::Ready(Some(Err(Cancelled::new(reason))))
}

/// What `next` returns at the end.
pub(crate) const fn end<T>() -> Poll<Option<Result<T, Cancelled>>> {
    Poll::Ready(None)
}
