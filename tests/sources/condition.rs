//! `condition`, `condition_async` and `condition_blocking`.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::future::FusedFuture;

use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

/// Long enough that even a busy machine polls twice within it.
const SHORT: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A flag that can become true, and the number of checks.
#[derive(Clone, Default)]
struct Fact(Arc<(AtomicBool, AtomicUsize)>);

impl Fact {
    fn new() -> Self {
        Fact::default()
    }

    fn come_true(&self) {
        self.0.0.store(true, Ordering::SeqCst);
    }

    fn ask(&self) -> bool {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        self.0.0.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Messages received by the panic hook of a condition.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn hook(&self) -> impl FnMut(&str) + Send + Sync + 'static {
        let heard = self.0.clone();
        move |message| heard.lock().unwrap().push(message.to_owned())
    }

    fn words(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A check that panics twice, then returns true.
fn third_time_lucky() -> impl FnMut() -> bool + Send + 'static {
    let mut checks = 0;
    move || {
        checks += 1;
        match checks {
            1 => panic!("no disk"),
            2 => panic!("still no disk at check {checks}"),
            _ => true,
        }
    }
}

/// The tests that the three kinds share. A check may end inside the poll or on another thread, so these tests wait for
/// wake-ups instead of counting polls.
macro_rules! suite {
    (|$fact:ident| $condition:expr) => {
        #[test]
        fn fires() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let remote = $fact.clone();
            let teller = thread::spawn(move || {
                while remote.asked() < 3 {
                    thread::yield_now();
                }
                remote.come_true();
            });
            block_on($condition.every(TICK));
            teller.join().unwrap();
            assert!($fact.asked() >= 3);
        }

        #[test]
        #[should_panic(expected = "`Condition` polled after completion")]
        fn fires_once() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            $fact.come_true();
            let mut source = pin!($condition);
            block_on(source.as_mut());
            let _ = poll_once(source);
        }

        #[test]
        fn reason() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            $fact.come_true();
            assert_eq!(block_on($condition.named("disk")), Reason::condition("disk", 1));
        }

        #[test]
        fn reason_counts_checks() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let remote = $fact.clone();
            let teller = thread::spawn(move || {
                while remote.asked() < 5 {
                    thread::yield_now();
                }
                remote.come_true();
            });
            let reason = block_on($condition.every(TICK));
            teller.join().unwrap();
            assert_eq!(reason, Reason::condition("condition", $fact.asked() as u64));
        }

        #[test]
        fn named() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            $fact.come_true();
            assert_eq!(block_on($condition), Reason::condition("condition", 1));
            assert_eq!(block_on($condition.named("")), Reason::condition("condition", 1));
            let built = format!("disk {}", 7);
            assert_eq!(block_on($condition.named(built)), Reason::condition("disk 7", 1));
            let renamed = $condition.named("a").named("b").named("");
            assert_eq!(block_on(renamed), Reason::condition("b", 1));
        }

        #[test]
        fn pending_registers_waker() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.every(SHORT));
            let wakes = Wakes::new();
            assert!(wakes.poll(source.as_mut()).is_pending());
            assert!(Arc::strong_count(&wakes) >= 2);
            wakes.wait(1);
        }

        #[test]
        fn drop_deregisters() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = Box::pin($condition.every(LONG));
            let wakes = Wakes::new();
            // Poll until the pause has started.
            while source.as_mut().checks() < 1 {
                assert!(wakes.poll(source.as_mut()).is_pending());
            }
            until_held(&wakes, 1);
            drop(source);
            until_held(&wakes, 0);
        }

        #[test]
        fn drops_work_once() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let tally = Tally::new();
            let mut run = Box::pin(tally.ready_at(0).cancelable($condition.every(TICK)));
            assert!(poll_once(run.as_mut()).is_pending());
            assert_eq!(tally.drops(), 0);
            $fact.come_true();
            assert!(block_on(run.as_mut()).unwrap_err().is_condition());
            assert_eq!(tally.drops(), 1);
            drop(run);
            assert_eq!(tally.drops(), 1);
        }

        #[test]
        fn never_polled_registers_nothing() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let tally = Tally::new();
            drop(tally.ready_at(1).cancelable($condition.every(TICK)));
            assert_eq!(($fact.asked(), tally.polls(), tally.drops()), (0, 0, 1));
            // During the first poll of the work, the source has not registered the waker.
            let wakes = Wakes::new();
            let seen = std::future::poll_fn(|_| Poll::Ready(Arc::strong_count(&wakes)));
            let mut run = pin!(seen.cancelable($condition.every(LONG)));
            assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(2)));
            assert_eq!(Arc::strong_count(&wakes), 1);
        }

        #[test]
        fn debug() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.named("disk").every(Duration::from_millis(1234)));
            let shown = format!("{source:?}");
            assert!(shown.starts_with("Condition") && shown.contains("\"disk\""), "{shown}");
            assert!(shown.contains("1.234s") && shown.contains("checks: 0"), "{shown}");
            while source.as_mut().checks() < 1 {
                assert!(poll_once(source.as_mut()).is_pending());
            }
            assert!(format!("{source:?}").contains("checks: 1"), "{source:?}");
        }

        #[test]
        fn fused() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.every(TICK));
            assert!(!source.is_terminated());
            assert!(poll_once(source.as_mut()).is_pending());
            assert!(!source.is_terminated());
            $fact.come_true();
            block_on(source.as_mut());
            assert!(source.is_terminated());
        }

        #[test]
        fn second_check_after_pause() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.every(LONG));
            while source.as_mut().checks() < 1 {
                assert!(poll_once(source.as_mut()).is_pending());
            }
            for _ in 0..1000 {
                assert!(poll_once(source.as_mut()).is_pending());
            }
            assert_eq!($fact.asked(), 1);
        }

        #[test]
        fn endless_pause() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.every(Duration::MAX));
            let wakes = Wakes::new();
            while source.as_mut().checks() < 1 {
                assert!(wakes.poll(source.as_mut()).is_pending());
            }
            for _ in 0..1000 {
                assert!(wakes.poll(source.as_mut()).is_pending());
            }
            assert_eq!($fact.asked(), 1);
            // Nothing holds the waker any more.
            until_held(&wakes, 0);
        }

        #[test]
        fn minimum_pause() {
            let _watchdog = support::watchdog();
            let $fact = Fact::new();
            let mut source = pin!($condition.every(Duration::ZERO));
            let start = Instant::now();
            while source.as_mut().checks() < 11 {
                assert!(poll_once(source.as_mut()).is_pending());
            }
            // Eleven checks have ten pauses between them.
            assert!(start.elapsed() >= TICK * 10, "{:?}", start.elapsed());
        }
    };
}

/// Waits until `by` clones of the waker are left: a pool thread drops its clone only after waking.
fn until_held(wakes: &Arc<Wakes>, by: usize) {
    let give_up = Instant::now() + support::LIMIT / 2;
    while Arc::strong_count(wakes) != 1 + by {
        assert!(Instant::now() < give_up, "{} hold the waker", Arc::strong_count(wakes) - 1);
        thread::yield_now();
    }
}

/// Returns the number of checks, read from the `Debug` output.
trait Checks {
    fn checks(self) -> u64;
}

impl<S: std::fmt::Debug> Checks for S {
    fn checks(self) -> u64 {
        let shown = format!("{self:?}");
        let (_, after) = shown.split_once("checks: ").unwrap();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }
}

mod asynchronous;
#[cfg(feature = "blocking")]
mod blocking;
mod sync;
