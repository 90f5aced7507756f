//! Guarantees 5 and 7: time limits.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::support::{self, Clock, Tally, Wakes, lost, on_every_executor, poll_once, won, work};

const MS: Duration = Duration::from_millis(1);

/// How late a limit may be in a test that must pass on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn g05_starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let (clock, limit) = (Clock::start(), 20 * MS);
    let source = timeout(limit);
    let race = pending::<()>().cancelable(timeout(limit));
    let composed = any_of((timeout(limit), never()));
    clock.pass(3 * limit);

    for source in [Box::pin(source) as cancelable::source::BoxSource<'_>, Box::pin(composed)] {
        let start = clock.now();
        assert_eq!(clock.block_on(source), Reason::timeout(limit));
        clock.assert_passed(start, limit);
    }
    let raced = clock.now();
    assert!(clock.block_on(race).unwrap_err().is_timeout());
    clock.assert_passed(raced, limit);
}

#[test]
fn g05_runs_while_the_work_is_polled() {
    let _watchdog = support::watchdog();
    // The first poll of the work takes longer than the limit, so the limit has passed when it
    // returns.
    let (clock, limit) = (Clock::start(), 10 * MS);
    let mut polls = 0;
    let worker = work(|poll| {
        polls = poll;
        clock.pass(10 * limit);
        Poll::<()>::Pending
    });
    assert_eq!(lost(poll_once(pin!(worker.cancelable(timeout(limit))))), Reason::timeout(limit));
    assert_eq!(polls, 2);
}

#[test]
fn g05_deadline_needs_no_start() {
    let _watchdog = support::watchdog();
    let (clock, tally) = (Clock::start(), Tally::new());
    let mut race = pin!(tally.ready_at(1).cancelable(deadline(clock.now() + 10 * MS)));
    clock.pass(30 * MS);
    // The length in the reason is the time from the first poll to the deadline, which is zero here.
    assert_eq!(lost(poll_once(race.as_mut())), Reason::timeout(Duration::ZERO));
    assert_eq!(tally.polls(), 0);

    let start = clock.now();
    let late = deadline(start + 20 * MS);
    clock.pass(3 * MS);
    let Reason::Timeout { after, .. } = clock.block_on(late) else { panic!("no timeout") };
    clock.assert_passed(start, 20 * MS);
    assert!(!after.is_zero() && after <= 17 * MS, "{after:?}");
}

#[test]
fn g05_zero_fires_at_once() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let zero = Reason::timeout(Duration::ZERO);
    assert_eq!(wakes.poll(pin!(timeout(Duration::ZERO))), Poll::Ready(zero.clone()));
    assert_eq!(wakes.poll(pin!(deadline(Instant::now()))), Poll::Ready(zero.clone()));
    let before = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
    assert_eq!(wakes.poll(pin!(deadline(before))), Poll::Ready(zero));
    assert_eq!(wakes.count(), 0);
}

#[test]
fn g05_overflow_never_fires() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let lengths = [
        Duration::MAX,
        Duration::MAX - Duration::from_nanos(1),
        Duration::from_secs(u64::MAX),
        Duration::from_secs(u64::MAX / 2),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_nanos(u64::MAX),
        10_000 * century,
        6 * century,
        century,
    ];
    for length in lengths {
        let mut source = pin!(timeout(length));
        let mut race = pin!(Tally::new().ready_at(4).cancelable(timeout(length)));
        for _ in 0..3 {
            assert!(wakes.poll(source.as_mut()).is_pending(), "{length:?}");
            assert!(wakes.poll(race.as_mut()).is_pending(), "{length:?}");
        }
        assert_eq!(won(wakes.poll(race.as_mut())), 4);
        if let Some(at) = Instant::now().checked_add(length) {
            let mut source = pin!(deadline(at));
            assert!(wakes.poll(source.as_mut()).is_pending(), "{length:?}");
            assert!(wakes.poll(source.as_mut()).is_pending(), "{length:?}");
        }
    }
    assert_eq!(wakes.count(), 0);

    // The other sources of the race are unaffected.
    let short = any_of((timeout(Duration::MAX), timeout(MS)));
    assert_eq!(support::block_on(short), Reason::timeout(MS));
}

#[test]
fn g05_never_early() {
    let _watchdog = support::watchdog();
    for micros in [0, 1, 10, 100, 400, 500, 523, 524, 525, 600, 999, 1000, 1001, 1500, 2048, 3333] {
        let limit = Duration::from_micros(micros);
        for _ in 0..10 {
            let start = Instant::now();
            let reason = support::block_on(timeout(limit));
            assert!(start.elapsed() >= limit, "{limit:?} fired after {:?}", start.elapsed());
            assert_eq!(reason, Reason::timeout(limit));

            let end = Instant::now() + limit;
            support::block_on(deadline(end));
            assert!(Instant::now() >= end, "a deadline {limit:?} away fired early");
        }
    }
}

#[test]
fn g05_never_early_in_a_shared_slot() {
    let _watchdog = support::watchdog();
    // The limits start at different times, have different lengths, and are all pending together.
    let limits: Vec<_> =
        (0..500u32).map(|i| Duration::from_micros(u64::from(i * 97 % 40_000))).collect();
    let sources = limits.iter().map(|limit| async move {
        let start = Instant::now();
        timeout(*limit).await;
        (start.elapsed(), *limit)
    });
    for (elapsed, limit) in support::block_on(futures::future::join_all(sources)) {
        assert!(elapsed >= limit, "{limit:?} fired after {elapsed:?}");
    }
}

#[test]
fn g05_fires_in_time() {
    let _watchdog = support::watchdog();
    for limit in [MS, 7 * MS, 100 * MS, 300 * MS] {
        let start = Instant::now();
        support::block_on(timeout(limit));
        assert!(start.elapsed() < limit + PATIENCE, "{limit:?} took {:?}", start.elapsed());
        let start = Instant::now();
        support::block_on(deadline(start + limit));
        assert!(start.elapsed() < limit + PATIENCE, "{limit:?} took {:?}", start.elapsed());
    }
}

#[test]
fn g05_adds_little_delay() {
    let _watchdog = support::watchdog();
    // The scheduler may delay any single limit. The best of many shows the delay that this crate adds.
    let limit = 40 * MS;
    let late = (0..20)
        .map(|_| {
            let start = Instant::now();
            support::block_on(timeout(limit));
            start.elapsed() - limit
        })
        .min()
        .unwrap();
    assert!(late <= limit / 2, "late by {late:?} at best");
}

#[test]
fn g05_new_timeout_starts_over() {
    let _watchdog = support::watchdog();
    let (clock, wakes, limit) = (Clock::start(), Wakes::new(), 30 * MS);
    let mut first = Box::pin(timeout(limit));
    assert!(wakes.poll(first.as_mut()).is_pending());
    clock.pass(limit / 2);
    drop(first);
    let start = clock.now();
    clock.block_on(timeout(limit));
    clock.assert_passed(start, limit);
    assert_eq!(wakes.count(), 0, "who has left is not woken");
}

on_every_executor! {
    async fn g05_every_executor() {
        let start = Instant::now();
        let cancelled = pending::<()>().cancelable(timeout(5 * MS)).await.unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::timeout(5 * MS));
        assert!(start.elapsed() >= 5 * MS);
        assert!(pending::<()>().cancelable(deadline(start)).await.unwrap_err().is_timeout());
    }
}

#[test]
fn g07_shorter_fires_under_or() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (short, long) = (10 * MS, Duration::from_secs(3600));
    for source in [
        Box::pin(any_of((timeout(short), timeout(long)))) as cancelable::source::BoxSource<'_>,
        Box::pin(any_of((timeout(long), timeout(short)))),
        Box::pin(any_of([timeout(short), timeout(long)])),
        Box::pin(any_of([timeout(long), timeout(short)])),
        Box::pin(timeout(short) | timeout(long)),
        Box::pin(timeout(long) | timeout(short)),
    ] {
        let start = clock.now();
        assert_eq!(clock.block_on(source), Reason::timeout(short));
        clock.assert_passed(start, short);
    }
}

/// A task that is polled late finds that both limits have passed.
#[test]
fn g07_earlier_end_wins_a_tie() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (short, long) = (10 * MS, 20 * MS);
    let token = CancellationToken::new();
    for source in [
        Box::pin(any_of((timeout(long), timeout(short)))) as cancelable::source::BoxSource<'_>,
        Box::pin(any_of((never(), timeout(long), &token, timeout(15 * MS), timeout(short)))),
        Box::pin(any_of((deadline(clock.now() + 3600 * 1000 * MS), timeout(short), timeout(long)))),
        Box::pin(any_of([timeout(long), timeout(short), timeout(long)])),
        Box::pin((never() | timeout(long)) | (timeout(short) | never())),
        Box::pin(any_of(vec![
            Box::pin(timeout(long)) as cancelable::source::BoxSource<'_>,
            Box::pin(never()),
            Box::pin(timeout(short)),
        ])),
    ] {
        let mut source = source;
        assert!(poll_once(source.as_mut()).is_pending());
        clock.pass(3 * long);
        assert_eq!(clock.block_on(source), Reason::timeout(short));
    }
}

/// After a limit has fired, sources without a limit are not polled. Such a source might take a value out of a channel, and
/// the value would be lost.
#[test]
fn g07_only_limits_are_compared() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let polls = std::cell::Cell::new(0);
    let other = std::future::poll_fn(|_| {
        polls.set(polls.get() + 1);
        Poll::<Reason>::Pending
    });
    let mut source = pin!(any_of((timeout(20 * MS), other, timeout(10 * MS))));
    assert!(poll_once(source.as_mut()).is_pending());
    clock.pass(60 * MS);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let before = polls.get();
        if let Poll::Ready(reason) = poll_once(source.as_mut()) {
            assert_eq!(reason, Reason::timeout(10 * MS));
            // At most one poll of the other source: the one that comes before the limit of 10 ms in the list. After the
            // first limit has fired, that source is not polled.
            assert!(polls.get() - before <= 1);
            break;
        }
        assert!(Instant::now() < give_up, "the limit has not fired");
        std::thread::sleep(MS);
    }
}

#[test]
fn g07_longer_fires_under_and() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (short, long) = (5 * MS, 40 * MS);
    let (a, b) = (Reason::timeout(short), Reason::timeout(long));
    let (ab, ba) = (Reason::all([a.clone(), b.clone()]), Reason::all([b, a]));
    for (source, reason) in [
        (
            Box::pin(all_of((timeout(short), timeout(long)))) as cancelable::source::BoxSource<'_>,
            &ab,
        ),
        (Box::pin(all_of((timeout(long), timeout(short)))), &ba),
        (Box::pin(all_of([timeout(short), timeout(long)])), &ab),
        (Box::pin(all_of(vec![timeout(long), timeout(short)])), &ba),
        (Box::pin(timeout(short) & timeout(long)), &ab),
        (Box::pin(timeout(long) & timeout(short)), &ba),
    ] {
        let start = clock.now();
        assert_eq!(&clock.block_on(source), reason);
        clock.assert_passed(start, long);
    }
}

#[test]
fn g07_nested_races() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let (short, long) = (10 * MS, Duration::from_secs(3600));
    let inner_first = pending::<()>().cancelable(timeout(short)).cancelable(timeout(long));
    assert!(clock.block_on(inner_first).unwrap().unwrap_err().is_timeout());
    let outer_first = pending::<()>().cancelable(timeout(long)).cancelable(timeout(short));
    assert_eq!(clock.block_on(outer_first).unwrap_err().into_reason(), Reason::timeout(short));
}
