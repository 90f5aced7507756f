//! When a thread begins and stops to follow tokio's clock.

use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::testing::{self, Wakes};
use tokio::time::{advance, sleep};

use super::{HOUR, MINUTE, paused};
use crate::support::{self, block_on, panic_of, poll_once};

const MS: Duration = Duration::from_millis(1);

#[test]
fn until_the_last_guard_is_dropped() {
    let _watchdog = support::watchdog();
    paused(async {
        let outer = testing::follow_tokio_clock();
        let inner = testing::follow_tokio_clock();
        drop(outer);
        advance(HOUR).await;
        assert_eq!(inner.elapsed(), HOUR);
        assert!(inner.now() > Instant::now() + HOUR / 2);
        drop(inner);
        let run = pending::<()>().cancelable(never());
        let operation = run.operation();
        assert!(poll_once(pin!(run)).is_pending());
        advance(HOUR).await;
        assert!(operation.elapsed() < HOUR / 2, "its time is real");
    });
}

#[test]
fn pending_limit_stays_with_the_clock() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let wakes = Wakes::new();
        let mut limit = pin!(timeout(HOUR));
        assert!(wakes.poll(limit.as_mut()).is_pending());
        drop(clock);
        sleep(HOUR).await;
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(limit).is_ready());
    });
}

/// If the runtime ends before the limit, the rest of the limit passes in real time.
#[test]
fn limit_outlives_the_runtime() {
    let _watchdog = support::watchdog();
    let wakes = [Wakes::new(), Wakes::new()];
    let mut limits = [HOUR, MINUTE].map(|length| Box::pin(timeout(length)));
    paused(async {
        let _clock = testing::follow_tokio_clock();
        for (limit, wakes) in limits.iter_mut().zip(&wakes) {
            assert!(wakes.poll(limit.as_mut()).is_pending());
        }
        advance(MINUTE - 5 * MS).await;
    });
    assert_eq!(wakes[0].count(), 0);
    wakes[1].wait(1);
    let [long, short] = &mut limits;
    assert!(wakes[1].poll(short.as_mut()).is_ready());
    assert!(wakes[0].poll(long.as_mut()).is_pending());
}

/// Outside of a runtime there is no clock of tokio.
#[test]
fn real_time_outside_of_the_runtime() {
    let _watchdog = support::watchdog();
    let clock = paused(async { testing::follow_tokio_clock() });
    let late = block_on(pending::<()>().cancelable(timeout(5 * MS)));
    assert!(late.unwrap_err().is_timeout());
    drop(clock);
}

#[test]
fn clock_that_is_not_paused() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let clock = testing::follow_tokio_clock();
        let before = Instant::now();
        assert!(sleep(HOUR).cancelable(timeout(5 * MS)).await.unwrap_err().is_timeout());
        assert!(before.elapsed() >= 5 * MS && clock.elapsed() >= 5 * MS);
        tokio::time::pause();
        assert!(sleep(HOUR).cancelable(timeout(MINUTE)).await.unwrap_err().is_timeout());
        assert!(clock.elapsed() >= MINUTE);
    });
}

#[test]
fn needs_a_runtime_with_a_timer() {
    let _watchdog = support::watchdog();
    let said = panic_of(|| drop(testing::follow_tokio_clock()));
    assert!(said.contains("no reactor running"), "{said}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let said = panic_of(|| runtime.block_on(async { drop(testing::follow_tokio_clock()) }));
    assert!(said.contains("timers are disabled"), "{said}");
}

#[test]
fn refused_while_time_is_paused() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let said = panic_of(|| paused(async { drop(testing::follow_tokio_clock()) }));
    assert!(said.contains("time is paused on this thread"), "{said}");
    assert_eq!(time.elapsed(), Duration::ZERO);
}
