//! Cancelling a node with its descendants, and the callbacks that run then.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

use super::Node;
#[cfg(feature = "testing")]
use super::listeners::CancelCounts;
use super::listeners::{Callback, CancelObserver, Child, ReasonFrom, notify};
use crate::panic::contain;
use crate::reason::Reason;
#[cfg(feature = "testing")]
use crate::sync::{AtomicBool, Ordering};
use crate::visits::visit;
use crate::wait::{WaitList, WakeBatch, Wakers};

/// Whether any token counts the calls that cancel it. If no token does, `cancel` takes no lock for counting.
#[cfg(feature = "testing")]
static ANY_COUNTED: AtomicBool = AtomicBool::new(false);

/// The cancellation of a tree, walked breadth first.
#[derive(Debug, Default)]
struct CancelWalk {
    /// Cancelled nodes whose children are not marked as cancelled yet.
    unvisited: VecDeque<Arc<Node>>,
    /// The waiters of all nodes that were cancelled.
    waiters: WakeBatch,
    /// Cancelled nodes that have callbacks.
    with_callbacks: Vec<Arc<Node>>,
    /// The end of the grace period that every node in the tree gets, if the canceller chose a grace period.
    grace_end: Option<Instant>,
}

impl Node {
    /// Calls [`cancel_until`](Self::cancel_until) for user code, and counts the call for the test kit.
    pub(in crate::source::token) fn cancel_by_call(
        self: &Arc<Self>,
        reason: Reason,
        grace_end: Option<Instant>,
    ) -> bool {
        let is_first = self.cancel_until(reason, grace_end);
        #[cfg(feature = "testing")]
        if ANY_COUNTED.load(Ordering::Relaxed) {
            self.count_cancel(is_first);
        }
        is_first
    }

    /// Cancels this node and its descendants. Returns false if this node was cancelled already.
    pub(super) fn cancel(self: &Arc<Self>, reason: Reason) -> bool {
        self.cancel_until(reason, None)
    }

    /// Like [`cancel`](Self::cancel). If `grace_end` is given, the operations of these nodes may continue until then.
    ///
    /// Marks the whole tree first, then wakes the waiters, then runs the callbacks, so that a woken
    /// task finds every descendant cancelled.
    fn cancel_until(self: &Arc<Self>, reason: Reason, grace_end: Option<Instant>) -> bool {
        if self.is_cancelled() {
            return false;
        }
        let Some((waiters, has_listeners)) = self.mark(Some(reason), grace_end, Wakers::of) else {
            return false;
        };
        if has_listeners {
            self.cancel_listeners(waiters, grace_end);
        } else {
            waiters.wake_all();
        }
        true
    }

    /// Finishes the cancellation of a node that has children or callbacks.
    #[inline(never)]
    fn cancel_listeners(self: &Arc<Self>, waiters: Wakers, grace_end: Option<Instant>) {
        // Without children there is nothing to walk. The lists of a walk would take two allocations.
        if self.latch.with_extra(|listeners, _| listeners.children.is_empty()) {
            waiters.wake_all();
            return self.run_callbacks();
        }
        let mut walk = CancelWalk { grace_end, ..CancelWalk::default() };
        walk.unvisited.push_back(self.clone());
        while let Some(node) = walk.unvisited.pop_front() {
            visit();
            // The node's latch is set, so it gets no more children (invariant 4). Callbacks stay in the node until they
            // run, so that they can still be unregistered.
            let (children, has_callbacks) = node
                .latch
                .with_extra(|listeners, _| (listeners.children.take(), listeners.has_callbacks()));
            let (first, others) = children.filter_map(|child| node.cancel_child(child, &mut walk));
            walk.waiters.add(first, others);
            if has_callbacks {
                walk.with_callbacks.push(node);
            }
        }
        // No lock is held from here on. Wakers and callbacks are user code, and may use any token of the tree.
        waiters.wake_all();
        walk.waiters.wake_all();
        for node in walk.with_callbacks {
            node.run_callbacks();
        }
    }

    /// Marks a child of this node as cancelled, and returns its waiter if it has exactly one. A child that was cancelled
    /// before is not walked again: its own cancellation notifies its children.
    #[inline]
    fn cancel_child(&self, (child, from): Child<Node>, walk: &mut CancelWalk) -> Option<Waker> {
        let child = child.upgrade()?;
        let reason = match from {
            ReasonFrom::Parent => None,
            ReasonFrom::ParentWrapped | ReasonFrom::ParentAsIs => {
                self.reason_for_child(from).cloned()
            }
        };
        let take = |waiters: &mut WaitList| walk.waiters.take(waiters);
        let Some((waker, has_listeners)) = child.mark(reason, walk.grace_end, take) else {
            // If the other handles of the child were dropped meanwhile, this is the last one. Dropping it also drops the
            // child's reason, which may hold a user's value, whose destructor may panic. Contain the panic, because the
            // other children must still be cancelled.
            let _ = contain(|| drop(child));
            return None;
        };
        if has_listeners {
            walk.unvisited.push_back(child);
        }
        waker
    }

    /// Marks this node as cancelled. Returns the result of `take(waiters)`, and `true` if the node has children or
    /// callbacks. Returns `None` if the node was already cancelled.
    ///
    /// `reason` is `None` for a child that reads its parent's reason. The end of the grace period is written under
    /// the lock, so [`grace_end`](Self::grace_end) finds it together with the reason.
    #[inline(always)]
    fn mark<R>(
        &self,
        reason: Option<Reason>,
        grace_end: Option<Instant>,
        take: impl FnOnce(&mut WaitList) -> R,
    ) -> Option<(R, bool)> {
        self.latch.set_with(reason, |waiters, listeners| {
            if let Some(at) = grace_end {
                listeners.set_grace_end(at);
            }
            let has_listeners = !listeners.children.is_empty() || listeners.has_callbacks();
            (take(waiters), has_listeners)
        })
    }

    /// Returns the end of the grace period that the canceller chose. Called only if this node is cancelled.
    #[cfg(feature = "time")]
    pub(in crate::source::token) fn grace_end(&self) -> Option<Instant> {
        // The caller read the flag without the lock, perhaps before the canceller wrote the end of the grace period. In that
        // case the canceller still holds the lock, and this call waits for the lock.
        self.latch.with_extra(|listeners, _| listeners.grace_end())
    }

    /// Notifies the observer of this cancelled node, then runs its callbacks, oldest first, with no lock held.
    ///
    /// Takes the lock once for each callback, so that a callback can still be unregistered until it begins.
    fn run_callbacks(&self) {
        if let Some(observer) = self.latch.with_extra(|listeners, _| listeners.take_observer()) {
            self.notify(&observer);
        }
        while let Some(callback) = self.latch.with_extra(|listeners, _| listeners.pop_callback()) {
            self.run_callback(callback);
        }
    }

    /// Runs a callback of this cancelled node. If the callback panics, the panic hook prints the panic, which goes no
    /// further.
    fn run_callback(&self, callback: Callback) {
        if let Some(reason) = self.known_reason() {
            let _ = contain(|| callback(reason));
        }
    }

    /// Notifies an observer of this cancelled node and contains its panic.
    fn notify(&self, observer: &Weak<dyn CancelObserver>) {
        if let Some(reason) = self.known_reason() {
            let _ = contain(|| notify(observer, reason));
        }
    }

    /// Adds an observer. If the node is cancelled, notifies the observer instead.
    pub(in crate::source::token) fn observe(self: &Arc<Self>, observer: Weak<dyn CancelObserver>) {
        self.register_with_parents();
        let rejected = self.latch.with_extra(|listeners, is_set| {
            if is_set {
                return Some(observer);
            }
            listeners.add_observer(observer);
            None
        });
        if let Some(observer) = rejected {
            self.notify(&observer);
        }
    }

    /// Adds a callback and returns its number. If the node is cancelled, runs the callback instead.
    pub(in crate::source::token) fn add_callback(
        self: &Arc<Self>,
        callback: Callback,
    ) -> Option<u64> {
        self.register_with_parents();
        let added = self.latch.with_extra(|listeners, is_set| {
            if is_set { Err(callback) } else { Ok(listeners.add_callback(callback)) }
        });
        match added {
            Ok(number) => Some(number),
            Err(callback) => {
                self.run_callback(callback);
                None
            }
        }
    }

    /// Adds a callback and returns its number, or returns the callback if the node is cancelled.
    /// `wrap` runs under the lock, and runs no user code.
    pub(in crate::source::token) fn try_add_callback<F>(
        self: &Arc<Self>,
        callback: F,
        wrap: impl FnOnce(F) -> Callback,
    ) -> Result<u64, F> {
        self.register_with_parents();
        self.latch.with_extra(|listeners, is_set| {
            if is_set { Err(callback) } else { Ok(listeners.add_callback(wrap(callback))) }
        })
    }

    /// Removes a callback, unless it has begun to run. Returns whether the callback was removed.
    pub(in crate::source::token) fn remove_callback(&self, number: u64) -> bool {
        let callback = self.latch.with_extra(|listeners, _| listeners.remove_callback(number));
        let removed = callback.is_some();
        // The callback may own the last handle of this token. Dropping that handle takes locks, so no lock is held here.
        drop(callback);
        removed
    }

    /// Returns the counts of the calls that cancel this node. The node counts such calls once this method has been called.
    #[cfg(feature = "testing")]
    pub(in crate::source::token) fn cancel_counts(&self) -> Arc<CancelCounts> {
        ANY_COUNTED.store(true, Ordering::Relaxed);
        self.latch.with_extra(|listeners, _| listeners.counts(true)).unwrap_or_default()
    }

    #[cfg(feature = "testing")]
    #[cold]
    fn count_cancel(&self, is_first: bool) {
        if let Some(counts) = self.latch.with_extra(|listeners, _| listeners.counts(false)) {
            counts.add(is_first);
        }
    }
}
