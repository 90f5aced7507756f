//! `slow_stream`: a stream with pauses between its items.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;

use crate::timer::Countdown;

/// Creates a stream of these items with a pause before each item except the first. Use it in tests as work that takes long
/// enough to be cancelled.
///
/// A pause starts when the next item is polled for. Pauses are measured like a [`timeout`](crate::timeout()): in virtual
/// time if time is [paused](super::pause).
///
/// # Cancel safety
///
/// Dropping the future of `next` loses no item, and the pause continues.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::testing;
/// use futures::StreamExt;
/// use std::time::Duration;
///
/// let time = testing::pause();
/// let second = Duration::from_secs(1);
/// let mut sum = 0;
/// let add = testing::slow_stream(1..=100, second).for_each(|item| {
///     sum += item;
///     std::future::ready(())
/// });
/// assert!(time.block_on(add.cancelable(timeout(second * 5 / 2))).is_err());
/// assert_eq!(sum, 1 + 2 + 3);
/// ```
pub fn slow_stream<I: IntoIterator>(items: I, pause: Duration) -> SlowStream<I::IntoIter> {
    SlowStream { items: items.into_iter().fuse(), next: None, pause, waiting: None }
}

/// The stream that [`slow_stream`] returns.
#[must_use = "streams do nothing unless they are polled"]
pub struct SlowStream<I: Iterator> {
    items: std::iter::Fuse<I>,
    /// The item that follows the current pause.
    next: Option<I::Item>,
    pause: Duration,
    /// `None` before the first item.
    waiting: Option<Countdown>,
}

/// Neither the iterator nor an item is ever pinned.
impl<I: Iterator> Unpin for SlowStream<I> {}

impl<I: Iterator> Stream for SlowStream<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let this = self.get_mut();
        if this.next.is_none() {
            this.next = this.items.next();
        }
        // No pause before the end of the stream.
        if let (Some(_), Some(waiting)) = (&this.next, &mut this.waiting) {
            ready!(waiting.poll("SlowStream", cx));
        }
        this.waiting = Some(Countdown::lasting(this.pause));
        Poll::Ready(this.next.take())
    }
}

impl<I: Iterator> fmt::Debug for SlowStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowStream").field("pause", &self.pause).finish_non_exhaustive()
    }
}
