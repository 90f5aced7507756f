//! `Family`: the children of an operation, and the latch that is set when the operation is over.
//!
//! 1. An operation is over if it has ended, and its clean-up and hooks have run. The latch is set then.
//! 2. An operation is in the list of its parent until the operation is over and its own list is empty. So the list of an
//!    operation is empty if and only if everything below the operation is over.
//! 3. An operation that is over leaves its parent's list when its own list becomes empty. If the operation gets a child
//!    later, it returns to the parent's list. So a thread that changes the list of an operation that is over must also
//!    settle the operation: the thread takes the operation out of the parent's list, or puts it back. After that, the
//!    thread looks at the operation's own list again, because another thread may have changed that list meanwhile. The key
//!    of the operation in the parent's list changes under the operation's lock, so two threads cannot both take the
//!    operation out, or both put it back. If the parent's list has become empty or was empty before, the thread then
//!    settles the parent, and so on. This is a loop and not a recursion, because chains may be long.
//! 4. Only operations with children or waiters have a `Family`. If the operation is already over when its family is
//!    created, the thread that creates the family sets the latch. That thread first creates the family, and then reads
//!    `over`. The thread that ends the operation first sets `over`, and then looks for a family. Each of the two threads
//!    has a fence between its two steps, so at least one of them sets the latch.
//! 5. The list owns the children. So a child that is over stays alive while it is in the list, and operations below it can
//!    still find it. Under the lock of the latch, only the list is changed. Wakers are woken, and operations are dropped,
//!    after the lock is released.
//! 6. Tasks of a group that are not operations are children too, but they are not in the list: the operation of the
//!    group only counts them. The list counts as empty only if there are no such tasks either. Their number changes
//!    under the lock of the group. A thread that changes the number from or to zero looks at the list afterwards, under
//!    the lock of the latch, and then settles the operation, as 3 requires.

use std::sync::Arc;

use super::Status;
use super::inner::Inner;
use crate::panic::discard;
use crate::reason::Reason;
use crate::sync::{AtomicUsize, Ordering, fence};
use crate::visits::visit;
use crate::wait::{HasLatch, Latch, Slab, Wakers};

#[derive(Default)]
pub(super) struct Family {
    latch: Latch<Status, Children>,
    /// The number of tasks of the operation's group that are not operations (6).
    tasks: AtomicUsize,
}

/// The children of an operation, except those that are over and have no children left.
#[derive(Default)]
pub(crate) struct Children {
    list: Slab<Arc<Inner>>,
    /// A latch that is set when there are no children left. It is created for the first waiter.
    none: Option<Arc<Latch<()>>>,
    /// A latch for tasks of children that began before the deadline of the operation was known. It is created for the first
    /// such task, and set once the operation has a deadline.
    #[cfg(feature = "time")]
    deadline: Option<Arc<Latch<()>>>,
    /// Set when the operation cancels its children. A child that is added later is cancelled at once, for this reason.
    dismissed: Option<Reason>,
}

impl Children {
    /// Adds a child to the list. Returns the key of the child, and whether it is the only child in the list.
    fn insert(&mut self, child: &Arc<Inner>) -> (usize, bool) {
        let key = self.list.insert(child.clone());
        (key, self.list.len() == 1)
    }
}

impl Family {
    fn set_over(&self, status: Status) {
        if let Some(waiters) = self.latch.set_with(Some(status), |list, _| Wakers::of(list)) {
            waiters.wake_all();
        }
    }

    /// Adds a child to the list. Returns the key of the child, and whether it is the only child in the list.
    fn insert(&self, child: &Arc<Inner>) -> (usize, bool) {
        self.latch.with_extra(|children, _| children.insert(child))
    }

    /// Takes a child out of the list. Returns whether it was the last child.
    fn remove(&self, key: usize) -> bool {
        let (removed, none) = self.latch.with_extra(|children, _| {
            let removed = children.list.remove(key);
            let is_empty = removed.is_some() && self.count(children) == 0;
            (removed, is_empty.then(|| children.none.take()))
        });
        // This may be the last handle of the child, and the child owns user values. So the handle is dropped after the lock has
        // been released.
        discard(removed);
        let is_empty = none.is_some();
        wake_waiters(none.flatten());
        is_empty
    }

    /// Returns the number of children. Called under the lock of the latch.
    fn count(&self, children: &Children) -> usize {
        children.list.len() + self.tasks.load(Ordering::Relaxed)
    }

    /// If there are no children, wakes the tasks that wait for that.
    fn tasks_changed(&self) {
        let none = self.latch.with_extra(|children, _| {
            if self.count(children) == 0 { children.none.take() } else { None }
        });
        wake_waiters(none);
    }
}

fn wake_waiters(latch: Option<Arc<Latch<()>>>) {
    if let Some(waiters) = latch.and_then(|latch| latch.set(())) {
        waiters.wake_all();
    }
}

impl Inner {
    /// Returns the family. Creates it if there is none.
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

    /// Adds a child to the list. Returns the key of the child. If the operation has cancelled its children, also returns the
    /// reason for which the new child must be cancelled.
    pub(super) fn add_child(this: &Arc<Self>, child: &Arc<Inner>) -> (usize, Option<Reason>) {
        let added = this.family().latch.with_extra(|children, _| {
            let (key, _) = children.insert(child);
            (key, children.dismissed.clone())
        });
        if this.is_over() {
            Inner::settle(this.clone());
        }
        added
    }

    /// Cancels the children for `reason`, and also children that are added later. Does not cancel children that run in a
    /// shield or in clean-up of the operation.
    pub(super) fn dismiss_children(&self, reason: &Reason) {
        let children: Vec<_> = self.family().latch.with_extra(|children, _| {
            children.dismissed = Some(reason.clone());
            children.list.iter().cloned().collect()
        });
        for child in children {
            child.dismiss(reason);
            discard(child);
        }
    }

    /// Takes those children out of the list that are not known to be part of the operation's work: see `Link::Undecided`.
    pub(super) fn release_undecided_children(&self) {
        for child in self.children() {
            child.leave_parent();
            discard(child);
        }
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
        family.latch.with_extra(|children, _| family.count(children))
    }

    /// Creates the family, which counts the tasks. Called before the operation can end.
    pub(super) fn expect_tasks(&self) {
        self.family();
    }

    /// Counts a task of the operation's group as a child. Returns whether it is the first task. If so, the caller must call
    /// [`tasks_changed`](Self::tasks_changed) after it has released the lock of the group.
    #[inline]
    pub(super) fn add_task(&self) -> bool {
        self.change_tasks(|tasks| tasks + 1) == 1
    }

    /// Counts the end of a task that [`add_task`](Self::add_task) has counted. Returns whether it was the last task. If so, the
    /// caller must call [`tasks_changed`](Self::tasks_changed) after it has released the lock of the group.
    #[inline]
    pub(super) fn remove_task(&self) -> bool {
        self.change_tasks(|tasks| tasks - 1) == 0
    }

    /// Changes the number of tasks, and returns the new number. The caller holds the lock of the group, so no other
    /// thread changes the number meanwhile.
    #[inline]
    fn change_tasks(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let tasks = &self.family().tasks;
        let changed = change(tasks.load(Ordering::Relaxed));
        tasks.store(changed, Ordering::Relaxed);
        changed
    }

    /// Wakes waiters and settles the operation, after the number of tasks has changed from or to zero. Called with no lock
    /// held.
    pub(super) fn tasks_changed(this: &Arc<Self>) {
        this.family().tasks_changed();
        if this.is_over() {
            Inner::settle(this.clone());
        }
    }

    /// Returns a latch that is set when there are no children left. Returns `None` if there are no children now.
    pub(super) fn children_latch(&self) -> Option<Arc<Latch<()>>> {
        let family = self.family.get()?;
        family.latch.with_extra(|children, _| {
            let waits = family.count(children) > 0;
            waits.then(|| children.none.get_or_insert_default().clone())
        })
    }

    /// Returns a latch that is set once the operation has a deadline. The caller must read the deadline after this call.
    #[cfg(feature = "time")]
    pub(super) fn deadline_latch(&self) -> Arc<Latch<()>> {
        let latch = |children: &mut Children| children.deadline.get_or_insert_default().clone();
        self.family().latch.with_extra(|children, _| latch(children))
    }

    /// Wakes the tasks that wait for a deadline. The operation has a deadline now.
    #[cfg(feature = "time")]
    pub(super) fn wake_for_deadline(&self) {
        let latch = self
            .family
            .get()
            .map(|family| family.latch.with_extra(|children, _| children.deadline.take()));
        wake_waiters(latch.flatten());
    }

    /// Marks the operation as over: it has ended, and its hooks have run.
    #[inline]
    pub(super) fn set_over(this: &Arc<Self>, status: Status, has_parent: bool) {
        this.over.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if let Some(family) = this.family.get() {
            family.set_over(status);
        }
        if has_parent {
            Inner::settle(this.clone());
        }
    }

    /// Settles the operation, then its parent if the parent's list has changed from or to empty, and so on (3).
    #[cold]
    pub(super) fn settle(this: Arc<Self>) {
        let mut next = Some(this);
        while let Some(inner) = next {
            next = Inner::settle_in_parents_list(&inner);
            discard(inner);
        }
    }

    /// If the operation is over, takes it out of its parent's list or puts it back, depending on whether its own list
    /// is empty. Returns the parent if the parent's list has become empty, or was empty before.
    fn settle_in_parents_list(this: &Arc<Self>) -> Option<Arc<Inner>> {
        let mut to_settle = None;
        while this.is_over() {
            visit();
            let has_children = this.child_count() > 0;
            let moved = if has_children { Inner::put_back(this) } else { this.leave_list() };
            let Some((parent, changed)) = moved else { break };
            let unchanged = if changed { to_settle.replace(parent) } else { Some(parent) };
            discard(unchanged);
            if has_children == (this.child_count() > 0) {
                break;
            }
        }
        to_settle
    }

    /// Puts the operation back into its parent's list, unless it is already there. Returns the parent, and whether the
    /// parent's list was empty before.
    fn put_back(this: &Arc<Self>) -> Option<(Arc<Inner>, bool)> {
        this.update_key(|parent, key| {
            if key.is_some() {
                return None;
            }
            let parent = parent.upgrade()?;
            let (new_key, is_only) = parent.family().insert(this);
            *key = Some(new_key);
            Some((parent, is_only))
        })
    }

    /// Takes the operation out of its parent's list, if it is there. Returns the parent, and whether the parent's list
    /// is empty now.
    fn leave_list(&self) -> Option<(Arc<Inner>, bool)> {
        let (parent, key) = self.update_key(|parent, key| Some((parent.clone(), key.take()?)))?;
        let parent = parent.upgrade()?;
        let is_empty = parent.family().remove(key);
        Some((parent, is_empty))
    }

    /// Takes the operation out of the list of a former parent.
    pub(super) fn leave_former_parent(parent: Option<Arc<Inner>>, key: Option<usize>) {
        if let (Some(parent), Some(key)) = (parent, key) {
            if parent.family().remove(key) {
                Inner::settle(parent);
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

/// Drops, one by one, the operations that the list owns. They may form a long chain, and dropping it recursively would
/// overflow the stack.
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
