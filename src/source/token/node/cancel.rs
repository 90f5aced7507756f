//! Cancelling a node and all below it, and whom it calls then.

use std::sync::Arc;
use std::task::Waker;

use super::Node;
use crate::Reason;
use crate::contain::contain;
use crate::source::token::relations::{Below, Callback, Inherits};
use crate::source::token::told::Told;
use crate::wait::{WaitList, Wakers};

impl Node {
    /// Cancels this node and all below it: flips all of them, then wakes those who wait for any, then
    /// runs callbacks. So whoever is woken finds all of them cancelled.
    pub(in crate::source::token) fn cancel(self: &Arc<Self>, reason: Reason) -> bool {
        if self.is_cancelled() {
            return false;
        }
        let Some((waiters, is_alone)) = self.flip(Some(reason), Wakers::of) else { return false };
        if is_alone {
            waiters.wake_all();
        } else {
            self.tell_all(waiters);
        }
        true
    }

    /// The rest of a cancellation, where there is more to it than to wake those who wait for this node.
    #[inline(never)]
    fn tell_all(self: &Arc<Self>, waiters: Wakers) {
        let mut told = Told::default();
        told.flipped.push_back(self.clone());
        while let Some(node) = told.flipped.pop_front() {
            // Callbacks stay where they are until their turn comes, so that they can be taken back.
            let (below, has_callbacks) =
                node.latch.with(|relations, _| (relations.below.take(), relations.callbacks() > 0));
            let (first, others) = below.filter_map(|below| node.tell(below, &mut told));
            told.waiters.add(first, others);
            if has_callbacks {
                told.called.push(node);
            }
        }
        waiters.wake_all();
        told.waiters.wake_all();
        for node in told.called {
            node.call_all();
        }
    }

    /// Flips a node below this one, and hands out who waits for it alone. One that is cancelled already
    /// tells those below it by itself.
    #[inline]
    fn tell(&self, (node, inherits): Below<Node>, told: &mut Told<Node>) -> Option<Waker> {
        let node = node.upgrade()?;
        let reason = match inherits {
            Inherits::Nothing => None,
            _ => self.reason_below(inherits).cloned(),
        };
        let Some((waker, is_alone)) = node.flip(reason, |waiters| told.waiters.take(waiters))
        else {
            // Its handles may have gone meanwhile. What its own reason holds may panic when dropped; the
            // rest must be told all the same.
            let _ = contain(|| drop(node));
            return None;
        };
        if !is_alone {
            told.flipped.push_back(node);
        }
        waker
    }

    /// Flips this node. Hands out what `take` makes of those who wait for it, and whether nobody else is to
    /// hear of it. `None` where it was flipped before. A child needs no reason.
    #[inline(always)]
    fn flip<R>(
        &self,
        reason: Option<Reason>,
        take: impl FnOnce(&mut WaitList) -> R,
    ) -> Option<(R, bool)> {
        self.latch.set_and(reason, |waiters, relations| {
            let is_alone = relations.below.is_empty() && relations.callbacks() == 0;
            (take(waiters), is_alone)
        })
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
        if let Some(reason) = self.known_reason() {
            // The panic hook has printed it; there is nobody else to tell.
            let _ = contain(|| callback(reason));
        }
    }

    /// Adds a callback and tells its number, or runs it at once if the node is cancelled.
    pub(in crate::source::token) fn add_callback(
        self: &Arc<Self>,
        callback: Callback,
    ) -> Option<u64> {
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
    pub(in crate::source::token) fn remove_callback(&self, number: u64) {
        let callback = self.latch.with(|relations, _| relations.remove_callback(number));
        // What it holds may be a handle of this token: not under the lock.
        drop(callback);
    }
}
