//! .NET's `CancellationToken` and its source: callbacks, linked tokens, blocked threads, limits.

use std::collections::HashSet;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::source::{DropGuard, Registration};

use crate::support::{self, Wakes, block_on, poll_once};

/// Notes in which order callbacks run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn on(&self, token: &CancellationToken, name: &'static str) -> Registration {
        let log = self.clone();
        token.on_cancel(move |_| log.0.lock().unwrap().push(name))
    }

    fn ran(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn equality() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let copy = token.clone();
    assert_eq!(token, copy);
    assert_eq!(HashSet::from([token.clone(), copy]).len(), 1);
    // Two tokens that were never connected differ, cancelled or not.
    assert_ne!(CancellationToken::new(), CancellationToken::default());
    token.cancel();
    let other = CancellationToken::new();
    other.cancel();
    assert_ne!(token, other);
}

#[test]
fn polling_and_callbacks() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let registration = log.on(&token, "called");
    assert!(!token.is_cancelled());
    assert_eq!(log.ran(), [""; 0]);
    token.cancel();
    assert!(token.is_cancelled());
    assert_eq!(log.ran(), ["called"]);
    drop(registration);
}

#[test]
fn registrations_are_independent() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let first = log.on(&token, "one");
    let others = [log.on(&token, "two"), log.on(&token, "two"), log.on(&token, "one")];
    drop(others);
    token.cancel();
    assert_eq!(log.ran(), ["one"]);
    drop(first);
}

#[test]
fn late_callback_runs_at_once() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    token.cancel();
    for nth in 1..=2 {
        drop(log.on(&token, "late"));
        assert_eq!(log.ran().len(), nth);
    }
}

#[test]
fn callback_cancels_another_token() {
    let _watchdog = support::watchdog();
    let (token, early, late) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let remote = early.clone();
    token.on_cancel(move |_| assert!(remote.cancel())).detach();
    token.cancel();
    assert!(early.is_cancelled());
    let remote = late.clone();
    token.on_cancel(move |_| assert!(remote.cancel())).detach();
    assert!(late.is_cancelled());
}

#[test]
fn thread_waits_before_or_after() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let remote = token.clone();
    let canceller = thread::spawn(move || remote.cancel_with("signalled"));
    assert_eq!(token.blocking_wait(), Reason::manual("signalled"));
    assert_eq!(token.blocking_wait(), Reason::manual("signalled"));
    assert!(canceller.join().unwrap());
}

#[test]
fn thread_waits_for_any_or_all() {
    let _watchdog = support::watchdog();
    let (first, second, idle) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    first.cancel_with("first");
    assert_eq!(block_on(any_of((&idle, &first))), Reason::manual("first"));
    let (a, b) = (first.clone(), second.clone());
    let waiter = thread::spawn(move || block_on(all_of((a, b))));
    second.cancel_with("second");
    let reasons = waiter.join().unwrap();
    assert_eq!(reasons.leaves(), [Reason::manual("first"), Reason::manual("second")]);
}

#[test]
fn linked_token_follows() {
    let _watchdog = support::watchdog();
    let original = CancellationToken::new();
    let linked = CancellationToken::linked([&original]);
    assert!(!linked.is_cancelled());
    original.cancel();
    assert!(linked.is_cancelled());

    let original = CancellationToken::new();
    let linked = CancellationToken::linked([&original]);
    linked.cancel();
    assert!(!original.is_cancelled());

    let original = CancellationToken::new();
    let linked = CancellationToken::linked([&original]);
    drop(original);
    assert!(!linked.is_cancelled());
}

#[test]
fn any_parent_cancels_a_linked_token() {
    let _watchdog = support::watchdog();
    for cancelled in 0..3 {
        let tokens: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
        let linked = CancellationToken::linked(&tokens);
        assert!(!linked.is_cancelled());
        tokens[cancelled].cancel();
        assert!(linked.is_cancelled());
        assert_eq!(tokens.iter().filter(|token| token.is_cancelled()).count(), 1);
    }
}

#[test]
fn linked_to_a_cancelled_token() {
    let _watchdog = support::watchdog();
    let (signalled, idle) = (CancellationToken::new(), CancellationToken::new());
    signalled.cancel_with("early");
    let one = CancellationToken::linked([&signalled]);
    let two = CancellationToken::linked([&signalled, &idle]);
    let other_way = CancellationToken::linked([&idle, &signalled]);
    let in_steps = CancellationToken::linked([&idle, &two]);
    for linked in [one, two, other_way, in_steps] {
        assert_eq!(linked.reason(), Some(Reason::manual("early")));
    }
    assert!(!idle.is_cancelled());
}

#[test]
fn linked_twice_to_one_token() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let linked = CancellationToken::linked([&token, &token]);
    log.on(&linked, "once").detach();
    token.cancel();
    assert!(linked.is_cancelled());
    assert_eq!(log.ran(), ["once"]);
}

#[test]
fn linked_token_outlives_its_parents() {
    let _watchdog = support::watchdog();
    let (user, limit) = (CancellationToken::new(), CancellationToken::new());
    let linked = CancellationToken::linked([&limit, &user]);
    user.cancel();
    drop(user);
    assert!(linked.is_cancelled());
    drop(linked);
    assert!(!limit.is_cancelled());
}

/// Differs: in .NET the callback that was registered last runs first.
#[test]
fn callbacks_run_in_order() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let registrations = ["first", "second", "third"].map(|name| log.on(&token, name));
    token.cancel();
    assert_eq!(log.ran(), ["first", "second", "third"]);
    drop(registrations);
}

/// Differs: in .NET `Cancel` throws the exceptions, either the first one at once or all of them together.
#[test]
fn panicking_callbacks_are_contained() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let linked = CancellationToken::linked([&token]);
    token.on_cancel(|_| panic!("one")).detach();
    log.on(&token, "between").detach();
    token.on_cancel(|_| panic!("two")).detach();
    linked.on_cancel(|_| panic!("below")).detach();
    log.on(&linked, "at last").detach();
    let cancelled = catch_unwind(AssertUnwindSafe(|| token.cancel()));
    assert!(matches!(cancelled, Ok(true)));
    assert_eq!(log.ran(), ["between", "at last"]);
}

#[test]
fn check_returns_an_error() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(token.check(), Ok(()));
    token.cancel_with("stop");
    assert_eq!(token.check(), Err(Cancelled::new("stop")));
}

#[test]
fn callback_removes_one_that_has_run() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let first = log.on(&token, "first");
    let second = log.clone();
    token
        .on_cancel(move |_| {
            drop(first);
            second.0.lock().unwrap().push("second");
        })
        .detach();
    token.cancel();
    assert_eq!(log.ran(), ["first", "second"]);
}

#[test]
fn callback_removes_one_that_has_not_run() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let later = Arc::new(Mutex::new(None::<Registration>));
    let (slot, written) = (later.clone(), log.clone());
    token
        .on_cancel(move |_| {
            drop(slot.lock().unwrap().take());
            written.0.lock().unwrap().push("first");
        })
        .detach();
    *later.lock().unwrap() = Some(log.on(&token, "taken back"));
    token.cancel();
    assert_eq!(log.ran(), ["first"]);
}

#[test]
fn callback_removes_itself() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let own = Arc::new(Mutex::new(None::<Registration>));
    let (slot, written) = (own.clone(), log.clone());
    let registration = token.on_cancel(move |_| {
        drop(slot.lock().unwrap().take());
        written.0.lock().unwrap().push("itself");
    });
    *own.lock().unwrap() = Some(registration);
    token.cancel();
    assert_eq!(log.ran(), ["itself"]);
}

#[test]
fn removal_does_not_wait() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let running = Arc::new(Barrier::new(2));
    let inside = running.clone();
    let registration = token.on_cancel(move |_| {
        inside.wait();
        inside.wait();
    });
    let remote = token.clone();
    let canceller = thread::spawn(move || remote.cancel());
    running.wait();
    // If this waited for the callback, the barrier would never open.
    drop(registration);
    running.wait();
    assert!(canceller.join().unwrap());
}

#[test]
fn removed_or_run_once() {
    let _watchdog = support::watchdog();
    for _ in 0..300 {
        let token = CancellationToken::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let registration = token.on_cancel(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        drop(registration);
        assert!(canceller.join().unwrap());
        assert!(runs.load(Ordering::SeqCst) <= 1);
        assert_eq!(Arc::strong_count(&runs), 1, "what it held is gone");
    }
}

#[test]
fn registration_outlives_its_token() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::default());
    let registration = log.on(&token, "never");
    drop(token);
    drop(registration);
    assert_eq!(log.ran(), [""; 0]);
}

/// Differs: in .NET a source must not be used after it was disposed. Here a handle is always usable.
#[test]
fn handle_stays_usable() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let remaining = token.clone();
    drop(token);
    assert!(!remaining.is_cancelled());
    assert!(remaining.child_token().check().is_ok());
    assert!(remaining.cancel());
}

#[test]
fn late_limit() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let forever = timeout(Duration::MAX);
    let long = timeout(Duration::from_secs(1_000_000));
    let mut waiting = pin!(any_of((&token, forever, long)));
    assert!(poll_once(waiting.as_mut()).is_pending());

    // To cancel after a while, spawn a task that owns a handle.
    let (remote, wakes) = (token.clone(), Wakes::new());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    let after = Duration::from_millis(2);
    let waiter =
        thread::spawn(move || block_on(async { remote.cancel_with(timeout(after).await) }));
    assert_eq!(token.blocking_wait(), Reason::timeout(after));
    assert!(waiter.join().unwrap());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn limit_of_zero() {
    let _watchdog = support::watchdog();
    let work = pin!(async { panic!("is not polled") }.cancelable(timeout(Duration::ZERO)));
    let outcome: Result<(), Cancelled> = block_on(work);
    assert!(outcome.unwrap_err().is_timeout());
}

#[test]
fn wait_with_a_limit() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(token.blocking_wait_timeout(Duration::ZERO), None);
    assert_eq!(token.blocking_wait_timeout(Duration::from_millis(1)), None);
    token.cancel_with("stop");
    assert_eq!(token.blocking_wait_timeout(Duration::ZERO), Some(Reason::manual("stop")));
    assert_eq!(token.blocking_wait_timeout(Duration::MAX), Some(Reason::manual("stop")));
}

#[test]
fn cancel_runs_all_callbacks() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let (sender, receiver) = channel();
    for number in 0..1000u64 {
        let sender = sender.clone();
        token.on_cancel(move |_| sender.send(number).unwrap()).detach();
    }
    token.cancel();
    assert_eq!(receiver.try_iter().sum::<u64>(), 999 * 1000 / 2);
}

/// The guard is like `using` in .NET, which disposes of a source at the end of a block. The guard also cancels the token.
#[test]
fn guard_cancels_its_scope() {
    let _watchdog = support::watchdog();
    fn scope(token: &CancellationToken) -> Result<(), Cancelled> {
        let _guard: DropGuard = token.drop_guard();
        Err(Cancelled::new("left early"))
    }
    let token = CancellationToken::new();
    assert!(scope(&token).is_err());
    let cancelled = block_on(pending::<()>().cancelable(&token)).unwrap_err();
    assert!(cancelled.is_dropped());
}
