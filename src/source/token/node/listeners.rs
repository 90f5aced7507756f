//! `Listeners`: the children and callbacks that a node notifies when it is cancelled.

use std::collections::VecDeque;
use std::fmt;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::sync::Weak;
use std::time::Instant;

use crate::reason::Reason;
#[cfg(feature = "testing")]
use crate::sync::{AtomicUsize, Ordering};
use crate::text::Text;
use crate::visits::visit;
use crate::wait::Slab;

pub(in crate::source::token) type Callback = Box<dyn FnOnce(&Reason) + Send>;

/// Is notified when a token is cancelled. The first observer of a token takes no allocation, in contrast to a callback.
pub(crate) trait CancelObserver: Send + Sync {
    fn cancelled(&self, reason: &Reason);
}

/// Notifies an observer if it still exists.
pub(super) fn notify(observer: &Weak<dyn CancelObserver>, reason: &Reason) {
    if let Some(observer) = observer.upgrade() {
        observer.cancelled(reason);
    }
}

/// Where a child node gets its reason when a parent is cancelled.
// As large as the `Weak` beside it. A `(Weak, u8)` is written in two parts and then copied whole, and the processor stalls
// when it reads bytes that two recent writes of different sizes have written.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum ReasonFrom {
    /// For a node made as a child: it stores no reason, and reads `Reason::Parent` from its parent.
    Parent,
    /// For a node that became a child later: it stores `Reason::Parent`.
    ParentWrapped,
    /// For a linked node: it stores the parent's reason unchanged.
    ParentAsIs,
}

/// A child that the node notifies.
pub(super) type Child<N> = (Weak<N>, ReasonFrom);

/// The children and callbacks of a node of type `N`. Waiting tasks and threads are in the wait list of the node's latch.
///
/// Guarded by the node's lock, so no method here runs user code.
// A cancellation reads every field. Most nodes have at most one child, so the end of `children` is not in use. That field
// comes last, so that the bytes that are in use are next to each other.
#[repr(C)]
pub(in crate::source::token) struct Listeners<N> {
    /// Boxed, because most nodes need none of these fields.
    optional: Option<Box<Optional>>,
    /// Notified before the callbacks run.
    observer: Option<Weak<dyn CancelObserver>>,
    pub(super) children: Slab<Child<N>>,
}

#[derive(Default)]
struct Optional {
    callbacks: Callbacks,
    /// Name of the node in the reasons of its children.
    label: Option<Text>,
    /// The end of the grace period that the canceller chose for the operations of this node and of its children.
    grace_end: Option<Instant>,
    #[cfg(feature = "testing")]
    counts: Option<Arc<CancelCounts>>,
}

/// The callbacks of a node, in the order of their numbers. Each new callback gets a higher number, so the oldest is at the
/// front.
///
/// A removed callback leaves a gap. At most half of the entries are gaps.
#[derive(Default)]
struct Callbacks {
    entries: VecDeque<(u64, Option<Callback>)>,
    /// The number of entries that are not gaps.
    len: usize,
    next_number: u64,
}

impl Callbacks {
    fn push(&mut self, callback: Callback) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.entries.push_back((number, Some(callback)));
        self.len += 1;
        number
    }

    fn remove(&mut self, number: u64) -> Option<Callback> {
        let index = self.entries.binary_search_by_key(&number, |entry| entry.0).ok()?;
        let removed = self.entries[index].1.take()?;
        self.len -= 1;
        if self.entries.len() > 2 * self.len {
            self.entries.retain(|entry| {
                visit();
                entry.1.is_some()
            });
            self.entries.shrink_to(2 * self.len);
        }
        Some(removed)
    }

    fn pop_oldest(&mut self) -> Option<Callback> {
        let oldest = std::iter::from_fn(|| self.entries.pop_front()).find_map(|entry| entry.1)?;
        self.len -= 1;
        Some(oldest)
    }
}

/// Counts of the calls that cancel a token, for the test kit.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub(crate) struct CancelCounts {
    first: AtomicUsize,
    refused: AtomicUsize,
}

#[cfg(feature = "testing")]
impl CancelCounts {
    pub(super) fn add(&self, is_first: bool) {
        let count = if is_first { &self.first } else { &self.refused };
        count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn first(&self) -> usize {
        self.first.load(Ordering::SeqCst)
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

impl<N> Listeners<N> {
    fn optional(&mut self) -> &mut Optional {
        self.optional.get_or_insert_default()
    }

    /// Adds a callback and returns its number.
    pub(super) fn add_callback(&mut self, callback: Callback) -> u64 {
        self.optional().callbacks.push(callback)
    }

    pub(super) fn remove_callback(&mut self, number: u64) -> Option<Callback> {
        self.optional.as_mut()?.callbacks.remove(number)
    }

    /// Removes the oldest callback.
    pub(super) fn pop_callback(&mut self) -> Option<Callback> {
        self.optional.as_mut()?.callbacks.pop_oldest()
    }

    pub(super) fn callbacks(&self) -> usize {
        self.optional.as_ref().map_or(0, |optional| optional.callbacks.len)
    }

    /// Returns whether there is an observer or a callback.
    pub(super) fn has_callbacks(&self) -> bool {
        self.observer.is_some() || self.callbacks() > 0
    }

    /// Adds an observer. The first one has a place of its own. For another one, adds a callback that notifies it.
    pub(super) fn add_observer(&mut self, observer: Weak<dyn CancelObserver>) {
        match self.observer {
            None => self.observer = Some(observer),
            Some(_) => {
                self.add_callback(Box::new(move |reason| notify(&observer, reason)));
            }
        }
    }

    pub(super) fn take_observer(&mut self) -> Option<Weak<dyn CancelObserver>> {
        self.observer.take()
    }

    /// Sets the label. If the node already has a label, returns the new one and keeps the old one, because existing reasons
    /// may show it.
    pub(super) fn set_label(&mut self, name: Text) -> Option<Text> {
        let label = &mut self.optional().label;
        if label.is_some() {
            return Some(name);
        }
        *label = Some(name);
        None
    }

    /// Sets the end of the grace period. Called when the node is cancelled.
    #[cold]
    pub(super) fn set_grace_end(&mut self, at: Instant) {
        self.optional().grace_end = Some(at);
    }

    #[cfg(feature = "time")]
    pub(super) fn grace_end(&self) -> Option<Instant> {
        self.optional.as_ref()?.grace_end
    }

    /// Returns the counts of the node. Creates them first if `create` is true.
    #[cfg(feature = "testing")]
    pub(super) fn counts(&mut self, create: bool) -> Option<Arc<CancelCounts>> {
        if create {
            return Some(self.optional().counts.get_or_insert_default().clone());
        }
        self.optional.as_ref()?.counts.clone()
    }

    /// Wraps the node's reason in a `Reason::Parent` that shows the label.
    pub(super) fn wrap_reason(&self, reason: &Reason) -> Reason {
        let label = self.optional.as_ref().and_then(|optional| optional.label.clone());
        Reason::parent_named(label, reason.clone())
    }
}

impl<N> Default for Listeners<N> {
    fn default() -> Self {
        Listeners { children: Slab::default(), observer: None, optional: None }
    }
}

impl<N> fmt::Debug for Listeners<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("children", &self.children.len())
            .field("callbacks", &self.callbacks())
            .finish()
    }
}
