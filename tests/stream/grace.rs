//! Grace periods: items keep coming after a cancellation.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Gate, Log, Wakes, block_on, kept, lost};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

#[test]
fn g02_items_keep_coming_in_grace() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    let stream = feed.cancelable_stream(&token).grace(LONG);
    let operation = stream.operation();
    let mut stream = pin!(stream);
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    assert_eq!(operation.status(), Status::Cancelling);
    for number in 0..3 {
        tap.push(number);
        assert_eq!(next(stream.as_mut(), &wakes), item(number));
    }
    tap.end();
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn forced_if_it_does_not_end() {
    let _watchdog = support::watchdog();
    // A stream that waits, and one that never does.
    for waits in [true, false] {
        let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
        let mut stream = pin!(feed.cancelable_stream(&token).grace(SHORT));
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        token.cancel_with("stop");
        let cancelled = if waits {
            assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
            let woken = wakes.count();
            wakes.wait(woken + 1);
            next(stream.as_mut(), &wakes)
        } else {
            loop {
                tap.push(7);
                let polled = next(stream.as_mut(), &wakes);
                if polled != item(7) {
                    break polled;
                }
            }
        };
        let Poll::Ready(Some(Err(cancelled))) = cancelled else { panic!("{cancelled:?}") };
        assert!(cancelled.was_forced());
        assert_eq!(cancelled.reason(), &Reason::manual("stop"));
        assert_eq!((tap.drops(), tap.left()), (1, usize::from(!waits)));
    }
}

#[test]
fn none_before_the_first_poll() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    token.cancel_with("stop");
    let mut stream = pin!(feed.cancelable_stream(&token).grace(LONG));
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!((tap.polls(), tap.drops()), (0, 1));
}

#[test]
fn idle_timeout_starts_it() {
    let _watchdog = support::watchdog();
    let ((feed, tap), _token) = (feed(), CancellationToken::new());
    let stream = feed.cancelable_stream(never()).idle_timeout(SHORT).grace(LONG);
    let operation = stream.operation();
    let asked = operation.clone();
    let consumer = async {
        let mut stream = pin!(stream);
        stream.next().await
    };
    // The producer notices the cancellation and ends the stream.
    let producer = async move {
        asked.cancelled().await;
        tap.end();
    };
    let (last, ()) = block_on(futures::future::join(consumer, producer));
    assert_eq!(last, None);
    assert_eq!(operation.reason(), Some(Reason::timeout(SHORT)));
    assert_eq!(operation.status(), Status::Completed);
}

#[test]
fn outer_race_waits_for_clean_up_only() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, gate) = (feed(), Wakes::new(), Gate::new());
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    let stream = feed.cancelable_stream(inner.clone()).grace(LONG).finally({
        let gate = gate.clone();
        move |outcome| {
            assert_eq!(outcome.as_ref().unwrap_err().reason(), &Reason::manual("inner"));
            async move { gate.pass().await }
        }
    });
    let operation = stream.operation();
    let consumer = async move {
        let mut stream = pin!(stream);
        while stream.next().await.is_some() {}
    };
    let mut run = pin!(consumer.cancelable(&outer));
    assert!(wakes.poll(run.as_mut()).is_pending());
    inner.cancel_with("inner");
    assert!(wakes.poll(run.as_mut()).is_pending());
    // The stream waits for an item again, within the grace period.
    tap.push(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!((tap.left(), tap.drops()), (0, 0));
    outer.cancel_with("outer");
    assert!(wakes.poll(run.as_mut()).is_pending(), "clean-up has to end first");
    assert_eq!(tap.drops(), 1);
    gate.open();
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("outer"));
    assert_eq!((operation.status(), kept(&wakes)), (Status::Cancelled, 0));
}

#[test]
fn outer_race_wakes_the_stream() {
    let _watchdog = support::watchdog();
    // In one turn the stream waits for the item in the grace period, in the other turn it does not.
    for waited in [false, true] {
        let ((feed, tap), wakes, log) = (feed(), Wakes::new(), Log::new());
        let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
        let cleans = log.clone();
        let stream = feed.cancelable_stream(inner.clone()).grace(LONG).finally(|outcome| {
            cleans.note(format_args!("{:?}", outcome.as_ref().map_err(ToString::to_string)));
            async move {
                smol::future::yield_now().await;
                cleans.note("cleaned up");
            }
        });
        // `FuturesUnordered` polls only futures that were woken.
        let mut all = FuturesUnordered::new();
        all.push(stream.count());
        let consumers = async move { while all.next().await.is_some() {} };
        let mut run = pin!(consumers.cancelable(&outer));
        assert!(wakes.poll(run.as_mut()).is_pending());
        inner.cancel_with("inner");
        if waited {
            assert!(wakes.poll(run.as_mut()).is_pending());
        }
        tap.push(1);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!((tap.left(), tap.drops()), (0, 0), "it waits within the grace period");
        outer.cancel_with("outer");
        let mut polled = Poll::Pending;
        while polled.is_pending() {
            polled = wakes.poll(run.as_mut());
        }
        assert_eq!(lost(polled), Reason::manual("outer"));
        assert_eq!(log.take(), ["Err(\"cancelled: inner\")", "cleaned up"]);
        assert_eq!(kept(&wakes), 0);
    }
}
