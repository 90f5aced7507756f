//! `Node`: the state of a token, and its links to parents and children.
//!
//! 1. The latch holds the reason, and is set at most once. Setting the latch is the cancellation. A child that is cancelled
//!    with its parent stores no reason but reads the parent's, so cancelling a child only sets a flag.
//! 2. A node owns its parents. A parent has a `Weak` of each registered child. When a child is dropped, it removes its
//!    `Weak` from the parent.
//! 3. As soon as anything listens to a node (a waiter, a callback or a child), the node registers with its parents. From
//!    then on, the parents notify the node. Until then, each query of the node asks its parent. So a child that is only
//!    checked costs its parent nothing.
//! 4. Once its latch is set, a node gets no more waiters, children or callbacks. The latch's lock guards all of them.
//! 5. Every walk of the tree uses a list instead of recursion, so that a deep tree does not overflow the stack. A walk holds
//!    at most one lock at a time.
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
//! A node without parents, a linked node and a node that became a child later always store their reason.
//!
//! * [`listeners`]: children and callbacks.
//! * [`parents`]: the links to its parents.
//! * [`reason`]: whether a node is cancelled, and why.
//! * [`cancel`]: cancelling a node with its descendants.

mod cancel;
mod listeners;
mod parents;
mod reason;

use std::sync::{Arc, OnceLock};

use crate::reason::Reason;
use crate::text::Text;
use crate::wait::{HasLatch, Latch};
#[cfg(feature = "testing")]
pub(crate) use listeners::CancelCounts;
pub(crate) use listeners::CancelObserver;
use listeners::{Listeners, ReasonFrom};
use parents::{MoreParents, ParentLink};

// The fields that a cancellation uses come first, so that cancelling many nodes touches few cache lines.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Node {
    latch: Latch<Reason, Listeners<Node>>,
    /// The parent of a node that was made as a child.
    parent: Option<ParentLink>,
    /// Boxed, because most nodes need none of its fields.
    rare: OnceLock<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    /// `Reason::Parent` around this node's reason. Built under the lock when a child first asks for it.
    wrapped_reason: OnceLock<Reason>,
    /// The parents of a node that was linked, or that became a child later.
    more_parents: OnceLock<MoreParents>,
}

impl Node {
    /// Creates a node without parents. The node is built inside the `Arc`, which is cheaper than moving it there.
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Creates a node that is cancelled from the start.
    #[cold]
    fn cancelled(reason: Reason) -> Arc<Self> {
        let node = Node::new();
        // A new node has no waiters to wake.
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
                let _ = node.rare().more_parents.set(MoreParents { links, from });
                // The first parent that is cancelled gives the reason. If the node asked its parents later, it could not
                // find out which of them was cancelled first. So the parents notify the node from the start.
                node.register_with_parents();
                node
            }
            Err(reason) => Node::cancelled(reason),
        }
    }

    /// Prepares this node to have a child. Returns the child's reason if this node is cancelled.
    #[inline]
    fn prepare_child(self: &Arc<Self>, from: ReasonFrom) -> Option<Reason> {
        // The parents of a node with children must notify it, because the children ask only this node.
        self.register_with_parents();
        if self.latch.is_set() {
            return self.reason_for_child(from).cloned();
        }
        None
    }

    /// Returns the rare fields. Allocates them first if there are none.
    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// Sets the name of this node in its children's reasons. Only the first call has an effect.
    pub(super) fn set_label(&self, name: Text) {
        let rejected = self.latch.with_extra(|listeners, _| listeners.set_label(name));
        drop(rejected);
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

    /// A program may hold many tokens, and most of the time to cancel many of them is spent on reading their memory.
    #[test]
    fn nodes_are_small() {
        assert!(size_of::<Node>() <= 176, "{} bytes", size_of::<Node>());
    }

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
