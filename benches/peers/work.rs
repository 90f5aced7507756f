//! The work that every contestant gets, and how it is polled.

use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};

/// The value that the work returns.
pub(crate) const VALUE: u32 = 42;

/// A future that is pending a number of times, waking its task each time, and then ready.
///
/// Each contestant gives it a different `Owner`: code shared by two contestants would be compiled once
/// and inlined into neither.
#[derive(Debug)]
pub(crate) struct Work<Owner> {
    pends: u32,
    owner: PhantomData<fn() -> Owner>,
}

impl<Owner> Work<Owner> {
    pub(crate) fn new(pends: u32) -> Self {
        Work { pends, owner: PhantomData }
    }

    /// Gives another future, such as a limit, a type of this owner too.
    pub(crate) fn own<F>(&self, future: F) -> Own<F, Owner> {
        Own { future, owner: PhantomData }
    }
}

impl<Owner> Future for Work<Owner> {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.pends == 0 {
            return Poll::Ready(VALUE);
        }
        self.pends -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Wraps a future in a type of its owner.
#[pin_project::pin_project]
#[derive(Debug)]
pub(crate) struct Own<F, Owner> {
    #[pin]
    future: F,
    owner: PhantomData<fn() -> Owner>,
}

impl<F: Future, Owner> Future for Own<F, Owner> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Counts wakes. All of them come from the measuring thread, so a load and a store suffice.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicU64);

impl Wakes {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(self.count() + 1, Ordering::Relaxed);
    }
}

/// Polls until ready, and finds the value in the output. As with an executor, the future is behind a
/// pointer, and the compiler knows nothing about it from one poll to the next.
///
/// Always inlined, and the output is inspected in place: this does not measure moving the future to
/// where it is polled or its output to where it is used. [`drive_by_value`] does.
#[inline(always)]
pub(crate) fn drive<F: Future>(
    future: F,
    cx: &mut Context<'_>,
    value: impl FnOnce(&F::Output) -> Option<u32>,
) -> Option<u32> {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = &black_box(future.as_mut()).poll(cx) {
            return value(output);
        }
    }
}

/// The same, but the future is moved to where it is polled, and its output to where it is inspected.
#[inline(never)]
pub(crate) fn drive_by_value<F: Future>(future: F, cx: &mut Context<'_>) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = black_box(future.as_mut()).poll(cx) {
            return output;
        }
    }
}

/// Finds the value of a future that may fail.
pub(crate) fn ok<E>(output: &Result<u32, E>) -> Option<u32> {
    output.as_ref().ok().copied()
}

/// Finds the value of a future that may have none.
pub(crate) fn some(output: &Option<u32>) -> Option<u32> {
    *output
}
