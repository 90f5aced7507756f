//! `Wheel`: which slots there are, and which of them a limit belongs to.

use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::collections::hash_map::{Entry, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::alarm::{Alarm, has_come};
use super::slot::Slot;
use super::tick::{TICK, end_tick};
use crate::clock;
use crate::hash::MultiplyHasher;
use crate::sync::Mutex;

static WHEEL: LazyLock<Arc<Wheel>> = LazyLock::new(|| Arc::new(Wheel::new(clock::real())));

/// All slots that have not fired, and the alarm of the first of them.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Ticks are counted from here.
    epoch: Instant,
    state: Mutex<State>,
}

/// 1. Each slot is listed by the tick at which it ends, so that widths share a slot where their ends
///    coincide. Its tick is in the order, too.
/// 2. While there are slots, late ones too, `next` is the tick of the first or an earlier one. Its
///    alarm is set, or somebody is about to set it, who holds no lock. Where that has failed it is
///    none, and whoever comes next sets it.
/// 3. An alarm that is kept here has not rung, or whoever it wakes has yet to look here.
#[derive(Debug, Default)]
struct State {
    slots: HashMap<u64, Arc<Slot>, BuildHasherDefault<MultiplyHasher>>,
    order: BinaryHeap<Reverse<u64>>,
    /// Slots that have fired and may have somebody left, and the tick at which those are woken.
    late: Option<(u64, Vec<Arc<Slot>>)>,
    next: Option<u64>,
    alarm: Option<(u64, Alarm)>,
}

impl State {
    fn insert(&mut self, tick: u64, slot: Arc<Slot>) {
        self.slots.insert(tick, slot);
        self.order.push(Reverse(tick));
    }

    /// The first tick at which there is something to do.
    fn first(&self) -> Option<u64> {
        let slot = self.order.peek().map(|&Reverse(tick)| tick);
        let late = self.late.as_ref().map(|&(tick, _)| tick);
        [slot, late].into_iter().flatten().min()
    }

    /// Whether there is something to do at that tick.
    fn contains(&self, tick: u64) -> bool {
        self.slots.contains_key(&tick) || self.late.as_ref().is_some_and(|late| late.0 == tick)
    }

    /// The tick for which an alarm must be set, if any. From here on that is up to the caller.
    fn take_unset(&mut self) -> Option<u64> {
        let first = self.first()?;
        let is_set = self.next.is_some_and(|next| next <= first);
        if is_set {
            return None;
        }
        self.next = Some(first);
        Some(first)
    }

    /// Sets all slots whose moment has come, and takes them out.
    fn take_due(&mut self, has_come: impl Fn(u64) -> bool) -> Due {
        let mut due = Due::default();
        if let Some((_, late)) = self.late.take_if(|(tick, _)| has_come(*tick)) {
            due.late = late;
        }
        while let Some(first) = self.order.peek_mut().filter(|first| has_come(first.0)) {
            let Reverse(tick) = PeekMut::pop(first);
            let Some(slot) = self.slots.remove(&tick) else { continue };
            if slot.set() {
                let (_, late) = self.late.get_or_insert_with(|| (tick + 1, Vec::new()));
                late.push(slot.clone());
            }
            due.slots.push(slot);
        }
        self.forget_deserted();
        due
    }

    /// Takes out the first slots as long as nobody has them: most limits are dropped before their
    /// end, and an alarm that nobody waits for is not worth its wake-up.
    fn forget_deserted(&mut self) {
        while let Some(first) = self.order.peek_mut() {
            let Entry::Occupied(mut slot) = self.slots.entry(first.0) else { return };
            // Who finds a slot does so under the lock that is held here.
            if !Arc::get_mut(slot.get_mut()).is_some_and(|slot| slot.is_deserted()) {
                return;
            }
            slot.remove();
            PeekMut::pop(first);
        }
    }
}

impl Wheel {
    /// The one that every limit of the process is on.
    pub(super) fn shared() -> &'static Arc<Wheel> {
        &WHEEL
    }

    pub(super) fn new(epoch: Instant) -> Self {
        Wheel { epoch, state: Mutex::default() }
    }

    /// The slot for a limit of this length that began then. `None` where its end is further off
    /// than the clock can tell, which is to say never.
    pub(super) fn slot(self: &Arc<Self>, since: Instant, length: Duration) -> Option<Arc<Slot>> {
        // What began before the epoch may end after it.
        let at = since.checked_add(length)?.saturating_duration_since(self.epoch);
        let tick = end_tick(at, length)?;
        let mut state = self.state.lock();
        let slot = match state.slots.get(&tick) {
            Some(slot) => slot.clone(),
            None => {
                let slot = Slot::new(self.end(tick)?);
                state.insert(tick, slot.clone());
                slot
            }
        };
        let first = state.take_unset();
        drop(state);
        // Outside of the lock: the reactor may drop wakers of others meanwhile. Whoever finds the
        // slot before its alarm is set waits for the same alarm.
        if first.is_some_and(|tick| !self.set_alarm(tick)) {
            self.ring();
        }
        Some(slot)
    }

    /// When a slot of that tick ends, if the clock can tell.
    fn end(&self, tick: u64) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_nanos(tick.checked_mul(TICK)?))
    }

    fn has_come(&self, tick: u64) -> bool {
        self.end(tick).is_some_and(has_come)
    }

    /// Sets the alarm for the first slot. False where its moment has come.
    fn set_alarm(self: &Arc<Self>, tick: u64) -> bool {
        let Some(end) = self.end(tick) else { return true };
        // Where the reactor cannot be made, this panics, and whoever comes next must try again.
        let panics = UnsetOnPanic(self);
        let mut alarm = Alarm::new(end);
        let waker = Waker::from(self.clone());
        let rung = alarm.poll(&mut Context::from_waker(&waker));
        std::mem::forget(panics);
        if rung.is_ready() {
            return false;
        }
        let mut state = self.state.lock();
        let is_needed =
            state.contains(tick) && state.alarm.as_ref().is_none_or(|&(earlier, _)| tick < earlier);
        let spare = if is_needed {
            state.alarm.replace((tick, alarm)).map(|(_, later)| later)
        } else {
            // The slot has fired, or an alarm is set whose ringing leads to the next one.
            Some(alarm)
        };
        drop(state);
        // It takes its timer back, which may drop wakers of others.
        drop(spare);
        true
    }

    /// Fires all slots whose moment has come, and sets the alarm for the next.
    fn ring(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            // Whoever comes from here on makes a slot of their own, which is due at once. Whoever had
            // found one of these registers with a latch that is set, and is told.
            let due = state.take_due(|tick| self.has_come(tick));
            let spent = match state.alarm.take() {
                Some((tick, alarm)) if !self.has_come(tick) => {
                    state.alarm = Some((tick, alarm));
                    None
                }
                spent => spent,
            };
            state.next = state.first();
            // A later alarm does not do: the slot that somebody is setting one for may just have gone.
            let next = state
                .next
                .filter(|&next| state.alarm.as_ref().is_none_or(|&(tick, _)| next < tick));
            drop(state);
            drop(spent);
            // Before the others are woken, which may take long.
            let is_set = next.is_none_or(|tick| self.set_alarm(tick));
            drop(due);
            if is_set {
                return;
            }
        }
    }

    /// How many slots there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().slots.len()
    }
}

/// The reactor does this when the moment of an alarm has come.
impl Wake for Wheel {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

struct UnsetOnPanic<'a>(&'a Wheel);

impl Drop for UnsetOnPanic<'_> {
    fn drop(&mut self) {
        self.0.state.lock().next = None;
    }
}

/// Slots that are set and out of the list. Those who wait for them are woken when this is dropped.
#[derive(Default)]
struct Due {
    slots: Vec<Arc<Slot>>,
    /// Those of an earlier tick, with whoever is left.
    late: Vec<Arc<Slot>>,
}

impl Drop for Due {
    fn drop(&mut self) {
        // Where setting the next alarm has failed, nobody may come to wake the rest.
        let wake = if thread::panicking() { Slot::wake_rest } else { Slot::wake_first };
        self.slots.iter().for_each(|slot| wake(slot));
        self.late.iter().for_each(|slot| slot.wake_rest());
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::wait::HasLatch;

    #[test]
    fn a_slot_goes_when_it_fires() {
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

    /// The wheel is made when the first limit needs it, which may be long after that began.
    #[test]
    fn a_limit_may_begin_before_the_epoch() {
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

    #[test]
    fn the_first_slot_has_the_alarm() {
        let mut state = State::default();
        let slots = [7, 9, 8, 3, 5].map(|tick| (tick, Slot::new(clock::real())));
        let armed = slots.each_ref().map(|(tick, slot)| {
            state.insert(*tick, slot.clone());
            state.take_unset()
        });
        assert_eq!(armed, [Some(7), None, None, Some(3), None]);
        let due = state.take_due(|tick| tick <= 7);
        assert_eq!((due.slots.len(), state.first()), (3, Some(8)));
    }

    /// Where an alarm could not be set, whoever comes next tries again, also for a slot that is there.
    #[test]
    fn an_alarm_that_could_not_be_set_is_tried_again() {
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
    fn slots_that_nobody_has_are_forgotten() {
        let mut state = State::default();
        let mut slots = [1, 2, 3, 4, 5].map(|tick| {
            let slot = Slot::new(clock::real());
            state.insert(tick, slot.clone());
            Some(slot)
        });
        // Somebody waits for this one without having it.
        let waits = slots[3].take().unwrap();
        assert_eq!(waits.latch().register(None, Waker::noop().clone()), Some(0));
        drop(waits);
        slots[1] = None;
        slots[2] = None;
        let due = state.take_due(|tick| tick <= 1);
        assert_eq!((due.slots.len(), state.first(), state.slots.len()), (1, Some(4), 2));
        assert!(slots[0].as_ref().is_some_and(|slot| slot.latch().is_set()));
    }

    #[test]
    fn a_slot_that_is_due_is_not_kept() {
        let wheel = Arc::new(Wheel::new(clock::now()));
        thread::sleep(Duration::from_millis(2));
        let slot = wheel.slot(wheel.epoch, Duration::ZERO).unwrap();
        assert!(slot.latch().is_set());
        assert_eq!(wheel.len(), 0);
    }
}
