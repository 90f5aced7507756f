//! The builder methods of streams: chunks, idle timeout, reports, partial result, and the methods of
//! every operation.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use futures::Stream;

#[cfg(feature = "time")]
use super::idle_timeout::IdleTimeout;
use super::{Batching, CancelableStream, Chunks, Items, Partial, Results, Stage};
use crate::error::Cancelled;
use crate::future::{Ending, Finally, FinallyOrSpawn, JoinsChildren, RunState, builder_methods};
use crate::operation::{Operation, Progress};
use crate::reason::Reason;
use crate::spawner::Spawner;
use crate::text::Text;
#[cfg(feature = "time")]
use crate::timer::{Countdown, SectionLimit};

impl<St: Stream, S, E, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    pub(super) fn run_state(&mut self) -> &mut RunState {
        self.state.get_mut().get_or_insert_default()
    }

    pub(super) fn handle(&self) -> Operation {
        self.state.handle(matches!(self.stage, Stage::Streaming))
    }

    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Streaming | Stage::Ending(_))
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Stopped(_))
    }

    fn map_ending<N>(self, map: impl FnOnce(E) -> N) -> CancelableStream<St, S, N, M> {
        let CancelableStream { stream, source, buffer, ending, stage, unregistered_polls, state } =
            self;
        let ending = map(ending);
        CancelableStream { stream, source, buffer, ending, stage, unregistered_polls, state }
    }

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

impl<St: Stream, S, E, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    /// Cancels the stream with [`Reason::Timeout`] if it takes longer than `limit` to produce an item.
    ///
    /// This is independent of the source, which may limit the whole stream.
    ///
    /// The clock starts when a poll finds no item, and stops when the next item comes. So the time that the
    /// consumer spends on an item does not count. Dropping the future of
    /// [`next`](futures::StreamExt::next) does not stop the clock. With a limit of zero, the stream is
    /// cancelled by the first poll that finds no item.
    ///
    /// The limit is as precise as a [`timeout`](crate::timeout()), and an item costs no registration. If
    /// this is called more than once, the last limit counts.
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
    /// The report comes before the last of these items is yielded. Its detail `items` is the number of items so far. If
    /// the stream knows how many are left, the report also counts [steps](Progress::steps). The end of the
    /// stream is not reported.
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
    /// Each further item replaces the oldest. Without a handle to the partial result, nothing is
    /// cloned. If this is called more than once, the last number counts.
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
    /// Call this before the first poll. Items that came before are counted but not kept, unless they are
    /// in a [chunk](Self::chunks) that has not been yielded.
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
    /// Yields the items in vectors of `size` items. The last one may be shorter; none is empty.
    ///
    /// The source is still polled before each item. Reports and the idle timeout count items, not chunks.
    ///
    /// If the stream is cancelled, the items of an incomplete chunk are not yielded. They go into the
    /// [partial result](Self::partial), together with the items that [`keep_last`](Self::keep_last) keeps.
    /// No item is there twice.
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
    /// Yields the values in vectors of `size` values. The last one may be shorter; none is empty.
    ///
    /// As for [other streams](CancelableStream::chunks). The values of an incomplete chunk before an
    /// error go into the [partial result](Self::partial).
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

#[allow(clippy::type_complexity, reason = "`finally_or_spawn` names the types of its parts")]
/// The methods that make the stream an operation. Where they say "the work", they mean the stream.
impl<St: Stream, S, E: Ending<M::End>, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    builder_methods! {
        output: M::End,
        finally: CancelableStream<St, S, Finally<M::End, E, C, Fut>, M>,
        finally_or_spawn: CancelableStream<St, S, FinallyOrSpawn<M::End, E, C, Fut, P>, M>,
        joins: CancelableStream<St, S, JoinsChildren<M::End, E>, M>,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        ///
        /// # smol::block_on(async {
        /// let numbers = stream::iter(0..10).cancelable_stream(never());
        /// let operation = numbers.operation();
        /// assert_eq!(operation.status(), Status::Pending);
        /// assert_eq!(numbers.count().await, 10);
        /// assert_eq!(operation.status(), Status::Completed);
        /// # });
        /// ```
        operation,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::stream;
        /// let lines = stream::empty::<()>().cancelable_stream(never()).named("lines");
        /// assert_eq!(lines.operation().name(), Some("lines"));
        /// ```
        named,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::stream;
        /// let lines = stream::empty::<()>().cancelable_stream(never()).metadata("file", "a.txt");
        /// assert_eq!(lines.operation().metadata()["file"], "a.txt");
        /// ```
        metadata,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// # smol::block_on(async {
        /// let parent_run = async {}.cancelable(never()).named("ingest");
        /// let parent = parent_run.operation();
        /// let mut below = stream::pending::<()>().cancelable_stream(never()).child_of(&parent);
        /// parent.cancel_with("stop");
        /// let cancelled = below.next().await.unwrap().unwrap_err();
        /// assert!(cancelled.is_parent());
        /// assert_eq!(cancelled.reason().root(), &Reason::manual("stop"));
        /// # });
        /// ```
        child_of,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// # smol::block_on(async {
        /// let mut numbers = stream::iter(0..).cancelable_stream(never()).on_start(|operation| {
        ///     operation.cancel();
        /// });
        /// assert!(numbers.next().await.unwrap().is_err());
        /// # });
        /// ```
        on_start,

        /// A stream reports by itself if [`report_every`](Self::report_every) asks for it.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// # smol::block_on(async {
        /// let numbers = stream::iter(0..10).cancelable_stream(never()).report_every(5);
        /// let numbers = numbers.on_progress(|_, progress| {
        ///     assert!(matches!(progress.get("items"), Some("5" | "10")));
        /// });
        /// assert_eq!(numbers.count().await, 10);
        /// # });
        /// ```
        on_progress,

        /// A stream completes when it ends without having been cancelled.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// # smol::block_on(async {
        /// let numbers = stream::iter(0..10).cancelable_stream(never()).on_complete(|operation| {
        ///     assert_eq!(operation.status(), Status::Completed);
        /// });
        /// assert_eq!(numbers.count().await, 10);
        /// # });
        /// ```
        on_complete,

        /// A stream that is dropped before its end was cancelled with [`Reason::Dropped`].
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// # smol::block_on(async {
        /// let numbers = stream::iter(0..).cancelable_stream(never()).on_cancel(|_, reason| {
        ///     assert_eq!(reason, &Reason::Dropped);
        /// });
        /// assert_eq!(numbers.take(2).count().await, 2);
        /// # });
        /// ```
        on_cancel,

        /// A stream has failed if it panicked, or if an `Err` ended a stream of
        /// [`try_cancelable_stream`](crate::CancelableStreamExt::try_cancelable_stream).
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{FutureExt, StreamExt, stream};
        /// use std::panic::AssertUnwindSafe;
        /// # smol::block_on(async {
        /// let broken = stream::iter([1]).map(|_| -> u32 { panic!("no disk") });
        /// let broken = broken
        ///     .cancelable_stream(never())
        ///     .on_error(|_, error| assert_eq!(error.to_string(), "panicked: no disk"));
        /// let operation = broken.operation();
        /// assert!(AssertUnwindSafe(broken.count()).catch_unwind().await.is_err());
        /// assert_eq!(operation.status(), Status::Failed);
        /// # });
        /// ```
        on_error,

        /// During the grace period, items are still yielded. A stream that ends in time yields no error.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let token = CancellationToken::new();
        /// let asked = token.clone();
        /// let polite = stream::iter(1..).take_while(move |_| {
        ///     std::future::ready(!asked.is_cancelled())
        /// });
        /// let mut polite = Box::pin(polite.cancelable_stream(&token).grace(Duration::from_secs(60)));
        /// assert_eq!(polite.next().await, Some(Ok(1)));
        /// token.cancel();
        /// assert_eq!(polite.next().await, None);
        /// assert_eq!(polite.operation().status(), Status::Completed);
        /// # });
        /// ```
        grace,

        /// Items do not count, unless [`report_every`](Self::report_every) reports them. For a limit on each
        /// wait for an item, use [`idle_timeout`](Self::idle_timeout).
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let limit = Duration::from_millis(5);
        /// let silent = stream::pending::<()>().cancelable_stream(never()).stalled_after(limit);
        /// let stalled = Box::pin(silent).next().await.unwrap().unwrap_err();
        /// assert_eq!(stalled.reason().name(), Some("no progress"));
        /// # });
        /// ```
        stalled_after,

        /// The wait begins when the consumer requests the end of the stream.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        ///
        /// # smol::block_on(async {
        /// let pages = stream::iter(0..3).cancelable_stream(never()).joins_children();
        /// let operation = pages.operation();
        /// let tasks: Vec<_> = pages
        ///     .map(|page| smol::spawn(operation.in_scope(async move { page })))
        ///     .collect()
        ///     .await;
        /// assert!(tasks.iter().all(|task| task.is_finished()));
        /// # });
        /// ```
        joins_children,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        ///
        /// # smol::block_on(async {
        /// let pages = stream::iter(0..3).cancelable_stream(never()).cancels_children();
        /// let operation = pages.operation();
        /// let page = std::future::pending::<()>().cancelable(never()).child_of(&operation);
        /// let task = smol::spawn(page);
        /// assert_eq!(pages.count().await, 3);
        /// assert!(task.await.unwrap_err().is_parent());
        /// # });
        /// ```
        cancels_children,

        /// It runs before the stream yields its end or the error. Its argument is `Ok` if the stream has
        /// ended by itself.
        ///
        /// If a race around the consumer is cancelled while the consumer waits for an item, that race
        /// waits for the clean-up. If it is cancelled while the consumer is busy with an item, it drops
        /// the consumer and the stream at once, and the clean-up is lost.
        ///
        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::cell::Cell;
        ///
        /// # smol::block_on(async {
        /// let closed = Cell::new(false);
        /// let token = CancellationToken::new();
        /// token.cancel();
        /// let numbers = stream::iter(0..).cancelable_stream(&token).finally(|outcome| {
        ///     assert!(outcome.is_err());
        ///     async { closed.set(true) }
        /// });
        /// let mut numbers = Box::pin(numbers);
        /// assert!(numbers.next().await.unwrap().is_err());
        /// assert!(closed.get());
        /// # });
        /// ```
        finally,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::future::pending;
        /// use std::time::Duration;
        ///
        /// # smol::block_on(async {
        /// let limit = Duration::from_millis(1);
        /// let numbers = stream::iter(0..3).cancelable_stream(never()).finally_for(limit, |_| pending());
        /// assert_eq!(numbers.count().await, 3);
        /// # });
        /// ```
        finally_for,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::sync::mpsc::channel;
        ///
        /// # smol::block_on(async {
        /// let (sender, receiver) = channel();
        /// let numbers = stream::iter(0..).cancelable_stream(never()).finally_or_spawn(
        ///     |task| smol::spawn(task).detach(),
        ///     move |_| async move { sender.send("closed").unwrap() },
        /// );
        /// assert_eq!(numbers.take(2).count().await, 2);
        /// assert_eq!(receiver.recv(), Ok("closed"));
        /// # });
        /// ```
        finally_or_spawn,

        /// ```
        /// use cancelable::prelude::*;
        /// use futures::{StreamExt, stream};
        /// use std::sync::mpsc::channel;
        ///
        /// # smol::block_on(async {
        /// let (sender, receiver) = channel();
        /// let numbers = stream::iter(0..)
        ///     .cancelable_stream(never())
        ///     .finally(|_| async {})
        ///     .on_clean_up_lost(move |operation| sender.send(operation.id()).unwrap());
        /// assert_eq!(numbers.take(2).count().await, 2);
        /// assert!(receiver.recv().is_ok());
        /// # });
        /// ```
        on_clean_up_lost,
    }
}
