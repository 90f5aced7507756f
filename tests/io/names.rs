//! The methods on types that are several things at once.

use std::convert::Infallible;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use cancelable::prelude::*;
use futures::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncSeek, AsyncWrite, AsyncWriteExt};
use futures::{Sink, SinkExt, Stream, StreamExt};

use crate::support::{self, block_on};

/// A future, a stream, a sink, a reader and a writer.
struct Everything;

impl Future for Everything {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<&'static str> {
        Poll::Ready("future")
    }
}

impl Stream for Everything {
    type Item = &'static str;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<&'static str>> {
        Poll::Ready(Some("stream"))
    }
}

impl Sink<u8> for Everything {
    type Error = Cancelled;

    fn poll_ready(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Cancelled>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: u8) -> std::result::Result<(), Cancelled> {
        Ok(())
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Cancelled>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Cancelled>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Everything {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        Poll::Ready(Ok(buffer.len()))
    }
}

impl AsyncWrite for Everything {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// This compiles with the prelude and the traits of `futures` in scope.
#[test]
fn none_is_ambiguous() {
    let _watchdog = support::watchdog();
    block_on(async {
        assert_eq!(Everything.cancelable(never()).await, Ok("future"));
        assert_eq!(Everything.cancelable_stream(never()).next().await, Some(Ok("stream")));
        assert_eq!(Everything.cancelable_sink(never()).send(1).await, Ok(()));
        assert_eq!(Everything.cancelable_reader(never()).read(&mut [0; 3]).await.unwrap(), 3);
        assert_eq!(Everything.cancelable_writer(never()).write(&[0; 3]).await.unwrap(), 3);
    });
}

#[test]
fn traits_are_kept() {
    fn reads<T: AsyncRead + AsyncBufRead + AsyncSeek + AsyncWrite>(_: &T) {}
    fn is_plain<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let memory = || futures::io::BufReader::new(futures::io::Cursor::new(vec![0; 8]));
    let reader = memory().cancelable_reader(never());
    let writer = memory().cancelable_writer(CancellationToken::new());
    reads(&reader);
    reads(&writer);
    is_plain(&reader);
    is_plain(&writer);
    let sink = futures::sink::drain::<u8>()
        .sink_map_err(|never: Infallible| -> Cancelled { match never {} });
    is_plain(&sink.cancelable_sink(never()));
}
