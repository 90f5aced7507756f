//! What is asked of the items: chunks, a limit between them, reports, and what is kept.

#[cfg(feature = "time")]
use std::time::Duration;

use futures::stream::Stream;

#[cfg(feature = "time")]
use super::Idle;
use super::{CancelableStream, Desk, InChunks, Partial};

impl<St: Stream, S, E, M> CancelableStream<St, S, E, M> {
    /// Cancels the stream when it lets wait so long for one item, for the reason
    /// [`Reason::Timeout`](crate::Reason::Timeout): beside a source that limits the whole of it.
    ///
    /// The clock starts when a poll finds no item, and stops when one comes. The time that the
    /// consumer takes with an item does not count, and an item that is there is never too late: zero
    /// waits for nothing. Dropping the future of [`next`](futures::StreamExt::next) does not stop
    /// the clock. It strikes no earlier, and no later, than a [`timeout`](crate::timeout()) would
    /// that had begun with the wait. An item costs no registration. The last call counts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let falls_silent = stream::iter([1, 2]).chain(stream::pending());
    /// let limit = Duration::from_millis(5);
    /// let items = falls_silent.cancelable(never()).idle_timeout(limit).collect::<Vec<_>>().await;
    /// assert_eq!(items, [Ok(1), Ok(2), Err(Cancelled::new(Reason::timeout(limit)))]);
    /// # });
    /// ```
    #[cfg(feature = "time")]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.desk.idle = Some(Idle::new(limit));
        self
    }

    /// Reports progress at every so many items of the stream: how many there were, as the detail
    /// `items`. Where the stream knows how many are to come, the report counts
    /// [steps](crate::Progress::steps). Zero is never. The report comes before the item is handed
    /// out; nothing is reported for the end.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable(never()).report_every(4);
    /// let operation = numbers.operation();
    /// assert_eq!(numbers.count().await, 10);
    /// let progress = operation.snapshot().progress.unwrap();
    /// assert_eq!(progress.get("items"), Some("8"));
    /// assert_eq!(progress.to_string(), "streaming: 8 of 10 (items: 8)");
    /// # });
    /// ```
    pub fn report_every(mut self, items: u64) -> Self {
        self.run_state().make_operation();
        self.desk.report_every = items;
        self
    }

    /// Keeps clones of the last items of the stream, so many of them, for whoever has asked for the
    /// [partial result](Self::partial). Each further item takes the place of the oldest. Where
    /// nobody has asked, nothing is cloned. The last call counts.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(0..10).cancelable(never()).keep_last(2);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 10);
    /// assert_eq!(partial.items(), [8, 9]);
    /// # });
    /// ```
    pub fn keep_last(mut self, items: usize) -> Self
    where
        St::Item: Clone,
    {
        self.desk.keep.keep_last(items);
        self
    }

    /// A handle of what is known of this stream, which stays readable whatever becomes of it. Ask for
    /// it before the first poll: what came earlier is counted, and kept only where it is in hand for
    /// a [chunk](Self::chunks).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let numbers = stream::iter(0..).cancelable(&token).keep_last(2);
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
    pub fn partial(&self) -> Partial<St::Item> {
        self.desk.keep.partial(self.handle())
    }
}

impl<St: Stream, S, E> CancelableStream<St, S, E> {
    /// Hands out the items in vectors of that many. The last one of a stream that ends may be
    /// shorter; none is empty.
    ///
    /// Cancellation is seen before each item. What is in hand then is not handed out: it goes into
    /// the [partial result](Self::partial), together with what [`keep_last`](Self::keep_last)
    /// keeps, and no item twice. Reports and limits still count items, not chunks.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    ///
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=5).cancelable(never()).chunks(2);
    /// assert_eq!(numbers.collect::<Vec<_>>().await, [Ok(vec![1, 2]), Ok(vec![3, 4]), Ok(vec![5])]);
    ///
    /// let token = CancellationToken::new();
    /// let stops = stream::iter(1..).inspect(|number| {
    ///     if *number == 5 {
    ///         token.cancel();
    ///     }
    /// });
    /// let numbers = stops.cancelable(&token).chunks(2);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.collect::<Vec<_>>().await.len(), 3, "two chunks, and the error");
    /// assert_eq!(partial.take(), [5]);
    /// # });
    /// ```
    pub fn chunks(self, size: usize) -> CancelableStream<St, S, E, InChunks> {
        assert!(size > 0, "a chunk has at least one item");
        let CancelableStream { stream, source, desk, ending, stage, free_looks, extra } = self;
        let desk = Desk {
            keep: desk.keep,
            shape: InChunks { size },
            #[cfg(feature = "time")]
            idle: desk.idle,
            report_every: desk.report_every,
        };
        CancelableStream { stream, source, desk, ending, stage, free_looks, extra }
    }
}
