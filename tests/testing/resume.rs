//! Limits after time has resumed, and on other threads.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::source::Timeout;
use cancelable::testing::{self, Wakes};

use super::{HOUR, ms};
use crate::support::{self, poll_once};

#[test]
fn rest_passes_in_real_time() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let (mut short, mut long) = (pin!(timeout(HOUR)), pin!(timeout(2 * HOUR)));
    assert!(wakes.poll(short.as_mut()).is_pending());
    assert!(wakes.poll(long.as_mut()).is_pending());
    time.advance(HOUR - ms(20));
    let resumed = Instant::now();
    drop(time);
    assert!(wakes.poll(short.as_mut()).is_pending());
    wakes.wait(1);
    assert!(resumed.elapsed() >= ms(20), "never early");
    assert_eq!(wakes.poll(short), Poll::Ready(Reason::timeout(HOUR)));
    assert!(wakes.poll(long).is_pending());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn dropped_limit_keeps_no_waker() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut limit = Box::pin(timeout(HOUR));
    assert!(wakes.poll(limit.as_mut()).is_pending());
    drop(limit);
    assert_eq!(Arc::strong_count(&wakes), 1);
    drop(time);
    let mut limit = Box::pin(timeout(HOUR));
    assert!(wakes.poll(limit.as_mut()).is_pending());
    let time = testing::pause();
    drop(time);
    drop(limit);
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn pending_limit_stays_real() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut limit = pin!(timeout(ms(20)));
    let start = Instant::now();
    assert!(wakes.poll(limit.as_mut()).is_pending());
    let time = testing::pause();
    assert_eq!(time.until_next(), None);
    time.block_on(limit.as_mut());
    assert!(start.elapsed() >= ms(20));
    assert_eq!(time.elapsed(), Duration::ZERO);
}

#[test]
fn limit_belongs_to_thread() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let wakes = Wakes::new();
    let mut limit: Pin<Box<Timeout>> = Box::pin(timeout(HOUR));
    assert!(poll_once(limit.as_mut()).is_pending());
    let elsewhere = wakes.clone();
    let (told, hears) = channel::<()>();
    let (polled, waits) = channel::<()>();
    let thread = thread::spawn(move || {
        assert!(elsewhere.poll(limit.as_mut()).is_pending());
        polled.send(()).unwrap();
        hears.recv().unwrap();
        elsewhere.poll(limit.as_mut())
    });
    waits.recv().unwrap();
    assert_eq!(wakes.count(), 0);
    time.advance(HOUR);
    assert_eq!(wakes.count(), 1, "it wakes who polled it last");
    told.send(()).unwrap();
    assert_eq!(thread.join().unwrap(), Poll::Ready(Reason::timeout(HOUR)));
}

/// A limit that was never pending on this thread does not belong to its clock.
#[test]
fn unpolled_limit_takes_polling_clock() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let limit = timeout(ms(20));
    let took = thread::spawn(move || {
        let start = Instant::now();
        support::block_on(limit);
        start.elapsed()
    });
    assert!(took.join().unwrap() >= ms(20));
    assert_eq!(time.elapsed(), Duration::ZERO);
}

#[test]
fn thread_ends_while_paused() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let here = wakes.clone();
    let limit = thread::spawn(move || {
        std::mem::forget(testing::pause());
        let mut limit = Box::pin(timeout(ms(20)));
        assert!(here.poll(limit.as_mut()).is_pending());
        limit
    });
    let mut limit = limit.join().unwrap();
    wakes.wait(1);
    assert_eq!(wakes.poll(limit.as_mut()), Poll::Ready(Reason::timeout(ms(20))));
}

/// Destructors of other thread-locals may set limits after the thread-locals of virtual time have been destroyed.
// Windows runs these destructors under a lock.
#[cfg(unix)]
#[test]
fn limit_in_thread_destructor() {
    use std::cell::RefCell;
    use std::panic::catch_unwind;
    use std::sync::mpsc::Sender;

    struct AtEnd(Sender<bool>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let is_pending = || poll_once(Box::pin(timeout(HOUR)).as_mut()).is_pending();
            let _ = self.0.send(is_pending());
            // Pausing time fails here.
            if let Ok(_time) = catch_unwind(testing::pause) {
                let _ = self.0.send(is_pending());
            }
        }
    }
    thread_local! {
        static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
        static AT_END_TOO: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let _watchdog = support::watchdog();
    let (pending, told) = channel();
    let thread = thread::spawn(move || {
        std::mem::forget(testing::pause());
        // One destructor runs before the destructor of the limits and one after it, in either order.
        AT_END.set(Some(AtEnd(pending.clone())));
        testing::run(timeout(ms(1)));
        AT_END_TOO.set(Some(AtEnd(pending)));
    });
    thread.join().unwrap();
    assert_eq!(told.iter().collect::<Vec<_>>(), [true, true, true]);
}

/// An operation may start in virtual time and end in real time, or the other way round.
#[test]
fn operation_in_both_times() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    let run = async { futures::pending!() }.cancelable(timeout(HOUR)).named("both");
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(time);
    assert_eq!(operation.elapsed(), Duration::ZERO, "it began later than now");
    assert!(operation.remaining() > Some(HOUR));
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(operation.elapsed(), Duration::ZERO);
}

/// A blocked thread cannot advance its clock.
#[test]
fn blocking_wait_is_real() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let token = CancellationToken::new();
    let start = Instant::now();
    assert_eq!(token.blocking_wait_timeout(ms(20)), None);
    assert!(start.elapsed() >= ms(20));
    assert_eq!(time.elapsed(), Duration::ZERO);
    token.cancel_with("stop");
    assert_eq!(token.blocking_wait_timeout(HOUR), Some(Reason::manual("stop")));
}
