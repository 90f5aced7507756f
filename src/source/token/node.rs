//! `Node`: the state of a token, and its place among other tokens.
//!
//! 1. The latch holds the reason. It is set at most once, and that is the cancellation.
//! 2. A node owns those above it. Those above know it by a `Weak` that it takes back when it goes.
//! 3. Nobody is added to a node once its latch is set: neither a node below nor a callback.
//! 4. Whatever walks the tree does so with a list of its own, not by recursion, and holds at most
//!    one lock at a time.
//!
//! Relations have a lock of their own, beside that of the latch. Who adds a relation holds it while
//! looking at the latch and adding. Who cancels sets the latch, then takes the relations. So either
//! the one who adds sees the latch set, or the one who cancels finds what was added.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use slab::Slab;

use crate::contain::contain;
use crate::sync::Mutex;
use crate::wait::{Latch, Latched, ROOM_KEPT, Wakers};
use crate::{Reason, Text};

pub(super) type Callback = Box<dyn FnOnce(&Reason) + Send>;

#[derive(Debug)]
pub(super) struct Node {
    latch: Latch<Reason>,
    relations: Mutex<Relations>,
    /// Written once, by whoever links the node.
    above: OnceLock<Above>,
    /// What the reasons of those below call it.
    label: OnceLock<Text>,
}

/// What is told when the node is cancelled.
#[derive(Default)]
struct Relations {
    below: Slab<(Weak<Node>, Inherits)>,
    /// By a number that grows, which keeps them in the order in which they came.
    callbacks: BTreeMap<u64, Callback>,
    next_callback: u64,
}

impl Relations {
    /// Takes out a node below. What goes is a `Weak`, which runs nobody's code. An empty list gives
    /// its room back, so that one busy moment is not paid for for ever.
    fn remove(&mut self, place: usize) {
        self.below.try_remove(place);
        if self.below.is_empty() && self.below.capacity() > ROOM_KEPT {
            self.below = Slab::new();
        }
    }
}

/// Who is to hear of a cancellation that is under way.
#[derive(Default)]
struct Next {
    below: Vec<(Arc<Node>, Reason)>,
    waiters: Vec<Wakers>,
    /// Those that have callbacks.
    called: Vec<Arc<Node>>,
}

/// What a node below makes of the reason.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inherits {
    /// A child: `Reason::Parent`.
    Parent,
    /// A link: the reason as it is.
    Reason,
}

/// Those above, and where they keep this node.
#[derive(Debug)]
struct Above {
    first: Link,
    /// Mostly empty, and then it allocates nothing.
    others: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    node: Arc<Node>,
    place: usize,
}

impl Node {
    pub(super) fn new() -> Self {
        Node {
            latch: Latch::new(),
            relations: Mutex::new(Relations::default()),
            above: OnceLock::new(),
            label: OnceLock::new(),
        }
    }

    /// A node below those. Where one of them is cancelled, so is the new one.
    pub(super) fn below(above: impl IntoIterator<Item = (Arc<Node>, Inherits)>) -> Arc<Self> {
        let node = Arc::new(Node::new());
        let mut links =
            above.into_iter().filter_map(|(upper, inherits)| node.link(upper, inherits));
        if let Some(first) = links.next() {
            let others = links.collect();
            // Nobody else writes it.
            let _ = node.above.set(Above { first, others });
        }
        node
    }

    /// Enters this node below `upper`, or takes the reason over if that is cancelled already.
    fn link(self: &Arc<Self>, upper: Arc<Node>, inherits: Inherits) -> Option<Link> {
        let mut relations = upper.relations.lock();
        if let Some(reason) = upper.reason() {
            drop(relations);
            self.cancel(match inherits {
                Inherits::Parent => upper.parent_reason(reason),
                Inherits::Reason => reason.clone(),
            });
            return None;
        }
        let place = relations.below.insert((Arc::downgrade(self), inherits));
        drop(relations);
        Some(Link { node: upper, place })
    }

    /// Enters a node that is below none yet below `upper`. Not where that would close a circle.
    /// Tells whether it is below `upper` now.
    pub(super) fn descend_from(self: &Arc<Self>, upper: &Arc<Node>) -> bool {
        if self.above.get().is_some() || upper.is_or_is_below(self) {
            return false;
        }
        if let Some(first) = self.link(upper.clone(), Inherits::Parent) {
            // One operation has one run, and only its run, or who builds it, enters it.
            let _ = self.above.set(Above { first, others: Vec::new() });
        }
        true
    }

    fn is_or_is_below(self: &Arc<Self>, other: &Arc<Node>) -> bool {
        if Arc::ptr_eq(self, other) {
            return true;
        }
        if other.relations.lock().below.is_empty() {
            return false;
        }
        let mut unseen = vec![self];
        // Two threads that close a circle at once are not kept from it; then this must still end.
        let mut seen = HashSet::new();
        while let Some(node) = unseen.pop() {
            if !seen.insert(Arc::as_ptr(node)) {
                continue;
            }
            if let Some(above) = node.above.get() {
                for link in std::iter::once(&above.first).chain(&above.others) {
                    if Arc::ptr_eq(&link.node, other) {
                        return true;
                    }
                    unseen.push(&link.node);
                }
            }
        }
        false
    }

    /// Names it, once.
    pub(super) fn label(&self, name: Text) {
        // The first name stays: reasons may have told it.
        let _ = self.label.set(name);
    }

    /// What children make of its reason.
    fn parent_reason(&self, reason: &Reason) -> Reason {
        Reason::parent_named(self.label.get().cloned(), reason.clone())
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.latch.is_set()
    }

    pub(super) fn reason(&self) -> Option<&Reason> {
        self.latch.get()
    }

    /// Cancels this node and all below it: flips all of them, then wakes those who wait for any, then
    /// runs callbacks. So whoever is woken finds all of them cancelled.
    pub(super) fn cancel(self: &Arc<Self>, reason: Reason) -> bool {
        let Some(waiters) = self.latch.set(reason) else { return false };
        let mut next = Next::default();
        next.waiters.push(waiters);
        self.tell(&mut next);
        while let Some((node, reason)) = next.below.pop() {
            // One that is cancelled already tells those below it by itself.
            if let Some(waiters) = node.latch.set(reason) {
                next.waiters.push(waiters);
                node.tell(&mut next);
            }
        }
        next.waiters.into_iter().for_each(Wakers::wake_all);
        for node in next.called {
            node.call_all();
        }
        true
    }

    /// Notes who is to hear of it next.
    fn tell(self: &Arc<Self>, next: &mut Next) {
        let mut relations = self.relations.lock();
        let below = std::mem::take(&mut relations.below);
        // They stay where they are until their turn comes, so that they can be taken back.
        let has_callbacks = !relations.callbacks.is_empty();
        drop(relations);
        if has_callbacks {
            next.called.push(self.clone());
        }
        if let Some(reason) = self.reason().filter(|_| !below.is_empty()) {
            // Made once and shared: a child's reason holds its parent's.
            let parent = self.parent_reason(reason);
            // Last in, first out: turned round, the eldest comes first.
            next.below.extend(below.into_iter().rev().filter_map(|(_, (node, inherits))| {
                let inherited = match inherits {
                    Inherits::Parent => &parent,
                    Inherits::Reason => reason,
                };
                Some((node.upgrade()?, inherited.clone()))
            }));
        }
    }

    /// Runs the callbacks of this node, which is cancelled, one after another.
    fn call_all(&self) {
        loop {
            let next = self.relations.lock().callbacks.pop_first();
            match next {
                Some((_, callback)) => self.call(callback),
                None => return,
            }
        }
    }

    /// Runs a callback of this node, which is cancelled. Its panic ends here.
    fn call(&self, callback: Callback) {
        if let Some(reason) = self.reason() {
            // The panic hook has printed it; there is nobody else to tell.
            let _ = contain(|| callback(reason));
        }
    }

    /// Adds a callback and tells its number, or runs it at once if the node is cancelled.
    pub(super) fn add_callback(&self, callback: Callback) -> Option<u64> {
        let mut relations = self.relations.lock();
        if self.is_cancelled() {
            drop(relations);
            self.call(callback);
            return None;
        }
        let number = relations.next_callback;
        relations.next_callback += 1;
        relations.callbacks.insert(number, callback);
        Some(number)
    }

    /// Takes a callback back, unless it has begun to run.
    pub(super) fn remove_callback(&self, number: u64) {
        let callback = self.relations.lock().callbacks.remove(&number);
        // What it holds may be a handle of this token: not under the lock.
        drop(callback);
    }
}

/// Guarantee 11: nothing of it stays above, and a chain of any length goes without recursion.
impl Drop for Node {
    fn drop(&mut self) {
        let Some(above) = self.above.take() else { return };
        let mut next = Some(above.first);
        let mut others = above.others;
        while let Some(Link { node, place }) = next.take().or_else(|| others.pop()) {
            node.relations.lock().remove(place);
            // Where this was its last handle it goes too, here and not in a nested call.
            let Some(mut node) = Arc::into_inner(node) else { continue };
            if let Some(above) = node.above.take() {
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

    #[inline]
    fn latch(&self) -> &Latch<Reason> {
        &self.latch
    }
}

impl fmt::Debug for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relations")
            .field("below", &self.below.len())
            .field("callbacks", &self.callbacks.len())
            .finish()
    }
}
