//! Force: the grace period of an operation that somebody watches is cut short.

use std::task::{Context, Waker};

use super::Operation;
use crate::panic::contain;
use crate::sync::Ordering;

/// Whether a grace period is cut short. One lock is around both: either the flag is seen by who
/// enters the waker, or the waker is found by who sets the flag.
#[derive(Default)]
pub(super) struct Force {
    forced: bool,
    /// Whom to wake when it is.
    waker: Option<Waker>,
}

impl Operation {
    /// Ends its grace period at once. Tells whether it is in one, and was to go on with it.
    pub(crate) fn force(&self) -> bool {
        let Some(activity) = self.activity() else { return false };
        let mut force = activity.force.lock();
        let first = !std::mem::replace(&mut force.forced, true);
        // Looked at before it is woken, which may end it at once.
        let in_grace = activity.in_grace.load(Ordering::Acquire);
        let waker = force.waker.take();
        drop(force);
        if let Some(waker) = waker {
            // It is code of others: its panic has been printed, and harms nobody else.
            let _ = contain(|| waker.wake());
        }
        first && in_grace
    }

    /// Whether its grace period is to end at once. Otherwise wakes when it is.
    pub(crate) fn poll_forced(&self, cx: &mut Context<'_>) -> bool {
        let Some(activity) = self.activity() else { return false };
        let is_new = {
            let force = activity.force.lock();
            if force.forced {
                return true;
            }
            !force.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        };
        if !is_new {
            return false;
        }
        let waker = cx.waker().clone();
        let mut force = activity.force.lock();
        let replaced = force.waker.replace(waker);
        let forced = force.forced;
        drop(force);
        drop(replaced);
        forced
    }

    /// Its grace period goes on, or is over.
    pub(crate) fn note_grace(&self, goes_on: bool) {
        let Some(activity) = self.activity() else { return };
        if activity.in_grace.load(Ordering::Acquire) == goes_on {
            return;
        }
        activity.in_grace.store(goes_on, Ordering::Release);
        if !goes_on {
            let waker = activity.force.lock().waker.take();
            drop(waker);
        }
    }
}
