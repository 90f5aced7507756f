//! The method that every stream gains.

use futures::stream::Stream;

use super::CancelableStream;
use crate::Reason;

/// The method that races a stream against a source.
///
/// Every stream has it. The prelude brings it in.
///
/// The method of the same name that futures have is in
/// [`CancelableExt`](crate::CancelableExt). The few types that are both, timers of `async-io` for
/// instance, need to be told which one is meant: [`Cancelable::new`](crate::Cancelable::new) or
/// [`CancelableStream::new`].
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{TryStreamExt, stream};
///
/// # smol::block_on(async {
/// let numbers: Vec<_> = stream::iter(1..4).cancelable(never()).try_collect().await?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
pub trait CancelableStreamExt: Stream {
    /// Races this stream against a source: its items as `Ok`, and one `Err` with the reason if the
    /// source fires before it ends.
    ///
    /// A source is anything that [becomes](IntoFuture) a future of a [`Reason`]: one of
    /// [`cancelable::source`](crate::source), a [token](crate::CancellationToken) or a reference to
    /// one, or a future of yours. The clock of a [`timeout`](crate::timeout()) starts at the first
    /// poll and is one for the whole stream; for a limit between items see
    /// [`idle_timeout`](CancelableStream::idle_timeout).
    ///
    /// # Who wins
    ///
    /// * A source that has fired by the first poll wins: the stream is dropped without ever having
    ///   been polled.
    /// * The source is asked while waiting and before each item, also of a stream that never waits.
    ///   Once it has fired no item is pulled any more. Unlike a future, a stream gets no last poll.
    /// * An item that has been pulled is handed out: it is never exchanged for the error.
    /// * The stream is dropped before `Err` is handed out, and the source with it. After the error
    ///   comes `None`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future of [`next`](futures::StreamExt::next) loses no item. What the stream
    /// itself has read ahead and not handed out goes with it when it is dropped.
    ///
    /// # Errors
    ///
    /// One [`Cancelled`](crate::Cancelled) as the last item if the source fires first. To make one
    /// `Result` of the two of a stream whose items may be errors, map it with `|item| item?`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, TryStreamExt, stream};
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// # smol::block_on(async {
    /// let never_ends = stream::pending::<u32>();
    /// let mut limited = never_ends.cancelable(timeout(Duration::from_millis(1)));
    /// assert!(limited.next().await.unwrap().unwrap_err().is_timeout());
    /// assert_eq!(limited.next().await, None);
    ///
    /// let lines = stream::iter([io::Result::Ok("a"), Ok("b")]);
    /// let lines = lines.cancelable(never()).map(|line| line?);
    /// assert_eq!(lines.try_collect::<String>().await?, "ab");
    /// # io::Result::Ok(()) }).unwrap();
    /// ```
    fn cancelable<S>(self, source: S) -> CancelableStream<Self, S::IntoFuture>
    where
        Self: Sized,
        S: IntoFuture<Output = Reason>,
    {
        CancelableStream::new(self, source)
    }
}

impl<St: Stream> CancelableStreamExt for St {}
