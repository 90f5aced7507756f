//! A stream that is lent to a race. The race stops the stream, which is polled again afterwards.

use std::future::pending;
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::stream::FusedStream;
use futures::{Stream, StreamExt, stream};

use crate::feed::{end, feed, item, next};
use crate::support::{self, Gate, Wakes, kept, lost};

/// Lends `stream` to a race that stops it, and returns what the next poll hands out.
#[track_caller]
fn after_the_race<St>(mut stream: Pin<&mut St>, gate: &Gate, token: &CancellationToken) -> Reason
where
    St: Stream<Item = Result<u32, Cancelled>> + FusedStream,
{
    let wakes = Wakes::new();
    {
        let work = async { panic!("it went on: {:?}", stream.next().await) };
        let mut run = pin!(work.cancelable(token).named("above"));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        let mut polled = wakes.poll(run.as_mut());
        if polled.is_pending() {
            gate.open();
            polled = wakes.poll(run.as_mut());
        }
        assert_eq!(lost::<()>(polled), Reason::manual("stop"));
    }
    assert!(!stream.is_terminated());
    assert_eq!(stream.size_hint(), (0, Some(1)));
    let polled = next(stream.as_mut(), &wakes);
    let Poll::Ready(Some(Err(cancelled))) = polled else { panic!("{polled:?}") };
    assert!(stream.is_terminated());
    assert_eq!(next(stream.as_mut(), &wakes), end());
    assert_eq!(kept(&wakes), 0);
    cancelled.into_reason()
}

/// A stream that waits forever. If `shielded` is set, it first waits in a shield.
fn waits(shielded: bool, gate: &Gate) -> impl Stream<Item = u32> + use<> {
    let gate = gate.clone();
    stream::once(async move {
        if shielded {
            shield(gate.pass()).await;
        }
        pending().await
    })
}

#[test]
fn g10_shielded_stream_returns_the_error() {
    let _watchdog = support::watchdog();
    let (gate, token) = (Gate::new(), CancellationToken::new());
    let mut stream = pin!(waits(true, &gate).cancelable_stream(&token));
    assert_eq!(after_the_race(stream.as_mut(), &gate, &token), Reason::manual("stop"));
}

#[test]
fn g10_operation_returns_the_error() {
    let _watchdog = support::watchdog();
    for shielded in [false, true] {
        let (gate, token) = (Gate::new(), CancellationToken::new());
        let mut stream = pin!(waits(shielded, &gate).cancelable_stream(never()).named("lines"));
        let reason = after_the_race(stream.as_mut(), &gate, &token);
        assert_eq!(reason.to_string(), "parent `above` cancelled: stop");
        assert_eq!(stream.operation().reason(), Some(reason));
    }
}

#[test]
fn g10_clean_up_comes_first() {
    let _watchdog = support::watchdog();
    for shielded in [false, true] {
        let (gate, cleans, token) = (Gate::new(), Gate::new(), CancellationToken::new());
        let cleans_later = cleans.clone();
        let stream = waits(shielded, &gate).cancelable_stream(never());
        let stream = stream.finally(move |_| async move { cleans_later.pass().await });
        let mut stream = pin!(stream);
        cleans.open();
        let reason = after_the_race(stream.as_mut(), &gate, &token);
        assert_eq!(reason.to_string(), "parent `above` cancelled: stop");
        assert_eq!(stream.operation().status(), Status::Cancelled);
    }
}

#[test]
fn unstopped_stream_continues() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, token) = (feed(), Wakes::new(), CancellationToken::new());
    let mut stream = pin!(feed.cancelable_stream(never()));
    {
        let mut run = pin!(stream.next().cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    }
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
}
