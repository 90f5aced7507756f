//! The members that are being polled on this thread. They let a group detect that one of its own members awaits the group,
//! and let a join handle detect that it is awaited by its own member.
//!
//! A member can be polled inside a member of another group. That is rare, so the innermost member has a cell of its own,
//! and only the members around it are in a list.

use std::cell::{Cell, RefCell};
use std::task::Context;

use super::shared::Shared;
use crate::poll_context::is_polled_by_task;

thread_local! {
    static INNERMOST: Cell<CurrentMember> = const { Cell::new(CurrentMember::NONE) };
    static AROUND: RefCell<Vec<CurrentMember>> = const { RefCell::new(Vec::new()) };
}

/// A member that is being polled.
#[derive(Clone, Copy, Debug)]
struct CurrentMember {
    /// The address of its group. The member owns the group, so the address is not reused meanwhile.
    group: usize,
    /// The number of the member, or 0 if no member is polled.
    number: u64,
    /// The data pointer of the waker that the member's task is polled with. It distinguishes this task from tasks that an
    /// executor polls inside it.
    task: usize,
}

impl CurrentMember {
    const NONE: CurrentMember = CurrentMember { group: 0, number: 0, task: 0 };
}

/// Makes a member the current one on this thread, for as long as it lives.
#[derive(Debug)]
pub(super) struct InMember {
    outer: CurrentMember,
}

impl Drop for InMember {
    #[inline]
    fn drop(&mut self) {
        INNERMOST.set(self.outer);
        if self.outer.number != 0 {
            self.leave_nested();
        }
    }
}

impl InMember {
    #[cold]
    fn enter_nested(&self) {
        // This fails only while the thread is ending. The members around this one are then unknown.
        let _ = AROUND.try_with(|around| around.borrow_mut().push(self.outer));
    }

    #[cold]
    fn leave_nested(&self) {
        let _ = AROUND.try_with(|around| around.borrow_mut().pop());
    }
}

impl<T, E> Shared<T, E> {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Makes the member with this number the current one.
    #[inline]
    pub(super) fn enter_member(&self, number: u64, cx: &Context<'_>) -> InMember {
        let task = cx.waker().data().addr();
        let entered = CurrentMember { group: self.address(), number, task };
        let inside = InMember { outer: INNERMOST.replace(entered) };
        if inside.outer.number != 0 {
            inside.enter_nested();
        }
        inside
    }

    /// Returns the number of the member of this group that is being polled on this thread, if there is one.
    #[inline]
    pub(super) fn current_member(&self) -> Option<u64> {
        let innermost = INNERMOST.get();
        if innermost.number == 0 {
            return None;
        }
        let group = self.address();
        if innermost.group == group { Some(innermost.number) } else { member_around(group) }
    }

    /// Returns whether the caller is in the task of the member with this number, which is being polled.
    pub(super) fn is_task_of(&self, number: u64, cx: &Context<'_>) -> bool {
        let innermost = INNERMOST.get();
        innermost.number == number
            && innermost.group == self.address()
            && is_polled_by_task(cx.waker(), innermost.task)
    }
}

#[cold]
fn member_around(group: usize) -> Option<u64> {
    let find = |around: &RefCell<Vec<CurrentMember>>| {
        let around = around.borrow();
        around.iter().rev().find(|member| member.group == group).map(|member| member.number)
    };
    AROUND.try_with(find).ok().flatten()
}
