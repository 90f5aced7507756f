//! Guarantee 10 for streams: shields inside the stream.

use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::{Stream, StreamExt, stream};

use crate::feed::{end, error, item, next};
use crate::support::{self, Gate, Log, Wakes, kept, lost};

/// A stream that passes a shield before its only item.
fn shielded(log: &Log, gate: &Gate) -> impl Stream<Item = u32> + use<> {
    let (log, gate) = (log.clone(), gate.clone());
    stream::once(async move {
        log.note("before");
        shield(async {
            gate.pass().await;
            log.note("section");
        })
        .await;
        log.note("after");
        7
    })
}

type Items<'a> = Pin<Box<dyn Stream<Item = Result<u32, Cancelled>> + 'a>>;

/// Returns the same stream as a plain race and as an operation. Both wait for shields.
fn both<'a>(stream: impl Fn() -> Items<'a>, named: impl Fn() -> Items<'a>) -> [Items<'a>; 2] {
    [stream(), named()]
}

#[test]
fn g10_section_finishes_first() {
    let _watchdog = support::watchdog();
    let (log, token) = (Log::new(), CancellationToken::new());
    let gates = [Gate::new(), Gate::new()];
    let streams = both(
        || Box::pin(shielded(&log, &gates[0]).cancelable_stream(&token)),
        || Box::pin(shielded(&log, &gates[1]).cancelable_stream(&token).named("lines")),
    );
    let wakes = [Wakes::new(), Wakes::new()];
    let mut streams = streams.into_iter().zip(&gates).zip(&wakes).collect::<Vec<_>>();
    for ((stream, _), wakes) in &mut streams {
        assert_eq!(next(stream.as_mut(), wakes), Poll::Pending);
    }
    assert_eq!(log.take(), ["before"; 2]);
    token.cancel_with("stop");
    for ((stream, gate), wakes) in &mut streams {
        assert_eq!(wakes.count(), 1);
        assert_eq!(next(stream.as_mut(), wakes), Poll::Pending, "the section is not over");
        assert_eq!(next(stream.as_mut(), wakes), Poll::Pending);
        gate.open();
        assert_eq!(next(stream.as_mut(), wakes), error("stop"), "in the same poll");
        assert_eq!(log.take(), ["section"]);
        assert_eq!(next(stream.as_mut(), wakes), end());
        assert_eq!(kept(wakes), 0);
    }
}

#[test]
fn g10_uncancelled() {
    let _watchdog = support::watchdog();
    let (log, token, wakes) = (Log::new(), CancellationToken::new(), Wakes::new());
    let gates = [Gate::new(), Gate::new()];
    let streams = both(
        || Box::pin(shielded(&log, &gates[0]).cancelable_stream(&token)),
        || Box::pin(shielded(&log, &gates[1]).cancelable_stream(&token).named("lines")),
    );
    for (mut stream, gate) in streams.into_iter().zip(&gates) {
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        gate.open();
        assert_eq!(next(stream.as_mut(), &wakes), item(7));
        assert_eq!(next(stream.as_mut(), &wakes), end());
        assert_eq!(log.take(), ["before", "section", "after"]);
    }
}

#[test]
fn g10_item_during_section() {
    let _watchdog = support::watchdog();
    let (log, token, wakes, gate) =
        (Log::new(), CancellationToken::new(), Wakes::new(), Gate::new());
    let ((feed, tap), shielded) = (crate::feed::feed(), shielded(&log, &gate));
    let mut stream = pin!(stream::select(shielded, feed).cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    gate.open();
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!(log.take(), ["before", "section"]);
}

#[test]
fn g10_no_item_after_section() {
    let _watchdog = support::watchdog();
    let (log, token, wakes, gate) =
        (Log::new(), CancellationToken::new(), Wakes::new(), Gate::new());
    gate.open();
    let (feed, tap) = crate::feed::feed();
    let mut stream = pin!(shielded(&log, &gate).chain(feed).cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), item(7));
    tap.push(1);
    token.cancel_with("stop");
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!((tap.polls(), tap.left()), (0, 1));
}

#[test]
fn g10_outer_race_waits() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let (log, token, wakes, gate) =
            (Log::new(), CancellationToken::new(), Wakes::new(), Gate::new());
        let (shielded, inner) = (shielded(&log, &gate), log.clone());
        // The stream and the outer race share one token. The consumer must not continue.
        let stream = shielded.cancelable_stream(token.clone());
        let stream = if named { stream.named("lines") } else { stream };
        let work = async move {
            let mut stream = pin!(stream);
            let last = stream.next().await;
            inner.note(format_args!("went on: {last:?}"));
        };
        let mut run = pin!(work.cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert!(wakes.poll(run.as_mut()).is_pending());
        gate.open();
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
        assert_eq!(log.take(), ["before", "section"]);
    }
}

#[test]
fn g10_shield_around_consumer() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (feed, tap) = crate::feed::feed();
    let work = shield(feed.cancelable_stream(never()).count());
    let mut run = pin!(work.cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    tap.push(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!((tap.left(), tap.drops()), (0, 0), "it goes on");
    tap.end();
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
}

#[test]
fn g10_late_section_never_starts() {
    let _watchdog = support::watchdog();
    let (log, token, wakes) = (Log::new(), CancellationToken::new(), Wakes::new());
    let (gate, later) = (Gate::new(), Gate::new());
    let second = async {
        later.pass().await;
        shield(async { log.note("second section") }).await;
        8
    };
    let both = stream::select(shielded(&log, &gate), stream::once(second));
    let mut stream = pin!(both.cancelable_stream(&token));
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    token.cancel_with("stop");
    later.open();
    assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
    gate.open();
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!(log.take(), ["before", "section"]);
}

#[test]
fn g10_outer_race_waits_while_consumer_is_busy() {
    let _watchdog = support::watchdog();
    let (log, token, wakes) = (Log::new(), CancellationToken::new(), Wakes::new());
    let (gate, busy) = (Gate::new(), Gate::new());
    let ((feed, tap), shielded) = (crate::feed::feed(), shielded(&log, &gate));
    let (inner, busy_work) = (log.clone(), busy.clone());
    let work = async move {
        let mut stream = pin!(stream::select(shielded, feed).cancelable_stream(never()));
        assert_eq!(stream.next().await, Some(Ok(1)));
        busy_work.pass().await;
        inner.note("next");
        let _ = stream.next().await;
        inner.note("went on");
    };
    let mut run = pin!(work.cancelable(&token));
    tap.push(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel_with("stop");
    gate.open();
    assert!(wakes.poll(run.as_mut()).is_pending(), "nobody polls the section");
    assert_eq!(log.take(), ["before"]);
    busy.open();
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(log.take(), ["next", "section"]);
}
