//! The work that every contestant gets, and how it is polled.

use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};

/// The value that the work returns.
pub(crate) const VALUE: u32 = 42;

/// A future that is pending a given number of times, and then ready. Each time it is pending, it wakes its task.
///
/// Each loop of each contestant uses a different type as `Owner`. If two loops used the same type, their code would be
/// compiled once and not be inlined into either.
#[derive(Debug)]
pub(crate) struct Work<Owner> {
    pends: u32,
    owner: PhantomData<fn() -> Owner>,
}

impl<Owner> Work<Owner> {
    pub(crate) fn new(pends: u32) -> Self {
        Work { pends, owner: PhantomData }
    }

    /// Wraps another future, such as a limit, in a type with the same owner.
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

/// Wraps a future, so that its type has an owner.
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

/// Counts wakes. All wakes come from the measuring thread, so a load and a store suffice.
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

/// Polls a future until it is ready, and finds the value in its output. As in an executor, the future is behind a pointer, and
/// the compiler can assume nothing about its state from one poll to the next.
///
/// This function is always inlined, and inspects the output in place. So the time to move the future and its output is not
/// measured. [`drive_by_value`] measures it.
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

/// Polls a future until it is ready, and returns its output. The future is moved into this function, and its output is moved
/// out of it.
#[inline(never)]
pub(crate) fn drive_by_value<F: Future>(future: F, cx: &mut Context<'_>) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = black_box(future.as_mut()).poll(cx) {
            return output;
        }
    }
}

/// Finds the value in the output of a future that may fail.
pub(crate) fn ok<E>(output: &Result<u32, E>) -> Option<u32> {
    output.as_ref().ok().copied()
}

/// Finds the value in the output of a future that may return none.
pub(crate) fn some(output: &Option<u32>) -> Option<u32> {
    *output
}
