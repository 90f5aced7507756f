//! The race: which side wins, which side is polled, and the order of drops.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::prelude::*;
use futures::future::Either;
use futures::stream::FusedStream;
use futures::{Stream, StreamExt, stream};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Wakes, block_on, kept};

/// A source that counts its polls: those with the task's waker, and those that must not register.
#[derive(Default)]
struct Asked {
    fired: Cell<bool>,
    by_task: Cell<usize>,
    by_probe: Cell<usize>,
}

impl Asked {
    fn source(self: &Rc<Self>, wakes: &std::sync::Arc<Wakes>) -> impl Future<Output = Reason> {
        let (this, waker) = (self.clone(), wakes.waker());
        poll_fn(move |cx| {
            let count = if cx.waker().will_wake(&waker) { &this.by_task } else { &this.by_probe };
            count.set(count.get() + 1);
            if this.fired.get() { Poll::Ready(Reason::manual("fired")) } else { Poll::Pending }
        })
    }
}

#[test]
fn items_in_order() {
    let _watchdog = support::watchdog();
    let items = block_on(stream::iter(0..100).cancelable_stream(never()).collect::<Vec<_>>());
    assert_eq!(items, (0..100).map(Ok).collect::<Vec<_>>());
}

#[test]
fn source_wins_first_poll() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    tap.push(1);
    let token = CancellationToken::new();
    token.cancel_with("stop");
    let mut stream = pin!(feed.cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!((tap.polls(), tap.drops(), tap.left()), (0, 1, 1));
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn cancelled_while_waiting() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    let mut stream = pin!(feed.cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((kept(&wakes), tap.polls()), (2, 1), "the feed and the token have the waker");
    token.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!((tap.polls(), tap.drops(), kept(&wakes)), (1, 1, 0), "no last poll");
}

#[test]
fn g02_source_polled_before_each_item() {
    let _watchdog = support::watchdog();
    // The same holds once the source has been registered, after many items.
    for items in [1, 2, 63, 64, 65, 66, 1000] {
        let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
        (0..=items).for_each(|item| tap.push(item));
        let mut stream = pin!(feed.cancelable_stream(&token));
        for number in 0..items {
            assert_eq!(next(stream.as_mut(), &wakes), item(number));
        }
        token.cancel_with("stop");
        assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
        assert_eq!((tap.left(), tap.polls(), tap.drops()), (1, items as usize, 1));
        assert_eq!(next(stream.as_mut(), &wakes), end());
    }
}

#[test]
fn g02_stream_that_cancels_itself_loses_no_item() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let numbers = stream::iter(0..).inspect(|number| {
        if *number == 3 {
            token.cancel_with("three");
        }
    });
    let items = block_on(numbers.cancelable_stream(&token).collect::<Vec<_>>());
    let error = Err(Cancelled::new("three"));
    assert_eq!(items, [Ok(0), Ok(1), Ok(2), Ok(3), error]);
}

#[test]
fn source_fires_while_stream_is_polled() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let fires = stream::poll_fn(|_| -> Poll<Option<u32>> {
        token.cancel_with("now");
        Poll::Pending
    });
    let mut stream = pin!(fires.cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), error("now"));
}

#[test]
fn end_wins_over_later_source() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    tap.end();
    let mut stream = pin!(feed.cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!(tap.drops(), 1, "it goes with its end");
    token.cancel();
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!(tap.polls(), 1);
}

#[test]
fn g03_stream_then_source_then_error() {
    let _watchdog = support::watchdog();
    struct Note<'a>(&'a RefCell<Vec<&'static str>>, &'static str);
    impl Drop for Note<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }
    let (log, wakes, token) = (RefCell::default(), Wakes::new(), CancellationToken::new());
    let held = Note(&log, "stream");
    let inner = stream::poll_fn(move |_| {
        let _held = &held;
        Poll::Ready(Some(1))
    });
    let held = Note(&log, "source");
    let fired = &token;
    let source = poll_fn(move |_| {
        let _held = &held;
        fired.reason().map_or(Poll::Pending, Poll::Ready)
    });
    let mut stream = Box::pin(inner.cancelable_stream(source));
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    token.cancel_with("stop");
    assert_eq!(*log.borrow(), [""; 0]);
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!(*log.borrow(), ["stream", "source"]);
}

#[test]
fn terminated_after_end() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    tap.push(1);
    let mut stream = pin!(feed.cancelable_stream(&token));
    assert!(!stream.is_terminated());
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert!(!stream.is_terminated());
    token.cancel_with("stop");
    assert!(!stream.is_terminated(), "the error is to come");
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    for _ in 0..3 {
        assert!(stream.is_terminated());
        assert_eq!(next(stream.as_mut(), &wakes), end());
    }
}

#[test]
fn source_registered_once() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, asked) = (feed(), Wakes::new(), Rc::<Asked>::default());
    (0..10).for_each(|item| tap.push(item));
    let mut stream = pin!(feed.cancelable_stream(asked.source(&wakes)));
    for number in 0..10 {
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
    assert_eq!((asked.by_probe.get(), asked.by_task.get()), (10, 0));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((asked.by_probe.get(), asked.by_task.get()), (11, 1));
    // From here on, the source has the task's waker, so it is polled once per item.
    tap.push(10);
    assert_eq!(next(stream.as_mut(), &wakes), item(10));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!((asked.by_probe.get(), asked.by_task.get()), (11, 3));
    asked.fired.set(true);
    assert_eq!(next(stream.as_mut(), &wakes), error("fired"));
    assert_eq!((asked.by_probe.get(), asked.by_task.get()), (11, 4));
}

#[test]
fn ready_items_register_nothing() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let mut stream = pin!(stream::iter(0..).cancelable_stream(&token));
    for number in 0..64 {
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
    assert_eq!(kept(&wakes), 0);
    for number in 64..10_000 {
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
        assert!(kept(&wakes) <= 1, "once for all of them");
    }
}

#[test]
fn last_waker_is_woken() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) =
        (feed(), [Wakes::new(), Wakes::new()], CancellationToken::new());
    let mut stream = pin!(feed.cancelable_stream(&token));
    for round in 0..3 {
        assert_eq!(next(stream.as_mut(), &wakes[round % 2]), Poll::Pending);
        tap.push(7);
        assert_eq!(next(stream.as_mut(), &wakes[round % 2]), item(7));
    }
    assert_eq!(next(stream.as_mut(), &wakes[1]), Poll::Pending);
    let before = (wakes[0].count(), wakes[1].count());
    token.cancel();
    assert_eq!((wakes[0].count(), wakes[1].count()), (before.0, before.1 + 1));
}

#[test]
fn dropped_next_loses_no_item() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let mut stream = feed.cancelable_stream(never());
    for number in 0..10 {
        {
            let mut future = stream.next();
            assert!(wakes.poll(Pin::new(&mut future)).is_pending());
            tap.push(number);
        }
        assert_eq!(block_on(stream.next()), Some(Ok(number)));
    }
}

#[test]
fn nested() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes) = (feed(), Wakes::new());
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    tap.push(1);
    let mut stream = pin!(feed.cancelable_stream(&inner).cancelable_stream(&outer));
    assert_eq!(next(stream.as_mut(), &wakes), item(Ok(1)));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    inner.cancel_with("inner");
    assert_eq!(wakes.count(), 1);
    assert_eq!(next(stream.as_mut(), &wakes), item(Err(Cancelled::new("inner"))));
    assert_eq!(next(stream.as_mut(), &wakes), end(), "that was its end");
    assert_eq!(tap.drops(), 1);
}

#[test]
fn borrowing_unmovable_stream() {
    let _watchdog = support::watchdog();
    let text = String::from("a b c");
    // An async block is neither `Unpin` nor `'static`.
    let words = stream::unfold(text.split(' '), |mut words| async move {
        smol::future::yield_now().await;
        Some((words.next()?, words))
    });
    let words = words.cancelable_stream(never()).filter_map(|word| async { word.ok() });
    assert_eq!(block_on(words.collect::<Vec<_>>()), ["a", "b", "c"]);
}

#[test]
fn future_or_stream() {
    let _watchdog = support::watchdog();
    type Both<A, B> = Either<A, B>;
    let stream: Both<stream::Empty<u32>, stream::Pending<u32>> = Either::Left(stream::empty());
    assert_eq!(block_on(stream.cancelable_stream(never()).count()), 0);
    let future: Both<std::future::Ready<u32>, std::future::Ready<u32>> =
        Either::Left(std::future::ready(7));
    assert_eq!(block_on(future.cancelable(never())), Ok(7));
    // A timer is a future and a stream, so the call has to name the type.
    #[cfg(feature = "time")]
    {
        let timer = smol::Timer::after(std::time::Duration::ZERO);
        assert!(block_on(Cancelable::new(timer, never())).is_ok());
        let timer = smol::Timer::interval(std::time::Duration::from_millis(1));
        assert_eq!(block_on(CancelableStream::new(timer, never()).take(2).count()), 2);
    }
}

#[test]
fn panic_propagates() {
    let _watchdog = support::watchdog();
    let (wakes, mut polls) = (Wakes::new(), 0);
    let hostile = stream::poll_fn(move |_| {
        polls += 1;
        assert!(polls != 2, "the second poll panics");
        Poll::Ready(Some(polls))
    });
    let mut stream = pin!(hostile.cancelable_stream(never()));
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    let said = crate::support::panic_of(|| next(stream.as_mut(), &wakes));
    assert_eq!(said, "the second poll panics");
    assert_eq!(next(stream.as_mut(), &wakes), item(3));
}

#[test]
fn size_hint() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut stream = pin!(stream::iter(0..4).cancelable_stream(never()).chunks(3));
    assert_eq!(stream.size_hint(), (0, Some(3)), "two chunks, or one and the error");
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![0, 1, 2]));
    assert_eq!(stream.size_hint(), (0, Some(2)));
    assert_eq!(next(stream.as_mut(), &wakes), item(vec![3]));
    assert_eq!(stream.size_hint(), (0, Some(0)));
    assert_eq!(stream::iter(0..4).cancelable_stream(never()).size_hint(), (0, Some(5)));
    assert_eq!(stream::repeat(0).cancelable_stream(never()).size_hint(), (0, None));
}

#[test]
fn auto_traits() {
    fn has_all<T: Send + Sync + Unpin>(_: &T) {}
    let _watchdog = support::watchdog();
    let (feed, _tap) = feed();
    let stream = feed.cancelable_stream(CancellationToken::new()).keep_last(2).chunks(2);
    has_all(&stream);
    has_all(&stream.partial());
    // Parts that are not `Send` work too.
    let local = stream::iter([Rc::new(1)]).cancelable_stream(never()).keep_last(1);
    let mut local = pin!(local);
    let polled = local.as_mut().poll_next(&mut Context::from_waker(&Wakes::new().waker()));
    assert_eq!(polled, item(Rc::new(1)));
}

/// A timer of smol is a future and a stream.
#[test]
fn future_and_stream() {
    let _watchdog = support::watchdog();
    let tick = Duration::from_millis(1);
    block_on(async {
        assert!(smol::Timer::after(tick).cancelable(never()).await.is_ok());
        let token = CancellationToken::new();
        let mut ticks = smol::Timer::interval(tick).cancelable_stream(&token);
        assert!(ticks.next().await.unwrap().is_ok());
        token.cancel_with("stop");
        assert_eq!(ticks.next().await.unwrap().unwrap_err(), Cancelled::new("stop"));
        assert!(ticks.next().await.is_none());
    });
}
