//! The builder methods that streams share with futures, with examples for streams.

use std::fmt::Display;
#[cfg(feature = "time")]
use std::time::Duration;

use futures::Stream;

use super::{Batching, CancelableStream, Stage};
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
}

/// The methods that make the stream an operation. In their documentation, "the work" is the inner stream, and "the race" is
/// the `CancelableStream`.
#[allow(clippy::type_complexity, reason = "`finally_or_spawn` names the types of its parts")]
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
        ///
        /// # smol::block_on(async {
        /// let rows = stream::iter([1, 2]).cancelable_stream(never());
        /// let rows = rows.in_span(|_| tracing::debug_span!(target: "import", "rows"));
        /// assert_eq!(rows.collect::<Vec<_>>().await, [Ok(1), Ok(2)]);
        /// # });
        /// ```
        in_span,

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

        /// Use [`report_every`](Self::report_every) to make the stream report by itself.
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

        /// A stream completes if it ends without having been cancelled.
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

        /// A stream that is dropped before its end counts as cancelled, with [`Reason::Dropped`].
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

        /// A stream fails if it panics. A stream that
        /// [`try_cancelable_stream`](crate::CancelableStreamExt::try_cancelable_stream) created also fails if an `Err` ends
        /// it.
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

        /// Items do not restart the clock, unless [`report_every`](Self::report_every) reports them. For a limit on each
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

        /// The wait begins when the consumer polls the stream after its last item.
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
        /// assert_eq!((tasks.len(), operation.child_count()), (3, 0));
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

        /// The clean-up runs before the stream yields the error or its end. The argument of `clean_up` is `Ok` if the stream
        /// has ended by itself.
        ///
        /// If a race around the consumer is cancelled while the consumer waits for an item, that race waits for the
        /// clean-up. If the race is cancelled while the consumer is busy with an item, the race drops the consumer and the
        /// stream at once, and the clean-up is lost.
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
