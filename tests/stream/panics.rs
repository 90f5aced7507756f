//! Guarantee 13 for streams: panics outside of `poll_next`.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use cancelable::prelude::*;
use futures::{Stream, StreamExt, stream};

use crate::feed::{end, feed, item, next};
use crate::support::{self, Log, Wakes, kept, panic_of};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

/// A stream of `items` items that panics when it is dropped.
fn explodes(items: u32) -> impl Stream<Item = u32> {
    let (mut left, bomb) = (0..items, Bomb);
    stream::poll_fn(move |_| {
        let _held = &bomb;
        Poll::Ready(left.next())
    })
}

#[test]
fn g13_destructor_of_the_stream() {
    let _watchdog = support::watchdog();
    for cancelled in [true, false] {
        let (wakes, token, log) = (Wakes::new(), CancellationToken::new(), Log::new());
        let cleans = log.clone();
        let stream = explodes(1).cancelable_stream(&token).finally(move |outcome| {
            cleans.note(format_args!("cleans up, complete: {}", outcome.is_ok()));
            async {}
        });
        let operation = stream.operation();
        log.watch(&operation);
        let mut stream = pin!(stream);
        assert_eq!(next(stream.as_mut(), &wakes), item(0));
        if cancelled {
            token.cancel_with("stop");
        }
        assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "a destructor");
        let cleaned = format!("cleans up, complete: {}", !cancelled);
        assert_eq!(log.take(), [cleaned.as_str(), "failed: panicked: a destructor"]);
        assert_eq!(next(stream.as_mut(), &wakes), end());
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g13_destructor_of_the_source() {
    let _watchdog = support::watchdog();
    for both in [true, false] {
        let (wakes, log, bomb) = (Wakes::new(), Log::new(), Bomb);
        let cleans = log.clone();
        let source = std::future::poll_fn(move |_| {
            let _held = &bomb;
            Poll::<Reason>::Pending
        });
        let second = if both { Some(Bomb) } else { None };
        let stream = stream::poll_fn(move |_| {
            let _held = &second;
            Poll::<Option<u32>>::Ready(None)
        });
        let stream = stream.cancelable_stream(source).finally(move |_| {
            cleans.note("cleaned up");
            async { panic!("clean-up") }
        });
        let operation = stream.operation();
        let mut stream = pin!(stream);
        assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "a destructor");
        assert_eq!((log.take(), operation.status()), (vec!["cleaned up".into()], Status::Failed));
    }
}

#[test]
fn g13_destructor_keeps_the_chunk() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let stream = explodes(3).cancelable_stream(never()).chunks(2);
    let partial = stream.partial();
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1]));
    assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "a destructor");
    assert_eq!((partial.status(), partial.items()), (Status::Failed, vec![2]));
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn g13_size_hint() {
    let _watchdog = support::watchdog();
    struct Unsized<St>(St);
    impl<St: Stream + Unpin> Stream for Unsized<St> {
        type Item = St::Item;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<St::Item>> {
            pin!(&mut self.0).poll_next(cx)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            panic!("no size")
        }
    }
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let stream = Unsized(feed).cancelable_stream(never()).report_every(2);
    let operation = stream.operation();
    let mut stream = pin!(stream);
    for number in 0..3 {
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
    let progress = operation.snapshot().progress.unwrap();
    assert_eq!((progress.get("items"), progress.counted()), (Some("2"), None));
    assert_eq!(operation.status(), Status::Running);
}

#[test]
fn g13_destructor_of_an_item() {
    let _watchdog = support::watchdog();
    // Nothing keeps the item of the incomplete chunk, so it is dropped with the stream.
    for cancelled in [true, false] {
        let (wakes, token, log) = (Wakes::new(), CancellationToken::new(), Log::new());
        let items = stream::iter([Bomb]).chain(stream::pending());
        let cleans = log.clone();
        let stream = items.cancelable_stream(&token).chunks(2).finally(move |outcome| {
            cleans.note(format_args!("cleans up, complete: {}", outcome.is_ok()));
            async {}
        });
        let operation = stream.operation();
        log.watch(&operation);
        let mut stream = Box::pin(stream);
        assert!(next(stream.as_mut(), &wakes).is_pending());
        if cancelled {
            token.cancel_with("stop");
            assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "a destructor");
            let failed = "failed: panicked: a destructor";
            assert_eq!(log.take(), ["cleans up, complete: false", failed]);
            assert!(matches!(next(stream.as_mut(), &wakes), Poll::Ready(None)));
        } else {
            assert_eq!(panic_of(|| drop(stream)), "a destructor");
            assert_eq!(log.take(), ["hook: dropped before it was done"]);
        }
        assert_eq!(kept(&wakes), 0);
    }
}
