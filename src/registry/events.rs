//! `Events`: what happens in a registry, as a stream for each listener.
//!
//! Each listener has a bounded queue. If the listener falls behind, the oldest events are dropped and the stream
//! yields their number. An operation never waits for a listener.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::FusedStream;

use super::history::Record;
use crate::operation::{OperationId, Progress, Snapshot};
use crate::panic::discard;
use crate::reason::Reason;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::text::Text;
use crate::wait::{Slab, WakerSlot};

/// Something that happened in a registry. Yielded by [`Events`].
///
/// The events of one operation come in this order: `Registered`, `Started`, `Ended`.
///
/// * Any number of `Progress` and at most one `Cancelling` come in between. They may come before `Started`, because
///   a handle can report and cancel before the first poll.
/// * There is no `Started` if the operation was registered during one of its polls, or was dropped before its first poll.
///
/// # Examples
///
/// ```
/// use cancelable::prelude::*;
/// use cancelable::registry::Event;
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
    /// An operation was registered. A name or metadata that is set after `registered` is not in the snapshot.
    Registered(Snapshot),
    /// An operation was polled for the first time.
    #[non_exhaustive]
    Started {
        /// The id of the operation.
        id: OperationId,
        /// The name of the operation.
        name: Option<Text>,
    },
    /// An operation reported progress.
    #[non_exhaustive]
    Progress {
        /// The id of the operation.
        id: OperationId,
        /// The name of the operation.
        name: Option<Text>,
        /// The reported progress.
        progress: Progress,
    },
    /// An operation was cancelled.
    #[non_exhaustive]
    Cancelling {
        /// The id of the operation.
        id: OperationId,
        /// The name of the operation.
        name: Option<Text>,
        /// The reason for the cancellation.
        reason: Reason,
    },
    /// An operation ended and left the registry.
    Ended(Record),
    /// An operation was refused and cancelled, because the registry was closed.
    #[non_exhaustive]
    Refused {
        /// The id of the operation.
        id: OperationId,
        /// The name of the operation.
        name: Option<Text>,
    },
    /// The registry was closed.
    Closed,
    /// Events were dropped because the queue was full. They were older than all events that follow.
    #[non_exhaustive]
    Missed {
        /// The number of dropped events.
        count: u64,
    },
}

impl Event {
    /// Returns the id of the operation. `None` for an event of the registry itself.
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

/// Stream of [`Registry::events`](super::Registry::events).
///
/// The stream ends when the registry no longer exists: once the last handle is dropped and the last operation has
/// ended.
///
/// # Cancel safety
///
/// Dropping the stream stops listening. Dropping the future of `next` loses no event.
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    listener: Arc<Listener>,
    /// The key of the listener in the map.
    key: usize,
    listeners: Weak<Listeners>,
}

impl Events {
    pub(super) fn new(listeners: &Arc<Listeners>, capacity: usize) -> Self {
        let listener = Arc::new(Listener {
            capacity: capacity.max(1),
            queue: Mutex::default(),
            waker: WakerSlot::default(),
        });
        let key = listeners.add(listener.clone());
        Events { listener, key, listeners: Arc::downgrade(listeners) }
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Poll::Ready(event) = self.listener.take() {
            return Poll::Ready(event);
        }
        // An event that came before the waker was registered has woken no task. So look again after registering.
        self.listener.waker.register(cx.waker());
        self.listener.take()
    }
}

impl FusedStream for Events {
    fn is_terminated(&self) -> bool {
        self.listener.queue.lock().is_over()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove(self.key);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.listener.queue.lock().events.len();
        f.debug_struct("Events")
            .field("capacity", &self.listener.capacity)
            .field("waiting", &waiting)
            .finish()
    }
}

/// An empty queue keeps room for this many events, so that one burst does not cost memory forever.
const KEPT_CAPACITY: usize = 64;

/// The receiving end of one [`Events`] stream.
struct Listener {
    capacity: usize,
    queue: Mutex<Queue>,
    waker: WakerSlot,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    /// The number of events dropped since an event was last taken.
    missed: u64,
    /// Whether the registry no longer exists, so that no more events come.
    ended: bool,
}

impl Queue {
    fn is_over(&self) -> bool {
        self.ended && self.events.is_empty() && self.missed == 0
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > KEPT_CAPACITY {
            self.events = VecDeque::new();
        }
        event
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Events hold user errors, whose destructors may panic. Two panics in one drop abort the process, so the
        // events are dropped one by one.
        self.events.drain(..).for_each(discard);
    }
}

impl Listener {
    /// Adds an event. Returns the event that was removed to make room, if any. The caller drops that event with no lock
    /// held, because its destructor is user code.
    fn push(&self, event: Event) -> Option<Event> {
        let mut queue = self.queue.lock();
        let is_full = queue.events.len() >= self.capacity;
        let dropped = if is_full { queue.events.pop_front() } else { None };
        queue.missed += u64::from(is_full);
        queue.events.push_back(event);
        dropped
    }

    fn take(&self) -> Poll<Option<Event>> {
        let mut queue = self.queue.lock();
        match std::mem::take(&mut queue.missed) {
            0 => match queue.pop() {
                None if !queue.ended => Poll::Pending,
                event => Poll::Ready(event),
            },
            count => Poll::Ready(Some(Event::Missed { count })),
        }
    }
}

type Receivers = Arc<[Arc<Listener>]>;

/// All listeners of a registry.
#[derive(Default)]
pub(super) struct Listeners {
    map: Mutex<ListenerMap>,
    /// The number of listeners, so that a registry without listeners takes no lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct ListenerMap {
    listeners: Slab<Arc<Listener>>,
    /// The listeners as a list. `None` after a listener was added or removed; the next event builds the list again. If each
    /// change built the list, adding n listeners in a row would take n² steps.
    receivers: Option<Receivers>,
}

impl Listeners {
    fn add(&self, listener: Arc<Listener>) -> usize {
        let mut map = self.map.lock();
        let key = map.listeners.insert(listener);
        self.changed(&mut map);
        key
    }

    fn remove(&self, key: usize) {
        let mut map = self.map.lock();
        let removed = map.listeners.remove(key);
        let receivers = self.changed(&mut map);
        drop(map);
        // Events that are left in the queue hold user code, so they are dropped after the lock is released.
        drop((removed, receivers));
    }

    /// Notes that a listener was added or removed. Returns the list of listeners that is now out of date.
    fn changed(&self, map: &mut ListenerMap) -> Option<Receivers> {
        self.count.store(map.listeners.len(), Ordering::Release);
        map.receivers.take()
    }

    /// Returns whether there are no listeners. Takes no lock.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Starts a batch of events for the current listeners.
    #[inline]
    pub(super) fn batch(&self) -> EventBatch {
        let receivers = (!self.is_empty()).then(|| self.receivers());
        EventBatch { receivers, dropped: Vec::new() }
    }

    #[cold]
    fn receivers(&self) -> Receivers {
        let map = &mut *self.map.lock();
        map.receivers.get_or_insert_with(|| map.listeners.iter().cloned().collect()).clone()
    }

    /// Sends one event. Must be called with no lock held.
    pub(super) fn send(&self, event: Event) {
        self.batch().push(event);
    }
}

/// Ends the streams of the listeners, because the registry is gone. The streams first yield the events that are left in
/// their queues.
impl Drop for Listeners {
    fn drop(&mut self) {
        let listeners = std::mem::take(&mut self.map.lock().listeners);
        for listener in listeners.iter() {
            listener.queue.lock().ended = true;
            listener.waker.wake();
        }
    }
}

/// Events that are sent together.
///
/// `push` may be called with a lock held. The batch itself must be dropped with no lock held, because dropping it wakes the
/// listeners and drops the events that they have no room for.
pub(super) struct EventBatch {
    receivers: Option<Receivers>,
    /// Events to drop once no lock is held.
    dropped: Vec<Event>,
}

impl EventBatch {
    /// Returns whether there are listeners.
    pub(super) fn has_receivers(&self) -> bool {
        self.receivers.is_some()
    }

    pub(super) fn push(&mut self, event: Event) {
        for listener in self.receivers.iter().flat_map(|receivers| receivers.iter()) {
            self.dropped.extend(listener.push(event.clone()));
        }
        self.dropped.push(event);
    }
}

impl Drop for EventBatch {
    #[inline]
    fn drop(&mut self) {
        // Most registries have no listeners.
        if self.receivers.is_some() || !self.dropped.is_empty() {
            self.deliver();
        }
    }
}

impl EventBatch {
    #[cold]
    fn deliver(&mut self) {
        // Each event is dropped, and each listener woken, on its own. So a panic in one does not affect the next.
        let has_events = !self.dropped.is_empty();
        self.dropped.drain(..).for_each(discard);
        let Some(receivers) = self.receivers.take() else { return };
        if has_events {
            receivers.iter().for_each(|listener| listener.waker.wake());
        }
        // The streams may have been dropped by now. Then this drops their queues.
        drop(receivers);
    }
}
