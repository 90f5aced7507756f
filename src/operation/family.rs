//! `Family`: the children of an operation, and the latch that is set at its very end.
//!
//! 1. The latch is set once the operation is over: it has ended, and its clean-up and hooks have run.
//! 2. An operation is in the list of its parent until it is over and its own list is empty. So the list of an
//!    operation is empty if and only if everything below it is over.
//! 3. The thread that finds that an operation may leave takes it out of the parent's list, then looks at the
//!    parent: a loop, because chains may be long. Two threads may find it at once, so the key of the operation is
//!    taken under its own lock, by one of them.
//! 4. Only operations with children or waiters have a `Family`. The thread that makes it sets the latch if the
//!    operation is over already. It makes it, then reads `over`; the run sets `over`, then looks for a `Family`. With
//!    a fence in between on both sides, at least one of the two sets the latch.
//! 5. The list owns the children, so that one that is over can still be found by what is below it. Only the list
//!    changes under the lock of the latch. Wakers are woken and operations are dropped after its release.

use std::sync::Arc;

use super::Status;
use super::inner::Inner;
use crate::panic::discard;
use crate::sync::{Ordering, fence};
use crate::wait::{HasLatch, Latch, Slab, Wakers};

#[derive(Default)]
pub(super) struct Family {
    latch: Latch<Status, Children>,
}

/// The children of an operation that are not over, or have something below them that is not.
#[derive(Default)]
pub(crate) struct Children {
    list: Slab<Arc<Inner>>,
    /// Set when the list is empty next. Made for the first waiter.
    none: Option<Arc<Latch<()>>>,
}

impl Family {
    fn set_over(&self, status: Status) {
        if let Some(waiters) = self.latch.set_with(Some(status), |list, _| Wakers::of(list)) {
            waiters.wake_all();
        }
    }

    /// Takes a child out of the list. Returns whether it was the last one.
    fn remove(&self, key: usize) -> bool {
        let (removed, none) = self.latch.with_extra(|children, _| {
            let removed = children.list.remove(key);
            let is_empty = removed.is_some() && children.list.is_empty();
            (removed, is_empty.then(|| children.none.take()))
        });
        // It may hold the last handle, and so user values.
        discard(removed);
        let is_empty = none.is_some();
        if let Some(waiters) = none.flatten().and_then(|none| none.set(())) {
            waiters.wake_all();
        }
        is_empty
    }
}

impl Inner {
    /// Returns the family, and makes it if there is none.
    fn family(&self) -> &Family {
        if let Some(family) = self.family.get() {
            return family;
        }
        let family = self.family.get_or_init(Box::default);
        fence(Ordering::SeqCst);
        if self.is_over() {
            family.set_over(self.status());
        }
        family
    }

    /// Adds a child to the list. Returns its key.
    pub(super) fn add_child(&self, child: &Arc<Inner>) -> usize {
        self.family().latch.with_extra(|children, _| children.list.insert(child.clone()))
    }

    /// Returns the children, in the order of their ids.
    pub(super) fn children(&self) -> Vec<Arc<Inner>> {
        let Some(family) = self.family.get() else { return Vec::new() };
        let mut list: Vec<_> =
            family.latch.with_extra(|children, _| children.list.iter().cloned().collect());
        list.sort_unstable_by_key(|child| child.id);
        list
    }

    pub(super) fn child_count(&self) -> usize {
        let Some(family) = self.family.get() else { return 0 };
        family.latch.with_extra(|children, _| children.list.len())
    }

    /// Returns a latch that is set when there are no children; `None` if there are none now.
    pub(super) fn children_latch(&self) -> Option<Arc<Latch<()>>> {
        self.family.get()?.latch.with_extra(|children, _| {
            let waits = !children.list.is_empty();
            waits.then(|| children.none.get_or_insert_default().clone())
        })
    }

    /// Notes that the operation is over: it has ended, and its hooks have run.
    #[inline]
    pub(super) fn set_over(this: &Arc<Self>, status: Status, has_parent: bool) {
        this.over.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if let Some(family) = this.family.get() {
            family.set_over(status);
        }
        if has_parent {
            Inner::leave_list(this.clone());
        }
    }

    /// Takes the operation out of the list of its parent if it may leave, then its parent, and so on.
    #[cold]
    fn leave_list(this: Arc<Self>) {
        let mut next = Some(this);
        while let Some(inner) = next {
            next = inner.leave_parents_list();
            discard(inner);
        }
    }

    /// Takes the operation out of the list of its parent if it may leave. Returns the parent if its list is empty now.
    fn leave_parents_list(&self) -> Option<Arc<Inner>> {
        if !self.is_over() || self.child_count() > 0 {
            return None;
        }
        let (parent, key) = self.take_key()?;
        let parent = parent.upgrade()?;
        let is_empty = parent.family().remove(key);
        if is_empty {
            return Some(parent);
        }
        discard(parent);
        None
    }

    /// Takes the operation out of the list of a former parent.
    pub(super) fn leave_former_parent(parent: Option<Arc<Inner>>, key: Option<usize>) {
        if let (Some(parent), Some(key)) = (parent, key) {
            if parent.family().remove(key) {
                Inner::leave_list(parent);
            }
        }
    }
}

impl HasLatch for Inner {
    type Value = Status;
    type Extra = Children;

    fn latch(&self) -> &Latch<Status, Children> {
        &self.family().latch
    }
}

/// The list may own a long chain of operations, which must not be dropped recursively.
impl Drop for Family {
    fn drop(&mut self) {
        let mut owned: Vec<_> = self.take_children().collect();
        while let Some(inner) = owned.pop() {
            if let Some(mut inner) = Arc::into_inner(inner) {
                owned.extend(
                    inner.family.get_mut().into_iter().flat_map(|family| family.take_children()),
                );
                discard(inner);
            }
        }
    }
}

impl Family {
    fn take_children(&mut self) -> impl Iterator<Item = Arc<Inner>> + use<> {
        self.latch.with_extra(|children, _| children.list.take()).into_iter()
    }
}
