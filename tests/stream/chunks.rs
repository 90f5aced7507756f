//! Chunks: their sizes, and what becomes of one that is not complete.

use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::{StreamExt, stream};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Wakes, block_on, panic_of};

#[test]
fn all_are_full_but_the_last_and_none_is_empty() {
    let _watchdog = support::watchdog();
    for items in 0..20_u32 {
        for size in 1..8 {
            let chunks = stream::iter(0..items).cancelable(never()).chunks(size);
            let chunks: Vec<_> = block_on(chunks.map(Result::unwrap).collect());
            let expected: Vec<_> = (0..items).collect();
            let expected: Vec<_> = expected.chunks(size).map(<[u32]>::to_vec).collect();
            assert_eq!(chunks, expected, "{items} items in chunks of {size}");
        }
    }
}

#[test]
fn a_chunk_waits_until_it_is_full() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = pin!(feed.cancelable(never()).chunks(3));
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
    let stream = feed.cancelable(&token).chunks(3);
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
fn cancellation_is_seen_between_two_items_of_a_chunk() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let numbers = stream::iter(0..).inspect(|number| {
        if *number == 4 {
            token.cancel_with("four");
        }
    });
    let stream = numbers.cancelable(&token).chunks(1_000_000);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), error("four"));
    assert_eq!(partial.items(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_is_kept_and_what_is_in_hand_are_one_list_without_repeats() {
    let _watchdog = support::watchdog();
    // Seven items, of which the last three are in hand.
    for (keep, expected) in [(0, 4..7), (2, 4..7), (3, 4..7), (5, 2..7), (100, 0..7)] {
        for keep_first in [true, false] {
            let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
            let stream = feed.cancelable(&token);
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
fn the_rest_comes_before_the_end_of_the_operation() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = stream::iter(0..3).cancelable(never()).chunks(2);
    let (operation, partial) = (stream.operation(), stream.partial());
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1]));
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![2]));
    assert_eq!(operation.status(), Status::Running);
    // The stream is over: who cancels now comes too late to take anything away.
    operation.cancel_with("late");
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!((partial.status(), partial.items()), (Status::Completed, vec![]));
}

#[test]
fn items_that_cannot_be_cloned_come_in_chunks_too() {
    let _watchdog = support::watchdog();
    #[derive(Debug, PartialEq)]
    struct Only(u32);
    let token = CancellationToken::new();
    let numbers = stream::iter(0..).map(Only).inspect(|number| {
        if number.0 == 2 {
            token.cancel();
        }
    });
    let stream = numbers.cancelable(&token).chunks(2);
    let partial = stream.partial();
    assert_eq!(block_on(stream.count()), 2);
    assert_eq!(partial.take(), [Only(2)]);
}

#[test]
fn a_chunk_of_nothing_is_refused() {
    let _watchdog = support::watchdog();
    let said = panic_of(|| stream::iter(0..3).cancelable(never()).chunks(0));
    assert_eq!(said, "a chunk has at least one item");
}

#[test]
fn a_chunk_larger_than_memory_is_not_allocated_beforehand() {
    let _watchdog = support::watchdog();
    let chunks = stream::iter(0..3).cancelable(never()).chunks(usize::MAX);
    assert_eq!(block_on(chunks.collect::<Vec<_>>()), [Ok(vec![0, 1, 2])]);
}
