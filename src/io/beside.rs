//! The source that is polled beside the calls of a reader, a writer or a sink.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
#[cfg(feature = "time")]
use std::time::Duration;

use pin_project::pin_project;

use crate::error::Cancelled;
use crate::poll_context::{ignore_limits, operation_start};
use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::stream::IdleTimeout;
use crate::stream::{UNREGISTERED_POLLS, poll_source};

/// The source, the limit on each wait, and the cancellation once the source or the limit has fired.
///
/// The calls of one object come from one task at a time, so the source needs only one waker.
#[pin_project]
pub(super) struct Beside<S> {
    /// `None` once the source or the limit has fired.
    #[pin]
    source: Option<S>,
    /// The number of polls until the source has the task's waker, including the poll that passes the waker. Zero if the
    /// source has the waker already.
    unregistered_polls: u8,
    #[cfg(feature = "time")]
    idle: Option<IdleTimeout>,
    cancelled: Option<Cancelled>,
}

impl<S> Beside<S> {
    pub(super) fn new(source: S) -> Self {
        Beside {
            source: Some(source),
            unregistered_polls: UNREGISTERED_POLLS,
            #[cfg(feature = "time")]
            idle: None,
            cancelled: None,
        }
    }

    #[cfg(feature = "time")]
    pub(super) fn limit_waits(&mut self, limit: Duration) {
        self.idle = Some(IdleTimeout::new(limit));
    }

    pub(super) fn cancelled(&self) -> Option<&Cancelled> {
        self.cancelled.as_ref()
    }
}

impl<S: Future<Output = Reason>> Beside<S> {
    /// Makes a call, unless the source has fired. If the call is pending, registers the task with the source and with the
    /// limit on the wait.
    #[inline]
    pub(super) fn poll<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Cancelled>> {
        if let Poll::Ready(cancelled) = self.as_mut().poll_cancelled(cx) {
            return Poll::Ready(Err(cancelled));
        }
        match call(cx) {
            Poll::Ready(value) => {
                #[cfg(feature = "time")]
                if let Some(idle) = self.project().idle {
                    idle.restart();
                }
                Poll::Ready(Ok(value))
            }
            Poll::Pending => self.wait(cx).map(Err),
        }
    }

    /// Like [`poll`](Self::poll), for calls that return an [`io::Result`].
    #[inline]
    pub(super) fn poll_io<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = self.poll(cx, call);
        polled.map(|outcome| outcome.unwrap_or_else(|cancelled| Err(cancelled.into_io_error())))
    }

    /// Polls the source before a call. Ready if the source has fired in this poll, or if the source or the limit has fired
    /// earlier.
    #[inline]
    fn poll_cancelled(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cancelled> {
        let this = self.as_ref();
        if this.unregistered_polls > 0 && operation_start().is_some() {
            // This call runs inside the source of an operation. The limits in the source that is polled here must not count
            // as the deadline of that operation.
            return ignore_limits(|| self.poll_source(cx));
        }
        self.poll_source(cx)
    }

    #[inline]
    fn poll_source(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cancelled> {
        let this = self.as_mut().project();
        let Some(source) = this.source.as_pin_mut() else {
            let cancelled = this.cancelled.clone();
            return cancelled.map_or(Poll::Pending, Poll::Ready);
        };
        let fired = poll_source(source, this.unregistered_polls, cx);
        fired.map(|reason| self.fire(reason))
    }

    /// Registers the task of a pending call. Ready if the source or the limit on the wait has fired.
    #[inline(never)]
    fn wait(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cancelled> {
        let this = self.as_mut().project();
        if std::mem::take(this.unregistered_polls) > 0 {
            if let Some(source) = this.source.as_pin_mut() {
                if let Poll::Ready(reason) = ignore_limits(|| source.poll(cx)) {
                    return Poll::Ready(self.fire(reason));
                }
            }
        }
        #[cfg(feature = "time")]
        if let Some(idle) = this.idle {
            return idle.poll(cx).map(|reason| self.fire(reason));
        }
        Poll::Pending
    }

    /// Stores the cancellation, and drops the source.
    #[cold]
    fn fire(self: Pin<&mut Self>, reason: Reason) -> Cancelled {
        let mut this = self.project();
        let cancelled = Cancelled::new(reason);
        *this.cancelled = Some(cancelled.clone());
        this.source.set(None);
        cancelled
    }
}
