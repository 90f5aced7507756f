//! `Node`: the state of a token, and its place among other tokens.
//!
//! 1. The latch holds the reason. It is set at most once, and that is the cancellation. A child that is
//!    cancelled with its parent has no reason of its own: it is the one that its parent, which is set by
//!    then, has for its children. So to flip a child is to set a flag.
//! 2. A node owns those above it. Those above know it by a `Weak` that it takes back when it goes.
//! 3. A node is told by those above from when somebody is to hear of it: one who waits, a callback, a
//!    node below. Until then it asks the one above whenever somebody asks it, and nobody above knows
//!    it. So a child that is only looked at costs its parent nothing.
//! 4. Nobody is added to a node once its latch is set: neither one who waits, nor a node below, nor a
//!    callback. All of them are under the lock of the latch.
//! 5. Whatever walks the tree does so with a list of its own, not by recursion, and holds at most
//!    one lock at a time.
//!
//! * [`reason`]: whether a node is cancelled, and why.
//! * [`cancel`]: cancelling it and all below it.

mod cancel;
mod reason;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::relations::{Inherits, Relations};
use crate::contain::contain;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::wait::{Latch, Latched};
use crate::{Reason, Text};

// In this order: cancelling many touches the front of each, and no more.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Node {
    latch: Latch<Reason, Relations<Node>>,
    /// What children make of the reason of this node, once one has asked. Written under the lock.
    inherited: OnceLock<Box<Reason>>,
    /// The one above it of which it was made, as a child.
    parent: Option<Link>,
    /// Otherwise, those above it.
    others: OnceLock<Box<Others>>,
    /// Whether there ever was a node below.
    has_below: AtomicBool,
}

/// One above.
#[derive(Debug)]
struct Link {
    node: Arc<Node>,
    /// Where that keeps this node, or [`OUTSIDE`]. Changes once, under the lock of the one above.
    place: AtomicUsize,
}

/// Those above a node that was not made as a child.
#[derive(Debug)]
struct Others {
    links: Vec<Link>,
    inherits: Inherits,
}

/// The place of a node that those above do not know.
const OUTSIDE: usize = usize::MAX;

impl Link {
    #[inline]
    fn new(node: Arc<Node>) -> Self {
        Link { node, place: AtomicUsize::new(OUTSIDE) }
    }

    fn is_outside(&self) -> bool {
        self.place.load(Ordering::Relaxed) == OUTSIDE
    }

    /// Enters a node below this one, or cancels it if this one is cancelled already.
    fn enter(&self, node: &Arc<Node>, inherits: Inherits) {
        let entered = self.node.latch.with(|relations, is_set| {
            // Another thread may have entered it meanwhile.
            if !is_set && self.is_outside() {
                let place = relations.below.insert((Arc::downgrade(node), inherits));
                self.place.store(place, Ordering::Relaxed);
            }
            !is_set || !self.is_outside()
        });
        if !entered {
            if let Some(reason) = self.node.reason_below(inherits) {
                node.cancel(reason.clone());
            }
        }
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
            node.parent = Some(Link::new(upper));
        }
        node
    }

    /// A node below those. Where one of them is cancelled, so is the new one, and for its reason.
    pub(super) fn linked(above: impl IntoIterator<Item = Arc<Node>>) -> Arc<Self> {
        let links = above.into_iter().map(|upper| match upper.begin_below(Inherits::Reason) {
            None => Ok(Link::new(upper)),
            Some(reason) => Err(reason),
        });
        match links.collect::<Result<Vec<_>, _>>() {
            Ok(links) if links.is_empty() => Node::new(),
            Ok(links) => {
                let node = Node::new();
                let _ = node.others.set(Box::new(Others { links, inherits: Inherits::Reason }));
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
            return self.reason_below(inherits).cloned();
        }
        self.has_below.store(true, Ordering::Release);
        None
    }

    /// Those above it.
    fn above(&self) -> impl Iterator<Item = &Link> {
        self.parent.iter().chain(self.others.get().into_iter().flat_map(|others| &others.links))
    }

    /// The first of them.
    #[inline]
    fn first_above(&self) -> Option<&Link> {
        self.parent.as_ref().or_else(|| self.others.get()?.links.first())
    }

    /// From here on those above tell it.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>) {
        if self.first_above().is_some_and(Link::is_outside) {
            self.enter_below();
        }
    }

    #[inline(never)]
    fn enter_below(self: &Arc<Self>) {
        if let Some(link) = &self.parent {
            link.enter(self, Inherits::Nothing);
        }
        if let Some(others) = self.others.get() {
            others.links.iter().for_each(|link| link.enter(self, others.inherits));
        }
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
        let link = Link::new(upper.clone());
        link.enter(self, Inherits::Parent);
        // One operation has one run, and only its run, or who builds it, enters it.
        let _ = self.others.set(Box::new(Others { links: vec![link], inherits: Inherits::Parent }));
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
}

/// Guarantee 11: nothing of it stays above, and a chain of any length goes without recursion.
impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        let mut others = self.others.take().map_or_else(Vec::new, |others| others.links);
        while let Some(mut link) = next.take().or_else(|| others.pop()) {
            let place = link.place.load(Ordering::Relaxed);
            // Once the one above is cancelled it knows nobody any more.
            if place != OUTSIDE && !link.node.latch.is_set() {
                // A `Weak`, which runs nobody's code when it is dropped.
                link.node.latch.with(|relations, _| relations.below.remove(place));
            }
            // Where this was its last handle it goes too, here and not in a nested call.
            let mut take_above = |node: &mut Node| {
                next = node.parent.take();
                if let Some(more) = node.others.take() {
                    others.extend(more.links);
                }
            };
            // What its callbacks hold may panic when dropped; the rest must go all the same.
            if Arc::strong_count(&link.node) == 1 {
                // It goes where it is, which is quicker than to move it out.
                if let Some(node) = Arc::get_mut(&mut link.node) {
                    take_above(node);
                    let _ = contain(|| drop(link.node));
                    continue;
                }
            }
            if let Some(mut node) = Arc::into_inner(link.node) {
                take_above(&mut node);
                let _ = contain(|| drop(node));
            }
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

    #[inline]
    fn value(&self) -> Option<&Reason> {
        self.known_reason()
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
    fn a_child_that_is_cancelled_with_its_parent_needs_no_reason_of_its_own() {
        let upper = Node::new();
        let told = Node::child(upper.clone());
        told.enter();
        let (inner, asks) = (Node::child(upper.clone()), Node::child(upper.clone()));
        let leaf = Node::child(inner.clone());
        leaf.enter();
        assert!(upper.cancel(Reason::Disconnected));
        assert!(asks.is_cancelled());
        for node in [&told, &inner, &asks, &leaf] {
            assert!(node.latch.is_set() && node.latch.get().is_none());
        }
        // All show the same one. Who stands between keeps it.
        let reason = leaf.reason();
        assert_eq!(reason, Some(&Reason::parent(Reason::Disconnected)));
        assert_eq!(inner.latch.get(), reason);
        for node in [&told, &asks] {
            assert!(std::ptr::eq(node.reason().unwrap(), reason.unwrap()));
        }
        assert_eq!(upper.reason(), Some(&Reason::Disconnected));
    }

    #[test]
    fn one_that_is_no_child_from_the_start_is_given_a_reason() {
        let upper = Node::new();
        let (linked, late) = (Node::linked([upper.clone()]), Node::new());
        assert!(late.descend_from(&upper));
        let below = Node::child(linked.clone());
        assert!(upper.cancel(Reason::Disconnected));
        assert_eq!(linked.latch.get(), Some(&Reason::Disconnected));
        assert_eq!(late.latch.get(), Some(&Reason::parent(Reason::Disconnected)));
        assert_eq!(below.reason(), Some(&Reason::parent(Reason::Disconnected)));
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
