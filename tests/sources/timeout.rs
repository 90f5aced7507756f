//! `timeout`: a time limit from the first poll on.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::{Deadline, Timeout};
use futures::future::FusedFuture;

use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

/// Long enough that even a busy machine polls twice within it.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// Waits until every limit of at most [`SHORT`] has fired.
fn let_time_pass() {
    block_on(timeout(SHORT * 2));
}

#[test]
fn fires() {
    let _watchdog = support::watchdog();
    let start = Instant::now();
    block_on(timeout(SHORT));
    assert!(start.elapsed() >= SHORT);
}

#[test]
#[should_panic(expected = "`Timeout` polled after completion")]
fn fires_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(SHORT));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    wakes.wait(1);
    assert!(poll_once(source.as_mut()).is_ready());
    let _ = poll_once(source);
}

#[test]
#[should_panic(expected = "`Timeout` polled after completion")]
fn zero_fires_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(Duration::ZERO));
    assert!(poll_once(source.as_mut()).is_ready());
    let _ = poll_once(source);
}

#[test]
fn reason() {
    let _watchdog = support::watchdog();
    for after in [Duration::ZERO, Duration::from_nanos(1), SHORT] {
        assert_eq!(block_on(timeout(after)), Reason::timeout(after));
    }
}

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let cancelled = block_on(tally.ready_at(1).cancelable(timeout(Duration::ZERO))).unwrap_err();
    assert!(cancelled.is_timeout());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn pending_registers_waker() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(SHORT));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 2);
    wakes.wait(1);
    assert!(wakes.poll(source).is_ready());
}

#[test]
fn same_waker_registers_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(LONG));
    let wakes = Wakes::new();
    for _ in 0..1000 {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    assert_eq!((Arc::strong_count(&wakes), wakes.count()), (2, 0));
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(SHORT));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    wakes.wait(1);
    assert!(wakes.poll(source).is_ready());
    let_time_pass();
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(SHORT));
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    last.wait(1);
    assert!(last.poll(source).is_ready());
    let_time_pass();
    assert_eq!((first.count(), last.count()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn drop_deregisters() {
    let _watchdog = support::watchdog();
    let mut source = Box::pin(timeout(SHORT));
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    drop(source);
    assert_eq!(Arc::strong_count(&wakes), 1);
    let_time_pass();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut run = pin!(Tally::new().ready_at(2).cancelable(timeout(SHORT)));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
}

#[test]
fn drops_work_once() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(0).cancelable(timeout(SHORT)));
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    clock.pass(SHORT);
    assert_eq!(wakes.count(), 1);
    assert_eq!(tally.drops(), 0);
    assert!(wakes.poll(run.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);
    drop(run);
    assert_eq!(tally.drops(), 1);
}

#[test]
fn never_polled_registers_nothing() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    // While the work is first polled, only this poll holds the waker.
    let seen = std::future::poll_fn(|_| Poll::Ready(Arc::strong_count(&wakes)));
    let mut run = pin!(seen.cancelable(timeout(SHORT)));
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn probe_registers_nothing() {
    let _watchdog = support::watchdog();
    let limit = RefCell::new(Box::pin(timeout(LONG)));
    let source = std::future::poll_fn(|cx| limit.borrow_mut().as_mut().poll(cx));
    // Polls the source in the state that it has while the work is first polled.
    let work = std::future::poll_fn(|_| Poll::Ready(format!("{:?}", limit.borrow())));
    let shown = block_on(work.cancelable(source)).unwrap();
    assert!(shown.contains("Running"), "{shown}");
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(Duration::from_millis(1234)));
    let shown = format!("{source:?}");
    assert!(shown.starts_with("Timeout") && shown.contains("1.234s"), "{shown}");
    assert!(poll_once(source.as_mut()).is_pending());
    let shown = format!("{source:?}");
    assert!(shown.contains("Waiting") && shown.contains("1.234s"), "{shown}");
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut source = pin!(timeout(SHORT));
    let wakes = Wakes::new();
    assert!(!source.is_terminated());
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert!(!source.is_terminated());
    clock.pass(SHORT);
    assert!(wakes.poll(source.as_mut()).is_ready());
    assert!(source.is_terminated());
    let mut never = pin!(timeout(Duration::MAX));
    assert!(poll_once(never.as_mut()).is_pending());
    assert!(!never.is_terminated());
}

#[test]
fn starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut source = pin!(timeout(SHORT));
    clock.pass(SHORT * 2);
    let start = clock.now();
    assert!(poll_once(source.as_mut()).is_pending());
    clock.block_on(source);
    clock.assert_passed(start, SHORT);
}

#[test]
fn started_before_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let start = clock.now();
    let [early, late, never] = [LONG, SHORT, Duration::MAX].map(|after| timeout(after).started());
    clock.pass(SHORT);
    let mut early = pin!(async { 1 }.cancelable(early).named("early"));
    let operation = early.operation();
    assert_eq!(poll_once(early.as_mut()), Poll::Ready(Ok(1)));
    assert!(operation.deadline().is_some_and(|end| end < clock.now() + LONG));
    assert_eq!(block_on(async { 1 }.cancelable(late)), Err(Cancelled::new(Reason::timeout(SHORT))));
    assert!(poll_once(pin!(never)).is_pending());
    assert!(poll_once(pin!(timeout(Duration::ZERO).started())).is_ready());
    clock.block_on(timeout(SHORT).started());
    clock.assert_passed(start, SHORT * 2);
}

#[test]
fn starts_before_the_work() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    // The work blocks for longer than the limit, and then returns `Pending`. So the limit wins.
    let mut polls = 0;
    let work = std::future::poll_fn(|_| {
        polls += 1;
        clock.pass(SHORT * 3);
        Poll::<()>::Pending
    });
    let mut run = pin!(work.cancelable(timeout(SHORT)));
    assert!(matches!(poll_once(run.as_mut()), Poll::Ready(Err(_))));
    assert_eq!(polls, 2);
}

#[test]
fn max_never_fires() {
    let _watchdog = support::watchdog();
    let mut source = pin!(timeout(Duration::MAX));
    let wakes = Wakes::new();
    for _ in 0..100 {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    // Nothing is registered.
    assert_eq!(Arc::strong_count(&wakes), 1);
    assert_eq!(block_on(async { 7 }.cancelable(timeout(Duration::MAX))), Ok(7));
}

#[test]
fn thousand_years_never_fires() {
    let _watchdog = support::watchdog();
    // An `Instant` can be a thousand years off, but 2^64 nanoseconds are only 584 years.
    let millennium = Duration::from_secs(1000 * 365 * 24 * 3600);
    for after in [millennium, Duration::from_nanos(u64::MAX), Duration::from_secs(u64::MAX >> 1)] {
        let mut source = pin!(timeout(after));
        for _ in 0..3 {
            assert!(poll_once(source.as_mut()).is_pending(), "{after:?}");
        }
    }
}

#[test]
fn never_early() {
    let _watchdog = support::watchdog();
    let lengths = [1, 300, 524, 1_000, 1_500, 2_048, 5_000, 9_999, 40_000];
    for after in lengths.map(Duration::from_micros) {
        for _ in 0..5 {
            let start = Instant::now();
            block_on(timeout(after));
            let took = start.elapsed();
            assert!(took >= after, "{took:?} of {after:?}");
            // Finds only gross errors, because the machine may be busy.
            assert!(took < after + Duration::from_secs(10), "{took:?} of {after:?}");
        }
    }
}

#[test]
fn one_slot_wakes_each_once() {
    let _watchdog = support::watchdog();
    let mut sources: Vec<_> = (0..1000).map(|_| Box::pin(timeout(SHORT))).collect();
    let wakes: Vec<_> = (0..1000).map(|_| Wakes::new()).collect();
    for (source, wakes) in sources.iter_mut().zip(&wakes) {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    for wakes in &wakes {
        wakes.wait(1);
    }
    for (source, wakes) in sources.iter_mut().zip(&wakes) {
        assert_eq!(wakes.poll(source.as_mut()), Poll::Ready(Reason::timeout(SHORT)));
    }
    let_time_pass();
    assert!(wakes.iter().all(|wakes| wakes.count() == 1));
}

#[test]
fn dropped_ones_do_not_disturb_their_slot() {
    let _watchdog = support::watchdog();
    let wakes: Vec<_> = (0..300).map(|_| Wakes::new()).collect();
    let mut sources: Vec<_> = wakes.iter().map(|_| Some(Box::pin(timeout(SHORT)))).collect();
    for (source, wakes) in sources.iter_mut().zip(&wakes) {
        assert!(wakes.poll(source.as_mut().unwrap().as_mut()).is_pending());
    }
    for source in sources.iter_mut().step_by(2) {
        *source = None;
    }
    for wakes in wakes.iter().skip(1).step_by(2) {
        wakes.wait(1);
    }
    let_time_pass();
    for (place, wakes) in wakes.iter().enumerate() {
        assert_eq!(wakes.count(), place % 2, "{place}");
    }
}

#[test]
fn ten_thousand_expire_together() {
    let _watchdog = support::watchdog();
    let after = SHORT;
    let mut sources: Vec<_> = (0..10_000).map(|_| Box::pin(timeout(after))).collect();
    let wakes = Wakes::new();
    for source in &mut sources {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    wakes.wait(10_000);
    let_time_pass();
    assert_eq!(wakes.count(), 10_000);
    for source in &mut sources {
        assert_eq!(wakes.poll(source.as_mut()), Poll::Ready(Reason::timeout(after)));
    }
    assert_eq!(Arc::strong_count(&wakes), 1);
}

/// When a task is polled after a wake-up, the poll may wake other tasks of the same slot. If wakers poll their tasks at
/// once, these wake-ups must not nest without bound.
#[test]
fn wakers_that_poll_at_once() {
    struct PollsAtOnce {
        source: Mutex<Option<Pin<Box<Deadline>>>>,
        done: Arc<Wakes>,
    }

    impl Wake for PollsAtOnce {
        fn wake(self: Arc<Self>) {
            let source = self.source.lock().unwrap().take();
            assert!(source.is_some_and(|mut source| poll_once(source.as_mut()).is_ready()));
            self.done.wake_by_ref();
        }
    }

    let _watchdog = support::watchdog();
    let done = Wakes::new();
    let (many, mut waiting) = (100_000, 0);
    let end = Instant::now() + Duration::from_secs(1);
    for _ in 0..many {
        let task = Arc::new(PollsAtOnce { source: Mutex::new(None), done: done.clone() });
        let mut source = Box::pin(deadline(end));
        // The lock is held until the task owns its source. If the task is woken earlier, it waits for the lock.
        let mut held = task.source.lock().unwrap();
        let waker = Waker::from(task.clone());
        if source.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *held = Some(source);
            waiting += 1;
        }
    }
    done.wait(waiting);
}

#[test]
fn panicking_waker_does_not_harm_its_slot() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut sources: Vec<_> = (0..100).map(|_| Box::pin(timeout(SHORT))).collect();
    for (place, source) in sources.iter_mut().enumerate() {
        let waker = if place % 2 == 0 { wakes.waker() } else { Arc::new(Panics).into() };
        assert!(source.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    wakes.wait(50);
    for source in &mut sources {
        assert!(poll_once(source.as_mut()).is_ready());
    }
    let_time_pass();
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (50, 1));
}

#[test]
fn polled_from_thread_to_thread() {
    let _watchdog = support::watchdog();
    let after = Duration::from_secs(1);
    let mut source: std::pin::Pin<Box<Timeout>> = Box::pin(timeout(after));
    let start = Instant::now();
    let wakes: Vec<_> = (0..5).map(|_| Wakes::new()).collect();
    for wakes in &wakes {
        let wakes = wakes.clone();
        source = thread::spawn(move || {
            assert!(wakes.poll(source.as_mut()).is_pending());
            source
        })
        .join()
        .unwrap();
    }
    wakes[4].wait(1);
    // The timeout counts from its first poll, even if other threads poll it later.
    assert!(start.elapsed() >= after);
    assert_eq!(poll_once(source.as_mut()), Poll::Ready(Reason::timeout(after)));
    let_time_pass();
    let counts: Vec<_> = wakes.iter().map(|wakes| wakes.count()).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1]);
}

#[test]
fn set_from_many_threads() {
    let _watchdog = support::watchdog();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..200 {
                    let after = Duration::from_micros(500 + round * 37);
                    let start = Instant::now();
                    // Some limits are awaited and others are dropped, and all of them share slots. On a busy machine, a
                    // limit may have passed when its first poll returns.
                    let mut dropped = Box::pin(timeout(after));
                    let over = poll_once(dropped.as_mut()).is_ready();
                    assert!(!over || start.elapsed() >= after);
                    if round % 4 == 0 {
                        assert_eq!(block_on(timeout(after)), Reason::timeout(after));
                        assert!(start.elapsed() >= after);
                    }
                }
            });
        }
    });
}

#[test]
fn many_in_turn() {
    let _watchdog = support::watchdog();
    let (after, start) = (Duration::from_millis(2), Instant::now());
    for _ in 0..20 {
        block_on(timeout(after));
    }
    assert!(start.elapsed() >= after * 20);
}

/// The clock of a limit that is lent to one race after another continues, even if each race ends at its first poll,
/// so that the limit is never registered.
#[test]
fn g05_lent_to_ready_races_it_still_fires() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let length = Duration::from_millis(20);
    let mut limit = timeout(length);
    let start = clock.now();
    loop {
        let outcome = poll_once(pin!(async {}.cancelable(&mut limit)));
        let passed = clock.now() - start;
        match outcome {
            Poll::Ready(Ok(())) => {
                assert!(passed < support::LIMIT, "it does not fire");
                clock.pass(Duration::from_millis(1));
            }
            Poll::Ready(Err(cancelled)) => {
                assert_eq!(cancelled.reason(), &Reason::timeout(length));
                assert!(passed >= length, "early: {passed:?}");
                return;
            }
            Poll::Pending => unreachable!("the work is ready"),
        }
    }
}
