//! `Operation::deadline` and `remaining`: the time limit of an operation, if it is certain.

mod clocks;
#[cfg(feature = "testing")]
mod inherited;

use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::{condition, condition_async};

use crate::support::{self, Clock, poll_once};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns how much time is left for an operation with this source, after its first poll.
fn left<S: Source>(source: S) -> Option<Duration> {
    let run = pending::<()>().cancelable(source);
    let operation = run.operation();
    assert_eq!((operation.deadline(), operation.remaining()), (None, None), "not before the start");
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let first = operation.deadline();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.deadline(), first, "it is the same at every poll");
    operation.remaining()
}

/// Asserts that about `seconds` are left.
#[track_caller]
fn is(left: Option<Duration>, seconds: u64) {
    let left = left.expect("there is a limit");
    assert!(left <= secs(seconds) && left > secs(seconds - 100), "{left:?} is not {seconds} s");
}

#[test]
fn timeout_counts() {
    let _watchdog = support::watchdog();
    is(left(timeout(secs(1000))), 1000);
    is(left(deadline(Instant::now() + secs(1000))), 1000);
    is(left(async { timeout(secs(1000)).await }), 1000);
    is(left(timeout(secs(1000)).because("too slow")), 1000);
}

#[test]
fn other_sources_do_not_count() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(left(never()), None);
    assert_eq!(left(&token), None);
    assert_eq!(left(pending()), None);
    assert_eq!(left(timeout(Duration::MAX)), None, "it never fires");
}

#[test]
fn pause_of_a_condition_does_not_count() {
    let _watchdog = support::watchdog();
    assert_eq!(left(condition(|| false)), None);
    assert_eq!(left(condition(|| false).every(secs(1000))), None);
    is(left(any_of((timeout(secs(1000)), condition(|| false)))), 1000);
    let slow = condition_async(|| async {
        timeout(secs(2)).await;
        false
    });
    assert_eq!(left(slow), None, "what a check waits for is none either");
}

#[test]
fn or_takes_the_earliest() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    is(left(any_of((timeout(secs(2000)), timeout(secs(1000)), &token))), 1000);
    is(left(any_of([timeout(secs(1000)), timeout(secs(2000))])), 1000);
    is(left(any_of(vec![timeout(secs(2000)), timeout(secs(1000))])), 1000);
    is(left(timeout(secs(2000)) | timeout(secs(1000))), 1000);
    is(left(any_of((timeout(Duration::MAX), timeout(secs(1000))))), 1000);
    is(left(any_of((any_of((timeout(secs(1000)), never())), timeout(secs(2000))))), 1000);
}

#[test]
fn and_takes_the_latest() {
    let _watchdog = support::watchdog();
    is(left(all_of((timeout(secs(1000)), timeout(secs(2000)), timeout(secs(1500))))), 2000);
    is(left(timeout(secs(2000)) & timeout(secs(1000))), 2000);
    let mixed = all_of((timeout(secs(2000)), any_of((timeout(secs(1000)), never()))));
    is(left(mixed), 2000);
    let nested = all_of((timeout(secs(3000)), all_of((timeout(secs(1000)), timeout(secs(2000))))));
    is(left(nested), 3000);
    is(
        left(any_of((all_of((timeout(secs(1000)), timeout(secs(2000)))), timeout(secs(3000))))),
        2000,
    );
}

#[test]
fn and_with_an_unlimited_source_has_none() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(left(all_of((timeout(secs(1000)), &token))), None);
    assert_eq!(left(all_of((timeout(secs(1000)), never(), timeout(secs(2000))))), None);
    assert_eq!(left(all_of((timeout(secs(1000)), timeout(Duration::MAX)))), None);
    let uncertain =
        all_of((any_of((all_of((timeout(secs(1)), &token)), never())), timeout(secs(1000))));
    assert_eq!(left(uncertain), None);
    is(left(any_of((all_of((timeout(secs(1000)), &token)), timeout(secs(2000))))), 2000);
    // A list does not know which of its sources are time limits.
    let list = left(all_of([timeout(secs(1000)), timeout(secs(2000))]));
    assert!(list.is_none_or(|left| left > secs(1000)), "never too early: {list:?}");
}

#[test]
fn and_ignores_fired_sources() {
    let _watchdog = support::watchdog();
    let fired = CancellationToken::new();
    fired.cancel();
    is(left(all_of((timeout(secs(1000)), fired))), 1000);
}

#[test]
fn deadline_counts() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + secs(1000);
    let run = pending::<()>().cancelable(any_of((deadline(at), timeout(secs(5000)))));
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(operation.deadline(), Some(at), "to the nanosecond");
}

#[test]
fn known_at_the_first_poll_of_the_work() {
    let _watchdog = support::watchdog();
    let work = async { Operation::current().unwrap().remaining() };
    is(support::block_on(work.cancelable(timeout(secs(1000))).named("a")).unwrap(), 1000);
}

#[test]
fn counts_from_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(timeout(secs(1000)));
    let operation = run.operation();
    clock.pass(Duration::from_millis(20));
    let before = clock.now();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    let at = operation.deadline().unwrap();
    assert!(at >= before + secs(1000) && at <= clock.now() + secs(1000));
}

#[test]
fn nothing_remains_after_it() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(timeout(Duration::from_millis(5)));
    let operation = run.operation();
    assert!(clock.block_on(run).unwrap_err().is_timeout());
    assert!(operation.deadline().unwrap() <= clock.now());
    assert_eq!(operation.remaining(), Some(Duration::ZERO));
    assert!(operation.elapsed() >= Duration::from_millis(5), "never early");
}

/// Returns how much time is left for an operation with the source `inner`, inside an operation with the source `outer`.
fn left_within<A, B>(outer: A, inner: B) -> Option<Duration>
where
    A: Source,
    B: Source,
{
    let work = async { Operation::current().unwrap().remaining() };
    let inner = work.cancelable(inner).named("inner");
    let between = async { inner.await.unwrap() }.cancelable(never()).named("between");
    let outer = async { between.await.unwrap() }.cancelable(outer).named("outer");
    support::block_on(outer).unwrap()
}

#[test]
fn parents_limit_children() {
    let _watchdog = support::watchdog();
    is(left_within(timeout(secs(1000)), timeout(secs(2000))), 1000);
    is(left_within(timeout(secs(2000)), timeout(secs(1000))), 1000);
    is(left_within(timeout(secs(1000)), never()), 1000);
    is(left_within(never(), timeout(secs(1000))), 1000);
    assert_eq!(left_within(never(), never()), None);
}

#[test]
fn children_do_not_limit_parents() {
    let _watchdog = support::watchdog();
    let work = scope(timeout(secs(2000)), async |outer: Operation| {
        let inner = async { Operation::current().unwrap().remaining() };
        is(inner.cancelable(timeout(secs(1000))).named("inner").await.unwrap(), 1000);
        is(outer.remaining(), 2000);
    });
    support::block_on(work).unwrap();
}

#[test]
fn inner_races_do_not_count() {
    let _watchdog = support::watchdog();
    let work = scope(never(), async |operation: Operation| {
        let plain = async { futures::pending!() }.cancelable(timeout(secs(1000)));
        let mut plain = pin!(plain);
        assert!(poll_once(plain.as_mut()).is_pending());
        assert_eq!(operation.remaining(), None);
    });
    support::block_on(work.on_start(|operation| {
        let plain = pin!(pending::<()>().cancelable(timeout(secs(1000))));
        assert!(poll_once(plain).is_pending());
        assert_eq!(operation.remaining(), None);
    }))
    .unwrap();
}

#[test]
fn race_in_a_source_does_not_count() {
    let _watchdog = support::watchdog();
    // A source that stands for one that sends pings and gives each of them one second.
    let pings = async {
        let _ = pending::<()>().cancelable(timeout(secs(1))).await;
        pending().await
    };
    assert_eq!(left(pings), None);
}

#[test]
fn inherited_by_in_scope_and_child_of() {
    let _watchdog = support::watchdog();
    let parent = pending::<()>().cancelable(timeout(secs(1000))).named("parent");
    let operation = parent.operation();
    let mut parent = pin!(parent);
    assert!(poll_once(parent.as_mut()).is_pending());

    let child = async { Operation::current().unwrap().remaining() };
    let child = child.cancelable(never()).child_of(&operation);
    is(support::block_on(child).unwrap(), 1000);

    let child = async { Operation::current().unwrap().remaining() }.cancelable(never()).named("b");
    is(support::block_on(operation.in_scope(child)).unwrap(), 1000);
}

#[test]
fn inherited_if_the_parent_starts_later() {
    let _watchdog = support::watchdog();
    let parent = pending::<()>().cancelable(timeout(secs(1000))).named("parent");
    let child = pending::<()>().cancelable(timeout(secs(2000))).child_of(&parent.operation());
    let operation = child.operation();
    let mut parent = pin!(parent);
    assert!(poll_once(parent.as_mut()).is_pending());
    let mut child = pin!(child);
    assert!(poll_once(child.as_mut()).is_pending());
    is(operation.remaining(), 1000);
}

#[test]
fn late_race_in_a_source_does_not_count() {
    let _watchdog = support::watchdog();
    let pings = async {
        let ping = async {
            futures::pending!();
            timeout(secs(1)).await
        };
        let _ = ping.cancelable(never()).await;
        pending().await
    };
    assert_eq!(left(pings), None);
}

#[test]
fn shield_for_in_a_source_does_not_count() {
    let _watchdog = support::watchdog();
    assert_eq!(left(shield_for(secs(1), pending())), None);
}

#[test]
fn lent_timeout_counts_for_each() {
    let _watchdog = support::watchdog();
    let mut limit = timeout(secs(1000));
    for _ in 0..2 {
        let work = async { Operation::current().unwrap().remaining() };
        is(support::block_on(work.cancelable(&mut limit).named("a")).unwrap(), 1000);
    }
}
