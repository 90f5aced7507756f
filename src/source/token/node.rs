//! `Node`: the state of a token, and its place among other tokens.
//!
//! 1. The latch holds the reason. It is set at most once, and that is the cancellation.
//! 2. A node owns those above it. Those above know it by a `Weak` that it takes back when it goes.
//! 3. A node is told by those above from when somebody is to hear of it: one who waits, a callback, a
//!    node below. Until then it asks the one above whenever somebody asks it, and nobody above knows
//!    it. So a child that is only looked at costs its parent nothing.
//! 4. Nobody is added to a node once its latch is set: neither one who waits, nor a node below, nor a
//!    callback. All of them are under the lock of the latch.
//! 5. Whatever walks the tree does so with a list of its own, not by recursion, and holds at most
//!    one lock at a time.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::relations::{Callback, Inherits, Relations};
use super::told::{Reasons, Told};
use crate::contain::contain;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::wait::{Latch, Latched};
use crate::{Reason, Text};

#[derive(Debug, Default)]
pub(super) struct Node {
    latch: Latch<Reason, Relations<Node>>,
    /// The one above it of which it was made, as a child.
    parent: Option<Link>,
    /// Otherwise, those above it.
    others: OnceLock<Box<[Link]>>,
    /// Whether there ever was a node below.
    has_below: AtomicBool,
}

/// One above.
#[derive(Debug)]
struct Link {
    node: Arc<Node>,
    inherits: Inherits,
    /// Where that keeps this node, or [`OUTSIDE`]. Changes once, under the lock of the one above.
    place: AtomicUsize,
}

/// The place of a node that those above do not know.
const OUTSIDE: usize = usize::MAX;

impl Link {
    #[inline]
    fn new(node: Arc<Node>, inherits: Inherits) -> Self {
        Link { node, inherits, place: AtomicUsize::new(OUTSIDE) }
    }

    fn is_outside(&self) -> bool {
        self.place.load(Ordering::Relaxed) == OUTSIDE
    }

    /// Enters a node below this one, or cancels it if this one is cancelled already.
    fn enter(&self, node: &Arc<Node>) {
        let entered = self.node.latch.with(|relations, is_set| {
            // Another thread may have entered it meanwhile.
            if !is_set && self.is_outside() {
                let place = relations.below.insert((Arc::downgrade(node), self.inherits));
                self.place.store(place, Ordering::Relaxed);
            }
            !is_set || !self.is_outside()
        });
        if !entered {
            if let Some(reason) = self.inherited() {
                node.cancel(reason);
            }
        }
    }

    /// The reason of a node that is below this one and unknown to it, if this one is cancelled.
    fn inherited(&self) -> Option<Reason> {
        self.node.inherited(self.inherits, || self.is_outside())
    }
}

impl Node {
    /// A node below none. It is written where it stays, which is quicker than to move it there.
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A node that was cancelled before anyone had it.
    #[cold]
    fn cancelled(reason: Reason) -> Arc<Self> {
        let node = Node::new();
        // Nobody waits for it.
        let _ = node.latch.set(reason);
        node
    }

    /// A node below this one. Where that is cancelled, so is the new one.
    pub(super) fn child(upper: Arc<Node>) -> Arc<Self> {
        if let Some(reason) = upper.begin_below(Inherits::Parent) {
            return Node::cancelled(reason);
        }
        let mut node = Node::new();
        if let Some(node) = Arc::get_mut(&mut node) {
            node.parent = Some(Link::new(upper, Inherits::Parent));
        }
        node
    }

    /// A node below those. Where one of them is cancelled, so is the new one, and for its reason.
    pub(super) fn linked(above: impl IntoIterator<Item = Arc<Node>>) -> Arc<Self> {
        let links = above.into_iter().map(|upper| match upper.begin_below(Inherits::Reason) {
            None => Ok(Link::new(upper, Inherits::Reason)),
            Some(reason) => Err(reason),
        });
        match links.collect::<Result<Box<[_]>, _>>() {
            Ok(links) if links.is_empty() => Node::new(),
            Ok(links) => {
                let node = Node::new();
                let _ = node.others.set(links);
                // Of several above, the first that is cancelled counts: the node must be told, since
                // who asks later cannot know which it was.
                node.enter();
                node
            }
            Err(reason) => Node::cancelled(reason),
        }
    }

    /// There is to be a node below. What it inherits, if this one is cancelled already.
    #[inline]
    fn begin_below(self: &Arc<Self>, inherits: Inherits) -> Option<Reason> {
        // One that is asked by those below is itself told: it need not ask in turn.
        self.enter();
        if self.latch.is_set() {
            return self.inherited(inherits, || true);
        }
        self.has_below.store(true, Ordering::Release);
        None
    }

    /// What a node below that is not told inherits, if this one is cancelled. `is_outside` says that
    /// it is not told.
    #[cold]
    fn inherited(&self, inherits: Inherits, is_outside: impl Fn() -> bool) -> Option<Reason> {
        let reason = self.latch.get()?;
        // Whoever was about to enter the node held this lock: then the node is told.
        self.latch.with(|relations, _| match inherits {
            _ if !is_outside() => None,
            Inherits::Reason => Some(reason.clone()),
            Inherits::Parent => Some(relations.shared_parent_reason(reason)),
        })
    }

    /// Those above it.
    fn above(&self) -> impl Iterator<Item = &Link> {
        self.parent.iter().chain(self.others.get().into_iter().flat_map(|links| links.iter()))
    }

    /// The first of them.
    #[inline]
    fn first_above(&self) -> Option<&Link> {
        self.parent.as_ref().or_else(|| self.others.get()?.first())
    }

    /// From here on those above tell it.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>) {
        if self.first_above().is_some_and(Link::is_outside) {
            self.enter_below();
        }
    }

    #[cold]
    fn enter_below(self: &Arc<Self>) {
        self.above().for_each(|link| link.enter(self));
    }

    /// Puts a node that is below none yet below `upper`. Not where that would close a circle.
    /// Tells whether it is below `upper` now.
    pub(super) fn descend_from(self: &Arc<Self>, upper: &Arc<Node>) -> bool {
        if self.first_above().is_some() || upper.is_or_is_below(self) {
            return false;
        }
        if let Some(reason) = upper.begin_below(Inherits::Parent) {
            self.cancel(reason);
            return true;
        }
        // Somebody may listen to it already: it must be told, and never ask. So it is known above before
        // anybody can find the link here.
        let link = Link::new(upper.clone(), Inherits::Parent);
        link.enter(self);
        // One operation has one run, and only its run, or who builds it, enters it.
        let _ = self.others.set(Box::new([link]));
        true
    }

    fn is_or_is_below(self: &Arc<Self>, other: &Arc<Node>) -> bool {
        if Arc::ptr_eq(self, other) {
            return true;
        }
        if !other.has_below.load(Ordering::Acquire) {
            return false;
        }
        let mut unseen = vec![self];
        // Two threads that close a circle at once are not kept from it; then this must still end.
        let mut seen = HashSet::new();
        while let Some(node) = unseen.pop() {
            if !seen.insert(Arc::as_ptr(node)) {
                continue;
            }
            for link in node.above() {
                if Arc::ptr_eq(&link.node, other) {
                    return true;
                }
                unseen.push(&link.node);
            }
        }
        false
    }

    /// Names it, once.
    pub(super) fn label(&self, name: Text) {
        let late = self.latch.with(|relations, _| relations.label(name));
        drop(late);
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.latch.is_set() || self.first_above().is_some_and(|upper| self.asks(upper))
    }

    /// Whether one that is not told by those above is cancelled with them, as it is from here on.
    fn asks(&self, upper: &Link) -> bool {
        if !upper.is_outside() || !upper.node.latch.is_set() {
            return false;
        }
        match upper.inherited() {
            Some(reason) => {
                // Nobody is to hear of it, or it would be told.
                if let Some(nobody) = self.latch.set(reason) {
                    nobody.wake_all();
                }
                true
            }
            None => self.latch.is_set(),
        }
    }

    pub(super) fn reason(&self) -> Option<&Reason> {
        if self.is_cancelled() { self.latch.get() } else { None }
    }

    /// Cancels this node and all below it: flips all of them, then wakes those who wait for any, then
    /// runs callbacks. So whoever is woken finds all of them cancelled.
    pub(super) fn cancel(self: &Arc<Self>, reason: Reason) -> bool {
        if self.is_cancelled() {
            return false;
        }
        let mut told = Told::default();
        if !self.flip(reason, &mut told) {
            return false;
        }
        while let Some((node, reason)) = told.next_below() {
            // One that is cancelled already tells those below it by itself.
            node.flip(reason, &mut told);
        }
        told.wake_all();
        for node in told.called {
            node.call_all();
        }
        true
    }

    /// Flips this node, and notes who is to hear of it next. False where it was flipped before.
    fn flip(self: &Arc<Self>, reason: Reason, told: &mut Told<Node>) -> bool {
        let taken = self.latch.set_and(reason, |relations, reason| {
            let below = relations.below.take();
            let parent = || Reasons::new(reason, relations.parent_reason(reason));
            let reasons = (!below.is_empty()).then(parent);
            // Callbacks stay where they are until their turn comes, so that they can be taken back.
            (below, reasons, relations.callbacks() > 0)
        });
        let Some((waiters, (below, reasons, has_callbacks))) = taken else { return false };
        told.note_waiters(waiters);
        if has_callbacks {
            told.called.push(self.clone());
        }
        if let Some(reasons) = reasons {
            told.note_below(below.into_iter(), reasons);
        }
        true
    }

    /// Runs the callbacks of this node, which is cancelled, one after another.
    fn call_all(&self) {
        loop {
            match self.latch.with(|relations, _| relations.next_callback()) {
                Some(callback) => self.call(callback),
                None => return,
            }
        }
    }

    /// Runs a callback of this node, which is cancelled. Its panic ends here.
    fn call(&self, callback: Callback) {
        if let Some(reason) = self.latch.get() {
            // The panic hook has printed it; there is nobody else to tell.
            let _ = contain(|| callback(reason));
        }
    }

    /// Adds a callback and tells its number, or runs it at once if the node is cancelled.
    pub(super) fn add_callback(self: &Arc<Self>, callback: Callback) -> Option<u64> {
        self.enter();
        let added = self.latch.with(|relations, is_set| {
            if is_set { Err(callback) } else { Ok(relations.add_callback(callback)) }
        });
        match added {
            Ok(number) => Some(number),
            Err(callback) => {
                self.call(callback);
                None
            }
        }
    }

    /// Takes a callback back, unless it has begun to run.
    pub(super) fn remove_callback(&self, number: u64) {
        let callback = self.latch.with(|relations, _| relations.remove_callback(number));
        // What it holds may be a handle of this token: not under the lock.
        drop(callback);
    }
}

/// Guarantee 11: nothing of it stays above, and a chain of any length goes without recursion.
impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        let mut others = self.others.take().map_or_else(Vec::new, Vec::from);
        while let Some(link) = next.take().or_else(|| others.pop()) {
            let place = link.place.load(Ordering::Relaxed);
            if place != OUTSIDE {
                // A `Weak`, which runs nobody's code when it is dropped.
                link.node.latch.with(|relations, _| relations.below.remove(place));
            }
            // Where this was its last handle it goes too, here and not in a nested call.
            let Some(mut node) = Arc::into_inner(link.node) else { continue };
            next = node.parent.take();
            if let Some(links) = node.others.take() {
                others.extend(links);
            }
            // What its callbacks hold may panic when dropped; the rest must go all the same.
            let _ = contain(|| node.latch.clear());
        }
    }
}

impl Latched for Node {
    type Value = Reason;
    type More = Relations<Node>;

    #[inline]
    fn latch(&self) -> &Latch<Reason, Relations<Node>> {
        &self.latch
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    fn known(upper: &Node) -> usize {
        upper.latch.with(|relations, _| relations.below.len())
    }

    #[test]
    fn a_node_that_is_only_looked_at_is_unknown_to_those_above() {
        let upper = Node::new();
        let node = Node::child(upper.clone());
        assert!(!node.is_cancelled());
        assert_eq!(known(&upper), 0);
        drop(node);
        assert_eq!(Arc::weak_count(&upper), 0);
    }

    #[test]
    fn a_node_that_somebody_listens_to_is_known_once() {
        let upper = Node::new();
        let node = Node::child(upper.clone());
        for _ in 0..3 {
            node.enter();
            assert_eq!(known(&upper), 1);
        }
        drop(node);
        assert_eq!(known(&upper), 0);
    }

    #[test]
    fn a_node_with_one_below_it_is_known() {
        let upper = Node::new();
        let node = Node::child(upper.clone());
        let below = Node::child(node.clone());
        assert_eq!((known(&upper), known(&node)), (1, 0));
        assert!(upper.cancel(Reason::Dropped));
        assert!(below.is_cancelled() && !below.cancel(Reason::Disconnected));
    }

    #[test]
    fn of_several_above_the_first_that_is_cancelled_counts_whoever_asks_when() {
        let (one, two) = (Node::new(), Node::new());
        let node = Node::linked([one.clone(), two.clone()]);
        assert!(two.cancel(Reason::Dropped));
        assert!(one.cancel(Reason::Disconnected));
        assert_eq!(node.reason(), Some(&Reason::Dropped));
    }
}
