//! Reads whether a node is cancelled, and the reason.

use super::listeners::ReasonFrom;
use super::{Node, ParentLink};
use crate::reason::Reason;
use crate::wait::Wakers;

impl Node {
    #[inline]
    pub(in crate::source::token) fn is_cancelled(&self) -> bool {
        self.latch.is_set() || self.parent.as_ref().is_some_and(|parent| self.ask_parent(parent))
    }

    pub(in crate::source::token) fn reason(&self) -> Option<&Reason> {
        if self.is_cancelled() { self.known_reason() } else { None }
    }

    /// Returns whether an unregistered child is cancelled because its parent is. If so, it also sets the child's
    /// latch, so the child stays cancelled.
    fn ask_parent(&self, parent: &ParentLink) -> bool {
        if parent.is_registered() || !parent.node.latch.is_set() {
            return false;
        }
        // Another thread may have registered the child, but only before the parent's latch was set. This thread has seen
        // that the latch is set, so this thread also sees the registration. The parent then notifies the child.
        if parent.is_registered() {
            return self.latch.is_set();
        }
        // An unregistered child has no waiters (invariant 3), so this wakes nothing.
        if let Some(waiters) = self.latch.set_with(None, |waiters, _| Wakers::of(waiters)) {
            waiters.wake_all();
        }
        true
    }

    /// Returns the reason if the latch is set, without asking the parent whether it is cancelled.
    #[inline]
    pub(super) fn known_reason(&self) -> Option<&Reason> {
        if !self.latch.is_set() {
            return None;
        }
        self.latch.get().or_else(|| self.reason_from_ancestor())
    }

    /// Returns the reason of a child that was cancelled with its parent and stores none.
    ///
    /// Walks up to the nearest ancestor that stores a reason, and stores the child's reason in every node in
    /// between, so that the next walk is shorter.
    fn reason_from_ancestor(&self) -> Option<&Reason> {
        let mut ancestor = &self.parent.as_ref()?.node;
        let mut between = Vec::new();
        let stored = loop {
            match ancestor.latch.get() {
                Some(reason) => break reason,
                None => {
                    between.push(ancestor);
                    ancestor = &ancestor.parent.as_ref()?.node;
                }
            }
        };
        let reason = ancestor.wrapped_reason(stored);
        between.into_iter().for_each(|node| node.latch.fill(reason.clone()));
        Some(reason)
    }

    /// Returns the reason that a child gets from this node, if this node is cancelled.
    #[cold]
    pub(super) fn reason_for_child(&self, from: ReasonFrom) -> Option<&Reason> {
        let reason = self.known_reason()?;
        Some(match from {
            ReasonFrom::ParentAsIs => reason,
            ReasonFrom::Parent | ReasonFrom::ParentWrapped => self.wrapped_reason(reason),
        })
    }

    /// Returns `Reason::Parent` around this node's reason, built once and shared by all children.
    fn wrapped_reason<'a>(&'a self, reason: &'a Reason) -> &'a Reason {
        if let Reason::Parent { .. } = reason {
            return reason;
        }
        let wrapped = &self.rare().wrapped_reason;
        if wrapped.get().is_none() {
            self.latch.with_extra(|listeners, _| {
                // Another thread may have built the reason before this thread got the lock.
                if wrapped.get().is_none() {
                    let _ = wrapped.set(listeners.wrap_reason(reason));
                }
            });
        }
        wrapped.get().unwrap_or(reason)
    }
}
