//! Members in place, cancelled and dropped at every await.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{cancel_at_every_await, drop_at_every_await, pause};

use crate::support::{self, Log, OnDrop, poll_once};

const SECOND: Duration = Duration::from_secs(1);

/// A group in place with a member of each kind. `gone` counts the destructors of the members.
fn members_of_each_kind<'a>(gone: &'a AtomicUsize, ended: &'a Log) -> TaskGroup<'a, (), Cancelled> {
    let group = TaskGroup::fallible_in_place().at_most(4);
    let guard = || {
        OnDrop(|| {
            gone.fetch_add(1, Ordering::SeqCst);
        })
    };
    let of_group = guard();
    group.spawn(async move {
        let _gone = of_group;
        timeout(SECOND).await;
    });
    let shielded = guard();
    group.spawn(async move {
        let _gone = shielded;
        shield(timeout(SECOND * 2)).await;
        ended.note("section");
        timeout(SECOND).await;
    });
    let operation = guard();
    let work = async move {
        let _gone = operation;
        timeout(SECOND).await;
        shield(timeout(SECOND * 2)).await;
        timeout(SECOND).await;
    };
    let clean_up = async move {
        timeout(SECOND).await;
        ended.note("clean-up");
    };
    group.spawn_cancelable(work.cancelable(timeout(SECOND * 60)).finally(move |_| clean_up));
    let nested = guard();
    group.try_spawn(async move {
        let _gone = nested;
        async { timeout(SECOND * 2).await }.cancelable(timeout(SECOND * 60)).await?;
        Ok(())
    });
    let daemon = guard();
    group.spawn_daemon(async move {
        let _gone = daemon;
        pending().await
    });
    let queued = guard();
    group.spawn(async move {
        let _gone = queued;
        timeout(SECOND).await;
    });
    group
}

#[test]
fn g18_members_in_place_cancelled_at_every_await() {
    let _watchdog = support::watchdog();
    let (gone, ended) = (AtomicUsize::new(0), Log::new());
    let awaits = cancel_at_every_await(
        |token| {
            gone.store(0, Ordering::SeqCst);
            members_of_each_kind(&gone, &ended).join_within(token)
        },
        |at, outcome: Result<Vec<_>, _>| {
            assert_eq!(gone.load(Ordering::SeqCst), 6, "{at}");
            match outcome {
                Ok(results) => assert!(at.is_untouched() && results.iter().all(Result::is_ok)),
                Err(cancelled) => assert_eq!(*cancelled.reason(), at.reason()),
            }
        },
    );
    assert!(awaits > 6, "{awaits}");
}

#[test]
fn g18_members_in_place_dropped_at_every_await() {
    let _watchdog = support::watchdog();
    let (gone, ended) = (AtomicUsize::new(0), Log::new());
    let awaits = drop_at_every_await(
        || {
            gone.store(0, Ordering::SeqCst);
            members_of_each_kind(&gone, &ended).try_join()
        },
        |at, outcome| {
            assert_eq!(gone.load(Ordering::SeqCst), 6, "{at}");
            assert!(outcome.is_none_or(|outcome| outcome.is_ok()), "{at}");
        },
    );
    assert!(awaits > 6, "{awaits}");
}

#[test]
fn g18_race_around_a_group_in_place_cancelled_at_every_await() {
    let _watchdog = support::watchdog();
    let (gone, ended) = (AtomicUsize::new(0), Log::new());
    cancel_at_every_await(
        |token| {
            gone.store(0, Ordering::SeqCst);
            members_of_each_kind(&gone, &ended).join().cancelable(token)
        },
        |at, outcome| {
            assert_eq!(gone.load(Ordering::SeqCst), 6, "{at}");
            assert_eq!(outcome.is_ok(), at.is_untouched(), "{at}");
        },
    );
}

#[test]
fn member_in_place_hears_of_the_request() {
    let _watchdog = support::watchdog();
    let time = pause();
    let token = CancellationToken::new();
    let group = TaskGroup::in_place().grace(Duration::from_secs(60));
    let results = group.handle();
    group.spawn(async move {
        let current = Operation::current().unwrap();
        let reason = current.cancelled().await;
        // From here on, the group no longer polls this member as part of its work.
        timeout(SECOND).await;
        assert!(current.check().is_err());
        reason.to_string()
    });
    let mut join = pin!(group.join_within(&token));
    assert!(poll_once(join.as_mut()).is_pending());
    token.cancel_with("stop");
    assert_eq!(time.block_on(join), Err(Cancelled::new("stop")));
    assert_eq!(results.take_results(), [Ok("parent cancelled: stop".to_owned())]);
}

#[test]
fn cancelled_members_in_place_know_the_operations_around() {
    let _watchdog = support::watchdog();
    let time = pause();
    let token = CancellationToken::new();
    let checks = AtomicUsize::new(0);
    let outer = scope(&token, async |outer: Operation| {
        let (outer, checks) = (&outer, &checks);
        let group = TaskGroup::<()>::in_place().grace(Duration::from_secs(60));
        let asked = outer.clone();
        group.spawn(async move {
            Operation::current().unwrap().cancelled().await;
            timeout(SECOND).await;
            // The member is not in a section, so `check` tells it to stop.
            assert!(asked.check().is_err());
            checks.fetch_add(1, Ordering::SeqCst);
        });
        group.join().await
    });
    let mut outer = pin!(outer);
    assert!(poll_once(outer.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(time.block_on(outer).is_err());
    assert_eq!(checks.load(Ordering::SeqCst), 1);
}
