//! `Backlog`: tasks that have not been woken yet although their slots have fired.
//!
//! Two kinds of threads wake these tasks, a few at a time:
//!
//! * A thread of an executor wakes up to [`WAKE_PER_DRIVE`] tasks. They land in the run queue of that thread, so they
//!   are polled soon. Each of these polls wakes more tasks.
//! * The reactor's thread wakes one task when the alarm rings. A task that this thread wakes goes through a shared queue,
//!   and a busy executor looks at that queue only once in many polls (tokio: one task every 60 to 120 polls). When the
//!   task is polled, its executor wakes the others. If no executor has woken a task one tick later, the reactor's thread
//!   wakes two tasks, then four, and so on.

use std::collections::VecDeque;
use std::task::Waker;

use crate::sync::{AtomicU64, Ordering};

/// The number of tasks that the reactor's thread wakes first.
const WAKE_ON_ALARM: usize = 1;

/// The number of tasks that a thread of an executor wakes at once. When one of these tasks is polled, it wakes up to the
/// same number of further tasks. A larger number overflows the run queue of tokio, which holds 256 tasks. With 256 here,
/// limits beside busy sockets were late by 213 ms (median) instead of 3.4 ms.
pub(super) const WAKE_PER_DRIVE: usize = if cfg!(cancelable_loom) { 1 } else { 32 };

/// The maximum number of tasks that have been woken and have not been polled. With more tasks, the run queue of a busy tokio
/// thread overflows into the shared queue, from which the thread takes one task every 60 to 120 polls.
const MAX_WOKEN: usize = 128;

/// The maximum number of threads of executors that wake tasks at the same time. It also bounds a recursion: a waker may
/// poll its task at once, and that poll wakes further tasks.
pub(super) const MAX_DRIVERS: usize = 8;

/// Tasks that have not been woken yet although their slots have fired. Guarded by the wheel's lock.
///
/// Some methods take `woken`: the number of tasks that were woken, minus the number of fired limits that were polled. This
/// number wraps below zero if limits are polled whose tasks were not woken from here. It stays too high if a woken task is
/// dropped. So it is reset if the alarm rings twice and no executor has woken a task in between.
#[derive(Debug)]
pub(super) struct Backlog {
    wakers: VecDeque<Waker>,
    /// The number of tasks that the next ring wakes.
    wake_on_alarm: usize,
    /// The tick at which the alarm rings next, while there are tasks to wake.
    retry: u64,
    /// The number of threads of executors that are waking tasks.
    drivers: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Backlog { wakers: VecDeque::new(), wake_on_alarm: WAKE_ON_ALARM, retry: 0, drivers: 0 }
    }
}

impl Backlog {
    pub(super) fn add(&mut self, wakers: impl Iterator<Item = Waker>) {
        self.wakers.extend(wakers);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Returns the tick at which the reactor must wake more tasks, if there are any.
    pub(super) fn retry(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.retry)
    }

    fn take(&mut self, count: usize) -> Vec<Waker> {
        let count = count.min(self.wakers.len());
        self.wakers.drain(..count).collect()
    }

    /// Takes out the tasks that a thread of an executor wakes.
    pub(super) fn take_on_drive(&mut self, woken: &AtomicU64) -> Vec<Waker> {
        let pending = (woken.load(Ordering::Relaxed) as i64).max(0);
        if self.wakers.is_empty() || pending as usize + WAKE_PER_DRIVE > MAX_WOKEN {
            return Vec::new();
        }
        let some = self.take(WAKE_PER_DRIVE);
        woken.fetch_add(some.len() as u64, Ordering::Relaxed);
        self.wake_on_alarm = WAKE_ON_ALARM;
        some
    }

    /// Takes out the tasks that a ring of the alarm wakes. If no executor has woken a task since the last ring, takes twice as
    /// many as that ring. So if one executor is stuck, the tasks of other executors are late by only a few ticks.
    pub(super) fn take_on_alarm(&mut self, now: u64, woken: &AtomicU64) -> Vec<Waker> {
        if self.wake_on_alarm > WAKE_ON_ALARM {
            woken.store(0, Ordering::Relaxed);
        }
        let some = self.take(self.wake_on_alarm);
        woken.fetch_add(some.len() as u64, Ordering::Relaxed);
        self.wake_on_alarm =
            if self.wakers.is_empty() { WAKE_ON_ALARM } else { self.wake_on_alarm * 2 };
        self.retry = now + 1;
        some
    }

    /// Returns whether one more thread of an executor may wake tasks.
    pub(super) fn may_drive(&self) -> bool {
        self.drivers < MAX_DRIVERS
    }

    pub(super) fn begin_drive(&mut self) {
        self.drivers += 1;
    }

    pub(super) fn end_drive(&mut self) {
        self.drivers -= 1;
    }

    /// Returns whether the next ring wakes only one task. That is so after an executor has woken tasks.
    #[cfg(all(test, not(cancelable_loom)))]
    pub(super) fn wakes_one_on_alarm(&self) -> bool {
        self.wake_on_alarm == WAKE_ON_ALARM
    }
}
