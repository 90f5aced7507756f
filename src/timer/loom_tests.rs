//! Models of deadline slots: joining and leaving one while its alarm rings.

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

/// A wheel, and limits that all end at the same moment, or later.
#[derive(Clone)]
struct Limits {
    wheel: Arc<Wheel>,
    end: Instant,
}

impl Limits {
    fn new() -> Self {
        let now = clock::now();
        Limits { wheel: Arc::new(Wheel::new(now)), end: now + LENGTH }
    }

    /// The slot of one limit more.
    fn join(&self) -> Arc<Slot> {
        self.wheel.slot(self.end, LENGTH).unwrap()
    }

    /// The slot of one that ends so much later.
    fn join_later(&self, later: Duration) -> Arc<Slot> {
        self.wheel.slot(self.end + later, LENGTH).unwrap()
    }

    /// How many slots the wheel holds.
    fn slots(&self) -> usize {
        self.wheel.len()
    }
}

fn wait(slot: Arc<Slot>) -> Pin<Box<dyn Future<Output = ()>>> {
    let mut waiting = Waiter::new(slot);
    Box::pin(poll_fn(move |cx| {
        let seen = waiting.poll("the model", cx, |()| ());
        if seen.is_ready() {
            waiting.has_latch().wake_next();
        }
        seen
    }))
}

/// So many who wait for that slot.
fn waits<const N: usize>(slot: &Arc<Slot>) -> [(Arc<Count>, Pin<Box<dyn Future<Output = ()>>>); N] {
    std::array::from_fn(|_| {
        let count = Count::new();
        let mut waiting = wait(slot.clone());
        assert!(count.poll(waiting.as_mut()).is_pending());
        (count, waiting)
    })
}

fn is_set(slot: &Arc<Slot>) -> bool {
    slot.latch().is_set()
}

/// A limit that registers with its slot while the alarm rings is told, or woken.
#[test]
fn registering_while_it_rings_misses_nothing() {
    model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let reactor = thread::spawn(ring);
        block_on(wait(slot));
        reactor.join().unwrap();
        assert_eq!(limits.slots(), 0);
    });
}

/// A limit that looks for its slot while the alarm of that one rings finds the one that rings, and
/// then is told or woken; or it gets a slot of its own, whose moment has come.
#[test]
fn a_limit_that_comes_while_it_rings_has_a_slot_that_rings() {
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

/// Only the first slot has an alarm. When it rings, that of the next is set.
#[test]
fn after_the_first_the_next_one_rings() {
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

/// A limit that ends later comes while the first one rings: it has an alarm afterwards.
#[test]
fn one_that_ends_later_and_comes_while_it_rings_rings_too() {
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

/// Two set the alarm for slots of their own at once, while time passes: both fire.
#[test]
fn two_that_set_the_alarm_at_once_both_ring() {
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

/// The alarm may ring as soon as it is set, before the wheel has taken the slot in. The slot is
/// not left in the wheel for ever, and whoever has it is told.
#[test]
fn an_alarm_may_ring_while_it_is_set() {
    model(|| {
        let limits = Limits::new();
        let reactor = thread::spawn(ring);
        let slot = limits.join();
        let count = Count::new();
        let mut waiting = wait(slot.clone());
        let seen = count.poll(waiting.as_mut());
        reactor.join().unwrap();
        // Where the reactor came too early, it comes again.
        ring();
        assert!(is_set(&slot));
        assert_eq!(limits.slots(), 0, "a slot that has rung is still in the wheel");
        assert_eq!(count.get(), usize::from(seen.is_pending()));
    });
}

/// The next slot is deserted, and may be forgotten. A limit that comes meanwhile has one that rings,
/// be it the old one or a new one.
#[test]
fn who_comes_while_a_slot_is_forgotten_has_one_that_rings() {
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

/// A wheel that is woken twice at once, once for nothing, loses no slot and fires none early.
#[test]
fn a_second_wake_does_nothing() {
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

/// A limit that is dropped while the alarm rings takes nothing from another of the same slot, and
/// leaves nothing behind.
#[test]
fn leaving_while_it_rings_takes_nothing_from_others() {
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
        assert_eq!(stays.get(), 1);
        assert_eq!(stays.poll(other.as_mut()), Poll::Ready(()));
        assert!(leaves.get() <= 1);
        assert_eq!(Arc::strong_count(&leaves), 1);
        assert_eq!(limits.slots(), 0);
    });
}

/// Of three who wait, two are woken at first. One of those is polled while the slot fires, the other
/// is never polled again. The third is woken once all the same, one tick later at the latest.
#[test]
fn who_is_left_is_woken_once() {
    bounded_model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let [mut polled, stuck, left] = waits(&slot);
        let reactor = thread::spawn(ring);
        let _ = polled.0.poll(polled.1.as_mut());
        reactor.join().unwrap();
        assert!(is_set(&slot));
        ring();
        assert_eq!([stuck.0.get(), left.0.get()], [1, 1]);
        assert!(polled.0.get() <= 1);
        drop((polled, stuck, left));
        assert_eq!((limits.slots(), Arc::strong_count(&slot)), (0, 1));
    });
}

/// The wheel comes for those who are left while one of the first is polled: each is woken once.
#[test]
fn nobody_is_woken_twice() {
    bounded_model(|| {
        let limits = Limits::new();
        let slot = limits.join();
        let [mut polled, stuck, left, last] = waits(&slot);
        ring();
        assert_eq!([left.0.get(), last.0.get()], [0, 0]);
        let reactor = thread::spawn(ring);
        assert!(polled.0.poll(polled.1.as_mut()).is_ready());
        reactor.join().unwrap();
        assert_eq!([&polled, &stuck, &left, &last].map(|one| one.0.get()), [1, 1, 1, 1]);
    });
}

/// A slot fires while somebody is about to set its alarm, and the one that is set is far off. Whoever
/// is left does not wait for that.
#[test]
fn who_is_left_does_not_wait_for_a_later_alarm() {
    bounded_model(|| {
        let limits = Limits::new();
        let _far = limits.join_later(LENGTH);
        let remote = limits.clone();
        let other = thread::spawn(move || drop(remote.join()));
        let slot = limits.join();
        let all: [_; 3] = waits(&slot);
        ring_until(slot.end());
        other.join().unwrap();
        // Where the reactor came too early, it comes again.
        ring_until(slot.end());
        ring_until(slot.end() + LENGTH / 2);
        ring_until(slot.end() + LENGTH / 2);
        assert_eq!(all.each_ref().map(|one| one.0.get()), [1, 1, 1]);
        ring();
        assert_eq!(limits.slots(), 0);
    });
}

/// A slot is forgotten while its alarm is about to be set, and the one that is set is far off. The
/// slot that comes next does not wait for that.
#[test]
fn the_next_slot_does_not_wait_for_a_later_alarm() {
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

/// Two limits of one end that come at once share one slot.
#[test]
fn two_limits_share_a_slot() {
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

/// Once it has rung, nothing holds a slot any more: neither the wheel, nor its alarm, nor a waker.
#[test]
fn a_slot_that_has_rung_is_freed() {
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
