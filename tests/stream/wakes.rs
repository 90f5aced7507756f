//! A waiting task is woken, however many items were ready before.

use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;

use crate::feed::{error, feed, item, next};
use crate::support::{self, Wakes};

#[test]
fn g02_cancellation_after_ready_items() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        for by_handle in [false, true] {
            // For one of these numbers of items, the source registers just before the stream waits.
            for items in 0..140 {
                let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
                let stream = feed.cancelable_stream(&token);
                let stream = if named { stream.named("lines") } else { stream };
                let operation = by_handle.then(|| stream.operation());
                let mut stream = pin!(stream);
                (0..items).for_each(|number| tap.push(number));
                for number in 0..items {
                    assert_eq!(next(stream.as_mut(), &wakes), item(number));
                }
                assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
                match operation {
                    Some(operation) => operation.cancel_with("stop"),
                    None => token.cancel_with("stop"),
                };
                assert_eq!(wakes.count(), 1, "after {items} items");
                assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
            }
        }
    }
}

#[test]
fn g02_cancellation_within_a_chunk() {
    let _watchdog = support::watchdog();
    for items in 0..140 {
        let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
        let mut stream = pin!(feed.cancelable_stream(&token).chunks(1000));
        (0..items).for_each(|number| tap.push(number));
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        token.cancel_with("stop");
        assert_eq!(wakes.count(), 1, "after {items} items");
    }
}

#[cfg(feature = "time")]
#[test]
fn g05_limit_after_ready_items() {
    let _watchdog = support::watchdog();
    let limit = std::time::Duration::from_millis(20);
    for items in 60..68 {
        let ((feed, tap), wakes) = (feed(), Wakes::new());
        let mut stream = pin!(feed.cancelable_stream(timeout(limit)));
        (0..items).for_each(|number| tap.push(number));
        for number in 0..items {
            assert_eq!(next(stream.as_mut(), &wakes), item(number));
        }
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        wakes.wait(1);
        assert_eq!(next(stream.as_mut(), &wakes), error(Reason::timeout(limit)));
    }
}
