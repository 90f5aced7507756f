//! Whether a node is cancelled, and why.

use super::{Link, Node};
use crate::Reason;
use crate::source::token::relations::Inherits;
use crate::wait::Wakers;

impl Node {
    /// The reason of a node below, if this one is cancelled.
    #[cold]
    pub(super) fn reason_below(&self, inherits: Inherits) -> Option<&Reason> {
        let reason = self.known_reason()?;
        Some(match inherits {
            Inherits::Reason => reason,
            _ => self.reason_of_children(reason),
        })
    }

    /// What children make of the reason of this node, which is this. It is made once and shared.
    pub(super) fn reason_of_children<'a>(&'a self, reason: &'a Reason) -> &'a Reason {
        if let Reason::Parent { .. } = reason {
            return reason;
        }
        if self.inherited.get().is_none() {
            self.latch.with(|relations, _| {
                // Another thread may have made it meanwhile.
                if self.inherited.get().is_none() {
                    let _ = self.inherited.set(Box::new(relations.parent_reason(reason)));
                }
            });
        }
        self.inherited.get().map_or(reason, |inherited| inherited)
    }

    /// The reason, if the latch is set. Asks nobody whether it is.
    #[inline]
    pub(super) fn known_reason(&self) -> Option<&Reason> {
        if !self.latch.is_set() {
            return None;
        }
        self.latch.get().or_else(|| self.parents_reason())
    }

    /// The reason of a child that was cancelled with its parent. All those on the way up that have none of
    /// their own keep it, so that no way is gone twice.
    fn parents_reason(&self) -> Option<&Reason> {
        let mut upper = &self.parent.as_ref()?.node;
        let mut without = Vec::new();
        let own = loop {
            match upper.latch.get() {
                Some(reason) => break reason,
                None => {
                    without.push(upper);
                    upper = &upper.parent.as_ref()?.node;
                }
            }
        };
        let reason = upper.reason_of_children(own);
        without.into_iter().for_each(|node| node.latch.fill(reason.clone()));
        Some(reason)
    }

    #[inline]
    pub(in crate::source::token) fn is_cancelled(&self) -> bool {
        self.latch.is_set() || self.parent.as_ref().is_some_and(|parent| self.asks(parent))
    }

    /// Whether a child that its parent does not tell is cancelled with it, as it is from here on.
    fn asks(&self, parent: &Link) -> bool {
        if !parent.is_outside() || !parent.node.latch.is_set() {
            return false;
        }
        // Whoever entered it did so before the parent was set: once that is seen, so is the place.
        if !parent.is_outside() {
            return self.latch.is_set();
        }
        // Nobody is to hear of it, or it would be told.
        if let Some(nobody) = self.latch.set_and(None, |waiters, _| Wakers::of(waiters)) {
            nobody.wake_all();
        }
        true
    }

    pub(in crate::source::token) fn reason(&self) -> Option<&Reason> {
        if self.is_cancelled() { self.known_reason() } else { None }
    }
}
