//! `Wheel`: the slots that have not fired, and the alarm of the slot that ends first.
//!
//! Two kinds of threads fire slots:
//!
//! * A thread of an executor drives the wheel, which means that it fires all slots that are due. It does so whenever it
//!   registers a limit or polls a limit that has fired, because it knows the time then.
//! * The reactor's thread fires slots when the alarm rings. This is needed if all executors sleep.
//!
//! The tasks of a fired slot are not woken all at once: see [`backlog`](super::backlog).
//!
//! * [`state`]: the state that the lock of the wheel guards, and its invariants.
//! * [`slots`]: the slots, by the ticks at which they end.
//! * [`lists`]: the wakers of limits that share a slot.

mod lists;
mod slots;
mod state;
#[cfg(all(test, not(cancelable_loom)))]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use super::alarm::{self, Alarm};
use super::tick::{TICK, end_tick};
use crate::clock;
use crate::panic::discard;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::wait::wake_each;
use lists::NONE;
use state::WheelState;

/// A value of `due` that means never.
pub(super) const NEVER: u64 = u64::MAX;

/// The last tick that has fired on the wheel of the process. It is outside of the wheel, so that a poll reads it with a
/// single load.
static FIRED: AtomicU64 = AtomicU64::new(0);

static WHEEL: LazyLock<Arc<Wheel>> = LazyLock::new(|| Arc::new(Wheel::new(clock::real(), &FIRED)));

/// Returns true if all slots that end at `tick` or earlier have fired, on the wheel of the process. Costs one relaxed load.
///
/// A relaxed load is enough. The tick is stored before a task is woken, so the task sees it. A task that polls for another
/// reason may miss it, and is woken later.
#[inline(always)]
pub(super) fn has_fired(tick: u64) -> bool {
    tick <= FIRED.load(Ordering::Relaxed)
}

/// The tick at which a slot ends, and the position of the slot when it was last found.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotId {
    tick: u64,
    position: u32,
}

impl SlotId {
    /// Returns the identifier of a slot whose position is not known.
    fn of(tick: u64) -> Self {
        SlotId { tick, position: NONE }
    }
}

/// The place of a waker in the list of a slot.
// The parts of a `SlotId` are separate here. With a `SlotId` inside, an entry would take 24 bytes instead of 16.
#[derive(Debug)]
pub(super) struct Entry {
    tick: u64,
    position: u32,
    index: u32,
}

impl Entry {
    #[inline(always)]
    fn new(SlotId { tick, position }: SlotId, index: u32) -> Self {
        Entry { tick, position, index }
    }

    /// Returns an entry of a slot that has fired. No list contains it.
    fn fired(tick: u64) -> Self {
        Entry::new(SlotId::of(tick), NONE)
    }

    #[inline(always)]
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    #[inline(always)]
    pub(super) fn slot(&self) -> SlotId {
        SlotId { tick: self.tick, position: self.position }
    }
}

/// All slots that have not fired, and the alarm of the slot that ends first.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The instant from which ticks are counted.
    epoch: Instant,
    /// When a thread of an executor next has slots to fire or tasks to wake, in nanoseconds after the epoch. This is a hint,
    /// because it is read without the lock.
    due: AtomicU64,
    /// The last tick that has fired. Changes only under the lock, and only grows.
    fired: &'static AtomicU64,
    /// The number of tasks that have been woken and have not been polled: see [`backlog`](super::backlog).
    woken: AtomicU64,
    state: Mutex<WheelState>,
}

impl Wheel {
    /// Returns the wheel that all limits of the process share.
    #[inline]
    pub(super) fn shared() -> &'static Arc<Wheel> {
        &WHEEL
    }

    fn new(epoch: Instant, fired: &'static AtomicU64) -> Self {
        Wheel {
            epoch,
            due: AtomicU64::new(NEVER),
            fired,
            woken: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Creates a wheel that shares nothing with the wheel of the process.
    #[cfg(test)]
    pub(super) fn separate(epoch: Instant) -> Arc<Self> {
        Arc::new(Wheel::new(epoch, Box::leak(Box::new(AtomicU64::new(0)))))
    }

    /// Returns the tick at which a limit of this length ends that began at `since`. Returns `None` if the end of the limit
    /// overflows the clock. Such a limit never fires.
    pub(super) fn end_tick(&self, since: Instant, length: Duration) -> Option<u64> {
        // The limit may have begun before the epoch, so add its length before subtracting the epoch.
        let at = since.checked_add(length)?.saturating_duration_since(self.epoch);
        end_tick(at, length)
    }

    /// Returns true if all slots that end at `tick` or earlier have fired.
    #[inline]
    pub(super) fn has_fired(&self, tick: u64) -> bool {
        tick <= self.fired.load(Ordering::Relaxed)
    }

    /// Puts a waker into the list of the slot that ends at `tick`. If the slot has fired, the entry is in no list.
    ///
    /// # Panics
    ///
    /// Panics if the reactor cannot be created. The waker is then in no list.
    pub(super) fn enter(self: &Arc<Self>, tick: u64, waker: Waker) -> Entry {
        loop {
            let mut state = self.state.lock();
            if self.has_fired(tick) {
                drop(state);
                discard(waker);
                return Entry::fired(tick);
            }
            let (slot, is_new) = state.find_or_insert(tick);
            if is_new {
                self.due.store(state.due(), Ordering::Relaxed);
            }
            // If the alarm is set for this tick or an earlier one, no alarm has to be set.
            let first = match state.next {
                Some(next) if next <= tick => None,
                _ => state.take_unset(),
            };
            let Some(first) = first else { return state.enter(slot, waker) };
            drop(state);
            // The lock is released before the alarm is set, because setting it may drop user wakers in the reactor. Another
            // limit may find the slot before its alarm is set. That limit waits for the same alarm.
            match catch_unwind(AssertUnwindSafe(|| self.set_alarm(first))) {
                Ok(true) => {}
                Ok(false) => self.ring(),
                Err(panic) => {
                    // If the unwinding dropped the waker, a panic of its destructor would abort the process.
                    discard(waker);
                    resume_unwind(panic);
                }
            }
        }
    }

    /// Like [`enter`](Self::enter), for a slot that the thread has used before.
    #[inline]
    pub(super) fn enter_again(self: &Arc<Self>, slot: SlotId, waker: Waker) -> Entry {
        let mut state = self.state.lock();
        if let Some(slot) = state.slots.find(slot) {
            return state.enter(slot, waker);
        }
        drop(state);
        self.enter(slot.tick, waker)
    }

    /// Replaces the waker of an entry. Returns false if the slot of the entry has fired.
    pub(super) fn replace(&self, entry: &Entry, waker: Waker) -> bool {
        let mut state = self.state.lock();
        let is_in_list = !self.has_fired(entry.tick());
        // If the slot has fired, the new waker is dropped. Either waker is dropped after the lock is released.
        let replaced = if is_in_list { state.replace(entry, waker) } else { Some(waker) };
        drop(state);
        discard(replaced);
        is_in_list
    }

    /// Takes the waker of an entry out of its list. Does nothing if the slot of the entry has fired, because its list is
    /// empty then.
    #[inline]
    pub(super) fn leave(&self, entry: &Entry) {
        if self.has_fired(entry.tick()) {
            return;
        }
        let mut state = self.state.lock();
        // The slot may have fired before this thread had the lock. Another limit may use the index of the entry by now.
        let removed = if self.has_fired(entry.tick()) { None } else { state.leave(entry) };
        drop(state);
        discard(removed);
    }

    /// Returns when a thread of an executor next has slots to fire or tasks to wake. The result is a hint. Costs one relaxed
    /// load.
    #[inline]
    pub(super) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// Converts a result of `due` to an instant. Returns `None` for never.
    pub(super) fn moment(&self, due: u64) -> Option<Instant> {
        if due == NEVER { None } else { self.epoch.checked_add(Duration::from_nanos(due)) }
    }

    /// Fires all slots that are due by `now`, and wakes some of the waiting tasks. Called on a thread of an executor. If there
    /// is nothing to do, this costs one relaxed load.
    #[inline]
    pub(super) fn drive(&self, now: Instant) {
        let due = Duration::from_nanos(self.due());
        if now.saturating_duration_since(self.epoch) >= due {
            self.drive_due(now);
        }
    }

    /// Like [`drive`](Self::drive). Called by a task that has just polled a limit that has fired.
    #[inline]
    pub(super) fn drive_after_firing(&self, now: Instant) {
        self.woken.fetch_sub(1, Ordering::Relaxed);
        self.drive(now);
    }

    #[inline(never)]
    pub(super) fn drive_due(&self, now: Instant) {
        let mut state = self.state.lock();
        // If too many threads are waking tasks, the slots that are due stay on the wheel. A later drive or the alarm fires
        // them.
        if !state.backlog.may_drive() {
            return;
        }
        state.fire_due(self.fired, |tick| self.has_come(tick, now));
        let some = state.backlog.take_on_drive(&self.woken);
        self.due.store(state.due(), Ordering::Relaxed);
        state.backlog.begin_drive();
        drop(state);
        // Panics of wakers are contained, so `end_drive` is always called.
        wake_each(some);
        self.state.lock().backlog.end_drive();
    }

    /// Returns when a slot of this tick ends. Returns `None` if that overflows the clock.
    pub(super) fn end(&self, tick: u64) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_nanos(tick.checked_mul(TICK)?))
    }

    fn has_come(&self, tick: u64, now: Instant) -> bool {
        self.end(tick).is_some_and(|end| end <= now)
    }

    /// Sets the alarm for a tick. Returns false if the tick has passed.
    fn set_alarm(self: &Arc<Self>, tick: u64) -> bool {
        let Some(end) = self.end(tick) else { return true };
        // If the reactor cannot be created, `poll` panics, and the next limit must try to set the alarm again.
        let unset = UnsetOnPanic(self);
        let mut alarm = Alarm::new(end);
        let waker = Waker::from(self.clone());
        let rung = alarm.poll(&mut Context::from_waker(&waker));
        std::mem::forget(unset);
        if rung.is_ready() {
            return false;
        }
        let mut state = self.state.lock();
        // The lock was released, so `next` may have changed: the wheel has rung since, or another thread is setting an
        // earlier alarm. In both cases this alarm is not needed: the ring or the other thread sets the alarm that is needed.
        let is_needed = state.next == Some(tick)
            && state.alarm.as_ref().is_none_or(|&(earlier, _)| tick < earlier);
        let spare = if is_needed {
            state.alarm.replace((tick, alarm)).map(|(_, later)| later)
        } else {
            Some(alarm)
        };
        drop(state);
        // The destructor of the alarm takes the timer out of the reactor, which may drop user wakers. So the lock is
        // released first.
        drop(spare);
        true
    }

    /// Fires all slots that are due, wakes a few tasks, and sets the alarm for the next slot.
    fn ring(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            let now = alarm::now();
            state.fire_due(self.fired, |tick| self.has_come(tick, now));
            let some = state.backlog.take_on_alarm(self.tick(now), &self.woken);
            self.due.store(state.due(), Ordering::Relaxed);
            let spent = match state.alarm.take() {
                Some((tick, alarm)) if !self.has_come(tick, now) => {
                    state.alarm = Some((tick, alarm));
                    None
                }
                spent => spent,
            };
            state.next = state.first();
            // Set an alarm for `next`, unless the stored alarm is for the same tick or an earlier one. Do not rely on a
            // thread that is setting an alarm right now: that alarm may be for a slot that has just been removed.
            let next = state
                .next
                .filter(|&next| state.alarm.as_ref().is_none_or(|&(tick, _)| next < tick));
            drop(state);
            drop(spent);
            // The alarm is set before tasks are woken, because waking may take long: a waker may poll its task at once.
            let is_set = next.is_none_or(|tick| self.set_alarm(tick));
            wake_each(some);
            if is_set {
                return;
            }
        }
    }

    /// Returns the last tick that is not after `now`.
    fn tick(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.epoch).as_nanos() / u128::from(TICK);
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// Returns the number of slots.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().len()
    }
}

/// The waker that the reactor calls when an alarm rings.
impl Wake for Wheel {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// Records that no alarm is set if setting it panics (invariant 2 of [`state`]).
struct UnsetOnPanic<'a>(&'a Wheel);

impl Drop for UnsetOnPanic<'_> {
    fn drop(&mut self) {
        self.0.state.lock().next = None;
    }
}
