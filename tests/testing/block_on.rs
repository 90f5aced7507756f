//! Auto-advance: `PausedTime::block_on` and `run`.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::testing;
use futures::channel::oneshot;
use futures::future::{join, join_all};

use super::{HOUR, ms, panic_of};
use crate::support::{self, poll_once};

#[test]
fn ready_takes_no_time() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    assert_eq!(time.block_on(async { 7 }), 7);
    assert_eq!(time.elapsed(), Duration::ZERO);
    assert_eq!(testing::run(async { 7 }), 7);
}

#[test]
fn advances_to_limits() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let seen = RefCell::new(Vec::new());
    let naps = [3, 1, 2, 1].map(|hours| {
        let (time, seen) = (&time, &seen);
        async move {
            timeout(hours * HOUR).await;
            seen.borrow_mut().push((hours, time.elapsed()));
        }
    });
    time.block_on(join_all(naps));
    assert_eq!(*seen.borrow(), [(1, HOUR), (1, HOUR), (2, 2 * HOUR), (3, 3 * HOUR)]);
}

/// While a task is woken, it is polled again and no time passes.
#[test]
fn stands_still_while_woken() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut polls = 0;
    let busy = poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 100 { Poll::Ready(()) } else { Poll::Pending }
    });
    assert_eq!(time.block_on(busy.cancelable(timeout(ms(1)))), Ok(()));
    assert_eq!((time.elapsed(), polls), (Duration::ZERO, 100));
}

#[test]
fn limit_of_another_future() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut other = Box::pin(timeout(ms(10)));
    assert!(poll_once(other.as_mut()).is_pending());
    let mut polls = 0;
    let mut nap = Box::pin(timeout(ms(20)));
    let counted = poll_fn(|cx| {
        polls += 1;
        nap.as_mut().poll(cx)
    });
    time.block_on(counted);
    assert_eq!((time.elapsed(), polls), (ms(20), 2), "not polled in vain");
    assert!(poll_once(other.as_mut()).is_ready());
}

#[test]
fn nested() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.block_on(async {
        time.advance(ms(5));
        time.block_on(timeout(ms(10)));
        testing::run(timeout(ms(20)));
        timeout(ms(40)).await;
    });
    assert_eq!(time.elapsed(), ms(75));
}

/// Limits of a `block_on` inside a source are not deadlines of the operation.
#[test]
fn nested_in_source() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let source = poll_fn(|_| {
        testing::run(timeout(ms(1)));
        time.block_on(timeout(ms(2)));
        Poll::<Reason>::Pending
    });
    let run = pending::<()>().cancelable(source).named("run");
    let operation = run.operation();
    assert!(poll_once(Box::pin(run).as_mut()).is_pending());
    assert_eq!((time.elapsed(), operation.deadline()), (ms(6), None), "two looks");
}

#[test]
fn guard_replaced_inside() {
    let _watchdog = support::watchdog();
    let guard = RefCell::new(Some(testing::pause()));
    testing::run(async {
        timeout(HOUR).await;
        drop(guard.take());
        let real = Instant::now();
        timeout(ms(3)).await;
        assert!(real.elapsed() >= ms(3), "the reactor wakes it");
        let time = testing::pause();
        timeout(HOUR).await;
        assert_eq!(time.elapsed(), HOUR);
    });
}

#[test]
fn run_resumes_time() {
    let _watchdog = support::watchdog();
    let start = Instant::now();
    testing::run(timeout(HOUR));
    assert!(start.elapsed() < HOUR);
    let start = Instant::now();
    support::block_on(timeout(ms(5)));
    assert!(start.elapsed() >= ms(5), "real time goes on");
    // If time is paused already, `run` uses that clock and leaves it paused.
    let time = testing::pause();
    testing::run(timeout(HOUR));
    assert_eq!(time.elapsed(), HOUR);
    thread::sleep(ms(2));
    assert_eq!(time.elapsed(), HOUR);
}

#[test]
fn woken_by_thread() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    // With this much patience, a missed wake-up would block the test until the watchdog ends it.
    time.patience(HOUR);
    let (sender, receiver) = oneshot::channel();
    let sends = thread::spawn(move || {
        thread::sleep(ms(10));
        sender.send(7).unwrap();
    });
    assert_eq!(time.block_on(receiver), Ok(7));
    sends.join().unwrap();
    assert_eq!(time.elapsed(), Duration::ZERO);
}

#[test]
fn without_auto_advance() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.auto_advance(false);
    let (sender, receiver) = oneshot::channel();
    let sends = thread::spawn(move || {
        thread::sleep(ms(10));
        sender.send(7).unwrap();
    });
    assert_eq!(time.block_on(receiver.cancelable(timeout(ms(1)))), Ok(Ok(7)));
    sends.join().unwrap();
    assert_eq!(time.elapsed(), Duration::ZERO);

    time.patience(ms(1));
    let said = panic_of(|| time.block_on(timeout(ms(1))));
    assert!(said.contains("woke it for 1ms"), "{said}");
    time.auto_advance(true);
    time.block_on(timeout(ms(1)));
    assert_eq!(time.elapsed(), ms(1));
}

#[test]
fn idle_panics() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.patience(ms(1));
    let hangs = async {
        timeout(HOUR).await;
        pending::<()>().await;
    };
    let said = panic_of(|| time.block_on(hangs));
    assert!(said.starts_with("nothing will ever wake this future"), "{said}");
    assert!(said.ends_with("at 3600s"), "{said}");
    // The guard still works.
    time.block_on(timeout(HOUR));
    assert_eq!(time.elapsed(), 2 * HOUR);
}

#[test]
fn still_clock_panics() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.auto_advance(false);
    time.patience(ms(1));
    let said = panic_of(|| time.block_on(timeout(HOUR)));
    assert!(said.contains("auto-advance is off"), "{said}");
    assert!(!said.contains("no limit runs"), "{said}");
}

/// A future that wakes itself in every poll never lets the clock advance to its limit.
#[test]
fn busy_panics() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.patience(ms(1));
    let restless = || {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    };
    let said = panic_of(|| time.block_on(restless().cancelable(timeout(HOUR))));
    assert!(said.starts_with("this future wakes itself in every poll"), "{said}");
    assert_eq!(time.elapsed(), Duration::ZERO);
    let scenario = testing::Scenario::new().after(ms(1)).cancel("never comes");
    let run = |source| restless().cancelable(any_of((source, timeout(HOUR))));
    let said = panic_of(|| scenario.run(run));
    assert!(
        said.contains("that the operation ends: this future wakes itself in every poll"),
        "{said}"
    );

    // If no time limit is pending, a future may wake itself any number of times. The count starts again whenever the future
    // is not woken.
    time.patience(Duration::ZERO);
    let mut polls = 0;
    time.block_on(poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 300_000 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let work = async {
        for _ in 0..5 {
            futures::join!(timeout(ms(1)), async {
                for _ in 0..60_000 {
                    smol::future::yield_now().await;
                }
            });
        }
    };
    time.block_on(work);
    assert_eq!(time.elapsed(), ms(5));
}

/// A condition that is never true always sets another limit, so the clock would advance forever.
#[test]
fn endless_panics() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.patience(ms(1));
    let never_met = condition(|| false).every(ms(1));
    let said = panic_of(|| time.block_on(never_met));
    assert!(said.starts_with("this future waits without end"), "{said}");
    assert!(said.contains("after 100000 moves"), "{said}");
}

#[test]
fn panic_resumes_time() {
    let _watchdog = support::watchdog();
    let panics = join(timeout(HOUR), async { panic!("no disk") });
    assert_eq!(panic_of(|| testing::run(panics)), "no disk");
    let start = Instant::now();
    support::block_on(timeout(ms(5)));
    assert!(start.elapsed() >= ms(5));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _time = testing::pause();
        panic!("no disk");
    }));
    assert!(caught.is_err());
    drop(testing::pause());
}
