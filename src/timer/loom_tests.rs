//! Models of deadline slots: limits register and leave while an alarm rings, and the reactor and executors fire slots at the
//! same time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use loom::thread;

use super::alarm::{ring, ring_until};
use super::wheel::{Entry, SlotId, Wheel};
use crate::clock;
use crate::loom_tests::{Count, block_on, bounded_model, model, model_within};

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
        Limits { wheel: Wheel::separate(now), since: now + LENGTH }
    }

    /// Returns a limit that has not registered.
    fn limit_later(&self, later: Duration) -> Waits {
        let tick = self.wheel.end_tick(self.since + later, LENGTH).unwrap();
        Waits { wheel: self.wheel.clone(), tick, known: None, entry: None, count: Count::new() }
    }

    /// Registers a limit. It may have fired.
    fn join(&self) -> Waits {
        self.join_later(Duration::ZERO)
    }

    /// Registers a limit that ends later. It may have fired.
    fn join_later(&self, later: Duration) -> Waits {
        let mut limit = self.limit_later(later);
        limit.register();
        limit
    }

    /// Returns the number of slots on the wheel.
    fn slots(&self) -> usize {
        self.wheel.len()
    }
}

/// A limit on a wheel. It uses that wheel as a `Registration` uses the wheel of the process.
struct Waits {
    wheel: Arc<Wheel>,
    tick: u64,
    /// The slot, if the thread has used that slot before.
    known: Option<SlotId>,
    entry: Option<Entry>,
    /// The number of times that the waker of `register` was woken.
    count: Arc<Count>,
}

impl Waits {
    fn register(&mut self) {
        let count = self.count.clone();
        let _ = count.poll(Pin::new(self));
    }

    fn has_fired(&self) -> bool {
        self.wheel.has_fired(self.tick)
    }

    fn end(&self) -> Instant {
        self.wheel.end(self.tick).unwrap()
    }

    /// Returns the slot that the limit has registered with.
    fn slot(&self) -> SlotId {
        self.entry.as_ref().unwrap().slot()
    }

    fn wakes(&self) -> usize {
        self.count.get()
    }
}

impl Future for Waits {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        match (&self.entry, self.known) {
            (Some(entry), _) => {
                self.wheel.replace(entry, waker);
            }
            (None, Some(slot)) => self.entry = Some(self.wheel.enter_again(slot, waker)),
            (None, None) => self.entry = Some(self.wheel.enter(self.tick, waker)),
        }
        if self.has_fired() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            self.wheel.leave(entry);
        }
    }
}

/// Rings until no alarm is set.
fn ring_all() {
    while ring() {}
}

fn wakes<const N: usize>(all: &[Waits; N]) -> [usize; N] {
    all.each_ref().map(Waits::wakes)
}

/// A limit registers while the alarm of its slot rings. Either the limit sees that the slot has fired, or its task is woken.
#[test]
fn register_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let old = limits.join();
        let mut new = limits.limit_later(Duration::ZERO);
        new.known = Some(old.slot());
        let reactor = thread::spawn(ring_all);
        block_on(new);
        reactor.join().unwrap();
        ring_all();
        assert_eq!((old.wakes(), limits.slots()), (1, 0));
    });
}

/// A limit looks for its slot while the alarm rings. Either it registers with the slot that fires, or it sees that the slot
/// has fired.
#[test]
fn find_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let old = limits.join();
        let reactor = thread::spawn(ring);
        let mut new = limits.limit_later(Duration::ZERO);
        let count = new.count.clone();
        let seen = count.poll(Pin::new(&mut new));
        reactor.join().unwrap();
        ring_all();
        assert!(old.has_fired() && new.has_fired());
        assert_eq!(limits.slots(), 0);
        // If the slot fired while the limit registered, its task may be woken although the limit has resolved.
        assert!(seen.is_ready() || count.get() == 1);
        assert_eq!(count.poll(Pin::new(&mut new)), Poll::Ready(()));
    });
}

/// A waker is replaced while the alarm rings. One of the two wakers is woken, or the limit sees that the slot has fired.
#[test]
fn replace_while_it_rings() {
    model(|| {
        let limits = Limits::new();
        let mut limit = limits.join();
        let reactor = thread::spawn(ring);
        let new = Count::new();
        let seen = new.poll(Pin::new(&mut limit));
        reactor.join().unwrap();
        assert!(seen.is_ready() || limit.wakes() + new.get() == 1);
        assert_eq!((Arc::strong_count(&new), Arc::strong_count(&limit.count)), (1, 1));
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
            assert!(all.remove(0).has_fired());
            assert_eq!(limits.slots(), all.len());
            assert!(!all.iter().any(Waits::has_fired));
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
        assert!(first.has_fired() && !later.has_fired());
        ring();
        assert!(later.has_fired());
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
        assert!(earlier.has_fired() && later.has_fired());
        assert_eq!(limits.slots(), 0);
    });
}

/// The alarm rings before the wheel has stored it. The slot fires and does not stay on the wheel.
#[test]
fn ring_while_the_alarm_is_set() {
    model(|| {
        let limits = Limits::new();
        let reactor = thread::spawn(ring);
        let mut limit = limits.limit_later(Duration::ZERO);
        let count = limit.count.clone();
        let seen = count.poll(Pin::new(&mut limit));
        reactor.join().unwrap();
        // The reactor may have rung before the alarm was set. Then it must ring again.
        ring();
        assert!(limit.has_fired());
        assert_eq!(limits.slots(), 0, "a slot that has rung is still in the wheel");
        assert!(seen.is_ready() || count.get() == 1);
    });
}

/// The next slot has no limits left, and is about to be removed. A limit that looks for the slot meanwhile gets a slot that
/// fires: the old slot or a new one.
#[test]
fn find_while_a_slot_is_forgotten() {
    bounded_model(|| {
        let limits = Limits::new();
        let first = limits.join();
        let mut next = limits.limit_later(LENGTH);
        next.known = Some(limits.join_later(LENGTH).slot());
        let last = limits.join_later(2 * LENGTH);
        let reactor = thread::spawn(ring);
        next.register();
        reactor.join().unwrap();
        assert!(first.has_fired() && !next.has_fired());
        ring();
        assert!(next.has_fired());
        assert_eq!(next.wakes(), 1);
        ring();
        assert!(last.has_fired());
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
        assert!(first.has_fired() && !later.has_fired());
        assert_eq!(limits.slots(), 1);
        ring();
        assert!(later.has_fired());
    });
}

/// A limit is dropped while the alarm rings. The task of another limit in the same slot is still woken, and the dropped limit
/// leaves nothing behind.
#[test]
fn leave_while_it_rings() {
    bounded_model(|| {
        let limits = Limits::new();
        let mut stays = limits.join();
        let leaving = limits.join();
        let left = leaving.count.clone();
        let reactor = thread::spawn(ring);
        drop(leaving);
        reactor.join().unwrap();
        ring_all();
        let count = stays.count.clone();
        assert_eq!(count.get(), 1);
        assert_eq!(count.poll(Pin::new(&mut stays)), Poll::Ready(()));
        assert!(left.get() <= 1);
        assert_eq!(Arc::strong_count(&left), 1);
        assert_eq!(limits.slots(), 0);
    });
}

/// A limit is dropped while its slot fires and another limit takes its place in memory. The other limit's task is woken.
#[test]
fn leave_while_its_place_is_taken() {
    bounded_model(|| {
        let limits = Limits::new();
        let leaving = limits.join();
        let moment = leaving.end();
        let remote = limits.clone();
        let other = thread::spawn(move || {
            remote.wheel.drive_due(moment);
            remote.join_later(LENGTH)
        });
        drop(leaving);
        let later = other.join().unwrap();
        ring_until(moment);
        ring_until(later.end());
        assert!(later.has_fired());
        assert_eq!((later.wakes(), limits.slots()), (1, 0));
    });
}

/// Three tasks wait. A ring wakes one of them, and at the same time an executor drives the wheel. Each task is woken once: by
/// the ring, by the executor, or by a later ring.
#[test]
fn ring_and_drive() {
    bounded_model(|| {
        let limits = Limits::new();
        let all = [(); 3].map(|()| limits.join());
        let reactor = thread::spawn(ring);
        limits.wheel.drive(all[0].end());
        reactor.join().unwrap();
        assert!(all[0].has_fired());
        // One ring wakes one task, and the next ring wakes two.
        ring_all();
        assert_eq!((wakes(&all), limits.slots()), ([1, 1, 1], 0));
    });
}

/// Two executors drive the wheel at once. Each task is woken once.
#[test]
fn two_drive_at_once() {
    bounded_model(|| {
        let limits = Limits::new();
        let all = [(); 2].map(|()| limits.join());
        let (remote, end) = (limits.clone(), all[0].end());
        let other = thread::spawn(move || remote.wheel.drive_due(end));
        limits.wheel.drive_due(end);
        other.join().unwrap();
        assert!(all[0].has_fired());
        assert_eq!(wakes(&all), [1, 1]);
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
        assert!(first.has_fired() && !later.has_fired());
        ring_until(later.end());
        assert!(later.has_fired(), "the later slot has no alarm");
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
        assert!(first.has_fired() && !later.has_fired());
        ring_until(later.end());
        assert!(later.has_fired() && !last.has_fired());
        ring_until(last.end());
        assert!(last.has_fired());
    });
}

/// A slot fires while a thread is about to set its alarm. Another alarm is already set, but for a much later time. The
/// remaining tasks do not wait for the later alarm.
#[test]
fn backlog_has_an_alarm() {
    bounded_model(|| {
        let limits = Limits::new();
        let _far = limits.join_later(LENGTH);
        // If this limit is still registered when the slot fires, a third task is woken.
        let remote = limits.clone();
        let other = thread::spawn(move || drop(remote.join()));
        let all = [(); 2].map(|()| limits.join());
        let end = all[0].end();
        ring_until(end);
        other.join().unwrap();
        // The reactor may have rung before the alarm was set. Then it must ring again.
        for _ in 0..3 {
            ring_until(end + LENGTH / 2);
        }
        assert_eq!(wakes(&all), [1, 1]);
        ring_all();
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
        assert!(first.has_fired() && second.has_fired());
        ring_until(next.end());
        ring_until(next.end());
        assert!(next.has_fired());
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
        let there = other.join().unwrap();
        assert_eq!(limits.slots(), 1);
        ring_all();
        assert_eq!((here.wakes(), there.wakes(), limits.slots()), (1, 1, 0));
    });
}
