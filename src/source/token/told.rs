//! `Told`: who is to hear of a cancellation that is under way.

use std::sync::{Arc, Weak};

use super::relations::Inherits;
use crate::Reason;
use crate::wait::{Things, Wakers};

/// Who is to hear of it, of a tree whose nodes are of type `N`.
#[derive(Debug)]
pub(super) struct Told<N> {
    /// The nodes below each that has been flipped, those of the last one first.
    below: Vec<Below<N>>,
    waiters: Vec<Wakers>,
    /// Those that have callbacks.
    pub(super) called: Vec<Arc<N>>,
}

/// The nodes below one.
#[derive(Debug)]
struct Below<N> {
    nodes: Things<(Weak<N>, Inherits)>,
    reasons: Reasons,
}

/// The reason of a node, for those below it.
#[derive(Debug)]
pub(super) struct Reasons {
    /// What children make of it. Made once and shared: it holds that of the node.
    parent: Reason,
    /// The reason itself, where that is another one.
    own: Option<Reason>,
}

impl Reasons {
    /// Those of a node that was cancelled for `own`, from which children make `parent`.
    pub(super) fn new(own: &Reason, parent: Reason) -> Self {
        let own = Some(own).filter(|own| !matches!(own, Reason::Parent { .. })).cloned();
        Reasons { parent, own }
    }

    fn take(self, inherits: Inherits) -> Reason {
        match inherits {
            Inherits::Parent => self.parent,
            Inherits::Reason => self.own.unwrap_or(self.parent),
        }
    }

    fn get(&self, inherits: Inherits) -> Reason {
        match inherits {
            Inherits::Parent => self.parent.clone(),
            Inherits::Reason => self.own.as_ref().unwrap_or(&self.parent).clone(),
        }
    }
}

impl<N> Told<N> {
    /// Those who wait for one that has been flipped.
    pub(super) fn note_waiters(&mut self, waiters: Wakers) {
        if !waiters.is_empty() {
            self.waiters.push(waiters);
        }
    }

    /// The nodes below it, of which there are some.
    pub(super) fn note_below(&mut self, nodes: Things<(Weak<N>, Inherits)>, reasons: Reasons) {
        self.below.push(Below { nodes, reasons });
    }

    /// The next node to flip, and for which reason. The eldest comes first, and what is below a node
    /// before the next one beside it.
    pub(super) fn next_below(&mut self) -> Option<(Arc<N>, Reason)> {
        loop {
            let Below { nodes, reasons } = self.below.last_mut()?;
            let Some((node, inherits)) = nodes.next() else {
                self.below.pop();
                continue;
            };
            let reason = if nodes.len() == 0 {
                // Taken out before it is followed further: a chain takes no more room than a step.
                self.below.pop()?.reasons.take(inherits)
            } else {
                reasons.get(inherits)
            };
            if let Some(node) = node.upgrade() {
                return Some((node, reason));
            }
        }
    }

    /// Wakes all who wait.
    pub(super) fn wake_all(&mut self) {
        Wakers::wake_all_of(self.waiters.drain(..));
    }
}

impl<N> Default for Told<N> {
    fn default() -> Self {
        Told { below: Vec::new(), waiters: Vec::new(), called: Vec::new() }
    }
}
