//! Tests of the wheel, on wheels that share nothing with the wheel of the process.

use super::*;
use crate::timer::backlog::{MAX_DRIVERS, WAKE_PER_DRIVE};
use crate::wait::CountWakes;
use std::sync::atomic::AtomicUsize;
use std::sync::{OnceLock, Weak};
use std::thread;

const HOUR: Duration = Duration::from_secs(3600);

/// Registers a limit of this length, and returns the count of its wake-ups.
fn enter(wheel: &Arc<Wheel>, since: Instant, length: Duration) -> (Entry, Arc<CountWakes>) {
    let wakes = Arc::new(CountWakes::default());
    let tick = wheel.end_tick(since, length).unwrap();
    (wheel.enter(tick, wakes.clone().into()), wakes)
}

#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let give_up = clock::real() + Duration::from_secs(30);
    while !done() {
        assert!(clock::real() < give_up, "{what}");
        thread::yield_now();
    }
}

#[test]
fn fired_slot_is_removed() {
    let wheel = Wheel::separate(clock::real());
    let (entry, wakes) = enter(&wheel, clock::real(), Duration::from_millis(1));
    wait_until("the slot is still there", || wheel.len() == 0);
    wait_until("the slot has not fired", || wheel.has_fired(entry.tick()));
    wait_until("the task was not woken", || wakes.get() == 1);
}

/// The wheel is created when the first limit registers. That may be long after the limit began.
#[test]
fn limit_before_the_epoch() {
    let epoch = clock::real();
    let wheel = Wheel::separate(epoch);
    let end = |began: Duration| {
        let since = epoch.checked_sub(began).unwrap();
        wheel.end(wheel.end_tick(since, HOUR).unwrap()).unwrap()
    };
    let between = end(Duration::ZERO).duration_since(end(HOUR / 2));
    assert!(between > Duration::from_secs(1790), "the earlier one ends {between:?} earlier");
}

/// If an alarm could not be set, the next limit tries again, even if the slot of that limit exists already.
#[test]
fn failed_alarm_is_tried_again() {
    let wheel = Wheel::separate(clock::real());
    let soon = Duration::from_millis(20);
    let tick = wheel.end_tick(wheel.epoch, soon).unwrap();
    let mut state = wheel.state.lock();
    for tick in [1, tick] {
        state.find_or_insert(tick);
    }
    assert_eq!(state.take_unset(), Some(1));
    drop(state);
    drop(UnsetOnPanic(&wheel));
    let (entry, wakes) = enter(&wheel, wheel.epoch, soon);
    wait_until("the slot has not fired", || wheel.has_fired(entry.tick()));
    wait_until("the task was not woken", || wakes.get() == 1);
    assert_eq!(wheel.len(), 0);
}

/// A slot fires before another limit registers with it. The waker of that limit is dropped.
#[test]
fn slot_that_has_fired_takes_no_waker() {
    let wheel = Wheel::separate(clock::real());
    let (entry, wakes) = enter(&wheel, wheel.epoch, HOUR);
    wheel.drive(wheel.end(entry.tick()).unwrap());
    assert!(wheel.has_fired(entry.tick()));
    assert_eq!((wakes.get(), Arc::strong_count(&wakes)), (1, 1));
    for entry in [
        wheel.enter(entry.tick(), wakes.clone().into()),
        wheel.enter_again(entry.slot(), wakes.clone().into()),
    ] {
        assert!(!wheel.replace(&entry, wakes.clone().into()));
        wheel.leave(&entry);
    }
    assert_eq!((wakes.get(), Arc::strong_count(&wakes), wheel.len()), (1, 1, 0));
}

/// The memory of a fired limit belongs to another limit now. The fired limit does not take that limit's waker out.
#[test]
fn fired_limit_leaves_others_alone() {
    let wheel = Wheel::separate(clock::real());
    let (first, _) = enter(&wheel, wheel.epoch, HOUR);
    wheel.drive(wheel.end(first.tick()).unwrap());
    let (second, wakes) = enter(&wheel, wheel.epoch, 2 * HOUR);
    assert_eq!(first.index, second.index);
    wheel.leave(&first);
    assert!(!wheel.replace(&first, Waker::noop().clone()));
    assert_eq!(Arc::strong_count(&wakes), 2);
    wheel.drive(wheel.end(second.tick()).unwrap());
    assert_eq!(wakes.get(), 1);
}

#[test]
fn replaced_waker_is_woken() {
    let wheel = Wheel::separate(clock::real());
    let (entry, old) = enter(&wheel, wheel.epoch, HOUR);
    let new = Arc::new(CountWakes::default());
    assert!(wheel.replace(&entry, new.clone().into()));
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 2));
    wheel.drive(wheel.end(entry.tick()).unwrap());
    assert_eq!((old.get(), new.get()), (0, 1));
}

/// A thread remembers a slot that was removed because it had no limits. The next limit creates the slot again.
#[test]
fn forgotten_slot_is_created_again() {
    let wheel = Wheel::separate(clock::real());
    let (gone, _) = enter(&wheel, wheel.epoch, HOUR);
    wheel.leave(&gone);
    let (early, _) = enter(&wheel, wheel.epoch, Duration::from_millis(500));
    wheel.drive(wheel.end(early.tick()).unwrap());
    assert_eq!(wheel.len(), 0);
    let wakes = Arc::new(CountWakes::default());
    let entry = wheel.enter_again(gone.slot(), wakes.clone().into());
    assert_eq!((entry.tick(), wheel.len()), (gone.tick(), 1));
    wheel.drive(wheel.end(entry.tick()).unwrap());
    assert_eq!(wakes.get(), 1);
}

#[test]
fn past_limit_fires_at_once() {
    let wheel = Wheel::separate(clock::real());
    thread::sleep(Duration::from_millis(2));
    let (entry, wakes) = enter(&wheel, wheel.epoch, Duration::from_nanos(1));
    assert!(wheel.has_fired(entry.tick()));
    assert_eq!((wheel.len(), wakes.get(), Arc::strong_count(&wakes)), (0, 0, 1));
}

/// Returns a new wheel, the end of a slot on the wheel that `count` tasks wait for, and the count of their wake-ups.
fn waited_for(count: usize) -> (Arc<Wheel>, Instant, Arc<CountWakes>) {
    let wheel = Wheel::separate(clock::real());
    let tick = wheel.end_tick(wheel.epoch, HOUR).unwrap();
    let wakes = Arc::new(CountWakes::default());
    for _ in 0..count {
        wheel.enter(tick, wakes.clone().into());
    }
    let end = wheel.end(tick).unwrap();
    (wheel, end, wakes)
}

#[test]
fn executors_fire_what_is_due() {
    let (wheel, end, wakes) = waited_for(WAKE_PER_DRIVE + 3);
    wheel.drive(end - Duration::from_nanos(1));
    assert_eq!((wheel.len(), wakes.get()), (1, 0));
    wheel.drive(end);
    assert_eq!((wheel.len(), wakes.get()), (0, WAKE_PER_DRIVE));
    // The next drive wakes the others, regardless of the time.
    wheel.drive(wheel.epoch);
    assert_eq!((wakes.get(), Arc::strong_count(&wakes)), (WAKE_PER_DRIVE + 3, 1));
    assert_eq!(wheel.due.load(Ordering::Relaxed), NEVER);
}

/// If no executor drives the wheel, each ring wakes twice as many tasks as the ring before.
#[test]
fn rings_double() {
    let (wheel, _, wakes) = waited_for(10);
    let mut state = wheel.state.lock();
    state.fire_due(wheel.fired, |_| true);
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

    let (wheel, end, _) = waited_for(0);
    let inline = Arc::new(Inline::default());
    inline.wheel.set(Arc::downgrade(&wheel)).unwrap();
    let tick = wheel.end_tick(wheel.epoch, HOUR).unwrap();
    for _ in 0..10_000 {
        wheel.enter(tick, inline.clone().into());
    }
    wheel.drive(end);
    assert_eq!(inline.woken.load(Ordering::Relaxed), 10_000);
    assert_eq!(inline.deepest.load(Ordering::Relaxed), MAX_DRIVERS);
    assert_eq!(Arc::strong_count(&inline), 1);
}
