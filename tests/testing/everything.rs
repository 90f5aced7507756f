//! Every limit of this crate uses the virtual clock.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing;

use super::{HOUR, NANO, ms};
use crate::support;

#[test]
fn condition_checks() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let checks = RefCell::new(Vec::new());
    let fourth = condition(|| {
        checks.borrow_mut().push(time.elapsed());
        checks.borrow().len() == 4
    });
    assert_eq!(time.block_on(fourth), Reason::condition("condition", 4));
    assert_eq!(*checks.borrow(), [ms(0), ms(100), ms(200), ms(300)], "every 100 ms by default");
}

#[test]
fn condition_pause() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let starts = RefCell::new(Vec::new());
    let slow = condition_async(async || {
        starts.borrow_mut().push(time.elapsed());
        timeout(ms(50)).await;
        starts.borrow().len() == 3
    });
    assert_eq!(time.block_on(slow.every(ms(10))), Reason::condition("condition", 3));
    assert_eq!(*starts.borrow(), [ms(0), ms(60), ms(120)]);
    assert_eq!(time.elapsed(), ms(170));
}

#[cfg(feature = "blocking")]
#[test]
fn blocking_condition() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let mut checks = 0;
    let third = condition_blocking(move || {
        checks += 1;
        checks == 3
    });
    assert_eq!(time.block_on(third.every(HOUR)), Reason::condition("condition", 3));
    assert_eq!(time.elapsed(), 2 * HOUR);
}

#[test]
fn composed() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let first = any_of((timeout(2 * HOUR), timeout(HOUR), never()));
    assert_eq!(time.block_on(first), Reason::timeout(HOUR));
    assert_eq!(time.elapsed(), HOUR, "the other one is gone");
    let both = all_of((timeout(2 * HOUR), timeout(HOUR)));
    assert_eq!(time.block_on(both).leaves().len(), 2);
    assert_eq!(time.elapsed(), 3 * HOUR);
}

#[test]
fn grace() {
    let _watchdog = support::watchdog();
    // In one turn the work ends just in time, in the other turn it is dropped at the end of the grace period.
    for (needs, forced) in [(ms(5) - NANO, false), (ms(5) + NANO, true)] {
        let time = testing::pause();
        let run = scope(timeout(ms(20)), async |operation: Operation| {
            operation.cancelled().await;
            timeout(needs).await;
        });
        let outcome = time.block_on(run.grace(ms(5)));
        assert_eq!(outcome.is_err_and(|cancelled| cancelled.was_forced()), forced);
        assert_eq!(time.elapsed(), ms(20) + needs.min(ms(5)));
    }
}

#[test]
fn shield_limit() {
    let _watchdog = support::watchdog();
    for (needs, finished) in [(ms(15) - NANO, true), (ms(15) + NANO, false)] {
        let time = testing::pause();
        let done = Cell::new(false);
        let section = async {
            timeout(needs).await;
            done.set(true);
        };
        let run = async {
            timeout(ms(5)).await;
            shield_for(ms(15), section).await;
            pending::<()>().await;
        };
        assert!(time.block_on(run.cancelable(timeout(ms(10)))).is_err());
        assert_eq!(done.get(), finished);
        assert_eq!(time.elapsed(), ms(5) + needs.min(ms(15)));
    }
}

#[test]
fn clean_up_limit() {
    let _watchdog = support::watchdog();
    for (needs, finished) in [(ms(15) - NANO, true), (ms(15) + NANO, false)] {
        let time = testing::pause();
        let done = Cell::new(false);
        let run = timeout(ms(5)).cancelable(never()).finally_for(ms(15), |_| async {
            timeout(needs).await;
            done.set(true);
        });
        assert_eq!(time.block_on(run), Ok(Reason::timeout(ms(5))));
        assert_eq!(done.get(), finished);
        assert_eq!(time.elapsed(), ms(5) + needs.min(ms(15)));
    }
}

#[test]
fn operation_times() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    let start = time.now();
    let run = scope(timeout(ms(50)), async |operation: Operation| {
        assert_eq!((operation.elapsed(), operation.remaining()), (ms(0), Some(ms(50))));
        timeout(ms(20)).await;
        assert_eq!((operation.elapsed(), operation.remaining()), (ms(20), Some(ms(30))));
        assert_eq!(operation.deadline(), Some(start + ms(50)));
        let below = scope(timeout(HOUR), async |below: Operation| below.remaining());
        assert_eq!(below.await, Ok(Some(ms(30))), "the limit of the one above counts");
    });
    let operation = run.operation();
    assert_eq!(time.block_on(run), Ok(()));
    time.advance(HOUR);
    assert_eq!(operation.elapsed(), ms(20), "it has ended");
    let snapshot = operation.snapshot();
    assert_eq!((snapshot.elapsed, snapshot.remaining), (ms(20), Some(Duration::ZERO)));
}

#[test]
fn calls_after_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let run = scope(timeout(ms(10)), async |operation: Operation| {
        let ask = operation.wrap(async |n: u32| n);
        let in_time = ask(1).await;
        time.advance(ms(10));
        (in_time, ask(2).await)
    });
    // The value is ready in the poll in which the limit passes.
    let (in_time, late) = time.block_on(run).unwrap();
    assert_eq!(in_time, Ok(1));
    assert!(late.unwrap_err().is_timeout());
}

#[test]
fn children() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let run = async {
        let below = pending::<()>().cancelable(timeout(HOUR)).named("below");
        below.await
    };
    let run = run.cancelable(timeout(ms(10))).named("above").grace(ms(5));
    let cancelled = time.block_on(run).unwrap().unwrap_err();
    assert_eq!(cancelled.reason().root(), &Reason::timeout(ms(10)));
    assert_eq!(time.elapsed(), ms(10));
}
