//! `Partial`: what is known of a stream, whatever becomes of it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::sync::Mutex;
use crate::{Operation, Reason, Status};

/// What is known of a stream, whatever becomes of it: it comes to its end, is cancelled, panics, or
/// its consumer leaves. Made by [`partial`](crate::CancelableStream::partial).
///
/// It is a handle: cheap to clone, good for any thread, and readable while the stream runs and
/// after it is gone.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use futures::{StreamExt, stream};
///
/// # smol::block_on(async {
/// let lines = stream::iter(["a", "b", "c", "d"]).cancelable(never()).keep_last(2);
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

impl<T> Partial<T> {
    /// The items that were kept, oldest first: as many as
    /// [`keep_last`](crate::CancelableStream::keep_last) has asked for, and, once the stream is
    /// over, no fewer than those of a chunk that was not complete.
    ///
    /// They are cloned while the stream, and whoever else asks this handle, has to wait for it. So a
    /// `clone` of theirs must not ask it: that would wait for ever. Printing it is such a question too.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=100).cancelable(never()).keep_last(3);
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

    /// Takes the items that were kept, oldest first: for those that cannot be cloned.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=4).cancelable(never()).keep_last(2);
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

    /// How many items the stream has produced, kept or not.
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let numbers = stream::iter(1..=4).cancelable(never());
    /// let partial = numbers.partial();
    /// assert_eq!(numbers.count().await, 4);
    /// assert_eq!(partial.count(), 4);
    /// # });
    /// ```
    pub fn count(&self) -> u64 {
        self.kept.lock().count
    }

    /// Why the stream is cancelled, if it is. As [`Operation::reason`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::{StreamExt, stream};
    /// # smol::block_on(async {
    /// let token = CancellationToken::new();
    /// let numbers = stream::pending::<i32>().cancelable(&token);
    /// let partial = numbers.partial();
    /// token.cancel_with("stop");
    /// assert_eq!(numbers.count().await, 1, "only the error");
    /// assert_eq!(partial.reason(), Some(Reason::manual("stop")));
    /// # });
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.operation.reason()
    }

    /// Where the stream stands: [`Completed`](Status::Completed) where it came to its end,
    /// [`Failed`](Status::Failed) where it panicked. As [`Operation::status`].
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use futures::stream;
    /// let numbers = stream::iter(1..=4).cancelable(never());
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

/// How to clone an item, where that is asked for: a stream of what cannot be cloned has none.
type CloneItem<T> = fn(&T) -> T;

/// The side of the stream.
pub(super) struct Keep<T> {
    count: u64,
    /// What has been pulled and not been handed out.
    hand: Vec<T>,
    /// How many items to keep, and how to clone one.
    last: Option<(usize, CloneItem<T>)>,
    /// Where to keep them, once somebody wants to know.
    kept: OnceLock<Arc<Mutex<Kept<T>>>>,
}

impl<T> Keep<T> {
    pub(super) fn new() -> Self {
        Keep { count: 0, hand: Vec::new(), last: None, kept: OnceLock::new() }
    }

    pub(super) fn keep_last(&mut self, items: usize)
    where
        T: Clone,
    {
        self.last = Some((items, T::clone));
        if let Some(kept) = self.kept.get() {
            let mut kept = kept.lock();
            let over = kept.items.len().saturating_sub(items);
            let oldest: Vec<_> = kept.items.drain(..over).collect();
            drop(kept);
            drop(oldest);
        }
    }

    pub(super) fn partial(&self, operation: Operation) -> Partial<T> {
        let kept = self.kept.get_or_init(|| {
            Arc::new(Mutex::new(Kept { count: self.count, items: VecDeque::new() }))
        });
        Partial { operation, kept: kept.clone() }
    }

    /// How many items there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What has been pulled and not been handed out.
    pub(super) fn hand(&mut self) -> &mut Vec<T> {
        &mut self.hand
    }

    pub(super) fn in_hand(&self) -> usize {
        self.hand.len()
    }

    /// Counts an item.
    #[inline]
    pub(super) fn count_one(&mut self) {
        self.count += 1;
    }

    /// Counts an item, and keeps a clone of it if that is asked for.
    #[inline]
    pub(super) fn note(&mut self, item: &T) {
        self.count_one();
        if let Some(kept) = self.kept.get() {
            let room = self.last.map_or(0, |(room, _)| room);
            // Code of others runs outside of the lock: this, and what drops the oldest.
            let clone = self.last.filter(|_| room > 0).map(|(_, clone)| clone(item));
            let mut kept = kept.lock();
            kept.count = self.count;
            let oldest = if kept.items.len() >= room { kept.items.pop_front() } else { None };
            kept.items.extend(clone);
            drop(kept);
            drop(oldest);
        }
    }

    /// The stream is over, and not at its end: what is in hand can only be kept.
    pub(super) fn settle(&mut self) {
        let mut hand = VecDeque::from(std::mem::take(&mut self.hand));
        if let Some(kept) = self.kept.get() {
            let mut kept = kept.lock();
            // Both end with the last item: the longer one has what the other has.
            if hand.len() > kept.items.len() {
                std::mem::swap(&mut kept.items, &mut hand);
            }
        }
    }
}

/// Also where the stream is dropped.
impl<T> Drop for Keep<T> {
    fn drop(&mut self) {
        self.settle();
    }
}
