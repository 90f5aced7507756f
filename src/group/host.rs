//! The host: the member of a group that awaits the group itself.
//!
//! 1. The group does not wait for its host, because the host would then wait for itself. So the host is not counted as
//!    a member, and does not count towards the bound. It stays a child of the group's operation, and still leaves one
//!    result.
//! 2. The host changes only in a poll of the group or when the group is dropped, under the lock of the group. If a later
//!    poll of the group comes from elsewhere, or the group is dropped, the former host is counted as a member again, unless
//!    the host or the group has ended.

use super::launcher::Launcher;
use super::shared::Shared;
use crate::sync::Ordering;

impl<T, E> Launcher<'_, T, E> {
    /// If the group is polled inside one of its own members, notes which one. Called in each poll of the group.
    #[inline]
    pub(super) fn note_host(&self) {
        let host = self.shared.current_member().unwrap_or(0);
        if host != self.shared.host.load(Ordering::Relaxed) {
            self.change_host(host);
        }
    }

    /// Counts the host as a member again, because nothing will poll the group any more.
    pub(super) fn release_host(&self) {
        if self.shared.has_host() {
            self.change_host(0);
        }
    }

    #[cold]
    fn change_host(&self, host: u64) {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        if state.is_over() {
            return;
        }
        let (comes, goes) = (usize::from(shared.has_host()), usize::from(host != 0));
        shared.host.store(host, Ordering::Relaxed);
        state.results.forget_waiting(host);
        state.members = state.members + comes - goes;
        if state.policy.bound.is_some() {
            self.change_running(comes, goes);
        }
        let waiters = state.take_waiters_if_stuck();
        let step = state.step();
        drop(state);
        if let Some(waiters) = waiters {
            waiters.wake_all();
        }
        shared.take_step(step);
        self.dispatch();
    }
}

impl<T, E> Shared<T, E> {
    /// Returns the number of the member of this group that is being polled on this thread. Returns `None` if there is no
    /// such member, or if it is the host, which is not counted (1).
    #[inline]
    pub(super) fn counted_member(&self) -> Option<u64> {
        self.current_member().filter(|number| *number != self.host.load(Ordering::Relaxed))
    }

    fn has_host(&self) -> bool {
        self.host.load(Ordering::Relaxed) != 0
    }

    /// Notes that a member has ended. Returns whether it was the host. Called under the lock.
    pub(super) fn host_ended(&self, number: u64) -> bool {
        let was_host = self.host.load(Ordering::Relaxed) == number;
        if was_host {
            self.host.store(0, Ordering::Relaxed);
        }
        was_host
    }
}
