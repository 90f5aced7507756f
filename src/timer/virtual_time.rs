//! Virtual time: the limits of a thread on which time is paused.
//!
//! Each limit has a slot of its own, which ends exactly when the limit ends. A limit belongs to the thread on which it
//! registered, even if another thread polls it later. When time is resumed on the thread that it belongs to, the rest of
//! the limit passes in real time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::test_slot::{TestClock, TestSlot};
#[cfg(feature = "testing-tokio")]
use super::tokio_time;
use super::wheel::Wheel;
use crate::clock;
use crate::panic::contain;

/// A list with fewer entries than this is not searched for dropped limits.
const FEW: usize = 64;

thread_local! {
    static LIMITS: RefCell<Limits> = const { RefCell::new(Limits::new()) };
}

/// The limits of this thread that have not passed.
struct Limits {
    /// The slots, sorted by the ends of the limits, then by the order in which the limits registered. The limits own the
    /// slots.
    slots: BTreeMap<(Instant, u64), Weak<TestSlot>>,
    /// The number of limits that have ever registered.
    registered: u64,
    /// When the list has this many entries, the entries of dropped limits are removed.
    purge_at: usize,
}

impl Limits {
    const fn new() -> Self {
        Limits { slots: BTreeMap::new(), registered: 0, purge_at: FEW }
    }

    fn add(&mut self, end: Instant, slot: &Arc<TestSlot>) {
        if self.slots.len() >= self.purge_at {
            // No `Weak` is upgraded here, because dropping a slot may run user code.
            self.slots.retain(|_, slot| slot.strong_count() > 0);
            self.purge_at = FEW.max(self.slots.len() * 2);
        }
        self.registered += 1;
        self.slots.insert((end, self.registered), Arc::downgrade(slot));
    }

    /// Returns the end of the next limit that has not been dropped.
    fn next(&mut self) -> Option<Instant> {
        while let Some(first) = self.slots.first_entry() {
            if first.get().strong_count() > 0 {
                return Some(first.key().0);
            }
            first.remove();
        }
        None
    }

    /// Takes out the next limit, if it ends at `by` or earlier.
    fn take_due(&mut self, by: Instant) -> Option<(Instant, Weak<TestSlot>)> {
        let first = self.slots.first_entry()?;
        if first.key().0 > by {
            return None;
        }
        let ((end, _), slot) = first.remove_entry();
        Some((end, slot))
    }
}

/// If a thread ends while its time is paused, the rest of its limits passes in real time. Destructors that the thread runs
/// later see real time.
impl Drop for Limits {
    fn drop(&mut self) {
        if let Some(now) = clock::virtual_now() {
            clock::set(None);
            continue_in_real_time(now, std::mem::take(&mut self.slots));
        }
    }
}

/// Returns the clock that a limit follows. The limit began at `since` and has this length. If time is paused on this thread,
/// the virtual clock fires the limit. Otherwise, if the thread follows tokio's clock, tokio's clock fires it.
pub(super) fn clock_of(since: Instant, length: Duration) -> TestClock {
    match clock::virtual_now() {
        Some(now) => TestClock::follow(slot(since, length, now)),
        #[cfg(feature = "testing-tokio")]
        None => tokio_time::clock_of(since, length),
        #[cfg(not(feature = "testing-tokio"))]
        None => TestClock::Real,
    }
}

/// Returns a slot that the virtual clock fires. Returns `None` if its end overflows the clock.
fn slot(since: Instant, length: Duration, now: Instant) -> Option<Arc<TestSlot>> {
    // As in real time, the limit never fires if its length in nanoseconds does not fit into 64 bits.
    u64::try_from(length.as_nanos()).ok()?;
    let end = since.checked_add(length)?;
    let slot = TestSlot::new(end);
    if end <= now {
        slot.fire();
    } else if LIMITS.try_with(|limits| limits.borrow_mut().add(end, &slot)).is_err() {
        // The thread is ending and its list is gone, so the limit passes in real time.
        hand_over(slot.clone(), clock::real(), end.saturating_duration_since(now));
    }
    Some(slot)
}

/// Returns when the next limit of this thread ends.
pub(crate) fn next() -> Option<Instant> {
    LIMITS.try_with(|limits| limits.borrow_mut().next()).ok()?
}

/// Moves the virtual clock of this thread to `moment`. The limits that end by then fire in order, each when the clock
/// shows its end.
pub(crate) fn move_to(moment: Instant) {
    let due = || LIMITS.try_with(|limits| limits.borrow_mut().take_due(moment)).ok()?;
    while let Some((end, slot)) = due() {
        forward(end);
        if let Some(slot) = slot.upgrade() {
            slot.fire();
        }
    }
    forward(moment);
}

/// Moves the clock forward. The clock never goes back, even if a waker has moved it further meanwhile.
fn forward(moment: Instant) {
    clock::set(clock::virtual_now().map(|now| now.max(moment)));
}

/// Resumes real time. The rest of each limit passes in real time.
pub(crate) fn resume() {
    let Some(now) = clock::virtual_now() else { return };
    clock::set(None);
    let slots = LIMITS.try_with(|limits| std::mem::take(&mut limits.borrow_mut().slots));
    continue_in_real_time(now, slots.unwrap_or_default());
}

fn continue_in_real_time(now: Instant, slots: BTreeMap<(Instant, u64), Weak<TestSlot>>) {
    let real = clock::real();
    for ((end, _), slot) in slots {
        let Some(slot) = slot.upgrade() else { continue };
        let left = end.saturating_duration_since(now);
        // If the reactor cannot be created, `hand_over` panics. The panic is contained, because this function also runs in
        // destructors, where a panic may abort the process.
        let _ = contain(|| hand_over(slot, real, left));
    }
}

/// Makes a slot of real time fire `slot`, when the time `left` has passed since `now`.
pub(super) fn hand_over(slot: Arc<TestSlot>, now: Instant, left: Duration) {
    let wheel = Wheel::shared();
    // `None` means that the end overflows the clock, so the slot never fires.
    let Some(tick) = wheel.end_tick(now, left) else { return };
    wheel.enter(tick, Waker::from(Arc::new(Follower(slot.clone()))));
    // If the slot of real time had fired before, the waker is in no list.
    if wheel.has_fired(tick) {
        slot.fire();
    }
}

/// A waker that is registered with a slot of real time. When that slot fires, the waker fires its own slot.
struct Follower(Arc<TestSlot>);

impl Wake for Follower {
    fn wake(self: Arc<Self>) {
        self.0.fire();
    }
}
