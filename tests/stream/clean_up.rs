//! Clean-up of streams: when it runs, which races wait for it, and when it is lost.

use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;

use cancelable::prelude::*;
use futures::stream::{self, FuturesUnordered, StreamExt};

use crate::feed::{end, error, feed, item, next};
use crate::support::{self, Gate, Log, Wakes, kept, lost, panic_of, poll_once};

/// Clean-up that logs its outcome, then waits for a gate.
fn clean_up(
    log: &Log,
    gate: &Gate,
) -> impl FnOnce(&Result<(), Cancelled>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + use<>
{
    let (log, gate) = (log.clone(), gate.clone());
    move |outcome| {
        log.note(format_args!("{:?}", outcome.as_ref().map_err(ToString::to_string)));
        Box::pin(async move {
            gate.pass().await;
            log.note("cleaned up");
        })
    }
}

#[test]
fn after_stream_before_outcome() {
    let _watchdog = support::watchdog();
    for cancelled in [true, false] {
        let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
        let token = CancellationToken::new();
        let held = log.on_drop("stream gone");
        let feed = feed.inspect(move |_| {
            let _held = &held;
        });
        let stream = feed.cancelable_stream(&token).finally(clean_up(&log, &gate));
        let operation = stream.operation();
        log.watch(&operation);
        let mut stream = pin!(stream);
        tap.push(1);
        assert_eq!(next(stream.as_mut(), &wakes), item(1));
        if cancelled {
            token.cancel_with("stop");
        } else {
            tap.end();
        }
        assert_eq!(next(stream.as_mut(), &wakes), Poll::Pending);
        let told = if cancelled { "Err(\"cancelled: stop\")" } else { "Ok(())" };
        assert_eq!(log.take(), ["stream gone", told]);
        assert!(!operation.status().is_final());
        gate.open();
        let last = next(stream.as_mut(), &wakes);
        if cancelled {
            assert_eq!(last, error("stop"));
            assert_eq!(log.take(), ["cleaned up", "hook: cancelled: stop"]);
        } else {
            assert_eq!(last, end());
            assert_eq!(log.take(), ["cleaned up", "completed"]);
        }
        assert_eq!(next(stream.as_mut(), &wakes), end());
    }
}

#[test]
fn in_order_then_panic() {
    let _watchdog = support::watchdog();
    let (wakes, log, gate) = (Wakes::new(), Log::new(), Gate::new());
    gate.open();
    let broken = stream::repeat_with(|| -> u32 { panic!("no disk") });
    let second = log.clone();
    let mut stream = pin!(
        broken.cancelable_stream(never()).finally(clean_up(&log, &gate)).finally(move |outcome| {
            assert!(outcome.is_err());
            second.note("second");
            async {}
        },)
    );
    assert_eq!(panic_of(|| next(stream.as_mut(), &wakes)), "no disk");
    assert_eq!(log.take()[1..], ["cleaned up", "second"]);
    assert_eq!(next(stream.as_mut(), &wakes), end());
}

#[test]
fn runs_if_polled() {
    let _watchdog = support::watchdog();
    let (wakes, log, gate, token) =
        (Wakes::new(), Log::new(), Gate::new(), CancellationToken::new());
    gate.open();
    token.cancel_with("stop");
    let unpolled = stream::iter(0..).cancelable_stream(&token).finally(clean_up(&log, &gate));
    drop(unpolled);
    assert_eq!(log.take(), [""; 0]);
    let mut stream =
        pin!(stream::iter(0..).cancelable_stream(&token).finally(clean_up(&log, &gate)));
    assert_eq!(next(stream.as_mut(), &wakes), error("stop"));
    assert_eq!(log.take(), ["Err(\"cancelled: stop\")", "cleaned up"]);
}

#[test]
fn g10_waits_while_consumer_waits() {
    let _watchdog = support::watchdog();
    for below in [false, true] {
        let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
        let token = CancellationToken::new();
        let (inner, clean_up) = (log.clone(), clean_up(&log, &gate));
        let work = async move {
            let mut stream = pin!(feed.cancelable_stream(never()).finally(clean_up));
            while let Some(item) = stream.next().await {
                inner.note(format_args!("{item:?}"));
            }
            inner.note("went on");
        };
        let run = work.cancelable(&token);
        let run = if below { run.named("above") } else { run };
        let mut run = pin!(run);
        tap.push(1);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["Ok(1)"]);
        token.cancel_with("stop");
        let woken = wakes.count();
        assert!(woken >= 1);
        assert!(wakes.poll(run.as_mut()).is_pending(), "clean-up has to end first");
        let told = if below {
            "Err(\"parent `above` cancelled: stop\")"
        } else {
            "Err(\"dropped before it was done\")"
        };
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!((log.take(), tap.drops()), (vec![told.to_owned()], 1));
        gate.open();
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
        assert_eq!(log.take(), ["cleaned up"], "what follows the stream does not run");
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn lost_while_consumer_is_busy() {
    let _watchdog = support::watchdog();
    // In one turn the stream waits for that item, in the other turn it does not.
    for waited in [false, true] {
        let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
        let (token, busy) = (CancellationToken::new(), Gate::new());
        let (lost_hook, clean_up, busy_work) = (log.clone(), clean_up(&log, &gate), busy.clone());
        let work = async move {
            let stream = feed.cancelable_stream(never()).finally(clean_up);
            let stream = stream.on_clean_up_lost(move |_| lost_hook.note("clean-up lost"));
            let mut stream = pin!(stream);
            while stream.next().await.is_some() {
                busy_work.pass().await;
            }
        };
        let mut run = pin!(work.cancelable(&token));
        if waited {
            assert!(wakes.poll(run.as_mut()).is_pending());
        }
        tap.push(1);
        assert!(wakes.poll(run.as_mut()).is_pending());
        assert_eq!(tap.left(), 0);
        token.cancel_with("stop");
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
        assert_eq!((log.take(), tap.drops()), (vec!["clean-up lost".to_owned()], 1));
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn dropped_stream_spawns_clean_up() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = channel();
    let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
    gate.open();
    let mut stream = Box::pin(
        feed.cancelable_stream(never())
            .finally_or_spawn(move |task| sender.send(task).unwrap(), clean_up(&log, &gate)),
    );
    tap.push(1);
    assert_eq!(next(stream.as_mut(), &wakes), item(1));
    drop(stream);
    let mut task = receiver.recv().unwrap();
    assert!(poll_once(task.as_mut()).is_ready());
    assert_eq!(log.take(), ["Err(\"dropped before it was done\")", "cleaned up"]);
}

#[cfg(feature = "time")]
#[test]
fn limit() {
    let _watchdog = support::watchdog();
    let limit = std::time::Duration::from_millis(2);
    let stream = stream::iter(0..2)
        .cancelable_stream(never())
        .finally_for(limit, |_| async { std::future::pending().await });
    assert_eq!(support::block_on(stream.count()), 2);
}

#[test]
fn g10_waits_for_running_clean_up() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    let (stops, clean_up) = (inner.clone(), clean_up(&log, &gate));
    let work = async move {
        let mut stream = pin!(feed.cancelable_stream(inner).finally(clean_up));
        while let Some(Ok(_)) = stream.next().await {
            stops.cancel_with("inner");
        }
    };
    let mut run = pin!(work.cancelable(&outer));
    tap.push(1);
    tap.push(2);
    assert!(wakes.poll(run.as_mut()).is_pending(), "it cleans up");
    assert_eq!((log.take(), tap.left()), (vec!["Err(\"cancelled: inner\")".to_owned()], 1));
    outer.cancel_with("outer");
    assert!(wakes.poll(run.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("outer"));
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn g10_wakes_the_consumer() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
    gate.open();
    let (token, clean_up) = (CancellationToken::new(), clean_up(&log, &gate));
    let consumer = async move {
        let mut stream = pin!(feed.cancelable_stream(never()).finally(clean_up));
        while stream.next().await.is_some() {}
    };
    let beside = FuturesUnordered::from_iter([consumer]);
    let mut run = pin!(beside.collect::<Vec<()>>().cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    // The second wait.
    tap.push(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(tap.left(), 0);
    token.cancel_with("stop");
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(log.take(), ["Err(\"dropped before it was done\")", "cleaned up"]);
}

#[test]
fn lost_while_busy_with_last_chunk() {
    let _watchdog = support::watchdog();
    let ((feed, tap), wakes, log, gate) = (feed(), Wakes::new(), Log::new(), Gate::new());
    let token = CancellationToken::new();
    let (lost_hook, clean_up) = (log.clone(), clean_up(&log, &gate));
    let work = async move {
        let stream = feed.cancelable_stream(never()).chunks(2).finally(clean_up);
        let stream = stream.on_clean_up_lost(move |_| lost_hook.note("clean-up lost"));
        let mut stream = pin!(stream);
        assert_eq!(stream.next().await, Some(Ok(vec![1])));
        std::future::pending::<()>().await;
    };
    let mut run = pin!(work.cancelable(&token));
    tap.push(1);
    assert!(wakes.poll(run.as_mut()).is_pending());
    tap.end();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(tap.drops(), 1, "the stream is over, and its rest handed out");
    token.cancel_with("stop");
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(log.take(), ["clean-up lost"]);
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn spawns_if_added_between_items() {
    let _watchdog = support::watchdog();
    // Every combination: a handle has been taken before or not, and another item comes or not.
    for (handle, goes_on) in [(false, true), (true, true), (true, false), (false, false)] {
        let (wakes, log, gate) = (Wakes::new(), Log::new(), Gate::new());
        let mut stream = stream::iter(0..).cancelable_stream(never());
        assert_eq!(next(pin!(&mut stream), &wakes), item(0));
        let operation = handle.then(|| stream.operation());
        let (spawned, clean_up) = (log.clone(), clean_up(&log, &gate));
        let stream = stream.finally_or_spawn(move |_| spawned.note("spawned"), clean_up);
        let mut stream = Box::pin(stream);
        if goes_on {
            assert_eq!(next(stream.as_mut(), &wakes), item(1));
        }
        drop(stream);
        assert_eq!(log.take(), ["Err(\"dropped before it was done\")", "spawned"]);
        drop(operation);
    }
}
