//! `CancelableReader`: a reader raced against a source.

use std::io::{IoSlice, IoSliceMut, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
use pin_project::pin_project;

use super::beside::Beside;
use super::wrapper_methods;
use crate::reason::Reason;
use crate::source::Source;

/// A reader raced against a source. [`cancelable_reader`](super::CancelableReadExt::cancelable_reader) creates it.
///
/// # Examples
///
/// This limits each wait for bytes:
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing::{self, Network};
/// use futures::{AsyncReadExt, StreamExt, TryStreamExt, io};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let network = Network::seeded(1).delay(second).jitter(0.0, second).stalls(0.0, second);
/// let reader = || network.stream(vec![0; 100]).unwrap().map(Ok).into_async_read();
///
/// // A hundred seconds in total, but no wait is longer than the limit.
/// let mut patient = reader().cancelable_reader(never()).idle_timeout(second * 2);
/// assert_eq!(testing::run(patient.read_to_end(&mut Vec::new()))?, 100);
///
/// let mut impatient = reader().cancelable_reader(never()).idle_timeout(second / 2);
/// let error = testing::run(impatient.read_to_end(&mut Vec::new())).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// # io::Result::Ok(())
/// ```
#[pin_project]
#[must_use = "a reader does nothing unless it is read"]
pub struct CancelableReader<T, S> {
    #[pin]
    inner: T,
    #[pin]
    beside: Beside<S>,
}

wrapper_methods!(CancelableReader, "reader", "futures::io::empty().cancelable_reader(never())");

impl<T: AsyncRead, S: Future<Output = Reason>> CancelableReader<T, S> {
    /// Races `reader` against `source`, like [`cancelable_reader`](super::CancelableReadExt::cancelable_reader).
    ///
    /// ```
    /// use cancelable::io::CancelableReader;
    /// use cancelable::never;
    /// let reader = CancelableReader::new(futures::io::empty(), never());
    /// assert!(reader.cancelled().is_none());
    /// ```
    pub fn new(reader: T, source: impl Source<Future = S>) -> Self {
        CancelableReader { inner: reader, beside: Beside::new(source.into_source()) }
    }
}

impl<T: AsyncRead, S: Future<Output = Reason>> AsyncRead for CancelableReader<T, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_read(cx, buffer))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_read_vectored(cx, buffers))
    }
}

impl<T: AsyncBufRead, S: Future<Output = Reason>> AsyncBufRead for CancelableReader<T, S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.project();
        let inner = this.inner;
        this.beside.poll_io(cx, |cx| inner.poll_fill_buf(cx))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.project().inner.consume(amount);
    }
}

impl<T: AsyncSeek, S: Future<Output = Reason>> AsyncSeek for CancelableReader<T, S> {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        position: SeekFrom,
    ) -> Poll<Result<u64>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_seek(cx, position))
    }
}

/// Writes pass through: the source does not cancel them.
impl<T: AsyncWrite, S> AsyncWrite for CancelableReader<T, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_close(cx)
    }
}
