//! Virtual time: the limits of a thread on which time is paused.
//!
//! Each has a slot of its own, which ends when the limit does, to the nanosecond. A limit belongs to
//! the thread on which it registered, whoever polls it later. When time goes on there, what is left
//! of it passes in real time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::slot::Slot;
use super::slot_cache;
use super::wheel::Wheel;
use crate::clock;
use crate::panic::contain;
use crate::wait::HasLatch;

/// Below this many entries, nobody looks for those that nothing waits for any more.
const FEW: usize = 64;

thread_local! {
    static LIMITS: RefCell<Limits> = const { RefCell::new(Limits::new()) };
}

/// The limits of this thread that have not come.
struct Limits {
    /// By their end, and then in the order in which they registered. They belong to whoever waits.
    slots: BTreeMap<(Instant, u64), Weak<Slot>>,
    /// How many have ever registered.
    registered: u64,
    /// With so many entries, those that nobody has any more are looked for.
    many: usize,
}

impl Limits {
    const fn new() -> Self {
        Limits { slots: BTreeMap::new(), registered: 0, many: FEW }
    }

    fn add(&mut self, end: Instant, slot: &Arc<Slot>) {
        if self.slots.len() >= self.many {
            // Nothing is upgraded here: dropping a slot may run code of others.
            self.slots.retain(|_, slot| slot.strong_count() > 0);
            self.many = FEW.max(self.slots.len() * 2);
        }
        self.registered += 1;
        self.slots.insert((end, self.registered), Arc::downgrade(slot));
    }

    /// When the next one ends that somebody has.
    fn next(&mut self) -> Option<Instant> {
        while let Some(first) = self.slots.first_entry() {
            if first.get().strong_count() > 0 {
                return Some(first.key().0);
            }
            first.remove();
        }
        None
    }

    /// Takes out the next one that ends by then.
    fn take_due(&mut self, by: Instant) -> Option<(Instant, Weak<Slot>)> {
        let first = self.slots.first_entry()?;
        if first.key().0 > by {
            return None;
        }
        let ((end, _), slot) = first.remove_entry();
        Some((end, slot))
    }
}

/// A thread that ends while time is paused takes nobody's limits with it. For its other destructors
/// time goes on.
impl Drop for Limits {
    fn drop(&mut self) {
        if let Some(now) = clock::virtual_now() {
            clock::set(None);
            go_on(now, std::mem::take(&mut self.slots));
        }
    }
}

/// The slot for a limit of this length that began then: one of virtual time where time is paused on
/// this thread, and otherwise a shared one, as [`slot_cache::slot`].
pub(super) fn slot(since: Instant, length: Duration) -> Option<Arc<Slot>> {
    let Some(now) = clock::virtual_now() else { return slot_cache::slot(since, length) };
    // What nanoseconds do not reach is never, as it is in real time.
    u64::try_from(length.as_nanos()).ok()?;
    let end = since.checked_add(length)?;
    let slot = Slot::new(end);
    if end <= now {
        slot.fire();
    } else if LIMITS.try_with(|limits| limits.borrow_mut().add(end, &slot)).is_err() {
        // The thread ends, and nothing here can hold it any more: it passes in real time.
        return slot_cache::slot(since, length);
    }
    Some(slot)
}

/// When the next limit of this thread ends.
pub(crate) fn next() -> Option<Instant> {
    LIMITS.try_with(|limits| limits.borrow_mut().next()).ok()?
}

/// Moves the virtual clock of this thread to that moment. What ends by then fires, in order, each at
/// its own moment.
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

/// The clock never goes back, also where a waker has moved it.
fn forward(moment: Instant) {
    clock::set(clock::virtual_now().map(|now| now.max(moment)));
}

/// Lets time go on. What is left of each limit passes in real time.
pub(crate) fn resume() {
    let Some(now) = clock::virtual_now() else { return };
    clock::set(None);
    let slots = LIMITS.try_with(|limits| std::mem::take(&mut limits.borrow_mut().slots));
    go_on(now, slots.unwrap_or_default());
}

fn go_on(now: Instant, slots: BTreeMap<(Instant, u64), Weak<Slot>>) {
    let real = clock::real();
    for ((end, _), slot) in slots {
        let Some(slot) = slot.upgrade() else { continue };
        let left = end.saturating_duration_since(now);
        // Where there is no reactor, there is nobody to tell: this runs in destructors.
        let _ = contain(|| hand_over(slot, real, left));
    }
}

/// Lets a slot of real time fire it.
fn hand_over(slot: Arc<Slot>, now: Instant, left: Duration) {
    // Where that is never, nobody fires it.
    let Some(real) = Wheel::shared().slot(now, left) else { return };
    if real.latch().register(None, Waker::from(Arc::new(Follower(slot.clone())))).is_none() {
        slot.fire();
    }
}

/// Fires when the slot of real time does.
struct Follower(Arc<Slot>);

impl Wake for Follower {
    fn wake(self: Arc<Self>) {
        self.0.fire();
    }
}
