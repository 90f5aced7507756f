//! Time limits on the whole stream.

use std::future::ready;
use std::pin::pin;
use std::task::Poll;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::{Stream, StreamExt, stream};

use crate::feed::{error, feed, item, next};
use crate::support::{self, Wakes, block_on, kept};

const LIMIT: Duration = Duration::from_millis(5);

#[test]
fn g05_one_clock_from_first_poll() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(timeout(Duration::from_millis(50))));
    sleep(Duration::from_millis(60));
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1), "it had not been polled");
    sleep(Duration::from_millis(60));
    tap.push(2);
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(Duration::from_millis(50))));
    assert_eq!(tap.left(), 1);
}

#[test]
fn g05_passes_between_items() {
    let _watchdog = support::watchdog();
    // For the first items, the stream notices the limit by reading the clock, and after many items by reading a flag.
    for items in [1, 63, 65, 1000] {
        let wakes = Wakes::new();
        let limit = Duration::from_millis(200);
        let mut stream = pin!(stream::iter(0..).cancelable_stream(timeout(limit)));
        for number in 0..items {
            assert_eq!(next(stream.as_mut(), &wakes), item(number));
        }
        if items > 64 {
            // The task is registered, so the reactor wakes it.
            wakes.wait(1);
        } else {
            assert_eq!(kept(&wakes), 0);
            sleep(limit);
        }
        assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(limit)));
    }
}

async fn last_of<St: Stream>(stream: St) -> Option<St::Item> {
    stream.fold(None, |_, item| ready(Some(item))).await
}

#[test]
fn g05_stream_that_never_waits() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let began = Instant::now();
        let stream = stream::repeat(1).cancelable_stream(timeout(LIMIT));
        let stream = if named { stream.named("lines") } else { stream };
        let last = block_on(last_of(stream)).unwrap();
        assert!(last.is_err_and(|cancelled| cancelled.is_timeout()));
        assert!(began.elapsed() >= LIMIT, "never early");
        let last =
            block_on(last_of(stream::repeat(1).cancelable_stream(timeout(LIMIT)).chunks(1000)));
        assert!(last.unwrap().is_err());
    }
}

#[test]
fn g05_wakes() {
    let _watchdog = support::watchdog();
    let ((feed, _tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(timeout(LIMIT)));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    wakes.wait(1);
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(LIMIT)));
}

#[test]
fn g05_zero() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(timeout(Duration::ZERO)));
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(Duration::ZERO)));
    assert_eq!(tap.polls(), 0);
}

#[test]
fn limits_inside_a_source() {
    let _watchdog = support::watchdog();
    let hour = Duration::from_secs(3600);
    let source = async move {
        let ticks = stream::pending::<()>().cancelable_stream(timeout(hour)).idle_timeout(hour);
        ticks.count().await;
        Reason::Dropped
    };
    let wakes = Wakes::new();
    let run = std::future::pending::<()>().cancelable(source).named("run");
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(operation.deadline(), None);
}

#[test]
fn idle_timeout_inside_a_source() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    tap.push(1);
    let source = async move {
        let ticks = feed.cancelable_stream(never()).idle_timeout(Duration::from_secs(3600));
        let mut ticks = pin!(ticks);
        assert_eq!(ticks.next().await, Some(Ok(1)));
        futures::pending!();
        // The clock starts here, in the second poll of the source.
        ticks.next().await;
        Reason::Dropped
    };
    let run = std::future::pending::<()>().cancelable(source).named("run");
    let operation = run.operation();
    let mut run = pin!(run);
    for _ in 0..3 {
        assert!(wakes.poll(run.as_mut()).is_pending());
    }
    assert_eq!(tap.polls(), 4, "it waits");
    assert_eq!(operation.deadline(), None);
}
