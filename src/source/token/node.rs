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
use crate::contain::contain;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::wait::{Latch, Latched, Wakers};
use crate::{Reason, Text};

#[derive(Debug)]
pub(super) struct Node {
    latch: Latch<Reason, Relations<Node>>,
    /// Those above it, if they were known when it was made.
    above: Option<Above>,
    /// Otherwise.
    found: OnceLock<Box<Above>>,
    /// Whether there ever was a node below.
    has_below: AtomicBool,
}

/// Who is to hear of a cancellation that is under way.
#[derive(Default)]
struct Next {
    below: Vec<(Arc<Node>, Reason)>,
    waiters: Vec<Wakers>,
    /// Those that have callbacks.
    called: Vec<Arc<Node>>,
}

/// Those above.
#[derive(Debug)]
struct Above {
    first: Link,
    /// Mostly none, and then it allocates nothing.
    others: Box<[Link]>,
}

impl Above {
    fn parent(upper: Arc<Node>) -> Result<Self, Reason> {
        let first = Link::new(upper, Inherits::Parent)?;
        Ok(Above { first, others: Box::default() })
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.first).chain(&self.others)
    }
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
    /// `Err` with what a node below inherits, where this one is cancelled already.
    fn new(node: Arc<Node>, inherits: Inherits) -> Result<Self, Reason> {
        // One that is asked by those below is itself told: it need not ask in turn.
        node.enter();
        let link = Link { node, inherits, place: AtomicUsize::new(OUTSIDE) };
        if let Some(reason) = link.inherited() {
            return Err(reason);
        }
        link.node.has_below.store(true, Ordering::Release);
        Ok(link)
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
    #[cold]
    fn inherited(&self) -> Option<Reason> {
        let reason = self.node.latch.get()?;
        // Whoever was about to enter the node held this lock: then the node is told.
        self.node.latch.with(|relations, _| match self.inherits {
            _ if !self.is_outside() => None,
            Inherits::Reason => Some(reason.clone()),
            Inherits::Parent => Some(relations.shared_parent_reason(reason)),
        })
    }
}

impl Node {
    pub(super) fn new() -> Self {
        Node::with(None)
    }

    fn with(above: Option<Above>) -> Self {
        let found = OnceLock::new();
        Node { latch: Latch::new(), above, found, has_below: AtomicBool::new(false) }
    }

    #[inline]
    fn above(&self) -> Option<&Above> {
        self.above.as_ref().or_else(|| self.found.get().map(Box::as_ref))
    }

    fn take_above(&mut self) -> Option<Above> {
        self.above.take().or_else(|| self.found.take().map(|above| *above))
    }

    /// A node that was cancelled before anyone had it.
    fn cancelled(reason: Reason) -> Self {
        let node = Node::new();
        // Nobody waits for it.
        let _ = node.latch.set(reason);
        node
    }

    /// A node below this one. Where that is cancelled, so is the new one.
    pub(super) fn child(upper: Arc<Node>) -> Arc<Self> {
        Arc::new(match Above::parent(upper) {
            Ok(above) => Node::with(Some(above)),
            Err(reason) => Node::cancelled(reason),
        })
    }

    /// A node below those. Where one of them is cancelled, so is the new one, and for its reason.
    pub(super) fn linked(above: impl IntoIterator<Item = Arc<Node>>) -> Arc<Self> {
        let links = above.into_iter().map(|upper| Link::new(upper, Inherits::Reason));
        let mut links = match links.collect::<Result<Vec<_>, _>>() {
            Ok(links) => links.into_iter(),
            Err(reason) => return Arc::new(Node::cancelled(reason)),
        };
        let Some(first) = links.next() else { return Arc::new(Node::new()) };
        let above = Above { first, others: links.collect() };
        let node = Arc::new(Node::with(Some(above)));
        // Of several above, the first that is cancelled counts: the node must be told, since who
        // asks later cannot know which it was.
        node.enter();
        node
    }

    /// From here on those above tell it.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>) {
        if let Some(above) = self.above() {
            if above.first.is_outside() {
                self.enter_below(above);
            }
        }
    }

    #[cold]
    fn enter_below(self: &Arc<Self>, above: &Above) {
        for link in above.links() {
            link.enter(self);
        }
    }

    /// Puts a node that is below none yet below `upper`. Not where that would close a circle.
    /// Tells whether it is below `upper` now.
    pub(super) fn descend_from(self: &Arc<Self>, upper: &Arc<Node>) -> bool {
        if self.above().is_some() || upper.is_or_is_below(self) {
            return false;
        }
        match Above::parent(upper.clone()) {
            Ok(above) => {
                // One operation has one run, and only its run, or who builds it, enters it.
                let _ = self.found.set(Box::new(above));
                // Somebody may wait for it already.
                self.enter();
            }
            Err(reason) => _ = self.cancel(reason),
        }
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
            for link in node.above().into_iter().flat_map(Above::links) {
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
        self.latch.is_set() || self.above().is_some_and(|above| self.asks(above))
    }

    /// Whether one that is not told by those above is cancelled with them, as it is from here on.
    fn asks(&self, above: &Above) -> bool {
        let link = &above.first;
        if !link.is_outside() || !link.node.latch.is_set() {
            return false;
        }
        match link.inherited() {
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
        let mut next = Next::default();
        if !self.flip(reason, &mut next) {
            return false;
        }
        while let Some((node, reason)) = next.below.pop() {
            // One that is cancelled already tells those below it by itself.
            node.flip(reason, &mut next);
        }
        next.waiters.into_iter().for_each(Wakers::wake_all);
        for node in next.called {
            node.call_all();
        }
        true
    }

    /// Flips this node, and notes who is to hear of it next. False where it was flipped before.
    fn flip(self: &Arc<Self>, reason: Reason, next: &mut Next) -> bool {
        let taken = self.latch.set_and(reason, |relations, reason| {
            let below = relations.below.take();
            // Made once and shared: a child's reason holds its parent's.
            let inherited = (!below.is_empty()).then(|| (reason, relations.parent_reason(reason)));
            // Callbacks stay where they are until their turn comes, so that they can be taken back.
            (below, inherited, relations.callbacks() > 0)
        });
        let Some((waiters, (below, inherited, has_callbacks))) = taken else { return false };
        if !waiters.is_empty() {
            next.waiters.push(waiters);
        }
        if has_callbacks {
            next.called.push(self.clone());
        }
        if let Some((reason, parent)) = inherited {
            // Last in, first out: turned round, the eldest comes first.
            next.below.extend(below.into_iter().rev().filter_map(|(node, inherits)| {
                let inherited = match inherits {
                    Inherits::Parent => &parent,
                    Inherits::Reason => reason,
                };
                Some((node.upgrade()?, inherited.clone()))
            }));
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
        let Some(above) = self.take_above() else { return };
        let mut next = Some(above.first);
        let mut others = above.others.into_vec();
        while let Some(link) = next.take().or_else(|| others.pop()) {
            let place = link.place.load(Ordering::Relaxed);
            if place != OUTSIDE {
                // A `Weak`, which runs nobody's code when it is dropped.
                link.node.latch.with(|relations, _| relations.below.remove(place));
            }
            // Where this was its last handle it goes too, here and not in a nested call.
            let Some(mut node) = Arc::into_inner(link.node) else { continue };
            if let Some(above) = node.take_above() {
                next = Some(above.first);
                others.extend(above.others);
            }
            // What its callbacks hold may panic when dropped; the rest must go all the same.
            let _ = contain(|| drop(node));
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
        let upper = Arc::new(Node::new());
        let node = Node::child(upper.clone());
        assert!(!node.is_cancelled());
        assert_eq!(known(&upper), 0);
        drop(node);
        assert_eq!(Arc::weak_count(&upper), 0);
    }

    #[test]
    fn a_node_that_somebody_listens_to_is_known_once() {
        let upper = Arc::new(Node::new());
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
        let upper = Arc::new(Node::new());
        let node = Node::child(upper.clone());
        let below = Node::child(node.clone());
        assert_eq!((known(&upper), known(&node)), (1, 0));
        assert!(upper.cancel(Reason::Dropped));
        assert!(below.is_cancelled() && !below.cancel(Reason::Disconnected));
    }

    #[test]
    fn of_several_above_the_first_that_is_cancelled_counts_whoever_asks_when() {
        let (one, two) = (Arc::new(Node::new()), Arc::new(Node::new()));
        let node = Node::linked([one.clone(), two.clone()]);
        assert!(two.cancel(Reason::Dropped));
        assert!(one.cancel(Reason::Disconnected));
        assert_eq!(node.reason(), Some(&Reason::Dropped));
    }
}
