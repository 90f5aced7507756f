//! The links of a node to its parents: registering with them, adding a parent later, and leaving them.

use std::collections::HashSet;
use std::sync::Arc;

use super::Node;
use super::listeners::{Child, ReasonFrom};
use crate::panic::contain;
use crate::sync::{AtomicUsize, Ordering};
use crate::visits::visit;

#[derive(Debug)]
pub(super) struct ParentLink {
    pub(super) node: Arc<Node>,
    /// The key of the child in the parent's list of children, or [`UNREGISTERED`]. Changes once, under the parent's lock.
    key: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct MoreParents {
    pub(super) links: Vec<ParentLink>,
    pub(super) from: ReasonFrom,
}

/// The key of a child that is not in its parent's list, so the parent does not notify it.
const UNREGISTERED: usize = usize::MAX;

impl ParentLink {
    #[inline]
    pub(super) fn new(node: Arc<Node>) -> Self {
        ParentLink { node, key: AtomicUsize::new(UNREGISTERED) }
    }

    pub(super) fn is_registered(&self) -> bool {
        // Relaxed is enough. The key is written under the parent's lock. A reader without the lock either also loads
        // the parent's latch, as `ask_parent` does, or takes the lock and looks again, as `register` does.
        self.key.load(Ordering::Relaxed) != UNREGISTERED
    }

    /// Registers a child with this parent, or cancels the child if the parent is cancelled.
    fn register(&self, child: &Arc<Node>, from: ReasonFrom) {
        let registered = self.node.latch.with_extra(|listeners, is_set| {
            // Another thread may have registered the child before this thread got the lock.
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
    pub(super) fn parents(&self) -> impl Iterator<Item = &ParentLink> {
        let more = self.more_parents().into_iter().flat_map(|more| &more.links);
        self.parent.iter().chain(more)
    }

    #[inline]
    fn more_parents(&self) -> Option<&MoreParents> {
        self.rare.get()?.more_parents.get()
    }

    #[inline]
    fn take_more_parents(&mut self) -> Option<MoreParents> {
        self.rare.get_mut()?.more_parents.take()
    }

    #[inline]
    pub(super) fn first_parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref().or_else(|| self.more_parents()?.links.first())
    }

    /// Registers this node with its parents, which notify it from then on (invariant 3).
    #[inline]
    pub(in super::super) fn register_with_parents(self: &Arc<Self>) {
        if self.first_parent().is_some_and(|parent| !parent.is_registered()) {
            self.register_cold();
        }
    }

    #[inline(never)]
    fn register_cold(self: &Arc<Self>) {
        if let Some(link) = &self.parent {
            link.register(self, ReasonFrom::Parent);
        }
        if let Some(more) = self.more_parents() {
            more.links.iter().for_each(|link| link.register(self, more.from));
        }
    }

    /// Makes this node a child of `parent`, unless this node has a parent already or the link would close a cycle. Returns
    /// whether it did so.
    pub(in super::super) fn descend_from(self: &Arc<Self>, parent: &Arc<Node>) -> bool {
        if self.first_parent().is_some() || is_or_descends_from(parent, self) {
            return false;
        }
        let from = ReasonFrom::ParentWrapped;
        if let Some(reason) = parent.prepare_child(from) {
            self.cancel(reason);
            return true;
        }
        // Something may listen to this node already, so the parent must notify the node. Register the link before storing
        // it. Otherwise another thread could find an unregistered link in the node.
        let link = ParentLink::new(parent.clone());
        link.register(self, from);
        // Only the operation that owns the node calls this, so no other thread has set parents.
        let _ = self.rare().more_parents.set(MoreParents { links: vec![link], from });
        true
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
    // After this call, each node between `ancestor` and `node` is in the lists of its parents (invariant 3), so the walk
    // down can find it.
    node.register_with_parents();
    // Most ancestors are new and have no children, so there is nothing to walk.
    if ancestor.latch.with_extra(|listeners, is_set| !is_set && listeners.children.is_empty()) {
        return false;
    }
    let (mut up, mut down) = (vec![node.clone()], vec![ancestor.clone()]);
    // Two threads that each add a link may still close a cycle together. In that case, this set ends the walk up.
    let mut visited = HashSet::new();
    let (mut cost_up, mut cost_down) = (0, 0);
    loop {
        visit();
        // A cancelled node has given up its list of children, so the walk down cannot continue below it. In that case
        // only the walk up can be completed.
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
        if self.parent.is_some() || self.rare.get().is_some() {
            self.leave_parents();
        }
    }
}

impl Node {
    fn leave_parents(&mut self) {
        let mut next = self.parent.take();
        let mut more = self.take_more_parents().map_or_else(Vec::new, |more| more.links);
        while let Some(mut link) = next.take().or_else(|| more.pop()) {
            let key = link.key.load(Ordering::Relaxed);
            // A cancelled parent has given up its list of children.
            if key != UNREGISTERED && !link.node.latch.is_set() {
                // Dropping the `Weak` under the lock runs no user code.
                link.node.latch.with_extra(|listeners, _| listeners.children.remove(key));
            }
            // If this was the last handle of the parent, take the parent's own parents out first. They are then dropped in
            // this loop, not in a nested `drop`.
            let mut take_parents = |node: &mut Node| {
                next = node.parent.take();
                if let Some(parents) = node.take_more_parents() {
                    more.extend(parents.links);
                }
            };
            // Dropping the parent drops its callbacks, whose destructors may panic. Contain the panic, because the remaining
            // parents must still be released.
            if Arc::strong_count(&link.node) == 1 {
                // Dropping the node in place is cheaper than moving it out of the `Arc`.
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
