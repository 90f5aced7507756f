//! The idle timeout: a limit on each wait for an item.

use std::pin::pin;
use std::task::Poll;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use futures::{StreamExt, stream};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Wakes, block_on, kept};

const LIMIT: Duration = Duration::from_millis(5);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn fires_after_an_item() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let ((feed, tap), wakes) = (feed(), Wakes::new());
        let stream = feed.cancelable_stream(never()).idle_timeout(LIMIT);
        let stream = if named { stream.named("lines") } else { stream };
        let mut stream = pin!(stream);
        tap.push(1);
        assert_eq!(next(stream.as_mut(), &wakes), item(1));
        let began = Instant::now();
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        wakes.wait(1);
        assert!(began.elapsed() >= LIMIT, "never early");
        assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(LIMIT)));
        assert_eq!(tap.drops(), 1);
        assert_eq!(next(stream.as_mut(), &wakes), end());
    }
}

#[test]
fn fires_before_the_first_item() {
    let _watchdog = support::watchdog();
    let stream = stream::pending::<u32>().cancelable_stream(never()).idle_timeout(LIMIT);
    let items = block_on(stream.collect::<Vec<_>>());
    assert_eq!(items, [Err(Cancelled::new(Reason::timeout(LIMIT)))]);
}

#[test]
fn items_restart_the_clock() {
    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(300);
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(limit));
    let began = Instant::now();
    let mut number = 0;
    // All waits together take twice as long as the limit, but no single wait reaches the limit.
    while began.elapsed() < limit * 2 {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        sleep(limit / 10);
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        number += 1;
    }
    // The timer was registered for an earlier wait, and must not fire early for this wait.
    let waits = Instant::now();
    loop {
        let woken = wakes.count();
        match next(stream.as_mut(), &wakes) {
            Poll::Pending => wakes.wait(woken + 1),
            polled => {
                assert_eq!(polled, error(Reason::timeout(limit)));
                break;
            }
        }
    }
    assert!(waits.elapsed() >= limit, "early: {:?}", waits.elapsed());
}

#[test]
fn consumer_time_does_not_count() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(LIMIT));
    sleep(LIMIT * 2);
    for number in 0..3 {
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        sleep(LIMIT * 2);
    }
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
}

#[test]
fn dropped_next_does_not_stop_it() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = feed.cancelable_stream(never()).idle_timeout(LIMIT);
    {
        let mut given_up = stream.next();
        assert!(wakes.poll(pin!(&mut given_up)).is_pending());
    }
    sleep(LIMIT * 2);
    assert_eq!(next(pin!(&mut stream), &wakes), error(Reason::timeout(LIMIT)));
    assert_eq!(tap.drops(), 1);
}

#[test]
fn ready_item_wins() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(LIMIT));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    wakes.wait(1);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending, "this wait has just begun");
}

#[test]
fn zero_takes_ready_items_only() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(Duration::ZERO));
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(Duration::ZERO)));
}

#[test]
fn overflow_never_fires() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(Duration::MAX));
    for number in 0..3 {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
}

#[test]
fn first_of_two_limits() {
    let _watchdog = support::watchdog();
    let pending = || stream::pending::<u32>();
    let reason = |stream: CancelableStream<_, _>| {
        block_on(stream.into_future()).0.unwrap().unwrap_err().into_reason()
    };
    let idle_first = pending().cancelable_stream(timeout(HOUR)).idle_timeout(LIMIT);
    assert_eq!(reason(idle_first), Reason::timeout(LIMIT));
    let whole_first = pending().cancelable_stream(timeout(LIMIT)).idle_timeout(HOUR);
    assert_eq!(reason(whole_first), Reason::timeout(LIMIT));
}

#[test]
fn fires_within_a_chunk() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let stream = feed.cancelable_stream(never()).idle_timeout(LIMIT).chunks(2);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    wakes.wait(1);
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(LIMIT)));
    assert_eq!(partial.items(), [1]);
}

#[test]
fn one_registration_for_a_million_items() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).idle_timeout(HOUR));
    for number in 0..1_000_000 {
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        if number % 10 == 9 {
            assert_eq!(kept(&wakes), usize::from(number > 9));
            assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
            assert_eq!(kept(&wakes), 2, "the feed and the slot of the limit");
        }
    }
    assert_eq!(wakes.count(), 99_999);
}
