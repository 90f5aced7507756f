//! Partial results, however the stream ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use cancelable::prelude::*;
use futures::{StreamExt, stream};

use crate::feed::{error, feed, item, next};
use crate::support::{self, Wakes, block_on, panic_of};

#[test]
fn keeps_the_last() {
    let _watchdog = support::watchdog();
    for (keep, expected) in [(0, 0..0), (1, 9..10), (3, 7..10), (10, 0..10), (11, 0..10)] {
        let stream = stream::iter(0..10).cancelable_stream(never()).keep_last(keep);
        let partial = stream.partial();
        assert_eq!(block_on(stream.count()), 10);
        assert_eq!(partial.items(), expected.clone().collect::<Vec<_>>());
        assert_eq!(
            (partial.count(), partial.status(), partial.reason()),
            (10, Status::Completed, None)
        );
    }
}

#[test]
fn read_while_running() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = stream::iter(0..).cancelable_stream(never()).keep_last(2);
    let partial = stream.partial();
    assert_eq!((partial.count(), partial.status()), (0, Status::Pending));
    let mut stream = pin!(stream);
    for number in 0..5_u64 {
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        assert_eq!(partial.count(), number + 1);
        assert_eq!(partial.items().last(), Some(&number));
    }
    assert_eq!(partial.status(), Status::Running);
    assert_eq!(format!("{partial:?}"), "Partial { count: 5, kept: 2, status: Running, .. }");
}

#[test]
fn after_drop() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..).cancelable_stream(never()).keep_last(2);
    let partial = stream.partial();
    assert_eq!(block_on(stream.take(4).count()), 4);
    assert_eq!((partial.count(), partial.items()), (4, vec![2, 3]));
    assert_eq!((partial.status(), partial.reason()), (Status::Cancelled, Some(Reason::Dropped)));
}

#[test]
fn after_consumer_error() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..).cancelable_stream(never()).keep_last(1);
    let partial = stream.partial();
    let consumer = async {
        let mut stream = pin!(stream);
        while let Some(item) = stream.next().await {
            if item? == 6 {
                return Err(Cancelled::new("six"));
            }
        }
        Ok(())
    };
    assert!(block_on(consumer).is_err());
    assert_eq!((partial.count(), partial.take()), (7, vec![6]));
}

#[test]
fn after_panic() {
    let _watchdog = support::watchdog();
    let broken = stream::iter(0..).inspect(|number| assert!(*number < 5, "five"));
    let stream = broken.cancelable_stream(never()).keep_last(10).chunks(3);
    let partial = stream.partial();
    let said = panic_of(|| block_on(stream.count()));
    assert_eq!(said, "five");
    assert_eq!((partial.count(), partial.items()), (5, vec![0, 1, 2, 3, 4]));
    assert_eq!(partial.status(), Status::Failed);
}

#[test]
fn after_drop_with_a_chunk() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let stream = feed.cancelable_stream(never()).chunks(3);
    let partial = stream.partial();
    let seen = Arc::<std::sync::Mutex<Vec<u32>>>::default();
    let (late, hook) = (partial.clone(), seen.clone());
    let mut stream = Box::pin(stream.on_cancel(move |_, _| *hook.lock().unwrap() = late.items()));
    tap.push(1);
    tap.push(2);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    drop(stream);
    assert_eq!((partial.items(), partial.reason()), (vec![1, 2], Some(Reason::Dropped)));
    assert_eq!(*seen.lock().unwrap(), [1, 2], "hooks of the ending find it complete");
}

#[test]
fn complete_in_clean_up() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    let stream = feed.cancelable_stream(&token).chunks(3);
    let partial = stream.partial();
    let mut stream = pin!(stream.finally(|outcome| {
        assert!(outcome.is_err());
        assert_eq!(partial.items(), [1]);
        assert_eq!(partial.reason(), Some(Reason::manual("stop")));
        async {}
    }));
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
}

#[test]
fn clones_share() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..5).cancelable_stream(never()).keep_last(3);
    let (one, two) = (stream.partial(), stream.partial());
    let three = two.clone();
    assert_eq!(block_on(stream.count()), 5);
    assert_eq!(three.items(), [2, 3, 4]);
    assert_eq!(one.take(), [2, 3, 4]);
    assert_eq!(two.take(), [0; 0]);
    assert_eq!((one.count(), three.count()), (5, 5));
}

#[test]
fn take_makes_room() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = stream::iter(0..).cancelable_stream(never()).keep_last(3);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    for number in 0..5 {
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
    assert_eq!(partial.take(), [2, 3, 4]);
    assert_eq!(next(stream.as_mut(), &wakes), item(5));
    assert_eq!(partial.take(), [5]);
}

#[test]
fn late_handle() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut stream = pin!(stream::iter(0..).cancelable_stream(never()).keep_last(9));
    assert_eq!(next(stream.as_mut(), &wakes), item(0));
    let partial = stream.partial();
    assert_eq!((partial.count(), partial.status()), (1, Status::Running));
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!((partial.count(), partial.items()), (2, vec![1]));
}

#[test]
fn late_handle_with_a_chunk() {
    let _watchdog = support::watchdog();
    for keep in 0..6 {
        let ((feed, tap), wakes) = (feed(), Wakes::new());
        let mut stream = Box::pin(feed.cancelable_stream(never()).keep_last(keep).chunks(4));
        (0..2).for_each(|number| tap.push(number));
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        let partial = stream.partial();
        tap.push(2);
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        drop(stream);
        assert_eq!((partial.count(), partial.items()), (3, vec![0, 1, 2]), "keeps {keep}");
    }
}

#[test]
fn keep_fewer_later() {
    let _watchdog = support::watchdog();
    for keep in 0..7 {
        let wakes = Wakes::new();
        let mut stream = stream::iter(0..).cancelable_stream(never()).keep_last(5);
        let partial = stream.partial();
        for number in 0..6 {
            assert_eq!(next(pin!(&mut stream), &wakes), item(number));
        }
        let mut stream = stream.keep_last(keep);
        assert_eq!(partial.items(), (6 - keep.min(5)..6).collect::<Vec<_>>());
        assert_eq!(next(pin!(&mut stream), &wakes), item(6));
        assert_eq!(partial.items(), (7 - keep.min(6)..7).collect::<Vec<_>>());
    }
}

#[test]
fn read_from_another_thread() {
    let _watchdog = support::watchdog();
    let stream = stream::iter(0..100_000_u64).cancelable_stream(never()).keep_last(8);
    let partial = stream.partial();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        while partial.status() != Status::Completed {
            let items = partial.items();
            assert!(items.len() <= 8);
            assert!(items.windows(2).all(|pair| pair[0] + 1 == pair[1]), "torn: {items:?}");
            let count = partial.count();
            assert!(items.last().is_none_or(|item| *item < count) && count >= last);
            last = count;
        }
        partial.items()
    });
    assert_eq!(block_on(stream.count()), 100_000);
    assert_eq!(reader.join().unwrap(), (99_992..100_000).collect::<Vec<_>>());
}

/// Counts its clones and drops.
struct Counted(Arc<[AtomicUsize; 2]>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        Counted(self.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn clones_only_with_a_handle() {
    let _watchdog = support::watchdog();
    let counts = Arc::<[AtomicUsize; 2]>::default();
    let count = |which: usize| counts[which].swap(0, Ordering::Relaxed);
    let stream = || stream::repeat_with(|| Counted(counts.clone())).take(1000);

    let alone = stream().cancelable_stream(never()).keep_last(10);
    assert_eq!(block_on(alone.count()), 1000);
    assert_eq!((count(0), count(1)), (0, 1000), "there is no handle");

    let kept = stream().cancelable_stream(never()).keep_last(10);
    let partial = kept.partial();
    assert_eq!(block_on(kept.count()), 1000);
    assert_eq!((count(0), count(1)), (1000, 1990));
    drop(partial);
    assert_eq!((count(0), count(1)), (0, 10));
    assert_eq!(Arc::strong_count(&counts), 1, "nothing is left");
}
