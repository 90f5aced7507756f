//! Guarantee 12: wakers are woken, and callbacks run, with no lock held.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use cancelable::prelude::*;

use crate::support::{self, Log, OnDrop, Tally, Wakes, poll_once};

/// Calls every method of a cancelled token. If the caller held a lock, this would deadlock.
pub(crate) fn call_everything(token: &CancellationToken) {
    assert!(token.is_cancelled());
    assert!(token.reason().is_some());
    assert!(token.check().is_err());
    assert!(!token.cancel() && !token.cancel_with("again"));
    assert!(token.child_token().is_cancelled());
    assert!(CancellationToken::linked([token, token]).is_cancelled());
    assert!(poll_once(pin!(token.cancelled())).is_ready());
    assert!(poll_once(pin!(token.clone().cancelled_owned())).is_ready());
    assert!(poll_once(pin!(token.run_until_cancelled(pending::<()>()))).is_ready());
    assert_eq!(token, &token.drop_guard().disarm());
    drop(token.drop_guard());
    assert_eq!(Some(token.blocking_wait()), token.reason());
    assert_eq!(token.blocking_wait_timeout(std::time::Duration::ZERO), token.reason());
    let runs = Tally::new();
    let counted = runs.clone();
    drop(token.on_cancel(move |_| {
        counted.polls.fetch_add(1, Ordering::SeqCst);
    }));
    assert_eq!(runs.polls(), 1, "at once");
    assert!(format!("{token:?}").contains("Token"));
}

/// Calls a closure when it is woken.
pub(crate) struct OnWake<F>(F);

impl<F: Fn() + Send + Sync + 'static> OnWake<F> {
    pub(crate) fn waker(wake: F) -> Waker {
        Waker::from(Arc::new(OnWake(wake)))
    }
}

impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn poll_with<F: Future>(waker: &Waker, future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn g12_callback_may_call_everything() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let runs = Tally::new();
    let (same, counted) = (token.clone(), runs.clone());
    token
        .on_cancel(move |reason| {
            assert_eq!(Some(reason.clone()), same.reason());
            call_everything(&same);
            counted.polls.fetch_add(1, Ordering::SeqCst);
        })
        .detach();
    token.cancel();
    assert_eq!(runs.polls(), 1, "ran to its end");
}

#[test]
fn g12_callback_of_a_parent_may_use_children() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let runs = Tally::new();
    for token in [&parent, &child] {
        let (above, below, counted) = (parent.clone(), child.clone(), runs.clone());
        token
            .on_cancel(move |_| {
                call_everything(&above);
                call_everything(&below);
                counted.polls.fetch_add(1, Ordering::SeqCst);
            })
            .detach();
    }
    parent.cancel();
    assert_eq!(runs.polls(), 2);
}

#[test]
fn g12_waker_may_call_everything() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let runs = Tally::new();
    let (same, counted) = (token.clone(), runs.clone());
    let waker = OnWake::waker(move || {
        call_everything(&same);
        counted.polls.fetch_add(1, Ordering::SeqCst);
    });
    let (mut first, mut second) = (pin!(token.cancelled()), pin!(token.cancelled()));
    assert!(poll_with(&waker, first.as_mut()).is_pending());
    assert!(poll_with(&waker, second.as_mut()).is_pending());
    token.cancel();
    assert_eq!(runs.polls(), 2);
    assert!(poll_with(&waker, first).is_ready());
}

#[test]
fn g12_callbacks_may_add_and_remove_callbacks() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let log = Log::new();
    let (same, noted) = (token.clone(), log.clone());
    let other = Arc::new(Mutex::new(Some(token.on_cancel(|_| {}))));
    token
        .on_cancel(move |_| {
            noted.note("outer begins");
            drop(other.lock().unwrap().take());
            let again = noted.clone();
            same.on_cancel(move |_| again.note("inner")).detach();
            noted.note("outer ends");
        })
        .detach();
    token.cancel();
    assert_eq!(log.take(), ["outer begins", "inner", "outer ends"]);
}

#[test]
fn g12_callback_may_drop_the_last_handle() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let trigger = child.clone();
    let held = (log.on_drop("callback dropped"), parent.clone(), child.clone());
    child
        .on_cancel(move |_| {
            drop(held);
            log.note("end of callback");
            assert_eq!(log.take(), ["callback dropped", "end of callback"]);
        })
        .detach();
    drop(parent);
    drop(child);
    assert!(trigger.cancel());
    drop(trigger);
}

#[test]
fn g12_removed_callback_may_hold_the_token() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let seen = Arc::new(AtomicUsize::new(0));
    // When this is dropped, its capture uses the token.
    let (same, counted) = (token.clone(), seen.clone());
    let held = OnDrop(move || {
        drop(same.on_cancel(|_| {}));
        drop(same.child_token());
        assert!(!same.is_cancelled());
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let registration = token.on_cancel(move |_| {
        let _held = &held;
    });
    drop(registration);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[test]
fn g12_callbacks_run_after_all_children_are_woken() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let wakes = Wakes::new();
    let mut waiting = pin!(child.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    let log = Log::new();
    for name in ["first", "second", "third"] {
        let (noted, below, woken) = (log.clone(), child.clone(), wakes.clone());
        parent
            .on_cancel(move |_| {
                assert!(below.is_cancelled());
                assert_eq!(woken.count(), 1);
                noted.note(name);
            })
            .detach();
    }
    parent.cancel();
    assert_eq!(log.take(), ["first", "second", "third"]);
}

#[test]
fn g12_callbacks_of_an_uncancelled_token_are_dropped() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let token = CancellationToken::new();
    let held = log.on_drop("dropped");
    let noted = log.clone();
    token
        .on_cancel(move |_| {
            let _held = &held;
            noted.note("run");
        })
        .detach();
    drop(token);
    assert_eq!(log.take(), ["dropped"]);
}

type Slot = Arc<Mutex<Option<Pin<Box<dyn Future<Output = Reason> + Send>>>>>;

/// A waker whose destructor drops another waiter.
struct DropsAnother(Slot);

impl Wake for DropsAnother {
    fn wake(self: Arc<Self>) {}
}

impl Drop for DropsAnother {
    fn drop(&mut self) {
        let other = self.0.lock().unwrap().take();
        drop(other);
    }
}

/// Returns a waiter that is registered with a waker of the type [`DropsAnother`].
fn entangled(
    token: &CancellationToken,
    other: &Slot,
) -> Pin<Box<dyn Future<Output = Reason> + Send>> {
    let waker = Waker::from(Arc::new(DropsAnother(other.clone())));
    let mut waiting: Pin<Box<dyn Future<Output = Reason> + Send>> =
        Box::pin(token.clone().cancelled_owned());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    waiting
}

#[test]
fn g12_dropping_a_waker_may_drop_another_waiter() {
    let _watchdog = support::watchdog();
    let entangle = |token: &CancellationToken| {
        let slot = Slot::default();
        let wakes = Wakes::new();
        let mut other = Box::pin(token.clone().cancelled_owned());
        assert!(wakes.poll(other.as_mut()).is_pending());
        *slot.lock().unwrap() = Some(other);
        let waiting = entangled(token, &slot);
        // The wait list now has the only clone of that waker.
        assert!(slot.lock().unwrap().is_some());
        (waiting, slot, wakes)
    };

    // The waiter unregisters.
    let token = CancellationToken::new();
    let (waiting, slot, wakes) = entangle(&token);
    drop(waiting);
    assert!(slot.lock().unwrap().is_none());
    token.cancel();
    assert_eq!(wakes.count(), 0, "the other one has left");

    // The waiter is polled with another waker.
    let token = CancellationToken::new();
    let (mut waiting, slot, wakes) = entangle(&token);
    let mine = Wakes::new();
    assert!(mine.poll(waiting.as_mut()).is_pending());
    assert!(slot.lock().unwrap().is_none());
    token.cancel();
    assert_eq!((mine.count(), wakes.count()), (1, 0));

    // The waiter is woken.
    let token = CancellationToken::new();
    let (mut waiting, slot, _wakes) = entangle(&token);
    token.cancel();
    assert!(slot.lock().unwrap().is_none());
    assert!(poll_once(waiting.as_mut()).is_ready());

    // The race around the waiter ends.
    let token = CancellationToken::new();
    let (waiting, slot, _wakes) = entangle(&token);
    assert!(poll_once(pin!(async { 7 }.cancelable(waiting))).is_ready());
    assert!(slot.lock().unwrap().is_none());
}

#[test]
fn g12_waker_may_drop_other_waiters() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let slot = Slot::default();
    let remote = slot.clone();
    let waker = OnWake::waker(move || {
        let other = remote.lock().unwrap().take();
        drop(other);
    });
    let mut first = pin!(token.cancelled());
    assert!(poll_with(&waker, first.as_mut()).is_pending());
    let wakes = Wakes::new();
    let mut other = Box::pin(token.clone().cancelled_owned());
    assert!(wakes.poll(other.as_mut()).is_pending());
    *slot.lock().unwrap() = Some(other);
    assert!(token.cancel());
    assert!(slot.lock().unwrap().is_none());
    assert!(poll_once(first).is_ready());
}

#[cfg(feature = "time")]
#[test]
fn g12_waker_of_a_timeout_may_start_and_drop_others() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(10);
    let wakes = Wakes::new();
    let (slot, woken) = (Slot::default(), wakes.clone());
    let remote = slot.clone();
    let waker = OnWake::waker(move || {
        // This runs on the reactor's thread while the thread fires a slot.
        drop(remote.lock().unwrap().take());
        let mut again = Box::pin(timeout(limit));
        assert!(woken.poll(again.as_mut()).is_pending());
        assert!(woken.poll(Box::pin(timeout(Duration::ZERO)).as_mut()).is_ready());
        *remote.lock().unwrap() = Some(again);
    });
    let mut first = pin!(timeout(limit));
    assert!(poll_with(&waker, first.as_mut()).is_pending());
    let mut other = Box::pin(timeout(limit));
    assert!(poll_once(other.as_mut()).is_pending());
    *slot.lock().unwrap() = Some(other);
    wakes.wait(1);
    assert!(poll_once(first).is_ready());
}

/// Checks a token when it is woken.
struct Looks {
    at: CancellationToken,
    saw: AtomicBool,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        self.saw.store(self.at.is_cancelled(), Ordering::SeqCst);
    }
}

#[test]
fn g12_woken_task_finds_all_children_cancelled() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let grandchild = parent.child_token().child_token();
    let looks = Arc::new(Looks { at: grandchild.clone(), saw: AtomicBool::new(false) });
    let waker = Waker::from(looks.clone());
    let mut waiting = pin!(parent.cancelled());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    parent.cancel();
    assert!(looks.saw.load(Ordering::SeqCst));
}
