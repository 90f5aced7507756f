//! The virtual clock, by hand: `pause`, `advance`, `now`, `elapsed` and `until_next`.

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
fn it_stands_still_until_it_is_advanced() {
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
fn a_timeout_fires_at_its_nanosecond() {
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
fn a_deadline_fires_at_its_nanosecond() {
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
fn the_clock_of_a_limit_starts_at_its_first_poll() {
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

/// The clock starts at the first look, and the limit registers after the work was polled: by then it
/// may be over.
#[test]
fn work_that_takes_all_the_time_has_had_it() {
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
fn what_the_clock_cannot_tell_never_fires() {
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
    assert!(said.contains("the clock cannot tell"), "{said}");
    assert_eq!(time.elapsed(), Duration::ZERO);
}

/// Notes the time of an operation when it is woken.
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
fn limits_fire_in_order_each_at_its_own_moment() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut running = Box::pin(std::future::pending::<()>().cancelable(never()).named("clock"));
    let operation = running.operation();
    assert!(poll_once(running.as_mut()).is_pending());
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut sources = Vec::new();
    // Those of one moment fire in the order in which they registered.
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
fn a_limit_that_is_dropped_is_no_longer_next() {
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
fn a_changed_waker_is_the_one_that_is_woken() {
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
fn many_come_and_go_and_the_rest_fire() {
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

/// What a waker does, it does with nothing borrowed.
#[test]
fn a_waker_may_use_the_clock() {
    struct Hostile(Mutex<Option<std::pin::Pin<Box<cancelable::source::Timeout>>>>);
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            let mut other = Box::pin(timeout(ms(3)));
            assert!(poll_once(other.as_mut()).is_pending());
            // A clock within the clock.
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
fn it_is_paused_once() {
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
fn each_thread_has_its_own() {
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
