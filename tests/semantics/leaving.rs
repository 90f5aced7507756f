//! Guarantees 3, 9 and 13: what remains when a race has ended, is dropped or panics.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{
    self, Log, OnDrop, Switch, Tally, Wakes, kept, lost, panic_of, poll_once, won, work,
};

/// Work and a source that note when they are dropped.
fn noted<'a>(
    log: &Log,
    token: &'a CancellationToken,
) -> (impl Future<Output = ()> + use<>, impl Future<Output = Reason> + use<'a>) {
    let (work, source) = (log.on_drop("work dropped"), log.on_drop("source dropped"));
    let mut cancelled = token.cancelled();
    (
        poll_fn(move |_| {
            let _held = &work;
            Poll::Pending
        }),
        poll_fn(move |cx| {
            let _held = &source;
            Pin::new(&mut cancelled).poll(cx)
        }),
    )
}

#[test]
fn g03_work_dropped_before_the_error() {
    let _watchdog = support::watchdog();
    for polls in 0..3 {
        let (log, token) = (Log::new(), CancellationToken::new());
        let (work, source) = noted(&log, &token);
        let mut race = Box::pin(work.cancelable(source));
        for _ in 0..polls {
            assert!(poll_once(race.as_mut()).is_pending());
        }
        token.cancel();
        let outcome = poll_once(race.as_mut());
        // The race itself still exists. The work was dropped first, and nothing is dropped twice.
        assert_eq!(log.take(), ["work dropped", "source dropped"], "after {polls} polls");
        assert_eq!(lost(outcome), Reason::Manual { message: None });
        drop(race);
        assert!(log.take().is_empty());
    }
}

#[test]
fn g03_work_dropped_before_the_value() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let held = log.on_drop("work dropped");
    // An async block drops its captures when it ends. This future keeps its capture until the future itself is dropped.
    let worker = work(move |_| {
        let _held = &held;
        Poll::Ready(7)
    });
    let mut race = pin!(worker.cancelable(never()));
    assert_eq!(won(poll_once(race.as_mut())), 7);
    assert_eq!(log.take(), ["work dropped"]);
}

#[test]
fn g03_destructor_sees_the_cancellation() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut seen = None;
    let on_drop = OnDrop(|| seen = token.reason());
    let worker = async move {
        let _on_drop = on_drop;
        pending::<()>().await
    };
    {
        let mut race = pin!(worker.cancelable(&token));
        assert!(poll_once(race.as_mut()).is_pending());
        token.cancel_with("seen");
        assert!(poll_once(race.as_mut()).is_ready());
    }
    assert_eq!(seen, Some(Reason::manual("seen")));
}

#[test]
fn g03_boxed_and_nested_races() {
    let _watchdog = support::watchdog();
    let (log, token) = (Log::new(), CancellationToken::new());
    let (work, source) = noted(&log, &token);
    let inner = work.cancelable(source);
    let mut outer: Pin<Box<dyn Future<Output = _>>> = Box::pin(inner.cancelable(never()));
    assert!(poll_once(outer.as_mut()).is_pending());
    token.cancel_with("inner");
    let inner = won(poll_once(outer.as_mut()));
    assert_eq!(log.take(), ["work dropped", "source dropped"]);
    assert_eq!(inner.unwrap_err().into_reason(), Reason::manual("inner"));

    let (inner_token, outer_token) = (CancellationToken::new(), CancellationToken::new());
    let (work, source) = noted(&log, &inner_token);
    let mut outer = pin!(work.cancelable(source).cancelable(&outer_token));
    assert!(poll_once(outer.as_mut()).is_pending());
    outer_token.cancel_with("outer");
    assert_eq!(lost(poll_once(outer.as_mut())), Reason::manual("outer"));
    assert_eq!(log.take(), ["work dropped", "source dropped"]);
}

#[test]
fn g09_drop_drops_work_and_unregisters() {
    let _watchdog = support::watchdog();
    for polls in 1..4 {
        let token = CancellationToken::new();
        let (tally, wakes) = (Tally::new(), Wakes::new());
        let mut race = Box::pin(tally.ready_at(0).cancelable(&token));
        for _ in 0..polls {
            assert!(wakes.poll(race.as_mut()).is_pending());
        }
        assert_eq!(kept(&wakes), 1, "registered");
        drop(race);
        assert_eq!((tally.polls(), tally.drops()), (polls, 1));
        assert_eq!(kept(&wakes), 0, "no longer registered");
        token.cancel();
        assert_eq!(wakes.count(), 0);
    }
}

#[test]
fn g09_source_dropped_after_work() {
    let _watchdog = support::watchdog();
    let (log, switch) = (Log::new(), Switch::new());
    let (work, source) = (log.on_drop("work dropped"), log.on_drop("source dropped"));
    let strict = switch.source("never");
    let race = async move {
        let _work = work;
        pending::<()>().await
    }
    .cancelable(async move {
        let _source = source;
        strict.await
    });
    let mut race = Box::pin(race);
    assert!(poll_once(race.as_mut()).is_pending());
    let polls = switch.polls();
    drop(race);
    assert_eq!(log.take(), ["work dropped", "source dropped"]);
    assert_eq!((switch.polls(), switch.drops()), (polls, 1));
}

#[cfg(feature = "time")]
#[test]
fn g09_drop_unregisters_every_kind_of_source() {
    use std::time::{Duration, Instant};

    let _watchdog = support::watchdog();
    let hour = Duration::from_secs(3600);
    let token = CancellationToken::new();
    let (tally, wakes) = (Tally::new(), Wakes::new());
    let clocks = any_of((
        timeout(hour),
        deadline(Instant::now() + hour),
        condition(|| false).every(hour),
        all_of([timeout(hour), timeout(2 * hour)]),
        any_of(vec![&token; 100]),
    ));
    let mut race = Box::pin(tally.ready_at(0).cancelable(clocks));
    assert!(wakes.poll(race.as_mut()).is_pending());
    assert!(kept(&wakes) >= 5);
    drop(race);
    assert_eq!(kept(&wakes), 0);
    assert_eq!(tally.drops(), 1);
}

#[test]
fn g09_unpolled_race_polls_nothing() {
    let _watchdog = support::watchdog();
    let switch = Switch::new();
    let tally = Tally::new();
    drop(tally.ready_at(1).cancelable(switch.source("unused")));
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
    assert_eq!((switch.polls(), switch.drops()), (0, 1));

    let token = CancellationToken::new();
    drop(tally.ready_at(1).cancelable(&token));
    assert_eq!(tally.polls(), 0);
    assert!(!token.is_cancelled(), "a race that goes cancels nobody");
}

#[test]
fn g13_panic_of_the_work() {
    let _watchdog = support::watchdog();
    for panics_at in 1..4 {
        let token = CancellationToken::new();
        let wakes = Wakes::new();
        let log = Log::new();
        let held = log.on_drop("work dropped");
        let worker = work(move |poll| {
            let _held = &held;
            assert!(poll < panics_at, "the work gives up at poll {poll}");
            Poll::<()>::Pending
        });
        let mut race = Box::pin(worker.cancelable(&token));
        for _ in 1..panics_at {
            assert!(wakes.poll(race.as_mut()).is_pending());
        }
        let said = panic_of(|| wakes.poll(race.as_mut()));
        assert_eq!(said, format!("the work gives up at poll {panics_at}"));
        // The caller that caught the panic drops the race, with its work and its registration.
        drop(race);
        assert_eq!(log.take(), ["work dropped"]);
        assert_eq!(kept(&wakes), 0, "no longer registered");
        assert!(token.cancel(), "the token is as it was");
        assert_eq!(wakes.count(), 0);
    }
}

#[test]
fn g13_panic_in_the_last_poll() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let worker = work(|poll| {
        assert!(poll < 2, "at the last");
        Poll::<()>::Pending
    });
    let mut race = Box::pin(worker.cancelable(&token));
    assert!(wakes.poll(race.as_mut()).is_pending());
    token.cancel();
    assert_eq!(panic_of(|| wakes.poll(race.as_mut())), "at the last");
    drop(race);
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g13_panic_in_the_works_destructor() {
    let _watchdog = support::watchdog();
    let (token, switch) = (CancellationToken::new(), Switch::new());
    let hostile = OnDrop(|| panic!("not even dropped in peace"));
    let worker = async move {
        let _hostile = hostile;
        pending::<()>().await
    };
    let mut race = Box::pin(worker.cancelable(any_of((&token, switch.source("other")))));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel();
    assert_eq!(panic_of(|| poll_once(race.as_mut())), "not even dropped in peace");
    drop(race);
    assert_eq!(switch.drops(), 1, "the source goes all the same, and the work only once");
}

#[test]
fn g13_other_races_continue_after_a_panic() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut good = pin!(Tally::new().ready_at(0).cancelable(&token));
    assert!(wakes.poll(good.as_mut()).is_pending());
    let bad = async { panic!("bad") };
    let mut bad = Box::pin(bad.cancelable(&token));
    let caught = catch_unwind(AssertUnwindSafe(|| poll_once(bad.as_mut()).is_pending()));
    assert!(caught.is_err());
    drop(bad);
    token.cancel_with("good");
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(good.as_mut())), Reason::manual("good"));
    assert_eq!(won(poll_once(pin!(async { 7 }.cancelable(never())))), 7);
}

#[test]
fn g13_panic_in_a_custom_source() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let source = async { panic!("the source gives up") };
    let mut race = Box::pin(tally.ready_at(1).cancelable(source));
    assert_eq!(panic_of(|| poll_once(race.as_mut())), "the source gives up");
    drop(race);
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}
