//! `Events`: what happens in a registry, told to those who listen.
//!
//! Each listener has a queue of its own with a limit. Where it does not keep up, the oldest events go,
//! and it is told how many: no operation ever waits for a listener.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use futures::stream::FusedStream;

use super::Record;
use super::shared::Shared;
use crate::operation::{OperationId, Snapshot};
use crate::panic::contain;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::{Progress, Reason, Text};

/// Something that happened in a registry, by value.
///
/// Of one operation they come in this order: `Registered`, `Started`, and `Ended`, with which it has
/// left. In between comes any number of `Progress`, and at most one `Cancelling`, both also before
/// `Started`: a handle can report and cancel before the first poll. One that enters while it is being
/// polled, or is dropped before that, is never told as `Started`.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::Event;
/// use cancelable::Registry;
/// use futures::StreamExt;
///
/// # smol::block_on(async {
/// let registry = Registry::new();
/// let mut events = registry.events(16);
/// async { 7 }.cancelable(never()).registered_in(&registry).await?;
/// assert!(matches!(events.next().await, Some(Event::Registered(_))));
/// assert!(matches!(events.next().await, Some(Event::Started { .. })));
/// assert!(matches!(events.next().await, Some(Event::Ended(_))));
/// # Ok::<(), Cancelled>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An operation has entered. What is asked of the run after `registered` is not in the snapshot.
    Registered(Snapshot),
    /// An operation was polled for the first time.
    #[non_exhaustive]
    Started {
        /// Which one.
        id: OperationId,
        /// Its name.
        name: Option<Text>,
    },
    /// An operation has told how far it has got.
    #[non_exhaustive]
    Progress {
        /// Which one.
        id: OperationId,
        /// Its name.
        name: Option<Text>,
        /// How far.
        progress: Progress,
    },
    /// An operation was asked to stop.
    #[non_exhaustive]
    Cancelling {
        /// Which one.
        id: OperationId,
        /// Its name.
        name: Option<Text>,
        /// Why.
        reason: Reason,
    },
    /// An operation has left.
    Ended(Record),
    /// An operation came after the intake had been closed, and was cancelled.
    #[non_exhaustive]
    Refused {
        /// Which one.
        id: OperationId,
        /// Its name.
        name: Option<Text>,
    },
    /// The intake was closed.
    Closed,
    /// So many events went, because the queue was full. They were older than all that follow.
    #[non_exhaustive]
    Missed {
        /// How many.
        count: u64,
    },
}

impl Event {
    /// Which operation it is about, if it is about one.
    ///
    /// ```
    /// assert_eq!(cancelable::registry::Event::Closed.id(), None);
    /// ```
    pub fn id(&self) -> Option<OperationId> {
        match self {
            Event::Registered(snapshot) => Some(snapshot.id),
            Event::Ended(record) => Some(record.snapshot.id),
            Event::Started { id, .. }
            | Event::Progress { id, .. }
            | Event::Cancelling { id, .. }
            | Event::Refused { id, .. } => Some(*id),
            Event::Closed | Event::Missed { .. } => None,
        }
    }
}

/// Stream of [`Registry::events`](super::Registry::events). It ends when the registry is gone: once
/// the last of its handles is, and the last operation in it.
///
/// # Cancel safety
///
/// Dropping it stops the listening. An event that has not been taken out of it is not lost by
/// dropping the future of `next`.
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    feed: Arc<Feed>,
    shared: Weak<Shared>,
}

impl Events {
    pub(super) fn new(shared: &Arc<Shared>, capacity: usize) -> Self {
        let feed = Arc::new(Feed { capacity: capacity.max(1), queue: Mutex::default() });
        shared.feeds.add(feed.clone());
        Events { feed, shared: Arc::downgrade(shared) }
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.feed.take() {
            return Poll::Ready(Some(event));
        }
        // Cloned here, and not under the lock: it is code of others.
        let waker = cx.waker().clone();
        let mut queue = self.feed.queue.lock();
        if queue.events.is_empty() && queue.missed == 0 {
            if queue.ended {
                return Poll::Ready(None);
            }
            let replaced = queue.waker.replace(waker);
            drop(queue);
            drop(replaced);
            return Poll::Pending;
        }
        drop(queue);
        Poll::Ready(self.feed.take())
    }
}

impl FusedStream for Events {
    fn is_terminated(&self) -> bool {
        let queue = self.feed.queue.lock();
        queue.ended && queue.events.is_empty() && queue.missed == 0
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.feeds.remove(&self.feed);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.feed.queue.lock().events.len();
        f.debug_struct("Events")
            .field("capacity", &self.feed.capacity)
            .field("waiting", &waiting)
            .finish()
    }
}

/// The queue of one who listens.
struct Feed {
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    /// How many events went since the last was taken.
    missed: u64,
    waker: Option<Waker>,
    /// Whether nothing comes any more.
    ended: bool,
}

impl Feed {
    /// Puts an event in. Hands out what must be dropped and woken with no lock held.
    fn push(&self, event: Event) -> (Option<Event>, Option<Waker>) {
        let mut queue = self.queue.lock();
        let dropped =
            if queue.events.len() >= self.capacity { queue.events.pop_front() } else { None };
        queue.missed += u64::from(dropped.is_some());
        queue.events.push_back(event);
        (dropped, queue.waker.take())
    }

    fn take(&self) -> Option<Event> {
        let mut queue = self.queue.lock();
        match std::mem::take(&mut queue.missed) {
            0 => queue.events.pop_front(),
            count => Some(Event::Missed { count }),
        }
    }

    fn end(&self) {
        let mut queue = self.queue.lock();
        queue.ended = true;
        let waker = queue.waker.take();
        drop(queue);
        wake(waker);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        // Its panic has been printed, and there is nobody else to tell.
        let _ = contain(|| waker.wake());
    }
}

/// Everyone who listens.
#[derive(Default)]
pub(super) struct Feeds {
    all: Mutex<Arc<Vec<Arc<Feed>>>>,
    count: AtomicUsize,
}

impl Feeds {
    fn add(&self, feed: Arc<Feed>) {
        self.change(|all| all.push(feed));
    }

    fn remove(&self, feed: &Arc<Feed>) {
        self.change(|all| all.retain(|other| !Arc::ptr_eq(other, feed)));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Feed>>)) {
        let mut all = self.all.lock();
        let mut changed = Vec::clone(&all);
        change(&mut changed);
        self.count.store(changed.len(), Ordering::Release);
        let replaced = std::mem::replace(&mut *all, Arc::new(changed));
        drop(all);
        drop(replaced);
    }

    /// Whether anyone listens. Takes no lock.
    pub(super) fn is_listened_to(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Begins to tell something to those who listen now.
    pub(super) fn batch(&self) -> Batch {
        let feeds = self.is_listened_to().then(|| self.all.lock().clone());
        Batch { feeds, dropped: Vec::new(), wakers: Vec::new() }
    }

    pub(super) fn tell(&self, event: Event) {
        let mut told = self.batch();
        told.push(event);
        told.wake();
    }
}

/// Whatever is left of the queues of those who listen is theirs. Nothing comes any more.
impl Drop for Feeds {
    fn drop(&mut self) {
        let all = std::mem::take(&mut *self.all.lock());
        all.iter().for_each(|feed| feed.end());
    }
}

/// Some events that are told together. Pushing may be done with a lock held; waking may not.
pub(super) struct Batch {
    feeds: Option<Arc<Vec<Arc<Feed>>>>,
    dropped: Vec<Event>,
    wakers: Vec<Waker>,
}

impl Batch {
    /// Whether anyone listens.
    pub(super) fn is_heard(&self) -> bool {
        self.feeds.is_some()
    }

    pub(super) fn push(&mut self, event: Event) {
        let Some(feeds) = &self.feeds else {
            self.dropped.push(event);
            return;
        };
        for feed in feeds.iter() {
            let (dropped, waker) = feed.push(event.clone());
            self.dropped.extend(dropped);
            self.wakers.extend(waker);
        }
        self.dropped.push(event);
    }

    pub(super) fn wake(self) {
        let Batch { dropped, wakers, .. } = self;
        for event in dropped {
            // What it holds is code of others: its panic has been printed, and must not keep others.
            let _ = contain(|| drop(event));
        }
        wakers.into_iter().for_each(|waker| wake(Some(waker)));
    }
}
