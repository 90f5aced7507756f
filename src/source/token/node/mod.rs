//! `Node`: the state of a token, and its links to parents and children.
//!
//! 1. The latch holds the reason. It is set at most once: setting it is the cancellation. A child that
//!    is cancelled with its parent stores no reason and reads its parent's, so cancelling a child only
//!    sets a flag.
//! 2. A node owns its parents. A parent has a `Weak` of a registered child, which the child removes
//!    when it is dropped.
//! 3. A node is registered with its parents, which then notify it, as soon as anything listens to it: a
//!    waiter, a callback or a child. Until then, each query of the node asks its parent. So a child that is
//!    only checked costs its parent nothing.
//! 4. A node gets no waiter, child or callback once its latch is set. All of them are guarded by the
//!    latch's lock.
//! 5. Every walk of the tree uses a list of its own, not recursion, and holds at most one lock at a
//!    time.
//!
//! The states of a node that was made as a child:
//!
//! ```text
//!                  register_with_parents()
//!    unregistered ────────────────────────▶ registered
//!    asks its parent                        its parent notifies it
//!         │      │                             │      │
//!         │      └──────── cancel() ───────────┼──┐   │
//!         │ ask_parent()                       │  └───┤ cancel()
//!         ▼                   parent cancelled ▼      ▼
//!    cancelled, reason in an ancestor ◀────────┘  cancelled, reason stored
//!         │                                           ▲
//!         └── a descendant walks up for its reason ───┘
//! ```
//!
//! A node without parents, or with several (`linked`), always stores its reason.
//!
//! * [`listeners`]: children and callbacks.
//! * [`reason`]: whether a node is cancelled, and why.
//! * [`cancel`]: cancelling a node with its descendants.

mod cancel;
mod listeners;
mod reason;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use crate::panic::contain;
use crate::reason::Reason;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::text::Text;
use crate::visits::visit;
use crate::wait::{HasLatch, Latch};
#[cfg(feature = "testing")]
pub(crate) use listeners::CancelCounts;
use listeners::{Child, Listeners, ReasonFrom};

// The fields that a cancellation uses come first, so that cancelling many nodes touches few cache lines.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Node {
    latch: Latch<Reason, Listeners<Node>>,
    /// `Reason::Parent` around this node's reason, once a child has asked. Written under the lock.
    wrapped_reason: OnceLock<Box<Reason>>,
    /// The parent of a node that was made as a child.
    parent: Option<ParentLink>,
    /// The parents of a node that was linked, or that became a child later.
    more_parents: OnceLock<Box<MoreParents>>,
    /// Whether the node ever had a child.
    had_child: AtomicBool,
}

#[derive(Debug)]
struct ParentLink {
    node: Arc<Node>,
    /// Key of the child among the parent's children, or [`UNREGISTERED`]. Changes once, under the
    /// parent's lock.
    key: AtomicUsize,
}

#[derive(Debug)]
struct MoreParents {
    links: Vec<ParentLink>,
    from: ReasonFrom,
}

/// The key of a child that its parent does not notify.
const UNREGISTERED: usize = usize::MAX;

impl ParentLink {
    #[inline]
    fn new(node: Arc<Node>) -> Self {
        ParentLink { node, key: AtomicUsize::new(UNREGISTERED) }
    }

    fn is_registered(&self) -> bool {
        // Relaxed is enough. The key is written under the parent's lock, and readers without the lock use it only with a
        // load of the parent's latch, as `ask_parent` does, or take the lock and look again, as `register` does.
        self.key.load(Ordering::Relaxed) != UNREGISTERED
    }

    /// Registers a child with this parent, or cancels the child if the parent is cancelled.
    fn register(&self, child: &Arc<Node>, from: ReasonFrom) {
        let registered = self.node.latch.with_extra(|listeners, is_set| {
            // Another thread may have registered it before this one got the lock.
            if !is_set && !self.is_registered() {
                let key = listeners.children.insert((Arc::downgrade(child), from));
                self.key.store(key, Ordering::Relaxed);
            }
            !is_set || self.is_registered()
        });
        if !registered {
            if let Some(reason) = self.node.reason_for_child(from) {
                child.cancel(reason.clone());
            }
        }
    }
}

impl Node {
    /// Creates a node without parents. Built inside the `Arc`: cheaper than moving it there.
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Creates a node that is cancelled from the start.
    #[cold]
    fn cancelled(reason: Reason) -> Arc<Self> {
        let node = Node::new();
        // It has no waiters to wake.
        let _ = node.latch.set(reason);
        node
    }

    /// Creates a child of `parent`, cancelled from the start if `parent` is.
    pub(super) fn child(parent: Arc<Node>) -> Arc<Self> {
        if let Some(reason) = parent.prepare_child(ReasonFrom::ParentWrapped) {
            return Node::cancelled(reason);
        }
        let mut node = Node::new();
        if let Some(node) = Arc::get_mut(&mut node) {
            node.parent = Some(ParentLink::new(parent));
        }
        node
    }

    /// Creates a node that is cancelled as soon as one of `parents` is, with the same reason.
    pub(super) fn linked(parents: impl IntoIterator<Item = Arc<Node>>) -> Arc<Self> {
        let from = ReasonFrom::ParentAsIs;
        let links = parents.into_iter().map(|parent| match parent.prepare_child(from) {
            None => Ok(ParentLink::new(parent)),
            Some(reason) => Err(reason),
        });
        match links.collect::<Result<Vec<_>, _>>() {
            Ok(links) if links.is_empty() => Node::new(),
            Ok(links) => {
                let node = Node::new();
                let _ = node.more_parents.set(Box::new(MoreParents { links, from }));
                // The first parent that is cancelled gives the reason. If the node asked its parents later, it could
                // not find out which one that was. So they notify it from the start.
                node.register_with_parents();
                node
            }
            Err(reason) => Node::cancelled(reason),
        }
    }

    /// Prepares this node to have a child. Returns the child's reason if this node is cancelled.
    #[inline]
    fn prepare_child(self: &Arc<Self>, from: ReasonFrom) -> Option<Reason> {
        // A node with children is notified by its own parents: the children ask only this node.
        self.register_with_parents();
        if self.latch.is_set() {
            return self.reason_for_child(from).cloned();
        }
        self.had_child.store(true, Ordering::Release);
        None
    }

    fn parents(&self) -> impl Iterator<Item = &ParentLink> {
        let more = self.more_parents.get().into_iter().flat_map(|more| &more.links);
        self.parent.iter().chain(more)
    }

    #[inline]
    fn first_parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref().or_else(|| self.more_parents.get()?.links.first())
    }

    /// Registers this node with its parents, which notify it from now on (invariant 3).
    #[inline]
    pub(super) fn register_with_parents(self: &Arc<Self>) {
        if self.first_parent().is_some_and(|parent| !parent.is_registered()) {
            self.register_cold();
        }
    }

    #[inline(never)]
    fn register_cold(self: &Arc<Self>) {
        if let Some(link) = &self.parent {
            link.register(self, ReasonFrom::Parent);
        }
        if let Some(more) = self.more_parents.get() {
            more.links.iter().for_each(|link| link.register(self, more.from));
        }
    }

    /// Makes a node without parents a child of `parent`, unless that would close a cycle. Returns
    /// whether it is a child of `parent` now.
    pub(super) fn descend_from(self: &Arc<Self>, parent: &Arc<Node>) -> bool {
        if self.first_parent().is_some() || is_or_descends_from(parent, self) {
            return false;
        }
        let from = ReasonFrom::ParentWrapped;
        if let Some(reason) = parent.prepare_child(from) {
            self.cancel(reason);
            return true;
        }
        // Something may listen to the node already, so the parent must notify it. Register the link first. Otherwise
        // another thread could find it in the node while it is still unregistered.
        let link = ParentLink::new(parent.clone());
        link.register(self, from);
        // Only the operation that owns the node calls this, so no other thread has set parents.
        let _ = self.more_parents.set(Box::new(MoreParents { links: vec![link], from }));
        true
    }

    /// Sets the name of this node in its children's reasons. Only the first call has an effect.
    pub(super) fn set_label(&self, name: Text) {
        let rejected = self.latch.with_extra(|listeners, _| listeners.set_label(name));
        drop(rejected);
    }
}

/// Returns whether `node` is `ancestor` or descends from it.
///
/// Walks up from `node` and down from `ancestor` at the same time, and stops when one of the walks is complete.
/// So the cost is proportional to the smaller of the two trees. Building a tree of n nodes with `descend_from`
/// costs O(n log n) in any order.
fn is_or_descends_from(node: &Arc<Node>, ancestor: &Arc<Node>) -> bool {
    if Arc::ptr_eq(node, ancestor) {
        return true;
    }
    if !ancestor.had_child.load(Ordering::Acquire) {
        return false;
    }
    // From here on each node between the two is in the list of its parents (invariant 3).
    node.register_with_parents();
    let (mut up, mut down) = (vec![node.clone()], vec![ancestor.clone()]);
    // Two threads may still close a cycle at the same time. The set ends the walks in that case.
    let mut visited = HashSet::new();
    let (mut cost_up, mut cost_down) = (0, 0);
    loop {
        visit();
        // A cancelled node has given up its list of children, so the walk down cannot continue below it. Then that walk
        // is never complete.
        let expand = down.last().map(|last| {
            last.latch.with_extra(|listeners, is_set| (!is_set).then(|| listeners.children.len()))
        });
        match expand {
            None => return false,
            Some(Some(children)) if cost_down + children <= cost_up => {
                cost_down += children + 1;
                let last = down.pop().map(|last| {
                    last.latch.with_extra(|listeners, _| {
                        let upgrade = |(child, _): &Child<Node>| child.upgrade();
                        listeners.children.iter().filter_map(upgrade).collect::<Vec<_>>()
                    })
                });
                for child in last.into_iter().flatten() {
                    visit();
                    if Arc::ptr_eq(&child, node) {
                        return true;
                    }
                    down.push(child);
                }
            }
            Some(_) => {
                let Some(next) = up.pop() else { return false };
                cost_up += 1;
                if !visited.insert(Arc::as_ptr(&next)) {
                    continue;
                }
                for link in next.parents() {
                    if Arc::ptr_eq(&link.node, ancestor) {
                        return true;
                    }
                    up.push(link.node.clone());
                }
            }
        }
    }
}

/// Guarantee 11: a dropped node leaves nothing in its parents, and dropping a long chain does not
/// recurse.
impl Drop for Node {
    #[inline]
    fn drop(&mut self) {
        if self.parent.is_some() || self.more_parents.get().is_some() {
            self.leave_parents();
        }
    }
}

impl Node {
    fn leave_parents(&mut self) {
        let mut next = self.parent.take();
        let mut more = self.more_parents.take().map_or_else(Vec::new, |more| more.links);
        while let Some(mut link) = next.take().or_else(|| more.pop()) {
            let key = link.key.load(Ordering::Relaxed);
            // A cancelled parent has given up its list of children.
            if key != UNREGISTERED && !link.node.latch.is_set() {
                // Dropping the `Weak` under the lock runs no user code.
                link.node.latch.with_extra(|listeners, _| listeners.children.remove(key));
            }
            // If this was the last handle of the parent, take its parents out first. They are then dropped in this
            // loop, not in a nested `drop`.
            let mut take_parents = |node: &mut Node| {
                next = node.parent.take();
                if let Some(parents) = node.more_parents.take() {
                    more.extend(parents.links);
                }
            };
            // The destructor of a callback's value may panic. The remaining parents must still be released.
            if Arc::strong_count(&link.node) == 1 {
                // Drop it in place: cheaper than moving it out of the `Arc`.
                if let Some(node) = Arc::get_mut(&mut link.node) {
                    take_parents(node);
                    let _ = contain(|| drop(link.node));
                    continue;
                }
            }
            if let Some(mut node) = Arc::into_inner(link.node) {
                take_parents(&mut node);
                let _ = contain(|| drop(node));
            }
        }
    }
}

impl HasLatch for Node {
    type Value = Reason;
    type Extra = Listeners<Node>;

    #[inline]
    fn latch(&self) -> &Latch<Reason, Listeners<Node>> {
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

    fn registered(parent: &Node) -> usize {
        parent.latch.with_extra(|listeners, _| listeners.children.len())
    }

    #[test]
    fn checked_child_is_not_registered() {
        let parent = Node::new();
        let node = Node::child(parent.clone());
        assert!(!node.is_cancelled());
        assert_eq!(registered(&parent), 0);
        drop(node);
        assert_eq!(Arc::weak_count(&parent), 0);
    }

    #[test]
    fn registered_once() {
        let parent = Node::new();
        let node = Node::child(parent.clone());
        for _ in 0..3 {
            node.register_with_parents();
            assert_eq!(registered(&parent), 1);
        }
        drop(node);
        assert_eq!(registered(&parent), 0);
    }

    #[test]
    fn node_with_child_is_registered() {
        let parent = Node::new();
        let node = Node::child(parent.clone());
        let child = Node::child(node.clone());
        assert_eq!((registered(&parent), registered(&node)), (1, 0));
        assert!(parent.cancel(Reason::Dropped));
        assert!(child.is_cancelled() && !child.cancel(Reason::Disconnected));
    }

    #[test]
    fn children_read_the_reason_of_an_ancestor() {
        let top = Node::new();
        let notified = Node::child(top.clone());
        notified.register_with_parents();
        let (inner, asking) = (Node::child(top.clone()), Node::child(top.clone()));
        let leaf = Node::child(inner.clone());
        leaf.register_with_parents();
        assert!(top.cancel(Reason::Disconnected));
        assert!(asking.is_cancelled());
        for node in [&notified, &inner, &asking, &leaf] {
            assert!(node.latch.is_set() && node.latch.get().is_none());
        }
        // All return the same reason. The walk from the leaf stores it in the node in between.
        let reason = leaf.reason();
        assert_eq!(reason, Some(&Reason::parent(Reason::Disconnected)));
        assert_eq!(inner.latch.get(), reason);
        for node in [&notified, &asking] {
            assert!(std::ptr::eq(node.reason().unwrap(), reason.unwrap()));
        }
        assert_eq!(top.reason(), Some(&Reason::Disconnected));
    }

    #[test]
    fn linked_and_late_children_store_the_reason() {
        let top = Node::new();
        let (linked, late) = (Node::linked([top.clone()]), Node::new());
        assert!(late.descend_from(&top));
        let child = Node::child(linked.clone());
        assert!(top.cancel(Reason::Disconnected));
        assert_eq!(linked.latch.get(), Some(&Reason::Disconnected));
        assert_eq!(late.latch.get(), Some(&Reason::parent(Reason::Disconnected)));
        assert_eq!(child.reason(), Some(&Reason::parent(Reason::Disconnected)));
    }

    #[test]
    fn first_cancelled_parent_counts() {
        let (one, two) = (Node::new(), Node::new());
        let node = Node::linked([one.clone(), two.clone()]);
        assert!(two.cancel(Reason::Dropped));
        assert!(one.cancel(Reason::Disconnected));
        assert_eq!(node.reason(), Some(&Reason::Dropped));
    }
}
