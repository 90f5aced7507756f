//! The partial result of a stream: the handle that reads it, and the writer inside the stream.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::operation::{Operation, Status};
use crate::reason::Reason;
use crate::sync::Mutex;

/// A handle that reads how far a stream got: the number of its items, its last items, and how the stream ended.
/// [`partial`](crate::CancelableStream::partial) creates it.
///
/// You can use the handle while the stream is running and after its end, no matter how it ended. The handle is cheap to
/// clone and can be sent to other threads.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{StreamExt, stream};
///
/// # smol::block_on(async {
/// let lines = stream::iter(["a", "b", "c", "d"]).cancelable_stream(never()).keep_last(2);
/// let partial = lines.partial();
/// let mut lines = Box::pin(lines);
/// while let Some(Ok(line)) = lines.next().await {
///     if line == "c" {
///         break;
///     }
/// }
/// drop(lines);
/// assert_eq!(partial.count(), 3);
/// assert_eq!(partial.items(), ["b", "c"]);
/// assert_eq!(partial.status(), Status::Cancelled);
/// assert_eq!(partial.reason(), Some(Reason::Dropped));
/// # });
/// ```
pub struct Partial<T> {
    operation: Operation,
    kept: Arc<Mutex<Kept<T>>>,
}

struct Kept<T> {
    count: u64,
    /// Oldest first.
    items: VecDeque<T>,
}

/// How a stream ended, in one word. [`Partial::end`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The stream ended by itself, after its last item.
    Complete,
    /// The stream panicked, or an `Err` ended it.
    Failed,
    /// The stream was cancelled.
    Cancelled,
    /// The consumer dropped the stream before its end.
    Dropped,
}

impl StreamEnd {
    /// Returns the word that `Display` prints: `complete`, `failed`, `cancelled` or `dropped`.
    ///
    /// ```
    /// assert_eq!(cancelable::stream::StreamEnd::Complete.as_str(), "complete");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            StreamEnd::Complete => "complete",
            StreamEnd::Failed => "failed",
            StreamEnd::Cancelled => "cancelled",
            StreamEnd::Dropped => "dropped",
        }
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T> Partial<T> {
    /// Returns clones of the kept items, oldest first.
    ///
    /// These are the last items, up to the number given to [`keep_last`](crate::CancelableStream::keep_last). If the stream
    /// did not complete, the returned items include all items of the incomplete chunk.
    ///
    /// The items are cloned under a lock that the stream and all handles of this partial result share.
    /// If an item's `clone` uses such a handle, even just to print it, this call deadlocks.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=100).cancelable_stream(never()).keep_last(3);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 100);
    /// assert_eq!(partial.items(), [98, 99, 100]);
    /// # });
    /// ```
    pub fn items(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.kept.lock().items.iter().cloned().collect()
    }

    /// Removes the kept items and returns them, oldest first. Use it for items that cannot be cloned.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=4).cancelable_stream(never()).keep_last(2);
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 4);
    /// assert_eq!(partial.take(), [3, 4]);
    /// assert_eq!(partial.take(), []);
    /// # });
    /// ```
    pub fn take(&self) -> Vec<T> {
        let items = std::mem::take(&mut self.kept.lock().items);
        items.into()
    }

    /// Returns how many items the stream has produced, whether they were kept or not.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=4).cancelable_stream(never());
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 4);
    /// assert_eq!(partial.count(), 4);
    /// # });
    /// ```
    pub fn count(&self) -> u64 {
        self.kept.lock().count
    }

    /// Returns how the stream ended, or `None` if it has not ended yet.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::stream::StreamEnd;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=4).cancelable_stream(never());
    /// let partial = numbers.partial();
    /// assert_eq!(partial.end(), None);
    /// assert_eq!(numbers.take(2).count().await, 2);
    /// assert_eq!(partial.end(), Some(StreamEnd::Dropped));
    /// # });
    /// ```
    pub fn end(&self) -> Option<StreamEnd> {
        match self.status() {
            Status::Completed => Some(StreamEnd::Complete),
            Status::Failed => Some(StreamEnd::Failed),
            Status::Cancelled if self.reason() == Some(Reason::Dropped) => Some(StreamEnd::Dropped),
            Status::Cancelled => Some(StreamEnd::Cancelled),
            _ => None,
        }
    }

    /// Returns why the stream was cancelled, or `None` if it was not. See [`Operation::reason`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let numbers = stream::pending::<i32>().cancelable_stream(&token);
    /// let partial = numbers.partial();
    /// token.cancel_with("stop");
    /// assert_eq!(numbers.count().await, 1, "only the error");
    /// assert_eq!(partial.reason(), Some(Reason::manual("stop")));
    /// # });
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.operation.reason()
    }

    /// Returns the status of the stream: [`Completed`](Status::Completed) if it ended by itself, [`Failed`](Status::Failed)
    /// if it panicked or an `Err` ended it. See [`Operation::status`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::stream;
    /// let numbers = stream::iter(1..=4).cancelable_stream(never());
    /// assert_eq!(numbers.partial().status(), Status::Pending);
    /// ```
    pub fn status(&self) -> Status {
        self.operation.status()
    }
}

impl<T> Clone for Partial<T> {
    fn clone(&self) -> Self {
        Partial { operation: self.operation.clone(), kept: self.kept.clone() }
    }
}

impl<T> fmt::Debug for Partial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.lock();
        let (count, items) = (kept.count, kept.items.len());
        drop(kept);
        f.debug_struct("Partial")
            .field("count", &count)
            .field("kept", &items)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Clones an item. This is a function pointer, so that only `keep_last` needs `T: Clone`.
type CloneItem<T> = fn(&T) -> T;

/// The stream's side of the partial result.
pub(super) struct PartialWriter<T> {
    count: u64,
    /// Items that have been pulled and not yet handed out.
    chunk: Vec<T>,
    /// How many items to keep, and how to clone one.
    keep_last: Option<(usize, CloneItem<T>)>,
    /// Shared with the handles, once there is a handle.
    kept: OnceLock<Arc<Mutex<Kept<T>>>>,
}

impl<T> PartialWriter<T> {
    pub(super) fn new() -> Self {
        PartialWriter { count: 0, chunk: Vec::new(), keep_last: None, kept: OnceLock::new() }
    }

    pub(super) fn keep_last(&mut self, items: usize)
    where
        T: Clone,
    {
        self.keep_last = Some((items, T::clone));
        if let Some(kept) = self.kept.get() {
            let mut kept = kept.lock();
            let excess = kept.items.len().saturating_sub(items);
            let oldest: Vec<_> = kept.items.drain(..excess).collect();
            drop(kept);
            drop(oldest);
        }
    }

    pub(super) fn handle(&self, operation: Operation) -> Partial<T> {
        let kept = self.kept.get_or_init(|| {
            Arc::new(Mutex::new(Kept { count: self.count, items: VecDeque::new() }))
        });
        Partial { operation, kept: kept.clone() }
    }

    /// Returns how many items the stream has produced.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the items that have been pulled and not yet handed out.
    pub(super) fn chunk(&mut self) -> &mut Vec<T> {
        &mut self.chunk
    }

    pub(super) fn chunk_len(&self) -> usize {
        self.chunk.len()
    }

    #[inline]
    pub(super) fn count_one(&mut self) {
        self.count += 1;
    }

    /// Counts an item, and keeps a clone of it if `keep_last` was called and there is a handle.
    #[inline]
    pub(super) fn note(&mut self, item: &T) {
        self.count_one();
        if let Some(kept) = self.kept.get() {
            let room = self.keep_last.map_or(0, |(room, _)| room);
            // Cloning the item and dropping the oldest one run user code, so both happen without the lock.
            let clone = self.keep_last.filter(|_| room > 0).map(|(_, clone)| clone(item));
            let mut kept = kept.lock();
            kept.count = self.count;
            let oldest = if kept.items.len() >= room { kept.items.pop_front() } else { None };
            kept.items.extend(clone);
            drop(kept);
            drop(oldest);
        }
    }

    /// Keeps the items of the incomplete chunk, because the stream did not reach its end.
    pub(super) fn keep_chunk(&mut self) {
        let mut chunk = VecDeque::from(std::mem::take(&mut self.chunk));
        if let Some(kept) = self.kept.get() {
            let mut kept = kept.lock();
            // Both lists end with the stream's last item, so the longer one contains the shorter one.
            if chunk.len() > kept.items.len() {
                std::mem::swap(&mut kept.items, &mut chunk);
            }
        }
    }
}

/// Keeps the incomplete chunk of a stream that is dropped before its end.
impl<T> Drop for PartialWriter<T> {
    fn drop(&mut self) {
        self.keep_chunk();
    }
}
