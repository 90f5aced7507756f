//! The limit between two items.

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
fn it_strikes_where_no_item_comes() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let ((feed, tap), wakes) = (feed(), Wakes::new());
        let stream = feed.cancelable(never()).idle_timeout(LIMIT);
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
fn it_strikes_where_the_first_item_does_not_come() {
    let _watchdog = support::watchdog();
    let stream = stream::pending::<u32>().cancelable(never()).idle_timeout(LIMIT);
    let items = block_on(stream.collect::<Vec<_>>());
    assert_eq!(items, [Err(Cancelled::new(Reason::timeout(LIMIT)))]);
}

#[test]
fn each_item_starts_it_anew() {
    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(300);
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(limit));
    let began = Instant::now();
    let mut number = 0;
    // Twice as long as the limit, with never so long a wait.
    while began.elapsed() < limit * 2 {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        sleep(limit / 10);
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        number += 1;
    }
    // And what was registered long ago strikes for this wait no earlier than it may.
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
fn the_time_that_the_consumer_takes_does_not_count() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(LIMIT));
    sleep(LIMIT * 2);
    for number in 0..3 {
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        sleep(LIMIT * 2);
    }
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
}

#[test]
fn who_gives_up_waiting_does_not_stop_it() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = feed.cancelable(never()).idle_timeout(LIMIT);
    {
        let mut given_up = stream.next();
        assert!(wakes.poll(pin!(&mut given_up)).is_pending());
    }
    sleep(LIMIT * 2);
    assert_eq!(next(pin!(&mut stream), &wakes), error(Reason::timeout(LIMIT)));
    assert_eq!(tap.drops(), 1);
}

#[test]
fn an_item_that_is_there_is_never_too_late() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(LIMIT));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    wakes.wait(1);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending, "this wait has just begun");
}

#[test]
fn one_of_zero_takes_what_is_there_and_waits_for_nothing() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(Duration::ZERO));
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(Duration::ZERO)));
}

#[test]
fn one_that_the_clock_cannot_tell_never_strikes() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(Duration::MAX));
    for number in 0..3 {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
}

#[test]
fn of_two_limits_the_one_that_passes_first_is_the_reason() {
    let _watchdog = support::watchdog();
    let pending = || stream::pending::<u32>();
    let reason = |stream: CancelableStream<_, _>| {
        block_on(stream.into_future()).0.unwrap().unwrap_err().into_reason()
    };
    let idle_first = pending().cancelable(timeout(HOUR)).idle_timeout(LIMIT);
    assert_eq!(reason(idle_first), Reason::timeout(LIMIT));
    let whole_first = pending().cancelable(timeout(LIMIT)).idle_timeout(HOUR);
    assert_eq!(reason(whole_first), Reason::timeout(LIMIT));
}

#[test]
fn it_counts_between_items_of_a_chunk() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let stream = feed.cancelable(never()).idle_timeout(LIMIT).chunks(2);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    wakes.wait(1);
    assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(LIMIT)));
    assert_eq!(partial.items(), [1]);
}

#[test]
fn a_million_items_are_one_registration() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).idle_timeout(HOUR));
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
