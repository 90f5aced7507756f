//! Allocations and source polls per item, and the memory left after the end.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use cancelable::prelude::*;
use futures::{Stream, stream};

use crate::feed::item;
use crate::support::{self, Wakes, kept};

const MILLION: u64 = 1_000_000;
/// The number of items in each of the two batches that are compared.
const PART: u64 = 10_000;

/// Pulls this many items with one waker.
fn pull<St: Stream<Item = Result<T, Cancelled>>, T>(
    mut stream: Pin<&mut St>,
    waker: &Waker,
    items: u64,
) {
    let mut cx = Context::from_waker(waker);
    for _ in 0..items {
        let polled = stream.as_mut().poll_next(&mut cx);
        assert!(matches!(polled, Poll::Ready(Some(Ok(_)))));
    }
}

/// Returns the allocations of one batch, after a warm-up. The last batch of a million items must
/// allocate exactly as much as the first.
#[track_caller]
fn the_same_at_the_end<St: Stream<Item = Result<T, Cancelled>>, T>(
    what: &str,
    stream: St,
    in_one: u64,
) -> u64 {
    let waker = Wakes::new().waker();
    let mut stream = pin!(stream);
    pull(stream.as_mut(), &waker, PART / in_one);
    let first = measure(|| pull(stream.as_mut(), &waker, PART / in_one));
    let between = measure(|| pull(stream.as_mut(), &waker, (MILLION - 3 * PART) / in_one));
    let last = measure(|| pull(stream.as_mut(), &waker, PART / in_one));
    assert_eq!(first.count_total, last.count_total, "{what}: {first:?} at first, {last:?} at last");
    // A report contains a number, which sometimes grows by a digit.
    assert!(last.bytes_total <= first.bytes_total + PART / 10, "{what}: {last:?}");
    assert_eq!((between.count_current, between.bytes_current), (0, 0), "{what}: it grows");
    first.count_total
}

/// A stream that is always ready.
fn ready() -> impl Stream<Item = u64> {
    stream::repeat(7)
}

#[test]
fn plain_items_allocate_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let none = [
        the_same_at_the_end("never", ready().cancelable_stream(never()), 1),
        the_same_at_the_end("token", ready().cancelable_stream(&token), 1),
        the_same_at_the_end("any_of", ready().cancelable_stream(any_of((never(), &token))), 1),
        the_same_at_the_end(
            "nested",
            ready().cancelable_stream(&token).cancelable_stream(never()),
            1,
        ),
    ];
    assert_eq!(none, [0; 4], "they allocate nothing");
}

#[test]
fn operation_items_allocate_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let none = [
        the_same_at_the_end("named", ready().cancelable_stream(&token).named("lines"), 1),
        the_same_at_the_end(
            "cleaned up",
            ready().cancelable_stream(&token).finally(|_| async {}),
            1,
        ),
    ];
    assert_eq!(none, [0; 2], "they allocate nothing");
}

#[test]
fn kept_items_reuse_their_room() {
    let _watchdog = support::watchdog();
    let stream = ready().cancelable_stream(never()).keep_last(1000);
    let partial = stream.partial();
    assert_eq!(the_same_at_the_end("kept", stream, 1), 0);
    assert_eq!((partial.count(), partial.items().len()), (MILLION, 1000));
}

#[test]
fn chunks_and_reports() {
    let _watchdog = support::watchdog();
    let chunks = the_same_at_the_end("chunks", ready().cancelable_stream(never()).chunks(100), 100);
    assert_eq!(chunks, PART / 100, "one for each chunk");

    let reports =
        the_same_at_the_end("reports", ready().cancelable_stream(never()).report_every(100), 1);
    assert!(reports <= PART / 100 * 8, "{reports} for {} reports", PART / 100);
}

#[cfg(feature = "time")]
#[test]
fn limits_allocate_nothing_per_item() {
    let _watchdog = support::watchdog();
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(the_same_at_the_end("timeout", ready().cancelable_stream(timeout(hour)), 1), 0);
    let stream = ready().cancelable_stream(timeout(hour)).idle_timeout(hour);
    assert_eq!(the_same_at_the_end("idle", stream, 1), 0);
}

/// A stream that waits before each item.
fn waits() -> impl Stream<Item = u64> {
    let mut ready = true;
    stream::poll_fn(move |_| {
        ready = !ready;
        if ready { Poll::Ready(Some(7)) } else { Poll::Pending }
    })
}

#[test]
fn waits_allocate_nothing() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (wakes, waker) = (Wakes::new(), Wakes::new().waker());
    let mut cx = Context::from_waker(&waker);
    let stream = waits().cancelable_stream(&token);
    #[cfg(feature = "time")]
    let stream = stream.idle_timeout(std::time::Duration::from_secs(3600));
    let mut plain = pin!(stream);
    let mut named = pin!(waits().cancelable_stream(&token).named("lines"));
    let mut both = |count: u64| {
        for _ in 0..count {
            assert_eq!(plain.as_mut().poll_next(&mut cx), Poll::Pending);
            assert_eq!(plain.as_mut().poll_next(&mut cx), item(7));
            assert_eq!(named.as_mut().poll_next(&mut cx), Poll::Pending);
            assert_eq!(named.as_mut().poll_next(&mut cx), item(7));
        }
    };
    both(1);
    assert_eq!(measure(|| both(100_000)).count_total, 0);
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn source_polls_per_item() {
    let _watchdog = support::watchdog();
    let (asked, pulled) = (Cell::new(0), Cell::new(0));
    let source = poll_fn(|_| {
        asked.set(asked.get() + 1);
        Poll::<Reason>::Pending
    });
    let stream = stream::poll_fn(|_| {
        pulled.set(pulled.get() + 1);
        Poll::Ready(Some(7))
    });
    let waker = Wakes::new().waker();
    let mut stream = pin!(stream.cancelable_stream(source));
    pull(stream.as_mut(), &waker, 1);
    for _ in 0..100 {
        asked.set(0);
        pulled.set(0);
        pull(stream.as_mut(), &waker, PART);
        assert_eq!((asked.get(), pulled.get()), (PART, PART));
    }
}

#[test]
fn no_memory_left() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    let mut one = || {
        let stream = waits().cancelable_stream(&token).keep_last(10).report_every(2).chunks(3);
        #[cfg(feature = "time")]
        let stream = stream.idle_timeout(std::time::Duration::from_secs(3600));
        let (partial, operation) = (stream.partial(), stream.operation());
        let mut stream = pin!(stream.named("lines").finally(|_| async {}));
        for _ in 0..10 {
            let _ = stream.as_mut().poll_next(&mut cx);
        }
        assert_eq!(partial.count(), 7);
        operation.cancel();
        assert!(matches!(stream.as_mut().poll_next(&mut cx), Poll::Ready(Some(Err(_)))));
    };
    (0..1000).for_each(|_| one());
    let left = measure(|| (0..20_000).for_each(|_| one()));
    assert!(left.bytes_current <= 64 << 10, "{left:?}");
    assert_eq!((kept(&wakes), Arc::strong_count(&wakes)), (1, 2), "only this test has it");
}
