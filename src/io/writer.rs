//! `CancelableWriter`: a writer raced against a source.

use std::io::{IoSlice, IoSliceMut, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
use pin_project::pin_project;

use super::beside::Beside;
use super::wrapper_methods;
use crate::reason::Reason;
use crate::source::Source;

/// A writer raced against a source. [`cancelable_writer`](super::CancelableWriteExt::cancelable_writer) creates it.
///
/// # Examples
///
/// Each direction of a connection gets its own source and its own limit. The two halves can be used by two tasks:
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{AsyncReadExt, AsyncWriteExt, io::Cursor};
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// # let connection = Cursor::new(Vec::new());
/// let token = CancellationToken::new();
/// let idle = Duration::from_secs(60);
/// let connection = connection
///     .cancelable_reader(&token)
///     .idle_timeout(idle)
///     .cancelable_writer(&token)
///     .idle_timeout(idle);
/// let (mut reader, mut writer) = connection.split();
/// writer.write_all(b"hello").await?;
/// token.cancel();
/// assert!(writer.write(b"hello").await.is_err());
/// assert!(reader.read(&mut [0]).await.is_err());
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[pin_project]
#[must_use = "a writer does nothing unless it is written to"]
pub struct CancelableWriter<T, S> {
    #[pin]
    inner: T,
    #[pin]
    beside: Beside<S>,
}

wrapper_methods!(CancelableWriter, "writer", "futures::io::sink().cancelable_writer(never())");

impl<T: AsyncWrite, S: Future<Output = Reason>> CancelableWriter<T, S> {
    /// Races `writer` against `source`, like [`cancelable_writer`](super::CancelableWriteExt::cancelable_writer).
    ///
    /// ```
    /// use cancelable::io::CancelableWriter;
    /// use cancelable::never;
    /// let writer = CancelableWriter::new(futures::io::sink(), never());
    /// assert!(writer.cancelled().is_none());
    /// ```
    pub fn new(writer: T, source: impl Source<Future = S>) -> Self {
        CancelableWriter { inner: writer, beside: Beside::new(source.into_source()) }
    }
}

impl<T: AsyncWrite, S: Future<Output = Reason>> AsyncWrite for CancelableWriter<T, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Result<usize>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_write(cx, buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_write_vectored(cx, buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_close(cx))
    }
}

impl<T: AsyncSeek, S: Future<Output = Reason>> AsyncSeek for CancelableWriter<T, S> {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        position: SeekFrom,
    ) -> Poll<Result<u64>> {
        let this = self.project();
        this.beside.poll_io(cx, |cx| this.inner.poll_seek(cx, position))
    }
}

/// Reads pass through: the source does not cancel them.
impl<T: AsyncRead, S> AsyncRead for CancelableWriter<T, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_read_vectored(cx, buffers)
    }
}

/// Reads pass through: the source does not cancel them.
impl<T: AsyncBufRead, S> AsyncBufRead for CancelableWriter<T, S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.project().inner.consume(amount);
    }
}
