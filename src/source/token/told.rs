//! `Told`: who is to hear of a cancellation that is under way.

use std::sync::{Arc, Weak};

use super::relations::Inherits;
use crate::Reason;
use crate::wait::{ManyWakers, Things};

/// Who is to hear of it, of a tree whose nodes are of type `N`.
#[derive(Debug)]
pub(super) struct Told<N> {
    /// The nodes below each that has been flipped, those of the last one first.
    below: Vec<Below<N>>,
    /// Those who wait for any that has been flipped.
    pub(super) waiters: ManyWakers,
    /// Those that have callbacks.
    pub(super) called: Vec<Arc<N>>,
}

/// The nodes below one.
#[derive(Debug)]
struct Below<N> {
    upper: Arc<N>,
    nodes: Things<(Weak<N>, Inherits)>,
}

impl<N> Told<N> {
    /// The nodes below one that has been flipped, of which there are some.
    pub(super) fn note_below(&mut self, upper: Arc<N>, nodes: Things<(Weak<N>, Inherits)>) {
        // Mostly somebody waits for each.
        self.waiters.reserve(nodes.len());
        self.below.push(Below { upper, nodes });
    }

    /// The next node to flip, and what `reason` has the one above give it. The eldest comes first, and what
    /// is below a node before the next one beside it.
    #[inline]
    pub(super) fn next_below(
        &mut self,
        reason: impl Fn(&N, &N, Inherits) -> Option<Reason>,
    ) -> Option<(Arc<N>, Option<Reason>)> {
        loop {
            let Below { upper, nodes } = self.below.last_mut()?;
            let next = nodes.next().and_then(|(node, inherits)| {
                let node = node.upgrade()?;
                let reason = reason(upper, &node, inherits);
                Some((node, reason))
            });
            if nodes.len() == 0 {
                // Taken out before it is followed further: a chain takes no more room than a step.
                self.below.pop();
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

impl<N> Default for Told<N> {
    fn default() -> Self {
        Told { below: Vec::new(), waiters: ManyWakers::default(), called: Vec::new() }
    }
}
