//! The extension trait of streams.

use futures::Stream;

use std::fmt::Display;

use super::{CancelableStream, Results};
use crate::error::Cancelled;
use crate::future::Fallible;
use crate::source::Source;

/// Races a stream against a source. Every stream implements this trait, and the prelude exports it.
///
/// The method for futures, in [`CancelableExt`](crate::CancelableExt), is called `cancelable`. The
/// method for streams has another name because some types, such as the timers of `async-io`, are both a
/// future and a stream. On those types, the same name would be ambiguous.
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{TryStreamExt, stream};
///
/// # smol::block_on(async {
/// let numbers: Vec<_> = stream::iter(1..4).cancelable_stream(never()).try_collect().await?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
pub trait CancelableStreamExt: Stream {
    /// Races this stream against a source. Items are yielded as `Ok`. If the source fires before the stream ends, an `Err`
    /// with the reason is yielded last.
    ///
    /// A [`Source`] is one of [`cancelable::source`](crate::source), a [token](crate::CancellationToken), a reference to a
    /// token, or any future of a [`Reason`](crate::Reason). A [`timeout`](crate::timeout()) starts at the first poll and
    /// limits the whole stream. To limit each wait for an item, use [`idle_timeout`](CancelableStream::idle_timeout).
    ///
    /// # Which side wins
    ///
    /// * If the source has fired by the first poll, the source wins: the stream is dropped without ever being polled.
    /// * The source is polled before each item, even if the stream never waits. Once the source has fired, no further item
    ///   is pulled. Unlike a future, a stream gets no last poll.
    /// * An item that has been pulled is always yielded.
    /// * The stream and the source are dropped before `Err` is yielded. After the error comes `None`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future of [`next`](futures::StreamExt::next) loses no item. Items that the stream
    /// has read ahead and not yielded are lost when the stream is dropped.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](crate::Cancelled) as the last item if the source fires first.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let never_ends = stream::pending::<u32>();
    /// let mut limited = never_ends.cancelable_stream(timeout(Duration::from_millis(1)));
    /// assert!(limited.next().await.unwrap().unwrap_err().is_timeout());
    /// assert_eq!(limited.next().await, None);
    ///
    /// # });
    /// ```
    fn cancelable_stream<S>(self, source: S) -> CancelableStream<Self, S::Future>
    where
        Self: Sized,
        S: Source,
    {
        CancelableStream::new(self, source)
    }

    /// Races a stream of results against a source. Values are yielded as `Ok`, and the first `Err` ends the stream.
    ///
    /// If an `Err` ends the stream, the operation ends as cancelled if it has a [reason](crate::Operation::reason),
    /// and as failed otherwise. The [partial result](CancelableStream::partial) contains the values before the
    /// error. If the source fires first, [`Cancelled`] is converted into the error type of the stream.
    ///
    /// With [`cancelable_stream`](Self::cancelable_stream), an `Err` is an item like any other, and the stream
    /// continues.
    ///
    /// # Cancel safety
    ///
    /// As for [`cancelable_stream`](Self::cancelable_stream).
    ///
    /// # Errors
    ///
    /// The first error of the stream, or [`Cancelled`], converted into the same type, if the source fires first. This error
    /// is the last item.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::stream::StreamEnd;
    /// use futures::{TryStreamExt, stream};
    /// use std::io;
    ///
    /// # smol::block_on(async {
    /// let lines = stream::iter([Ok("a"), Ok("b"), Err(io::Error::other("no disk")), Ok("c")]);
    /// let lines = lines.try_cancelable_stream(never()).keep_last(10);
    /// let partial = lines.partial();
    /// let error = lines.try_collect::<String>().await.unwrap_err();
    /// assert_eq!(error.to_string(), "no disk");
    /// assert_eq!(partial.items(), ["a", "b"]);
    /// assert_eq!(partial.end(), Some(StreamEnd::Failed));
    /// # });
    /// ```
    fn try_cancelable_stream<S, T, X>(
        self,
        source: S,
    ) -> CancelableStream<Self, S::Future, Fallible<Result<(), X>>, Results>
    where
        Self: Stream<Item = Result<T, X>> + Sized,
        X: From<Cancelled> + Display,
        S: Source,
    {
        CancelableStream::new_fallible(self, source.into_source())
    }
}

impl<St: Stream> CancelableStreamExt for St {}
