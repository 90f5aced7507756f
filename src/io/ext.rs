//! The extension traits of readers, writers and sinks.

use futures::Sink;
use futures::io::{AsyncRead, AsyncWrite};

use super::{CancelableReader, CancelableSink, CancelableWriter};
use crate::error::Cancelled;
use crate::source::Source;

/// Races a reader against a source. Every [`AsyncRead`] type implements this trait, and the prelude exports it.
///
/// The method is not called `cancelable`, because a type may be a reader, a writer, a stream and a future at the same time.
/// On such a type, a call of `cancelable` would be ambiguous.
pub trait CancelableReadExt: AsyncRead {
    /// Races each read of this reader against a source. The wrapper is a reader too, and is buffered or seekable if
    /// this reader is. If this reader is also a writer, so is the wrapper, and writes pass through.
    ///
    /// A [`timeout`](crate::timeout()) starts at the first call and limits all calls together. To limit each wait for
    /// bytes, use [`idle_timeout`](CancelableReader::idle_timeout). See the [module](crate::io) for which side wins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future of `read` or `fill_buf` loses no bytes. Futures that read several times, such as `read_exact`,
    /// may have filled a part of their buffer when they return the error, as with any other error.
    ///
    /// # Errors
    ///
    /// Once the source has fired, each call returns an [`io::Error`](std::io::Error) that holds the [`Cancelled`]. Its
    /// kind is `TimedOut` for time limits and `Other` for any other reason.
    ///
    /// # Examples
    ///
    /// The bytes that were read before the cancellation are kept:
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::testing::{self, Network};
    /// use futures::{AsyncReadExt, StreamExt, TryStreamExt, io};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let network = Network::seeded(1).delay(ms(10)).jitter(0.0, ms(0)).bursts(0.0, 1).stalls(0.0, ms(0));
    /// let reader = network.stream(b"hello world".to_vec())?.map(Ok).into_async_read();
    ///
    /// let mut bytes = Vec::new();
    /// let mut reader = reader.cancelable_reader(timeout(ms(55)));
    /// let error = testing::run(reader.read_to_end(&mut bytes)).unwrap_err();
    /// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    /// assert_eq!(bytes, b"hello");
    ///
    /// // The reader is still there, and so is the rest.
    /// testing::run(reader.into_inner().read_to_end(&mut bytes))?;
    /// assert_eq!(bytes, b"hello world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn cancelable_reader<S: Source>(self, source: S) -> CancelableReader<Self, S::Future>
    where
        Self: Sized,
    {
        CancelableReader::new(self, source)
    }
}

impl<R: AsyncRead> CancelableReadExt for R {}

/// Races a writer against a source. Every [`AsyncWrite`] type implements this trait, and the prelude exports it.
pub trait CancelableWriteExt: AsyncWrite {
    /// Races each write, flush and close of this writer against a source. The wrapper is a writer too, and is seekable
    /// if this writer is. If this writer is also a reader, so is the wrapper, and reads pass through.
    ///
    /// A [`timeout`](crate::timeout()) starts at the first call and limits all calls together. To limit each wait,
    /// use [`idle_timeout`](CancelableWriter::idle_timeout). See the [module](crate::io) for which side wins.
    ///
    /// After the cancellation, the wrapper refuses to flush or close as well. To flush or close the
    /// inner writer, take it out with [`into_inner`](CancelableWriter::into_inner), and set a new limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future of `write` loses no bytes. If `write_all` returns the error, it is not known how much of the
    /// buffer was written, as with any other error.
    ///
    /// # Errors
    ///
    /// Once the source has fired, each call returns an [`io::Error`](std::io::Error) that holds the [`Cancelled`]. Its
    /// kind is `TimedOut` for time limits and `Other` for any other reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{AsyncWriteExt, io::Cursor};
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let mut writer = Cursor::new(Vec::new()).cancelable_writer(&token);
    /// writer.write_all(b"hello").await?;
    /// token.cancel_with("disk full");
    /// let error = writer.write_all(b" world").await.unwrap_err();
    /// assert_eq!(error.to_string(), "cancelled: disk full");
    /// assert_eq!(writer.get_ref().get_ref(), b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn cancelable_writer<S: Source>(self, source: S) -> CancelableWriter<Self, S::Future>
    where
        Self: Sized,
    {
        CancelableWriter::new(self, source)
    }
}

impl<W: AsyncWrite> CancelableWriteExt for W {}

/// Races a sink against a source. Every [`Sink`] type implements this trait, and the prelude exports it.
pub trait CancelableSinkExt<Item>: Sink<Item> {
    /// Races each call of this sink against a source. If this sink is also a stream, so is the
    /// wrapper, and items pass through.
    ///
    /// The error type of the sink must implement `From<Cancelled>`, as with
    /// [`try_cancelable`](crate::CancelableExt::try_cancelable). If it does not, convert the error first, with
    /// `sink_map_err` of the crate `futures`.
    ///
    /// # Cancel safety
    ///
    /// An item that the sink has accepted stays in the sink, and [`into_inner`](CancelableSink::into_inner) returns the
    /// sink. The future of `send` drops its item if the source fires before the sink accepts it.
    ///
    /// # Errors
    ///
    /// Once the source has fired, each call returns the [`Cancelled`], converted into the error type of the sink.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::channel::mpsc;
    /// use futures::SinkExt;
    /// use std::error::Error;
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let (sender, _receiver) = mpsc::channel::<u32>(10);
    /// let mut sender = sender.sink_map_err(Box::<dyn Error>::from).cancelable_sink(&token);
    /// sender.send(1).await?;
    /// token.cancel_with("closing");
    /// assert_eq!(sender.send(2).await.unwrap_err().to_string(), "cancelled: closing");
    /// # Ok::<(), Box<dyn Error>>(()) }).unwrap();
    /// ```
    fn cancelable_sink<S: Source>(self, source: S) -> CancelableSink<Self, S::Future>
    where
        Self: Sized,
        Self::Error: From<Cancelled>,
    {
        CancelableSink::new(self, source)
    }
}

impl<Item, Si: Sink<Item>> CancelableSinkExt<Item> for Si {}
