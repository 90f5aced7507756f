//! Streams raced against a source, and what is left of one that was cancelled.
//!
//! [`CancelableStreamExt::cancelable`] makes a [`CancelableStream`] of any stream.

// Files:
//
// * `ext`: the method that every stream gains.
// * `options`: what is asked of the items: chunks, a limit between them, reports, what is kept.
// * `builder`: what is asked of the operation.
// * `shape`: how items are handed out.
// * `partial`: what is known of a stream that did not come to its end.
// * `idle`: the limit between two items.
// * `look`: how the source is asked before each item.
// * `tracked`: how a stream is polled of which more is asked.
// * `end`: how every stream ends.

mod builder;
mod end;
mod ext;
#[cfg(feature = "time")]
mod idle;
mod look;
mod options;
mod partial;
mod shape;
mod tracked;

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{FusedStream, Stream};
use pin_project::pin_project;

pub use ext::CancelableStreamExt;
pub use partial::Partial;
pub use shape::{Each, InChunks, Shape};

use crate::ambient;
use crate::future::{Ending, Extra, Rare};
use crate::{Cancelled, Reason};
#[cfg(feature = "time")]
use idle::Idle;
use look::{FREE_LOOKS, look};
use partial::Keep;

/// A stream raced against a source. Made by [`cancelable`](CancelableStreamExt::cancelable), which
/// tells who wins.
///
/// Its items are `Result<T, Cancelled>`: `Ok` with each item of the stream; once cancelled, the
/// error, once; then `None`.
///
/// Its methods ask for more: chunks, a limit between two items, what is left of a stream that did
/// not come to its end, and all that can be asked of a [`Cancelable`](crate::Cancelable). Asking for
/// a name, hooks, reports, clean-up or a [partial result](CancelableStream::partial) makes the whole
/// stream an [`Operation`](crate::Operation): it runs from the first poll on, completes when the
/// stream ends, and is cancelled with it. With none of them nothing is allocated but chunks.
///
/// # Implementation
///
/// Before each item it asks the source. It does not register with it while items are ready at once;
/// only where there is something to wait for, or after 64 items in a row, for then a time limit is
/// a flag to look at rather than a clock to read. It registers once, not for each item.
///
/// # Cancel safety
///
/// An item that has been pulled is in what [`next`](futures::StreamExt::next) returns: dropping
/// that future loses none. Dropping the stream drops the stream within, then the source. If it has
/// been polled and is an operation, that is a cancellation for the reason [`Reason::Dropped`].
///
/// # Panics
///
/// A panic of the stream or of a source of yours goes through. Polled after its end it returns
/// `None`.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{StreamExt, stream};
///
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let mut numbers = stream::iter(1..).cancelable(&token);
/// assert_eq!(numbers.next().await, Some(Ok(1)));
/// assert_eq!(numbers.next().await, Some(Ok(2)));
/// token.cancel_with("two are enough");
/// assert_eq!(numbers.next().await, Some(Err(Cancelled::new("two are enough"))));
/// assert_eq!(numbers.next().await, None);
/// # });
/// ```
#[pin_project]
#[must_use = "streams do nothing unless polled"]
pub struct CancelableStream<St: Stream, S, E = (), M = Each> {
    // Dropped in this order: the stream is gone, and what was in hand is kept, before a drop is
    // recorded.
    /// `None` once the race is over.
    #[pin]
    stream: Option<St>,
    /// Goes with the stream.
    #[pin]
    source: Option<S>,
    desk: Desk<St::Item, M>,
    /// What runs afterwards.
    #[pin]
    ending: E,
    stage: Stage,
    /// How many looks at the source are left up to the one that registers with it. Zero: it has the
    /// waker of the task.
    free_looks: u8,
    /// What only some streams need: shields to wait for, an operation.
    extra: Rare,
}

/// What a poll has found that cannot go on by itself.
enum Seen {
    /// Nothing: it is the first one, or that of a stream of which more is asked.
    Nothing,
    /// The stream has just been cancelled.
    Fired(Reason),
    /// The stream has come to its end.
    End,
}

#[derive(Debug)]
enum Stage {
    /// Not polled yet.
    New,
    Streaming,
    /// The stream is gone; what runs afterwards is still to be run, or runs and has the outcome.
    Ending(Option<Result<(), Cancelled>>),
    /// A race around it waits, and is about to drop it: the caller is not to go on. What to tell it
    /// where that race does not, because the stream was only lent to it.
    Stopped(Option<Cancelled>),
    Done,
}

/// What becomes of items between the stream and the caller.
struct Desk<T, M> {
    keep: Keep<T>,
    shape: M,
    #[cfg(feature = "time")]
    idle: Option<Idle>,
    /// At every so many items it tells how many there were. Zero is never.
    report_every: u64,
}

impl<St: Stream, S: Future<Output = Reason>> CancelableStream<St, S> {
    /// Races `stream` against `source`. The same as
    /// [`cancelable`](CancelableStreamExt::cancelable).
    ///
    /// ```
    /// use cancelable::{CancelableStream, never};
    /// use futures::{TryStreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers: Vec<_> = CancelableStream::new(stream::iter(1..4), never()).try_collect().await?;
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # Ok::<(), cancelable::Cancelled>(()) }).unwrap();
    /// ```
    pub fn new(stream: St, source: impl IntoFuture<Output = Reason, IntoFuture = S>) -> Self {
        CancelableStream {
            stream: Some(stream),
            source: Some(source.into_future()),
            desk: Desk {
                keep: Keep::new(),
                shape: Each,
                #[cfg(feature = "time")]
                idle: None,
                report_every: 0,
            },
            ending: (),
            stage: Stage::New,
            free_looks: FREE_LOOKS,
            extra: Rare::default(),
        }
    }
}

impl<St, S, E, M> Stream for CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<()>,
    M: Shape<St::Item>,
{
    type Item = Result<M::Item, Cancelled>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A stream of which nothing is asked, in any poll but its first: this part is kept short.
        // What comes of the others is handed on by reference. If they returned it, an item would
        // take the same way through memory.
        let mut told = None;
        let seen = loop {
            let this = self.as_mut().project();
            let extra = this.extra.get_mut();
            let (Stage::Streaming, None, Some(stream), Some(source)) =
                (&*this.stage, &extra, this.stream.as_pin_mut(), this.source.as_pin_mut())
            else {
                break Seen::Nothing;
            };
            // Before each item: one that has been pulled is handed out whatever happens.
            if let Poll::Ready(reason) = look(source, this.free_looks, cx) {
                break Seen::Fired(reason);
            }
            let before = ambient::registrations();
            let polled = stream.poll_next(cx);
            if ambient::registrations() != before {
                protect(extra, before);
            }
            match polled {
                Poll::Ready(Some(item)) => {
                    // Who wants to know more of it has a handle, and that has made it an operation.
                    this.desk.keep.count_one();
                    if let Some(item) = this.desk.accept(item) {
                        return Poll::Ready(Some(Ok(item)));
                    }
                }
                Poll::Ready(None) => break Seen::End,
                Poll::Pending => break Seen::Fired(ready!(self.as_mut().wait(cx))),
            }
        };
        ready!(self.poll_apart(seen, &mut told, cx));
        Poll::Ready(told)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let in_hand = self.desk.keep.in_hand();
        let (_, most) = match (&self.stage, &self.stream) {
            (Stage::Done, _) => return (0, Some(0)),
            (_, None) => return (0, Some(1)),
            (_, Some(stream)) => stream.size_hint(),
        };
        // The next one may be the error, whatever the stream has; and it comes in addition.
        let most = most.and_then(|most| self.desk.shape.most(most, in_hand));
        (0, most.and_then(|most| most.checked_add(1)))
    }
}

impl<T, M: Shape<T>> Desk<T, M> {
    /// Takes in an item of the stream, and tells what to hand out for it.
    #[inline]
    fn accept(&mut self, item: T) -> Option<M::Item> {
        #[cfg(feature = "time")]
        if let Some(idle) = &mut self.idle {
            idle.restart();
        }
        self.shape.accept(item, self.keep.hand())
    }
}

impl<St, S, E, M> CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<()>,
    M: Shape<St::Item>,
{
    /// The stream is pending: makes sure that the task is woken for whatever ends the wait. Ready
    /// with the reason, where that is a cancellation.
    #[inline(never)]
    fn wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        if std::mem::take(this.free_looks) > 0 {
            if let Some(source) = this.source.as_pin_mut() {
                if let Poll::Ready(reason) = source.poll(cx) {
                    return Poll::Ready(reason);
                }
            }
        }
        #[cfg(feature = "time")]
        if let Some(idle) = &mut this.desk.idle {
            return idle.poll(cx);
        }
        Poll::Pending
    }
}

/// Hears of the shields that have registered in a poll of the stream.
#[cold]
fn protect(extra: &mut Option<Box<Extra>>, before: usize) {
    let shields = ambient::registered_since(before);
    if !shields.is_empty() {
        extra.get_or_insert_default().protect(shields);
    }
}

impl<St, S, E, M> FusedStream for CancelableStream<St, S, E, M>
where
    St: Stream,
    S: Future<Output = Reason>,
    E: Ending<()>,
    M: Shape<St::Item>,
{
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }
}

impl<St: Stream, S, E, M> fmt::Debug for CancelableStream<St, S, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.stage {
            Stage::New => "not polled",
            Stage::Streaming => "streaming",
            Stage::Ending(_) => "cleaning up",
            Stage::Stopped(_) => "stopped",
            Stage::Done => "done",
        };
        let operation = self.extra.operation();
        f.debug_struct("CancelableStream")
            .field("stream", &format_args!("{}", type_name::<St>()))
            .field("source", &format_args!("{}", type_name::<S>()))
            .field("state", &format_args!("{state}"))
            .field("operation", &operation)
            .finish()
    }
}
