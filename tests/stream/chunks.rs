//! Chunks: their sizes, and where an incomplete chunk goes.

use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::{StreamExt, stream};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Wakes, block_on, panic_of};

#[test]
fn full_but_the_last() {
    let _watchdog = support::watchdog();
    for items in 0..20_u32 {
        for size in 1..8 {
            let chunks = stream::iter(0..items).cancelable_stream(never()).chunks(size);
            let chunks: Vec<_> = block_on(chunks.map(Result::unwrap).collect());
            let expected: Vec<_> = (0..items).collect();
            let expected: Vec<_> = expected.chunks(size).map(<[u32]>::to_vec).collect();
            assert_eq!(chunks, expected, "{items} items in chunks of {size}");
        }
    }
}

#[test]
fn waits_until_full() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable_stream(never()).chunks(3));
    for number in 0..3 {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        tap.push(number);
        assert_eq!(wakes.count(), number as usize + 1);
    }
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1, 2]));
}

#[test]
fn g02_unfinished_chunk_goes_to_the_partial() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    let stream = feed.cancelable_stream(&token).chunks(3);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    (0..5).for_each(|item| tap.push(item));
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1, 2]));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((partial.count(), partial.items()), (5, vec![]), "it is not over");
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!((partial.count(), partial.items()), (5, vec![3, 4]));
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn cancelled_between_items() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let numbers = stream::iter(0..).inspect(|number| {
        if *number == 4 {
            token.cancel_with("four");
        }
    });
    let stream = numbers.cancelable_stream(&token).chunks(1_000_000);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), error("four"));
    assert_eq!(partial.items(), [0, 1, 2, 3, 4]);
}

#[test]
fn kept_items_and_chunk_overlap() {
    let _watchdog = support::watchdog();
    // Seven items, and the last three are in an incomplete chunk.
    for (keep, expected) in [(0, 4..7), (2, 4..7), (3, 4..7), (5, 2..7), (100, 0..7)] {
        for keep_first in [true, false] {
            let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
            let stream = feed.cancelable_stream(&token);
            let stream = if keep_first {
                stream.keep_last(keep).chunks(4)
            } else {
                stream.chunks(4).keep_last(keep)
            };
            let partial = stream.partial();
            let mut stream = pin!(stream);
            (0..7).for_each(|item| tap.push(item));
            assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1, 2, 3]));
            assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
            token.cancel_with("stop");
            assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
            assert_eq!(partial.take(), expected.clone().collect::<Vec<_>>(), "keeps {keep}");
        }
    }
}

#[test]
fn last_chunk_before_completion() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = stream::iter(0..3).cancelable_stream(never()).chunks(2);
    let (operation, partial) = (stream.operation(), stream.partial());
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1]));
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![2]));
    assert_eq!(operation.status(), Status::Running);
    // The stream is over, so a cancellation is too late to take anything away.
    operation.cancel_with("late");
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!((partial.status(), partial.items()), (Status::Completed, vec![]));
}

#[test]
fn items_without_clone() {
    let _watchdog = support::watchdog();
    #[derive(Debug, PartialEq)]
    struct Only(u32);
    let token = CancellationToken::new();
    let numbers = stream::iter(0..).map(Only).inspect(|number| {
        if number.0 == 2 {
            token.cancel();
        }
    });
    let stream = numbers.cancelable_stream(&token).chunks(2);
    let partial = stream.partial();
    assert_eq!(block_on(stream.count()), 2);
    assert_eq!(partial.take(), [Only(2)]);
}

#[test]
fn size_zero_panics() {
    let _watchdog = support::watchdog();
    let said = panic_of(|| stream::iter(0..3).cancelable_stream(never()).chunks(0));
    assert_eq!(said, "a chunk has at least one item");
}

#[test]
fn huge_size_allocates_lazily() {
    let _watchdog = support::watchdog();
    let chunks = stream::iter(0..3).cancelable_stream(never()).chunks(usize::MAX);
    assert_eq!(block_on(chunks.collect::<Vec<_>>()), [Ok(vec![0, 1, 2])]);
}
