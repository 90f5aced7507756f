//! The builder methods that only streams have: chunks, idle timeout, reports, partial result.

#[cfg(feature = "time")]
use std::time::Duration;

use futures::Stream;

#[cfg(feature = "time")]
use super::idle_timeout::IdleTimeout;
use super::{Batching, CancelableStream, Chunks, Items, Partial, Results};
use crate::error::Cancelled;

impl<St: Stream, S, E, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    /// Cancels the stream with [`Reason::Timeout`](crate::Reason::Timeout) if it takes longer than `limit` to
    /// produce an item.
    ///
    /// This limit is independent of the source, which may limit the whole stream.
    ///
    /// The clock starts when a poll finds no item, and stops when the next item comes. So the time that the
    /// consumer spends on an item does not count. Dropping the future of
    /// [`next`](futures::StreamExt::next) does not stop the clock. With a limit of zero, the stream is
    /// cancelled by the first poll that finds no item.
    ///
    /// The limit is as precise as a [`timeout`](crate::timeout()). It does not register a timer for each item. If this is
    /// called more than once, the last limit applies.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let falls_silent = stream::iter([1, 2]).chain(stream::pending());
    /// let limit = Duration::from_millis(5);
    /// let items = falls_silent.cancelable_stream(never()).idle_timeout(limit).collect::<Vec<_>>().await;
    /// assert_eq!(items, [Ok(1), Ok(2), Err(Cancelled::new(Reason::timeout(limit)))]);
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.buffer.idle = Some(IdleTimeout::new(limit));
        self
    }

    /// Reports progress after every `items` items of the stream; zero turns reports off.
    ///
    /// Each report is made just before the last of these items is yielded. The report has a detail `items`, the number of
    /// items so far. If the stream knows how many items are left, the report also has [steps](crate::Progress::steps). The
    /// end of the stream is not reported.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable_stream(never()).report_every(4);
    /// let operation = numbers.operation();
    /// assert_eq!(numbers.count().await, 10);
    /// let progress = operation.snapshot().progress.unwrap();
    /// assert_eq!(progress.get("items"), Some("8"));
    /// assert_eq!(progress.to_string(), "streaming: 8 of 10 (items: 8)");
    /// # });
    /// ```
    pub fn report_every(mut self, items: u64) -> Self {
        self.run_state().make_operation();
        self.buffer.report_every = items;
        self
    }

    /// Keeps clones of the last `items` items for the [partial result](Self::partial).
    ///
    /// Once that many are kept, each further item replaces the oldest one. Nothing is cloned until there is a handle to the
    /// partial result. If this is called more than once, the last number applies.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable_stream(never()).keep_last(2);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 10);
    /// assert_eq!(partial.items(), [8, 9]);
    /// # });
    /// ```
    pub fn keep_last(mut self, items: usize) -> Self
    where
        M::Kept: Clone,
    {
        self.buffer.partial.keep_last(items);
        self
    }

    /// Returns a handle that reads how far the stream got, however it ends.
    ///
    /// Call this before the first poll. Items that came before this call are counted but not kept,
    /// unless they are in a [chunk](Self::chunks) that has not been yielded.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let numbers = stream::iter(0..).cancelable_stream(&token).keep_last(2);
    /// let partial = numbers.partial();
    /// let handed_out = numbers.inspect(|number| {
    ///     if *number == Ok(6) {
    ///         token.cancel_with("seven are enough");
    ///     }
    /// });
    /// assert_eq!(handed_out.count().await, 8, "with the error");
    /// assert_eq!(partial.count(), 7);
    /// assert_eq!(partial.items(), [5, 6]);
    /// assert_eq!(partial.reason(), Some(Reason::manual("seven are enough")));
    /// # });
    /// ```
    pub fn partial(&self) -> Partial<M::Kept> {
        self.buffer.partial.handle(self.handle())
    }
}

impl<St: Stream, S, E> CancelableStream<St, S, E> {
    /// Yields the items in vectors of `size` items. The last vector may be shorter. No vector is empty.
    ///
    /// The source is still polled before each item. Reports and the idle timeout count items, not chunks.
    ///
    /// If the stream is cancelled, the items of an incomplete chunk are not yielded. They go into the
    /// [partial result](Self::partial), together with the items that [`keep_last`](Self::keep_last) keeps.
    /// The partial result contains no item twice.
    ///
    /// # Panics
    ///
    /// Panics if `size` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=5).cancelable_stream(never()).chunks(2);
    /// assert_eq!(numbers.collect::<Vec<_>>().await, [Ok(vec![1, 2]), Ok(vec![3, 4]), Ok(vec![5])]);
    ///
    /// let token = CancellationToken::new();
    /// let stops = stream::iter(1..).inspect(|number| {
    ///     if *number == 5 {
    ///         token.cancel();
    ///     }
    /// });
    /// let numbers = stops.cancelable_stream(&token).chunks(2);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.collect::<Vec<_>>().await.len(), 3, "two chunks, and the error");
    /// assert_eq!(partial.take(), [5]);
    /// # });
    /// ```
    pub fn chunks(self, size: usize) -> CancelableStream<St, S, E, Chunks> {
        assert!(size > 0, "a chunk has at least one item");
        self.map_batching(|Items| Chunks { size })
    }
}

impl<St, S, E, T, X> CancelableStream<St, S, E, Results>
where
    St: Stream<Item = Result<T, X>>,
    X: From<Cancelled>,
{
    /// Yields the values in vectors of `size` values. The last vector may be shorter. No vector is empty.
    ///
    /// This works like [`chunks` of other streams](CancelableStream::chunks). If an error interrupts a chunk, the values of
    /// the incomplete chunk go into the [partial result](Self::partial).
    ///
    /// # Panics
    ///
    /// Panics if `size` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{TryStreamExt, stream};
    /// use std::io;
    ///
    /// # smol::block_on(async {
    /// let rows = stream::iter([Ok(1), Ok(2), Ok(3), Err(io::Error::other("no disk"))]);
    /// let mut rows = rows.try_cancelable_stream(never()).chunks(2);
    /// let partial = rows.partial();
    /// assert_eq!(rows.try_next().await?, Some(vec![1, 2]));
    /// assert_eq!(rows.try_next().await.unwrap_err().to_string(), "no disk");
    /// assert_eq!(partial.take(), [3]);
    /// # io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn chunks(self, size: usize) -> CancelableStream<St, S, E, Results<Chunks>> {
        assert!(size > 0, "a chunk has at least one item");
        self.map_batching(|Results(Items)| Results(Chunks { size }))
    }
}

impl<St: Stream, S, E, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    fn map_batching<N>(self, map: impl FnOnce(M) -> N) -> CancelableStream<St, S, E, N>
    where
        N: Batching<St::Item, Kept = M::Kept, End = M::End>,
    {
        let CancelableStream { stream, source, buffer, ending, stage, unregistered_polls, state } =
            self;
        let buffer = buffer.map_batching(map);
        CancelableStream { stream, source, buffer, ending, stage, unregistered_polls, state }
    }
}
