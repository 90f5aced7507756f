//! A connection whose other side is the test.

use std::collections::VecDeque;
use std::io::{Result, SeekFrom};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::io::{AsyncRead, AsyncSeek, AsyncWrite};

/// One side of the connection: a reader and a writer.
#[derive(Debug, Default)]
pub(super) struct Pipe(Far);

/// The other side, in the hands of the test.
#[derive(Clone, Debug, Default)]
pub(super) struct Far(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    incoming: VecDeque<u8>,
    /// What was written.
    pub(super) outgoing: Vec<u8>,
    /// How many more bytes can be written.
    pub(super) room: usize,
    /// Whether flushes, closes and seeks are ready.
    pub(super) flushes: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// How often the pipe was called.
    pub(super) calls: usize,
    pub(super) dropped: bool,
}

pub(super) fn pipe() -> (Pipe, Far) {
    let far = Far::default();
    (Pipe(far.clone()), far)
}

impl Far {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Sends bytes to the reader.
    pub(super) fn send(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.incoming.extend(bytes);
        let waker = state.reader.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    fn call<T>(
        &self,
        cx: &Context<'_>,
        f: impl FnOnce(&mut State) -> Option<T>,
    ) -> Poll<Result<T>> {
        let mut state = self.state();
        state.calls += 1;
        match f(&mut state) {
            Some(value) => Poll::Ready(Ok(value)),
            None => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        let mut state = self.0.state();
        state.calls += 1;
        if state.incoming.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.len().min(state.incoming.len());
        for (to, from) in buffer.iter_mut().zip(state.incoming.drain(..count)) {
            *to = from;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Result<usize>> {
        self.0.call(cx, |state| {
            let count = buffer.len().min(state.room);
            state.room -= count;
            state.outgoing.extend(&buffer[..count]);
            (count > 0).then_some(count)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.call(cx, |state| state.flushes.then_some(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.call(cx, |state| state.flushes.then_some(()))
    }
}

impl AsyncSeek for Pipe {
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, _: SeekFrom) -> Poll<Result<u64>> {
        self.0.call(cx, |state| state.flushes.then_some(7))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.state().dropped = true;
    }
}
