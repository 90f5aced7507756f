//! Guarantees 8, 9, 11 and 14: what allocates nothing, and that dropped waiters and tokens free
//! their memory.
//!
//! Only allocations of the measuring thread count, so other tests and the reactor do not matter.

use std::future::{pending, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use allocation_counter::{AllocationInfo, measure};
use cancelable::prelude::*;
use cancelable::source::BoxSource;

use crate::support::{self, Wakes};

/// Returns a waker. Make it before measuring.
fn waker() -> Waker {
    Wakes::new().waker()
}

#[track_caller]
fn allocates_nothing<R>(what: &str, body: impl FnOnce() -> R) -> R {
    let mut result = None;
    let info = measure(|| result = Some(body()));
    assert_eq!(info.count_total, 0, "{what}: {info:?}");
    result.unwrap()
}

/// Creates a race whose work is ready, awaits it and drops it, and asserts that this allocates nothing.
#[track_caller]
fn a_finished_race_allocates_nothing<S: Source>(what: &str, source: impl Fn() -> S) {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    // The first race of a process initializes what all races share.
    assert!(pin!(ready(7).cancelable(source())).poll(&mut cx).is_ready());
    let value = allocates_nothing(what, || pin!(ready(7).cancelable(source())).poll(&mut cx));
    assert_eq!(value, Poll::Ready(Ok(7)));
    let fine = ready(Ok::<_, Cancelled>(7));
    let value = allocates_nothing(what, || pin!(fine.try_cancelable(source())).poll(&mut cx));
    assert_eq!(value, Poll::Ready(Ok(7)));
}

#[test]
fn g08_ready_work() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    a_finished_race_allocates_nothing("never", never);
    a_finished_race_allocates_nothing("token", || token.clone());
    a_finished_race_allocates_nothing("borrowed token", || token.cancelled());
    a_finished_race_allocates_nothing("any_of", || any_of((&token, never(), &token)));
    a_finished_race_allocates_nothing("all_of", || all_of((&token, never(), &token)));
    a_finished_race_allocates_nothing("operators", || &token | (never() & &token));
    a_finished_race_allocates_nothing("because", || pending::<()>().because("never"));
    #[cfg(feature = "time")]
    {
        use std::time::{Duration, Instant};
        let hour = Duration::from_secs(3600);
        a_finished_race_allocates_nothing("timeout", || timeout(hour));
        a_finished_race_allocates_nothing("no timeout", || timeout(Duration::MAX));
        a_finished_race_allocates_nothing("deadline", || deadline(Instant::now() + hour));
        a_finished_race_allocates_nothing("condition", || condition(|| false));
        a_finished_race_allocates_nothing("several", || {
            any_of((timeout(hour), &token, all_of((timeout(hour), &token))))
        });
    }
}

#[test]
fn g08_ready_work_under_a_new_token() {
    let _watchdog = support::watchdog();
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    // The first race of a process initializes what all races share.
    assert!(pin!(ready(7).cancelable(never())).poll(&mut cx).is_ready());
    let token = CancellationToken::new();
    let value = allocates_nothing("a new token", || {
        pin!(ready(7).cancelable(any_of((&token, &token)))).poll(&mut cx)
    });
    assert_eq!(value, Poll::Ready(Ok(7)));
}

/// Returns one of each kind of source that registers. None of them fires in these tests.
fn sources(token: &CancellationToken) -> Vec<(&'static str, BoxSource<'_>)> {
    let mut sources: Vec<(&'static str, BoxSource<'_>)> = vec![
        ("token", Box::pin(token.cancelled())),
        ("owned token", Box::pin(token.clone().cancelled_owned())),
        ("any_of tuple", Box::pin(any_of((never(), token)))),
        ("any_of array", Box::pin(any_of([token, token]))),
        ("any_of long", Box::pin(any_of(vec![token; 100]))),
        ("all_of tuple", Box::pin(all_of((never(), token)))),
        ("all_of array", Box::pin(all_of([token, token]))),
        ("all_of long", Box::pin(all_of(vec![token; 100]))),
    ];
    sources.push(("nested", Box::pin(any_of((all_of((never(), token)), any_of([token]))))));
    #[cfg(feature = "time")]
    {
        use std::time::{Duration, Instant};
        let hour = Duration::from_secs(3600);
        sources.push(("timeout", Box::pin(timeout(hour))));
        sources.push(("no timeout", Box::pin(timeout(Duration::MAX))));
        sources.push(("deadline", Box::pin(deadline(Instant::now() + hour))));
        sources.push(("condition", Box::pin(condition(|| false).every(hour))));
    }
    #[cfg(all(unix, feature = "signal"))]
    sources.push(("signal", Box::pin(signal(Signal::Usr2).unwrap())));
    sources
}

#[test]
fn g08_pending_source() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (what, mut source) in sources(&token) {
        let waker = waker();
        let mut cx = Context::from_waker(&waker);
        assert!(source.as_mut().poll(&mut cx).is_pending());
        allocates_nothing(what, || {
            for _ in 2..=100 {
                assert!(source.as_mut().poll(&mut cx).is_pending());
            }
        });
    }
}

#[test]
fn g08_pending_race() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (what, source) in sources(&token) {
        let waker = waker();
        let mut cx = Context::from_waker(&waker);
        let mut race = Box::pin(pending::<()>().cancelable(source));
        assert!(race.as_mut().poll(&mut cx).is_pending());
        allocates_nothing(what, || {
            for _ in 2..=100 {
                assert!(race.as_mut().poll(&mut cx).is_pending());
            }
        });
    }
}

#[test]
fn g08_new_waker() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for (what, mut source) in sources(&token) {
        let wakers = [waker(), waker()];
        assert!(source.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
        allocates_nothing(what, || {
            for waker in wakers.iter().cycle().take(100) {
                assert!(source.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
            }
        });
    }
}

#[test]
fn g14_reading_a_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (cancelled, reason, check) =
        allocates_nothing("before", || (token.is_cancelled(), token.reason(), token.check()));
    assert!(!cancelled && reason.is_none() && check.is_ok());
    token.child_token().on_cancel(|_| {}).detach();
    token.cancel();
    let (cancelled, reason, check) =
        allocates_nothing("after", || (token.is_cancelled(), token.reason(), token.check()));
    assert!(cancelled && reason.is_some() && check.is_err());

    // An error with a message is made on demand. Its clones share it.
    let token = CancellationToken::new();
    token.cancel_with(String::from("shared"));
    let (cancelled, reason) = allocates_nothing("after", || (token.is_cancelled(), token.reason()));
    let error = token.check().unwrap_err();
    let clone = allocates_nothing("a clone", || error.clone());
    assert!(cancelled && reason.as_ref() == Some(clone.reason()));
}

/// Returns how many bytes `body` leaves allocated.
fn residue(body: impl FnOnce()) -> AllocationInfo {
    let info = measure(body);
    assert!(info.count_total > 0, "it measures something");
    info
}

#[test]
fn g11_children_in_turn_leave_nothing() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    // The first child allocates space in the parent, which later children reuse.
    drop(parent.child_token());
    let left = residue(|| {
        for _ in 0..10_000 {
            drop(parent.child_token());
        }
    });
    assert_eq!((left.count_current, left.bytes_current), (0, 0), "{left:?}");
}

#[test]
fn g11_many_children_leave_nothing() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let left = residue(|| drop((0..10_000).map(|_| parent.child_token()).collect::<Vec<_>>()));
    assert!(left.bytes_current <= 4096, "{left:?}");
    drop(parent);
}

#[test]
fn g11_chain_leaves_nothing() {
    let _watchdog = support::watchdog();
    for cancelled in [false, true] {
        let left = residue(|| {
            let root = CancellationToken::new();
            let mut leaf = root.child_token();
            for _ in 0..10_000 {
                leaf = leaf.child_token();
            }
            if cancelled {
                root.cancel();
            }
            drop(root);
        });
        assert_eq!((left.count_current, left.bytes_current), (0, 0), "{left:?}");
    }
}

#[test]
fn g09_waiters_that_leave_free_their_memory() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let waker = waker();
    let left = residue(|| {
        let mut cx = Context::from_waker(&waker);
        let mut races: Vec<_> =
            (0..10_000).map(|_| Box::pin(pending::<()>().cancelable(token.cancelled()))).collect();
        for race in &mut races {
            assert!(race.as_mut().poll(&mut cx).is_pending());
        }
        drop(races);
        drop((0..10_000).map(|_| token.on_cancel(|_| {})).collect::<Vec<_>>());
    });
    assert!(left.bytes_current <= 4096, "{left:?}");
    drop(token);
}

#[cfg(feature = "time")]
#[test]
fn g09_dropped_timeout_leaves_its_slot() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let hour = Duration::from_secs(3600);
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut first = Box::pin(timeout(hour));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let left = residue(|| {
        for _ in 0..1000 {
            let mut race = Box::pin(pending::<()>().cancelable(timeout(hour)));
            assert!(race.as_mut().poll(&mut cx).is_pending());
        }
    });
    // All limits end in the same slot as the first, or in the next slot.
    assert!(left.count_current <= 64, "{left:?}");
}

#[test]
fn g08_counter_counts() {
    let _watchdog = support::watchdog();
    assert_eq!(measure(|| drop(Box::new(7))).count_total, 1);
    let others = measure(|| {
        let handle = thread::current();
        drop(handle);
    });
    assert_eq!(others.count_total, 0);
    // Making a token allocates, and so does its second waiter.
    let waker = waker();
    let first = measure(|| {
        let token = CancellationToken::new();
        let (mut one, mut two) = (pin!(token.cancelled()), pin!(token.cancelled()));
        let mut cx = Context::from_waker(&waker);
        assert!(one.as_mut().poll(&mut cx).is_pending());
        assert!(two.as_mut().poll(&mut cx).is_pending());
    });
    assert!(first.count_total >= 2, "{first:?}");
}
