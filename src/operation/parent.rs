//! The link of an operation to its parent.

use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

use super::OperationId;
use super::current::{PolledBy, current_and_waker, is_protected_from};
use super::inner::Inner;
use crate::frame::is_shielded;
use crate::poll_context::is_traced_by;
use crate::reason::Reason;
use crate::source::CancellationToken;
use crate::text::Text;
use crate::visits::visit;

/// The parent of an operation. The link is weak, so a long chain of operations is not a chain of owners.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) id: OperationId,
    pub(super) name: Option<Text>,
    pub(super) link: Link,
    inner: Weak<Inner>,
    /// The place of the operation in the parent's list of children. `None` while the operation is not in the list.
    key: Option<usize>,
}

/// How an operation is linked to its parent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Link {
    /// The operation is cancelled with the parent, and inherits the parent's deadline.
    Bound,
    /// There is a shield between the operation and the parent. So the operation is not cancelled with the parent, and does not
    /// inherit the parent's deadline.
    Shielded,
    /// The operation is polled with a different waker than the parent. So the operation is either in a combinator such as
    /// `FuturesUnordered`, or in a task of an executor. In a combinator, it is part of the parent's work, and is cancelled with
    /// the parent. In a task, it is not. The race of the operation finds out which of the two is the case. Until then, the
    /// operation inherits this deadline.
    Undecided(Option<Instant>),
}

impl Parent {
    /// Returns the parent whose cancellation and deadline apply to the child.
    pub(super) fn binding(&self) -> Option<Arc<Inner>> {
        if self.link == Link::Bound { self.inner.upgrade() } else { None }
    }
}

/// Returns whether a poll with `waker` is part of the poll of an operation. `polled_by` stands for the waker of that operation.
fn is_same_task(polled_by: PolledBy, waker: &Waker) -> bool {
    match polled_by {
        PolledBy::NOTHING => false,
        PolledBy::ANYTHING => true,
        // While a race waits for shields, it polls its work with the waker of a tracer, which `is_traced_by` recognizes.
        _ => polled_by == PolledBy::waker(waker) || is_traced_by(waker),
    }
}

impl Inner {
    /// Makes the operation a child of the current operation, unless it already has a parent. If it is not known whether the
    /// operation is part of the parent's work, returns the token of the parent: see [`Link::Undecided`].
    #[inline]
    pub(super) fn enter_current(
        this: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Option<CancellationToken> {
        let (parent, polled_by) = current_and_waker()?;
        let is_same_task = |waker| is_same_task(polled_by, waker);
        if is_shielded() || waker.is_none_or(is_same_task) {
            Inner::enter_below(this, &parent.inner);
            return None;
        }
        parent.inner.label_token();
        Inner::set_parent(this, &parent.inner, Link::Undecided(parent.deadline()));
        Some(this.undecided_parent()?.token().clone())
    }

    /// Makes the operation a child of `parent`, unless it already has a parent or is an ancestor of `parent`.
    ///
    /// If this is called within a shield or clean-up of `parent`, the operation is not cancelled with `parent`.
    pub(super) fn enter_below(this: &Arc<Self>, parent: &Arc<Inner>) {
        if is_protected_from(parent) {
            return Inner::set_parent(this, parent, Link::Shielded);
        }
        parent.label_token();
        if !this.token().descend_from(parent.token()) {
            return;
        }
        Inner::set_parent(this, parent, Link::Bound);
        let deadline = parent.deadline();
        this.details.lock().lower_deadline(deadline);
        #[cfg(feature = "time")]
        if deadline.is_some() {
            this.note_deadline_of_new_parent();
        }
    }

    /// Sets the parent, unless the operation already has one.
    fn set_parent(this: &Arc<Self>, parent: &Arc<Inner>, link: Link) {
        // Only the future of the operation sets the parent, so no other thread sets it meanwhile.
        if this.details.lock().parent.is_some() || Inner::is_above(this, parent) {
            return;
        }
        let name = parent.details.lock().name.clone();
        let (key, dismissed) = Inner::add_child(parent, this);
        let (inner, key) = (Arc::downgrade(parent), Some(key));
        this.details.lock().parent = Some(Parent { id: parent.id, name, link, inner, key });
        if let Some(reason) = dismissed {
            this.dismiss(&reason);
        }
        if this.is_over() {
            Inner::settle(this.clone());
        }
    }

    /// Returns whether `other` is this operation or below it. If so, `other` cannot be the parent of this operation.
    fn is_above(this: &Arc<Self>, other: &Arc<Inner>) -> bool {
        if this.child_count() == 0 {
            return Arc::ptr_eq(this, other);
        }
        let mut next = Some(other.clone());
        // Not recursive: chains may be long.
        while let Some(inner) = next {
            visit();
            if Arc::ptr_eq(this, &inner) {
                return true;
            }
            next = inner.parent().0;
        }
        false
    }

    /// Returns the parent, if it still exists, and whether there is a shield between the operation and the parent.
    pub(super) fn parent(&self) -> (Option<Arc<Inner>>, bool) {
        match &self.details.lock().parent {
            Some(parent) => (parent.inner.upgrade(), parent.link == Link::Shielded),
            None => (None, false),
        }
    }

    /// Calls `update` with the parent and the operation's place in the parent's list, under the lock of the operation. Returns
    /// `None` if there is no parent.
    pub(super) fn update_key<R>(
        &self,
        update: impl FnOnce(&Weak<Inner>, &mut Option<usize>) -> Option<R>,
    ) -> Option<R> {
        let mut details = self.details.lock();
        let parent = details.parent.as_mut()?;
        update(&parent.inner, &mut parent.key)
    }

    fn undecided_parent(&self) -> Option<Arc<Inner>> {
        let details = self.details.lock();
        let parent = details.parent.as_ref()?;
        if let Link::Undecided(_) = parent.link { parent.inner.upgrade() } else { None }
    }

    /// See [`Operation::is_inside_parent`](super::Operation::is_inside_parent).
    pub(super) fn is_inside_parent(&self) -> bool {
        let Some(parent) = self.undecided_parent() else { return false };
        let mut next = current_and_waker().map(|(current, _)| current.inner);
        // Not recursive: chains may be long.
        while let Some(current) = next {
            if Arc::ptr_eq(&current, &parent) {
                return true;
            }
            next = current.details.lock().parent.as_ref().and_then(|parent| parent.inner.upgrade());
        }
        false
    }

    /// Returns whether this is called inside a poll of `parent`, and `waker` belongs to the same task as that poll.
    pub(super) fn is_in_task_of(parent: &Arc<Inner>, waker: &Waker) -> bool {
        current_and_waker().is_some_and(|(current, polled_by)| {
            Arc::ptr_eq(&current.inner, parent)
                && polled_by.is_task()
                && is_same_task(polled_by, waker)
        })
    }

    /// Cancels the operation for `reason`, because its parent is cancelled. The link to the parent is [`Link::Undecided`].
    pub(super) fn cancel_with_undecided_parent(&self, reason: Reason) {
        #[cfg(feature = "time")]
        let grace_end = self.undecided_parent().and_then(|parent| parent.grace_end());
        #[cfg(not(feature = "time"))]
        let grace_end = None;
        self.cancel_until(reason, grace_end);
    }

    /// See [`Operation::reason_of_parent`](super::Operation::reason_of_parent).
    pub(super) fn reason_of_parent(&self) -> Option<Reason> {
        let parent = self.undecided_parent().filter(|parent| !parent.has_ended())?;
        let cause = parent.cause()?;
        let name = parent.details.lock().name.clone();
        Some(Reason::parent_named(name, cause))
    }

    /// See [`Operation::leave_parent`](super::Operation::leave_parent).
    pub(super) fn leave_parent(&self) {
        let undecided = |parent: &mut Parent| matches!(parent.link, Link::Undecided(_));
        let left = self.details.lock().parent.take_if(undecided);
        if let Some(parent) = left {
            Inner::leave_former_parent(parent.inner.upgrade(), parent.key);
        }
    }

    /// Cancels the operation with the other children of its parent, unless it is in a shield of the parent.
    pub(super) fn dismiss(&self, reason: &Reason) {
        // If the operation is just being added to the list of the parent, `parent` is not set yet.
        let is_shielded =
            self.details.lock().parent.as_ref().is_some_and(|parent| parent.link == Link::Shielded);
        if !is_shielded {
            self.cancel(reason.clone());
        }
    }

    /// Returns the reason for which the operation ends if its future is dropped. If the parent has been cancelled and the
    /// cancellation has not reached the operation yet, that is the reason of the parent.
    pub(super) fn reason_if_dropped(&self) -> Reason {
        let parent = self.details.lock().parent.clone();
        let bound = parent.as_ref().filter(|parent| parent.link != Link::Shielded);
        let cause = bound.and_then(|parent| parent.inner.upgrade()?.cause());
        match (parent, cause) {
            (Some(parent), Some(cause)) => Reason::parent_named(parent.name, cause),
            _ => Reason::Dropped,
        }
    }
}
