//! The virtual clock, advanced by hand: `pause`, `advance`, `now`, `elapsed` and `until_next`.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::testing::{self, Wakes};

use super::{HOUR, NANO, ms, panic_of};
use crate::support::{self, poll_once};

#[test]
fn stands_still() {
    let _watchdog = support::watchdog();
    let before = Instant::now();
    let time = testing::pause();
    let start = time.now();
    assert!(start >= before && start <= Instant::now(), "it starts at the present moment");
    thread::sleep(ms(2));
    assert_eq!((time.now(), time.elapsed()), (start, Duration::ZERO));
    time.advance(HOUR);
    time.advance(NANO);
    assert_eq!((time.now(), time.elapsed()), (start + HOUR + NANO, HOUR + NANO));
    time.advance(Duration::ZERO);
    assert_eq!(time.elapsed(), HOUR + NANO);
}

#[test]
fn timeout_is_exact() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let lengths = [NANO, 2 * NANO, Duration::from_micros(300), ms(1), ms(1234), 24 * 365 * HOUR];
    for length in lengths {
        let wakes = Wakes::new();
        let mut source = pin!(timeout(length));
        assert!(wakes.poll(source.as_mut()).is_pending());
        assert_eq!(time.until_next(), Some(length));
        time.advance(length - NANO);
        assert_eq!(wakes.count(), 0);
        assert!(wakes.poll(source.as_mut()).is_pending());
        time.advance(NANO);
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
        assert_eq!(wakes.poll(source), Poll::Ready(Reason::timeout(length)));
        assert_eq!(time.until_next(), None);
    }
}

#[test]
fn deadline_is_exact() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut source = pin!(deadline(time.now() + ms(20)));
    time.advance(ms(5));
    assert!(wakes.poll(source.as_mut()).is_pending());
    time.advance(ms(15) - NANO);
    assert!(wakes.poll(source.as_mut()).is_pending());
    time.advance(NANO);
    assert_eq!(wakes.poll(source), Poll::Ready(Reason::timeout(ms(15))));

    let mut passed = pin!(deadline(time.now()));
    assert_eq!(wakes.poll(passed.as_mut()), Poll::Ready(Reason::timeout(Duration::ZERO)));
}

#[test]
fn starts_at_first_poll() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut source = pin!(timeout(ms(10)));
    time.advance(HOUR);
    assert!(poll_once(source.as_mut()).is_pending());
    time.advance(ms(10) - NANO);
    assert!(poll_once(source.as_mut()).is_pending());
    time.advance(NANO);
    assert!(poll_once(source).is_ready());
}

/// A limit starts when its source is first polled. It is registered only after the first poll of the work, and may have
/// passed by then.
#[test]
fn work_uses_up_limit() {
    let _watchdog = support::watchdog();
    for over in [NANO, Duration::ZERO] {
        let time = testing::pause();
        let mut polls = 0;
        let work = std::future::poll_fn(|_| {
            polls += 1;
            time.advance(ms(10) + over);
            Poll::<()>::Pending
        });
        let outcome = poll_once(pin!(work.cancelable(timeout(ms(10)))));
        assert_eq!(outcome, Poll::Ready(Err(Cancelled::new(Reason::timeout(ms(10))))));
        assert_eq!(polls, 2);
    }
}

#[test]
fn overflow_never_fires() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let millennium = 1000 * 365 * 24 * HOUR;
    for length in [Duration::MAX, Duration::from_secs(u64::MAX >> 1), millennium] {
        let wakes = Wakes::new();
        let mut source = pin!(timeout(length));
        assert!(wakes.poll(source.as_mut()).is_pending());
        assert_eq!((time.until_next(), Arc::strong_count(&wakes)), (None, 1), "{length:?}");
    }
    let said = panic_of(|| time.advance(Duration::MAX));
    assert!(said.contains("the clock cannot represent"), "{said}");
    assert_eq!(time.elapsed(), Duration::ZERO);
}

/// Records the elapsed time when it is woken.
struct Noting {
    name: &'static str,
    operation: Operation,
    log: Arc<Mutex<Vec<(&'static str, Duration)>>>,
}

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.log.lock().unwrap().push((self.name, self.operation.elapsed()));
    }
}

#[test]
fn fire_in_order() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut running = Box::pin(std::future::pending::<()>().cancelable(never()).named("clock"));
    let operation = running.operation();
    assert!(poll_once(running.as_mut()).is_pending());
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut sources = Vec::new();
    // Limits of the same instant fire in the order of registration.
    for (name, length) in [("c", ms(30)), ("a", ms(10)), ("b", ms(20)), ("a2", ms(10))] {
        let mut source = Box::pin(timeout(length));
        let (operation, log) = (operation.clone(), log.clone());
        let waker = Waker::from(Arc::new(Noting { name, operation, log }));
        assert!(source.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sources.push(source);
    }
    time.advance(ms(25));
    let seen = std::mem::take(&mut *log.lock().unwrap());
    assert_eq!(seen, [("a", ms(10)), ("a2", ms(10)), ("b", ms(20))]);
    assert_eq!((time.elapsed(), time.until_next()), (ms(25), Some(ms(5))));
    time.advance(HOUR);
    assert_eq!(*log.lock().unwrap(), [("c", ms(30))]);
    assert_eq!(time.elapsed(), HOUR + ms(25));
}

#[test]
fn dropped_limit_is_not_next() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let (mut short, mut long) = (Box::pin(timeout(ms(10))), pin!(timeout(ms(50))));
    assert!(wakes.poll(short.as_mut()).is_pending());
    assert!(wakes.poll(long.as_mut()).is_pending());
    assert_eq!(time.until_next(), Some(ms(10)));
    drop(short);
    assert_eq!(time.until_next(), Some(ms(50)));
    time.advance(ms(20));
    assert_eq!((wakes.count(), time.elapsed()), (0, ms(20)));
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (first, last) = (Wakes::new(), Wakes::new());
    let mut source = pin!(timeout(ms(10)));
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&first), 1);
    time.advance(HOUR);
    assert_eq!((first.count(), last.count()), (0, 1));
}

#[test]
fn many_limits() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut kept = Vec::new();
    for i in 0..10_000 {
        let mut source = Box::pin(timeout(Duration::from_micros(1 + i % 977)));
        assert!(wakes.poll(source.as_mut()).is_pending());
        if i % 10 == 0 {
            kept.push(source);
        }
    }
    assert_eq!(Arc::strong_count(&wakes), 1001);
    time.advance(ms(1));
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1000, 1));
    assert!(kept.iter_mut().all(|source| poll_once(source.as_mut()).is_ready()));
}

/// Wakers run while nothing is borrowed.
#[test]
fn reentrant_waker() {
    struct Hostile(Mutex<Option<std::pin::Pin<Box<cancelable::source::Timeout>>>>);
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            let mut other = Box::pin(timeout(ms(3)));
            assert!(poll_once(other.as_mut()).is_pending());
            // Advances the clock inside `advance`.
            testing::run(timeout(ms(1)));
            drop(self.0.lock().unwrap().take());
            panic!("a waker that panics");
        }
    }
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut other = Box::pin(timeout(ms(20)));
    assert!(wakes.poll(other.as_mut()).is_pending());
    let waker = Waker::from(Arc::new(Hostile(Mutex::new(Some(other)))));
    let (mut source, mut last) = (pin!(timeout(ms(10))), pin!(timeout(ms(20))));
    assert!(source.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(wakes.poll(last.as_mut()).is_pending());
    time.advance(ms(10));
    assert_eq!(time.elapsed(), ms(11), "the waker has moved it further, and it never goes back");
    time.advance(ms(9));
    assert_eq!((wakes.count(), time.until_next()), (1, None));
}

#[test]
fn paused_twice_panics() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let said = panic_of(testing::pause);
    assert!(said.contains("paused on this thread already"), "{said}");
    time.advance(ms(5));
    assert_eq!(time.elapsed(), ms(5));
    drop(time);
    assert_eq!(testing::pause().elapsed(), Duration::ZERO, "a new one starts anew");
}

#[test]
fn one_clock_per_thread() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    thread::spawn(|| {
        let start = Instant::now();
        support::block_on(timeout(ms(5)));
        assert!(start.elapsed() >= ms(5), "real time");
        let time = testing::pause();
        time.advance(ms(7));
        assert_eq!(time.elapsed(), ms(7));
    })
    .join()
    .unwrap();
    assert_eq!(time.elapsed(), HOUR);
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(ms(1234));
    assert_eq!(format!("{time:?}"), "PausedTime { elapsed: 1.234s, until_next: None, .. }");
}
