//! Each kind of limit, under a paused clock that the thread follows.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cancelable::Limit;
use cancelable::prelude::*;
use cancelable::testing::{self, Wakes};
use futures::{FutureExt, StreamExt, stream};
use tokio::time::{advance, sleep};

use super::{HOUR, MINUTE, paused};
use crate::support::{self, panic_of};

#[test]
fn timeout_before_slow_work() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let outcome = sleep(HOUR).cancelable(timeout(MINUTE)).await;
        assert_eq!(outcome.unwrap_err().reason(), &Reason::timeout(MINUTE));
        assert_eq!(clock.elapsed(), MINUTE);
    });
}

#[test]
fn work_before_its_timeout() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        assert_eq!(sleep(MINUTE).cancelable(timeout(HOUR)).await, Ok(()));
        assert_eq!(clock.elapsed(), MINUTE);
    });
}

/// tokio rounds a timer up to a millisecond, and this crate does the same with a limit. So both end together, and the value
/// wins.
#[test]
fn precision_is_that_of_tokio() {
    let _watchdog = support::watchdog();
    for micros in [1, 999, 1000, 1001] {
        paused(async {
            let clock = testing::follow_tokio_clock();
            let length = Duration::from_micros(micros);
            assert_eq!(sleep(length).cancelable(timeout(length)).await, Ok(()));
            timeout(length).await;
            let elapsed = clock.elapsed();
            assert!(elapsed >= 2 * length && elapsed.subsec_nanos() % 1_000_000 == 0);
        });
    }
}

#[test]
fn advanced_by_hand() {
    let _watchdog = support::watchdog();
    paused(async {
        let _clock = testing::follow_tokio_clock();
        let wakes = Wakes::new();
        let mut limit = pin!(timeout(MINUTE));
        assert!(wakes.poll(limit.as_mut()).is_pending());
        advance(MINUTE - Duration::from_millis(1)).await;
        assert_eq!(wakes.count(), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (1, 1));
        assert!(wakes.poll(limit).is_ready());
    });
}

/// The clock does not advance to the end of a limit that was dropped.
#[test]
fn dropped_limit_is_gone() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        assert!(Wakes::new().poll(pin!(timeout(MINUTE))).is_pending());
        let thread = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            sender.send(7).unwrap();
        });
        assert_eq!(receiver.await, Ok(7));
        thread.join().unwrap();
        assert_eq!(clock.elapsed(), Duration::ZERO);
    });
}

#[test]
fn deadline_of_its_clock() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        advance(HOUR).await;
        let end = clock.now() + MINUTE;
        assert!(pending::<()>().cancelable(deadline(end)).await.unwrap_err().is_timeout());
        assert_eq!(clock.elapsed(), HOUR + MINUTE);
    });
}

#[test]
fn condition_between_pauses() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let mut checks = 0;
        let third = condition(|| {
            checks += 1;
            checks == 3
        });
        third.every(MINUTE).await;
        assert_eq!(clock.elapsed(), 2 * MINUTE);
    });
}

#[test]
fn grace() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let stubborn = sleep(HOUR).cancelable(timeout(MINUTE)).grace(MINUTE);
        assert!(stubborn.await.is_err());
        assert_eq!(clock.elapsed(), 2 * MINUTE);
        let polite = sleep(2 * MINUTE).cancelable(timeout(MINUTE)).grace(HOUR);
        assert_eq!(polite.await, Ok(()));
        assert_eq!(clock.elapsed(), 4 * MINUTE);
    });
}

#[test]
fn shield_for_a_while() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let work = async { shield_for(3 * MINUTE, sleep(HOUR)).await };
        assert!(work.cancelable(timeout(MINUTE)).await.is_err());
        assert_eq!(clock.elapsed(), 3 * MINUTE);
    });
}

#[test]
fn clean_up_for_a_while() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let run = async {}.cancelable(never()).finally_for(MINUTE, |_| sleep(HOUR));
        assert_eq!(run.await, Ok(()));
        assert_eq!(clock.elapsed(), MINUTE);
    });
}

#[test]
fn idle_stream() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let items = stream::iter([MINUTE, HOUR]).then(|pause| sleep(pause).map(move |()| pause));
        let items = items.cancelable_stream(never()).idle_timeout(2 * MINUTE);
        let items: Vec<_> = items.collect().await;
        assert_eq!(items[0], Ok(MINUTE));
        assert!(items[1].as_ref().is_err_and(Cancelled::is_timeout));
        assert_eq!(clock.elapsed(), 3 * MINUTE);
    });
}

#[test]
fn limit_that_moves() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let limit = Limit::after(MINUTE);
        let work = async {
            for _ in 0..3 {
                sleep(MINUTE / 2).await;
                limit.reset();
            }
            pending::<()>().await;
        };
        assert!(work.cancelable(limit.reached()).await.unwrap_err().is_timeout());
        assert_eq!(clock.elapsed(), 3 * (MINUTE / 2) + MINUTE);
    });
}

#[test]
fn shutdown() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let registry = Registry::new();
        let slow = sleep(HOUR).cancelable(never()).grace(HOUR).registered_in(&registry);
        let task = tokio::spawn(slow);
        tokio::task::yield_now().await;
        let report = registry.shutdown(MINUTE).grace(MINUTE).await;
        assert!(report.is_clean() && report.forced, "{report}");
        assert_eq!((report.took, clock.elapsed()), (2 * MINUTE, 2 * MINUTE));
        assert!(task.await.unwrap().is_err());
    });
}

#[test]
fn operations_report_its_times() {
    let _watchdog = support::watchdog();
    paused(async {
        let _clock = testing::follow_tokio_clock();
        let log = Arc::new(Mutex::new(Vec::new()));
        let times = log.clone();
        let child = async move {
            let child = Operation::current().unwrap();
            sleep(MINUTE / 2).await;
            times.lock().unwrap().push((child.elapsed(), child.remaining()));
            sleep(HOUR).await;
        };
        let run = async { child.cancelable(never()).named("child").await }
            .cancelable(timeout(MINUTE))
            .named("parent");
        let operation = run.operation();
        assert!(run.await.is_err());
        assert_eq!(operation.elapsed(), MINUTE);
        assert_eq!(*log.lock().unwrap(), [(MINUTE / 2, Some(MINUTE / 2))]);
    });
}

#[test]
fn many_limits_in_order() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let mut tasks = tokio::task::JoinSet::new();
        for seconds in (1..=100).rev() {
            tasks.spawn(async move {
                timeout(Duration::from_secs(seconds)).await;
                seconds
            });
        }
        for seconds in 1..=100 {
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), seconds);
            assert_eq!(clock.elapsed(), Duration::from_secs(seconds));
        }
    });
}

#[test]
fn overflow_never_fires() {
    let _watchdog = support::watchdog();
    paused(async {
        let clock = testing::follow_tokio_clock();
        let wakes = Wakes::new();
        let mut limit = pin!(timeout(Duration::MAX));
        assert!(wakes.poll(limit.as_mut()).is_pending());
        sleep(HOUR).await;
        assert!(wakes.poll(limit).is_pending());
        assert_eq!(clock.elapsed(), HOUR);
    });
}

/// If a waker panics, other limits that end at the same time still fire.
#[test]
fn waker_that_panics() {
    struct Hostile;
    impl std::task::Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let _watchdog = support::watchdog();
    paused(async {
        let _clock = testing::follow_tokio_clock();
        let hostile = Arc::new(Hostile).into();
        let mut first = Box::pin(timeout(MINUTE));
        assert!(first.as_mut().poll(&mut std::task::Context::from_waker(&hostile)).is_pending());
        let second = sleep(HOUR).cancelable(timeout(MINUTE)).await;
        assert!(second.unwrap_err().is_timeout());
        assert!(Wakes::new().poll(first.as_mut()).is_ready());
    });
}

#[test]
fn time_cannot_be_paused_too() {
    let _watchdog = support::watchdog();
    paused(async {
        let _clock = testing::follow_tokio_clock();
        let said = panic_of(|| drop(testing::pause()));
        assert!(said.contains("follows tokio's clock"), "{said}");
        let said = panic_of(|| testing::run(async {}));
        assert!(said.contains("follows tokio's clock"), "{said}");
    });
}
