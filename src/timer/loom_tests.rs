//! Models of deadline slots: limits register and leave while an alarm rings, and the reactor and executors fire slots at the
//! same time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use loom::thread;

use super::alarm::{ring, ring_until};
use super::slot::Slot;
use super::wheel::Wheel;
use crate::clock;
use crate::loom_tests::{Count, block_on, bounded_model, model, model_within};
use crate::wait::{HasLatch, Waiter};

const LENGTH: Duration = Duration::from_secs(60);

/// A wheel, and the instant at which the limits on it begin.
#[derive(Clone)]
struct Limits {
    wheel: Arc<Wheel>,
    since: Instant,
}

impl Limits {
    fn new() -> Self {
        let now = clock::now();
        Limits { wheel: Arc::new(Wheel::new(now)), since: now + LENGTH }
    }

    /// Adds a limit, and returns its slot.
    fn join(&self) -> Arc<Slot> {
        self.wheel.slot(self.since, LENGTH).unwrap()
    }

    /// Returns the slot of a limit that ends later.
    fn join_later(&self, later: Duration) -> Arc<Slot> {
        self.wheel.slot(self.since + later, LENGTH).unwrap()
    }

    /// Returns the number of slots on the wheel.
    fn slots(&self) -> usize {
        self.wheel.len()
    }
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

fn wait(slot: Arc<Slot>) -> Boxed {
    let mut waiting = Waiter::new(slot);
    Box::pin(poll_fn(move |cx| waiting.poll("the model", cx, |()| ())))
}

/// Futures that wait for a slot, with counts of their wake-ups.
fn waits<const N: usize>(slot: &Arc<Slot>) -> [(Arc<Count>, Boxed); N] {
    std::array::from_fn(|_| {
        let count = Count::new();
        let mut waiting = wait(slot.clone());
        assert!(count.poll(waiting.as_mut()).is_pending());
        (count, waiting)
    })
}

/// Rings until no alarm is set.
fn ring_all() {
    while ring() {}
}

fn is_set(slot: &Arc<Slot>) -> bool {
    slot.latch().is_set()
}

/// A limit registers with its slot while the alarm rings. Either the limit sees that the slot has fired, or its task is woken.
#[test]
fn register_while_it_rings() {
    model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let reactor = thread::spawn(ring);
        block_on(wait(slot));
        reactor.join().unwrap();
        assert_eq!(limits.slots(), 0);
    });
}

/// A limit looks for its slot while the alarm rings. Either it finds the slot that fires, or it gets a new slot that is due at
/// once.
#[test]
fn find_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let old = limits.join();
        let reactor = thread::spawn(ring);
        let new = limits.join();
        let count = Count::new();
        let mut waiting = wait(new.clone());
        let seen = count.poll(waiting.as_mut());
        reactor.join().unwrap();

        assert!(is_set(&old) && is_set(&new));
        assert_eq!(limits.slots(), 0);
        assert_eq!(count.get(), usize::from(seen.is_pending()));
        if seen.is_pending() {
            assert_eq!(count.poll(waiting.as_mut()), Poll::Ready(()));
        }
    });
}

/// Only the first slot has an alarm. When it rings, the alarm of the next slot is set.
#[test]
fn slots_ring_in_turn() {
    model(|| {
        let limits = Limits::new();
        let first = limits.join();
        let last = limits.join_later(2 * LENGTH);
        let later = limits.join_later(LENGTH);
        let mut all = vec![first, later, last];
        ring();
        while !all.is_empty() {
            assert!(is_set(&all.remove(0)));
            assert_eq!(limits.slots(), all.len());
            assert!(all.iter().all(|slot| !is_set(slot)));
            ring();
        }
    });
}

/// A limit that ends later registers while the first slot fires. Its slot has an alarm afterwards.
#[test]
fn later_limit_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let first = limits.join();
        let reactor = thread::spawn(ring);
        let later = limits.join_later(LENGTH);
        reactor.join().unwrap();
        assert!(is_set(&first) && !is_set(&later));
        ring();
        assert!(is_set(&later));
        assert_eq!(limits.slots(), 0);
    });
}

/// Two threads set alarms for different slots while time passes. Both slots fire.
#[test]
fn two_alarms_at_once() {
    bounded_model(|| {
        let limits = Limits::new();
        let remote = limits.clone();
        let other = thread::spawn(move || remote.join());
        let later = limits.join_later(LENGTH);
        ring();
        let earlier = other.join().unwrap();
        ring();
        ring();
        assert!(is_set(&earlier) && is_set(&later));
        assert_eq!(limits.slots(), 0);
    });
}

/// The alarm rings before the wheel has stored it. The slot fires and does not stay on the wheel.
#[test]
fn ring_while_the_alarm_is_set() {
    model(|| {
        let limits = Limits::new();
        let reactor = thread::spawn(ring);
        let slot = limits.join();
        let count = Count::new();
        let mut waiting = wait(slot.clone());
        let seen = count.poll(waiting.as_mut());
        reactor.join().unwrap();
        // The reactor may have rung before the alarm was set. Then it must ring again.
        ring();
        assert!(is_set(&slot));
        assert_eq!(limits.slots(), 0, "a slot that has rung is still in the wheel");
        assert_eq!(count.get(), usize::from(seen.is_pending()));
    });
}

/// The next slot has no limits left, and is about to be removed. A limit that looks for the slot meanwhile gets a slot that
/// fires: the old slot or a new one.
#[test]
fn find_while_a_slot_is_forgotten() {
    bounded_model(|| {
        let limits = Limits::new();
        let first = limits.join();
        drop(limits.join_later(LENGTH));
        let last = limits.join_later(2 * LENGTH);
        let reactor = thread::spawn(ring);
        let next = limits.join_later(LENGTH);
        let count = Count::new();
        let mut waiting = wait(next.clone());
        assert!(count.poll(waiting.as_mut()).is_pending());
        reactor.join().unwrap();
        assert!(is_set(&first) && !is_set(&next));
        ring();
        assert!(is_set(&next));
        assert_eq!(count.get(), 1);
        ring();
        assert!(is_set(&last));
        assert_eq!(limits.slots(), 0);
    });
}

/// The wheel is woken twice at the same time, although only one slot is due. It loses no slot and fires no slot early.
#[test]
fn stray_ring() {
    bounded_model(|| {
        let limits = Limits::new();
        let first = limits.join();
        let later = limits.join_later(LENGTH);
        let stray = Waker::from(limits.wheel.clone());
        let reactor = thread::spawn(ring);
        stray.wake();
        reactor.join().unwrap();
        assert!(is_set(&first) && !is_set(&later));
        assert_eq!(limits.slots(), 1);
        ring();
        assert!(is_set(&later));
    });
}

/// A limit is dropped while the alarm rings. The task of another limit in the same slot is still woken, and the dropped limit
/// leaves nothing behind.
#[test]
fn leave_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let (stays, leaves) = (Count::new(), Count::new());
        let mut other = wait(limits.join());
        assert!(stays.poll(other.as_mut()).is_pending());
        let mut leaving = wait(limits.join());
        assert!(leaves.poll(leaving.as_mut()).is_pending());

        let reactor = thread::spawn(ring);
        drop(leaving);
        reactor.join().unwrap();
        ring_all();
        assert_eq!(stays.get(), 1);
        assert_eq!(stays.poll(other.as_mut()), Poll::Ready(()));
        assert!(leaves.get() <= 1);
        assert_eq!(Arc::strong_count(&leaves), 1);
        assert_eq!(limits.slots(), 0);
    });
}

/// Three tasks wait. A ring wakes one of them, and at the same time an executor drives the wheel. Each task is woken once: by
/// the ring, by the executor, or by a later ring.
#[test]
fn ring_and_drive() {
    bounded_model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let all: [_; 3] = waits(&slot);
        let reactor = thread::spawn(ring);
        limits.wheel.drive(slot.end());
        reactor.join().unwrap();
        assert!(is_set(&slot));
        // One ring wakes one task, and the next ring wakes two.
        ring_all();
        assert_eq!(all.each_ref().map(|one| one.0.get()), [1, 1, 1]);
        drop(all);
        assert_eq!((limits.slots(), Arc::strong_count(&slot)), (0, 1));
    });
}

/// Two executors drive the wheel at once. Each task is woken once.
#[test]
fn two_drive_at_once() {
    bounded_model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let all: [_; 2] = waits(&slot);
        let (remote, end) = (limits.clone(), slot.end());
        let other = thread::spawn(move || remote.wheel.drive_due(end));
        limits.wheel.drive_due(end);
        other.join().unwrap();
        assert!(is_set(&slot));
        assert_eq!(all.each_ref().map(|one| one.0.get()), [1, 1]);
        ring_all();
    });
}

/// An executor fires a slot while another thread is about to set its alarm. The next slot still gets an alarm.
#[test]
fn drive_while_the_alarm_is_set() {
    bounded_model(|| {
        let limits = Limits::new();
        let remote = limits.clone();
        let other = thread::spawn(move || remote.join());
        let later = limits.join_later(LENGTH);
        let between = later.end() - LENGTH / 2;
        limits.wheel.drive_due(between);
        let first = other.join().unwrap();
        ring_until(between);
        assert!(is_set(&first) && !is_set(&later));
        ring_until(later.end());
        assert!(is_set(&later), "the later slot has no alarm");
        assert_eq!(limits.slots(), 0);
    });
}

/// An executor fires the first slot while the reactor rings for it. The next slot still gets an alarm.
#[test]
fn drive_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let (first, later) = (limits.join(), limits.join_later(LENGTH));
        let end = first.end();
        let reactor = thread::spawn(move || ring_until(end));
        limits.wheel.drive_due(end);
        let last = limits.join_later(2 * LENGTH);
        reactor.join().unwrap();
        assert!(is_set(&first) && !is_set(&later));
        ring_until(later.end());
        assert!(is_set(&later) && !is_set(&last));
        ring_until(last.end());
        assert!(is_set(&last));
    });
}

/// A slot fires while a thread is about to set its alarm. Another alarm is already set, but for a much later time. The
/// remaining tasks do not wait for the later alarm.
#[test]
fn backlog_has_an_alarm() {
    bounded_model(|| {
        let limits = Limits::new();
        let _far = limits.join_later(LENGTH);
        let remote = limits.clone();
        let other = thread::spawn(move || drop(remote.join()));
        let slot = limits.join();
        let all: [_; 3] = waits(&slot);
        ring_until(slot.end());
        other.join().unwrap();
        // The reactor may have rung before the alarm was set. Then it must ring again.
        for _ in 0..3 {
            ring_until(slot.end() + LENGTH / 2);
        }
        assert_eq!(all.each_ref().map(|one| one.0.get()), [1, 1, 1]);
        ring();
        assert_eq!(limits.slots(), 0);
    });
}

/// A slot is removed while a thread is about to set its alarm. Another alarm is already set, but for a much later time. The
/// next slot does not wait for the later alarm.
#[test]
fn alarm_is_set_while_a_slot_is_forgotten() {
    model_within(5, || {
        let limits = Limits::new();
        let first = limits.join();
        let _far = limits.join_later(4 * LENGTH);
        let moment = first.end();
        let reactor = thread::spawn(move || ring_until(moment));
        let second = limits.join_later(LENGTH);
        let forgotten = limits.join_later(2 * LENGTH);
        let next = limits.join_later(3 * LENGTH);
        let stray = Waker::from(limits.wheel.clone());
        let other = thread::spawn(move || {
            drop(forgotten);
            stray.wake();
        });
        ring_until(second.end());
        other.join().unwrap();
        reactor.join().unwrap();
        ring_until(second.end());
        assert!(is_set(&first) && is_set(&second));
        ring_until(next.end());
        ring_until(next.end());
        assert!(is_set(&next));
        ring();
        assert_eq!(limits.slots(), 0);
    });
}

/// Two limits with the same end that register at once share a slot.
#[test]
fn shared_slot() {
    model(|| {
        let limits = Limits::new();
        let remote = limits.clone();
        let other = thread::spawn(move || remote.join());
        let here = limits.join();
        assert!(Arc::ptr_eq(&here, &other.join().unwrap()));
        assert_eq!(limits.slots(), 1);
        ring();
        assert_eq!(limits.slots(), 0);
    });
}

/// After a slot has fired, neither the wheel nor its alarm nor a waker owns the slot.
#[test]
fn fired_slot_is_freed() {
    model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let reactor = thread::spawn(ring);
        let mut waiting = wait(slot.clone());
        let _ = Count::new().poll(waiting.as_mut());
        drop(waiting);
        reactor.join().unwrap();
        assert!(is_set(&slot));
        assert_eq!(Arc::strong_count(&slot), 1);
    });
}
