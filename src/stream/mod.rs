//! Streams raced against a source, and the partial result of a stream that was cancelled.
//!
//! [`CancelableStreamExt::cancelable_stream`] turns any stream into a [`CancelableStream`].

// Files:
//
// * `ext`: the extension trait.
// * `builder`: the builder methods that only streams have. `builder_methods`: the methods of every operation.
// * `items`: how items are buffered and handed out, one by one or in chunks.
// * `partial`: the partial result, readable from outside.
// * `idle_timeout`: the limit on each wait for an item.
// * `poll`: polling of streams that are operations or shielded. The fast path, for all other streams, is in this file.
// * `end`: how every stream ends.

mod builder;
mod builder_methods;
mod end;
mod ext;
#[cfg(feature = "time")]
mod idle_timeout;
mod items;
mod partial;
mod poll;

use std::any::type_name;
use std::fmt::{self, Display};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{FusedStream, Stream};
use pin_project::pin_project;

pub use ext::CancelableStreamExt;
pub use items::{Batching, Chunks, Items, Results};
pub use partial::{Partial, StreamEnd};

#[cfg(all(feature = "time", feature = "io"))]
pub(crate) use idle_timeout::IdleTimeout;

use crate::error::Cancelled;
use crate::future::{Ending, Fallible, LazyRunState, collect_shields, error_of_result};
use crate::poll_context;
use crate::reason::Reason;
use crate::source::Source;
use items::ItemBuffer;
pub(crate) use poll::{UNREGISTERED_POLLS, poll_source};

/// A stream raced against a source.
///
/// [`cancelable_stream`](CancelableStreamExt::cancelable_stream) creates it, and its documentation says which side wins.
/// Each item of the stream is yielded as `Ok`. A cancellation is yielded as one `Err`, followed by `None`.
///
/// If the items are results, [`try_cancelable_stream`](CancelableStreamExt::try_cancelable_stream) makes the first
/// `Err` the end of the stream.
///
/// The methods of a `CancelableStream` collect items into chunks, limit each wait for an item, and keep the partial result
/// of a stream that was cancelled. A `CancelableStream` also has the methods of a [`Cancelable`](crate::Cancelable), for
/// names, hooks, progress reports and clean-up. Calling one of these methods, or [`partial`](CancelableStream::partial),
/// makes the whole stream one [`Operation`](crate::Operation). The operation starts at the first poll and completes when the
/// stream ends. A stream that is not an operation allocates nothing except chunks.
///
/// # Implementation
///
/// The source is polled before each item. It gets the task's waker when the stream is pending for the first time, or after
/// 64 items in a row. So the source registers once, not once per item. If the source is a time limit, each poll before the
/// registration reads the clock, and each later poll reads a flag.
///
/// # Cancel safety
///
/// Dropping the future of [`next`](futures::StreamExt::next) loses no item. Dropping the `CancelableStream` drops the
/// stream, then the source. If the `CancelableStream` is an operation and has been polled, the drop is a cancellation with
/// [`Reason::Dropped`].
///
/// # Panics
///
/// A panic of the stream or of your source propagates. After the end, `poll_next` returns `None`.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{StreamExt, stream};
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let mut numbers = stream::iter(1..).cancelable_stream(&token);
/// assert_eq!(numbers.next().await, Some(Ok(1)));
/// assert_eq!(numbers.next().await, Some(Ok(2)));
/// token.cancel_with("two are enough");
/// assert_eq!(numbers.next().await, Some(Err(Cancelled::new("two are enough"))));
/// assert_eq!(numbers.next().await, None);
/// # });
/// ```
#[pin_project]
#[must_use = "streams do nothing unless polled"]
pub struct CancelableStream<St: Stream, S, E = (), M: Batching<St::Item> = Items> {
    // Fields are dropped in this order: first the stream and the source, then the buffer, which moves its items to the
    // partial result. The end of the operation is recorded last, when `state` is dropped.
    /// `None` once the race is over.
    #[pin]
    stream: Option<St>,
    /// Dropped right after the stream.
    #[pin]
    source: Option<S>,
    buffer: ItemBuffer<M::Kept, M>,
    /// The clean-up.
    #[pin]
    ending: E,
    stage: Stage<M::End>,
    /// The number of polls until the source has the task's waker, including the poll that passes the
    /// waker. Zero if the source has the waker already.
    unregistered_polls: u8,
    /// Shields to wait for, and the operation. Most streams have neither.
    state: LazyRunState,
}

/// Why the fast path of `poll_next` hands a poll over to `poll_slow`.
enum Handover<End> {
    /// This is the first poll, or the stream is an operation, is shielded or has ended.
    Untouched,
    /// This is the first poll, which polls the source before anything else. The source has not fired.
    Looked,
    /// The source or the idle timeout has fired in this poll.
    Fired(Reason),
    /// The stream has ended in this poll.
    Ended(End),
}

enum Stage<End> {
    /// Not polled yet.
    New,
    Streaming,
    /// The inner stream has been dropped. Clean-up is about to run, or is running and holds the outcome.
    Ending(Option<Result<End, Cancelled>>),
    /// A race around this stream is about to drop the stream, so the consumer must not continue. If that race only borrowed
    /// the stream, the stream may be polled again. It then hands out the error.
    Stopped(Option<Result<End, Cancelled>>),
    Done,
}

impl<St: Stream, S: Future<Output = Reason>> CancelableStream<St, S> {
    /// Races `stream` against `source`, like [`cancelable_stream`](CancelableStreamExt::cancelable_stream).
    ///
    /// ```
    /// use cancelable::{CancelableStream, never};
    /// use futures::{TryStreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers: Vec<_> = CancelableStream::new(stream::iter(1..4), never()).try_collect().await?;
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
    /// ```
    pub fn new(stream: St, source: impl Source<Future = S>) -> Self {
        CancelableStream::from_parts(stream, source.into_source(), (), Items)
    }
}

impl<St, S, T, X> CancelableStream<St, S, Fallible<Result<(), X>>, Results>
where
    St: Stream<Item = Result<T, X>>,
    S: Future<Output = Reason>,
    X: From<Cancelled> + Display,
{
    fn new_fallible(stream: St, source: S) -> Self {
        let ending = Fallible::with(error_of_result);
        CancelableStream::from_parts(stream, source, ending, Results(Items))
    }
}

impl<St: Stream, S, E, M: Batching<St::Item>> CancelableStream<St, S, E, M> {
    fn from_parts(stream: St, source: S, ending: E, batching: M) -> Self {
        CancelableStream {
            stream: Some(stream),
            source: Some(source),
            buffer: ItemBuffer::new(batching),
            ending,
            stage: Stage::New,
            unregistered_polls: UNREGISTERED_POLLS,
            state: LazyRunState::default(),
        }
    }
}

impl<St, S, E, M> Stream for CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    type Item = Result<M::Item, M::Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // This is the fast path, for every poll except the first of a stream that is neither an operation nor shielded. It
        // is kept short, to be inlined. `poll_slow` writes the item through a reference, because returning the item would
        // copy it twice.
        let mut item = None;
        let handover = loop {
            let this = self.as_mut().project();
            let state = this.state.get_mut();
            let (Stage::Streaming, None, Some(stream), Some(source)) =
                (&*this.stage, &state, this.stream.as_pin_mut(), this.source.as_pin_mut())
            else {
                break Handover::Untouched;
            };
            // The source is polled before an item is pulled, never between pulling an item and handing it out.
            if let Poll::Ready(reason) = poll_source(source, this.unregistered_polls, cx) {
                break Handover::Fired(reason);
            }
            let before = poll_context::registrations();
            let polled = stream.poll_next(cx);
            if poll_context::registrations() != before {
                collect_shields(state, before, 0);
            }
            match polled {
                Poll::Ready(Some(item)) => match M::split(item) {
                    ControlFlow::Continue(item) => {
                        // A stream with a partial result is an operation and takes the slow path. So it is enough to count
                        // the item here.
                        this.buffer.partial.count_one();
                        if let Some(item) = this.buffer.push(item) {
                            return Poll::Ready(Some(Ok(item)));
                        }
                    }
                    ControlFlow::Break(end) => break Handover::Ended(end),
                },
                Poll::Ready(None) => break Handover::Ended(M::end()),
                Poll::Pending => break Handover::Fired(ready!(self.as_mut().wait(cx))),
            }
        };
        ready!(self.poll_slow(handover, &mut item, cx));
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (_, upper) = match (&self.stage, &self.stream) {
            (Stage::Done, _) => return (0, Some(0)),
            (_, None) => return (0, Some(1)),
            (_, Some(stream)) => stream.size_hint(),
        };
        // The error may be the next item, so the lower bound is 0. It may also come after all items that the stream has
        // left, so the upper bound is one higher.
        let upper = upper.and_then(|upper| self.buffer.upper_bound(upper));
        (0, upper.and_then(|upper| upper.checked_add(1)))
    }
}

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    /// Registers the task of a pending stream with the source and with the idle timeout. Ready if one of them has fired.
    #[inline(never)]
    fn wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        if std::mem::take(this.unregistered_polls) > 0 {
            if let Some(source) = this.source.as_pin_mut() {
                if let Poll::Ready(reason) = source.poll(cx) {
                    return Poll::Ready(reason);
                }
            }
        }
        #[cfg(feature = "time")]
        if let Some(idle) = &mut this.buffer.idle {
            return idle.poll(cx);
        }
        Poll::Pending
    }
}

impl<St, S, E, M> FusedStream for CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<M::End>,
    M: Batching<St::Item>,
{
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }
}

impl<St: Stream, S, E, M: Batching<St::Item>> fmt::Debug for CancelableStream<St, S, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.stage {
            Stage::New => "not polled",
            Stage::Streaming => "streaming",
            Stage::Ending(_) => "cleaning up",
            Stage::Stopped(_) => "stopped",
            Stage::Done => "done",
        };
        let operation = self.state.operation();
        f.debug_struct("CancelableStream")
            .field("stream", &format_args!("{}", type_name::<St>()))
            .field("source", &format_args!("{}", type_name::<S>()))
            .field("state", &format_args!("{state}"))
            .field("operation", &operation)
            .finish()
    }
}
