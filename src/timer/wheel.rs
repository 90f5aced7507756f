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

mod state;

use std::sync::{Arc, LazyLock};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use super::alarm::{self, Alarm};
use super::slot::Slot;
use super::tick::{TICK, end_tick};
use crate::clock;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::wait::wake_each;
use state::WheelState;

/// A value of `due` that means never.
pub(super) const NEVER: u64 = u64::MAX;

static WHEEL: LazyLock<Arc<Wheel>> = LazyLock::new(|| Arc::new(Wheel::new(clock::real())));

/// All slots that have not fired, and the alarm of the slot that ends first.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The instant from which ticks are counted.
    epoch: Instant,
    /// When a thread of an executor next has slots to fire or tasks to wake, in nanoseconds after the epoch. This is a hint,
    /// because it is read without the lock.
    due: AtomicU64,
    /// The number of tasks that have been woken and have not been polled: see [`Backlog`].
    woken: AtomicU64,
    state: Mutex<WheelState>,
}

impl Wheel {
    /// Returns the wheel that all limits of the process share.
    #[inline]
    pub(super) fn shared() -> &'static Arc<Wheel> {
        &WHEEL
    }

    pub(super) fn new(epoch: Instant) -> Self {
        Wheel {
            epoch,
            due: AtomicU64::new(NEVER),
            woken: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Returns the slot for a limit of this length that began at `since`. Returns `None` if the end of the limit overflows
    /// the clock. Such a limit never fires.
    pub(super) fn slot(self: &Arc<Self>, since: Instant, length: Duration) -> Option<Arc<Slot>> {
        // The limit may have begun before the epoch, so add its length before subtracting the epoch.
        let at = since.checked_add(length)?.saturating_duration_since(self.epoch);
        let tick = end_tick(at, length)?;
        let mut state = self.state.lock();
        let slot = match state.slots.get(&tick) {
            Some(slot) => slot.clone(),
            None => {
                let slot = Slot::new(self.end(tick)?);
                state.insert(tick, slot.clone());
                self.due.store(state.due(), Ordering::Relaxed);
                slot
            }
        };
        let first = state.take_unset();
        drop(state);
        // The lock is released before the alarm is set, because setting it may drop user wakers in the reactor. Another limit
        // may find the slot before its alarm is set. That limit waits for the same alarm.
        if first.is_some_and(|tick| !self.set_alarm(tick)) {
            self.ring();
        }
        Some(slot)
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
        let fired = state.fire_due(|tick| self.has_come(tick, now));
        let some = state.backlog.take_on_drive(&self.woken);
        self.due.store(state.due(), Ordering::Relaxed);
        state.backlog.begin_drive();
        drop(state);
        drop(fired);
        // Panics of wakers are contained, so `end_drive` is always called.
        wake_each(some);
        self.state.lock().backlog.end_drive();
    }

    /// Returns when a slot of this tick ends. Returns `None` if that overflows the clock.
    fn end(&self, tick: u64) -> Option<Instant> {
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
            let fired = state.fire_due(|tick| self.has_come(tick, now));
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
            drop((spent, fired));
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
        self.state.lock().slots.len()
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

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::timer::backlog::{MAX_DRIVERS, WAKE_PER_DRIVE};
    use crate::wait::{CountWakes, HasLatch};
    use std::sync::atomic::AtomicUsize;
    use std::sync::{OnceLock, Weak};
    use std::thread;

    #[test]
    fn fired_slot_is_removed() {
        let wheel = Arc::new(Wheel::new(clock::now()));
        let soon = Duration::from_millis(1);
        let slot = wheel.slot(clock::now(), soon).unwrap();
        let give_up = clock::now() + Duration::from_secs(30);
        while wheel.len() > 0 {
            assert!(clock::now() < give_up, "the slot is still there");
            thread::yield_now();
        }
        while !slot.latch().is_set() {
            assert!(clock::now() < give_up, "the slot has not fired");
            thread::yield_now();
        }
    }

    /// The wheel is created when the first limit registers. That may be long after the limit began.
    #[test]
    fn limit_before_the_epoch() {
        let epoch = clock::now();
        let wheel = Arc::new(Wheel::new(epoch));
        let slot = |began: Duration| {
            let since = epoch.checked_sub(began).unwrap();
            wheel.slot(since, Duration::from_secs(3600)).unwrap()
        };
        let (now, earlier) = (slot(Duration::ZERO), slot(Duration::from_secs(1800)));
        let between = now.end().duration_since(earlier.end());
        assert!(between > Duration::from_secs(1790), "the earlier one ends {between:?} earlier");
    }

    /// If an alarm could not be set, the next limit tries again, even if the slot of that limit exists already.
    #[test]
    fn failed_alarm_is_tried_again() {
        let wheel = Arc::new(Wheel::new(clock::real()));
        let soon = Duration::from_millis(20);
        let tick = end_tick(soon, soon).unwrap();
        let mut state = wheel.state.lock();
        for tick in [1, tick] {
            state.insert(tick, Slot::new(wheel.end(tick).unwrap()));
        }
        assert_eq!(state.take_unset(), Some(1));
        drop(state);
        drop(UnsetOnPanic(&wheel));
        let found = wheel.slot(wheel.epoch, soon).unwrap();
        let give_up = clock::real() + Duration::from_secs(30);
        while !found.latch().is_set() {
            assert!(clock::real() < give_up, "the slot has not fired");
            thread::yield_now();
        }
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn past_limit_fires_at_once() {
        let wheel = Arc::new(Wheel::new(clock::now()));
        thread::sleep(Duration::from_millis(2));
        let slot = wheel.slot(wheel.epoch, Duration::ZERO).unwrap();
        assert!(slot.latch().is_set());
        assert_eq!(wheel.len(), 0);
    }

    /// Returns a new wheel, a slot on the wheel that `count` tasks wait for, and the count of their wake-ups.
    fn waited_for(count: usize) -> (Arc<Wheel>, Arc<Slot>, Arc<CountWakes>) {
        let wheel = Arc::new(Wheel::new(clock::real()));
        let slot = wheel.slot(wheel.epoch, Duration::from_secs(3600)).unwrap();
        let wakes = Arc::new(CountWakes::default());
        for _ in 0..count {
            assert!(slot.latch().register(None, wakes.clone().into()).is_some());
        }
        (wheel, slot, wakes)
    }

    #[test]
    fn executors_fire_what_is_due() {
        let (wheel, slot, wakes) = waited_for(WAKE_PER_DRIVE + 3);
        wheel.drive(slot.end() - Duration::from_nanos(1));
        assert!(!slot.latch().is_set());
        wheel.drive(slot.end());
        assert!(slot.latch().is_set() && wheel.len() == 0);
        assert_eq!(wakes.get(), WAKE_PER_DRIVE);
        // The next drive wakes the others, regardless of the time.
        wheel.drive(wheel.epoch);
        assert_eq!((wakes.get(), Arc::strong_count(&wakes)), (WAKE_PER_DRIVE + 3, 1));
        assert_eq!(wheel.due.load(Ordering::Relaxed), NEVER);
    }

    /// If no executor drives the wheel, each ring wakes twice as many tasks as the ring before.
    #[test]
    fn rings_double() {
        let (wheel, slot, wakes) = waited_for(10);
        let mut state = wheel.state.lock();
        state.fire_due(|_| true);
        let woken = |state: &mut WheelState| {
            wake_each(state.backlog.take_on_alarm(7, &wheel.woken));
            wakes.get()
        };
        assert_eq!([(); 3].map(|()| woken(&mut state)), [1, 3, 7]);
        assert_eq!(state.first(), Some(8));
        wheel.due.store(state.due(), Ordering::Relaxed);
        drop(state);
        wheel.drive(wheel.epoch);
        assert_eq!(wakes.get(), 10);
        assert!(wheel.state.lock().backlog.wakes_one_on_alarm());
        drop(slot);
    }

    /// If wakers poll their tasks at once, the recursion is no deeper than [`MAX_DRIVERS`], and all tasks are woken.
    #[test]
    fn inline_wakers() {
        #[derive(Default)]
        struct Inline {
            wheel: OnceLock<Weak<Wheel>>,
            woken: AtomicUsize,
            depth: AtomicUsize,
            deepest: AtomicUsize,
        }

        impl Wake for Inline {
            fn wake(self: Arc<Self>) {
                self.woken.fetch_add(1, Ordering::Relaxed);
                let depth = self.depth.fetch_add(1, Ordering::Relaxed) + 1;
                self.deepest.fetch_max(depth, Ordering::Relaxed);
                let wheel = self.wheel.get().unwrap().upgrade().unwrap();
                wheel.drive_after_firing(wheel.epoch);
                self.depth.fetch_sub(1, Ordering::Relaxed);
            }
        }

        let (wheel, slot, _) = waited_for(0);
        let inline = Arc::new(Inline::default());
        inline.wheel.set(Arc::downgrade(&wheel)).unwrap();
        for _ in 0..10_000 {
            assert!(slot.latch().register(None, inline.clone().into()).is_some());
        }
        wheel.drive(slot.end());
        assert_eq!(inline.woken.load(Ordering::Relaxed), 10_000);
        assert_eq!(inline.deepest.load(Ordering::Relaxed), MAX_DRIVERS);
        assert_eq!(Arc::strong_count(&inline), 1);
    }
}
