//! `Input` and `Collected`: the pipes of a child, written and read while it runs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_process::ChildStdin;
use futures::io::{AsyncRead, AsyncWrite};

/// The sizes of the smallest and the largest chunk that is read at once. Between these sizes, a chunk is as large as the
/// output so far. The first chunk is small, because each chunk is filled with zeros before the read, and most first reads find
/// nothing to read yet. Filling a large chunk would cost more than such a read.
const FIRST_CHUNK: usize = 512;
const CHUNK: usize = 64 * 1024;

/// The maximum number of chunks that are read in one poll. Without a maximum, a child that writes without end would occupy
/// the thread.
const CHUNKS: usize = 64;

/// The bytes for the standard input of a child, and the pipe. The pipe is closed once the bytes are written, or once the
/// child has closed its end.
#[derive(Debug)]
pub(super) struct Input {
    /// `None` if there is no pipe, or once the pipe is closed.
    pipe: Option<ChildStdin>,
    bytes: Vec<u8>,
    written: usize,
}

impl Input {
    pub(super) fn new(pipe: Option<ChildStdin>, bytes: Vec<u8>) -> Self {
        Input { pipe, bytes, written: 0 }
    }

    /// Writes as much as the pipe takes. If the pipe is full, the task is woken when there is room.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut pipe = Pin::new(pipe);
        let closed = loop {
            let rest = &self.bytes[self.written..];
            if rest.is_empty() {
                break pipe.poll_close(cx);
            }
            match pipe.as_mut().poll_write(cx, rest) {
                Poll::Ready(Ok(written)) if written > 0 => self.written += written,
                // The child has closed its end of the pipe.
                Poll::Ready(_) => break Poll::Ready(Ok(())),
                Poll::Pending => return,
            }
        };
        if closed.is_ready() {
            *self = Input::new(None, Vec::new());
        }
    }
}

/// An output of a child that is collected in memory.
#[derive(Debug)]
pub(super) struct Collected<P> {
    /// `None` if there is no pipe, or once the pipe is closed.
    pipe: Option<P>,
    pub(super) bytes: Vec<u8>,
}

impl<P: AsyncRead + Unpin> Collected<P> {
    pub(super) fn new(pipe: Option<P>) -> Self {
        Collected { pipe, bytes: Vec::new() }
    }

    /// Reads what is available. Ready once every process has closed the output.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        for _ in 0..CHUNKS {
            let end = self.bytes.len();
            self.bytes.resize(end + end.clamp(FIRST_CHUNK, CHUNK), 0);
            let read = Pin::new(&mut *pipe).poll_read(cx, &mut self.bytes[end..]);
            let count = if let Poll::Ready(Ok(count)) = read { count } else { 0 };
            self.bytes.truncate(end + count);
            if ready!(read)? == 0 {
                self.pipe = None;
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
