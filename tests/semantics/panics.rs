//! Guarantee 12: a panic in a callback, a waker or a predicate is contained.

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::thread::{self, ThreadId};

use cancelable::prelude::*;

use crate::callbacks::{OnWake, call_everything, poll_with};
use crate::support::{self, Log, Wakes, panic_of, poll_once};

#[test]
fn g12_panic_in_a_callback_is_contained() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let log = Log::new();
    for token in [&parent, &child] {
        token.on_cancel(|_| panic!("a callback that panics")).detach();
        let noted = log.clone();
        token.on_cancel(move |_| noted.note("ran")).detach();
    }
    let wakes = Wakes::new();
    let mut waiting = pin!(child.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    assert!(parent.cancel_with("all the same"), "nor who cancels");
    assert_eq!(log.take(), ["ran", "ran"]);
    assert_eq!(wakes.count(), 1);
    assert_eq!(parent.reason(), Some(Reason::manual("all the same")));
    call_everything(&parent);

    // If the token is already cancelled, the callback runs at once.
    parent.on_cancel(|_| panic!("a late callback that panics")).detach();
}

/// An error that panics when the given thread drops it.
#[derive(Debug)]
struct PanicsOn(ThreadId);

impl fmt::Display for PanicsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that panics when it is dropped")
    }
}

impl Error for PanicsOn {}

impl Drop for PanicsOn {
    fn drop(&mut self) {
        assert!(thread::current().id() != self.0, "{self}");
    }
}

#[test]
fn g12_panic_in_a_reasons_destructor_is_contained() {
    let _watchdog = support::watchdog();
    let here = thread::current().id();
    for _ in 0..500 {
        let parent = CancellationToken::new();
        let children: Vec<_> = (0..500)
            .map(|_| {
                let child = parent.child_token();
                child.on_cancel(|_| ()).detach();
                child.cancel_with(Reason::error(PanicsOn(here)));
                child
            })
            .collect();
        let last = parent.child_token();
        let wakes = Wakes::new();
        let mut waiting = pin!(last.cancelled());
        assert!(wakes.poll(waiting.as_mut()).is_pending());
        // At some point the two threads work on the same child. Then the thread that cancels may hold the last handle of
        // that child.
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                children.into_iter().rev().for_each(drop);
            });
            start.wait();
            assert!(parent.cancel(), "nor who cancels");
        });
        assert!(last.is_cancelled());
        assert_eq!(wakes.count(), 1);
    }
}

#[test]
fn g12_panic_of_a_capture_dropped_with_its_token() {
    let _watchdog = support::watchdog();
    let here = thread::current().id();
    let held = Arc::new(());
    let top = CancellationToken::new();
    let middle = top.child_token();
    let beside = CancellationToken::new();
    for token in [&top, &middle, &beside] {
        let (hostile, kept) = (PanicsOn(here), held.clone());
        token.on_cancel(move |_| drop((hostile, kept))).detach();
    }
    let linked = CancellationToken::linked([&middle, &beside]);
    let leaf = linked.child_token();
    drop((top, middle, beside, linked));
    assert_eq!(Arc::strong_count(&held), 4, "a token keeps those above it");
    drop(leaf);
    assert_eq!(Arc::strong_count(&held), 1, "all of them went");
}

#[test]
fn g12_panic_in_a_waker_is_contained() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let hostile = OnWake::waker(|| panic!("a waker that panics"));
    let wakes = Wakes::new();
    let mut waiting = Vec::new();
    for token in [&parent, &child] {
        for waker in [&hostile, &wakes.waker(), &hostile, &wakes.waker()] {
            let mut future = Box::pin(token.cancelled());
            assert!(poll_with(waker, future.as_mut()).is_pending());
            waiting.push(future);
        }
    }
    let log = Log::new();
    let noted = log.clone();
    child.on_cancel(move |_| noted.note("ran")).detach();
    assert!(parent.cancel());
    assert_eq!(wakes.count(), 4);
    assert_eq!(log.take(), ["ran"]);
    for mut waiting in waiting {
        assert!(poll_once(waiting.as_mut()).is_ready(), "also who was not woken");
    }
}

#[cfg(feature = "time")]
#[test]
fn g12_panic_in_a_waker_stops_no_timer() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(20);
    let hostile = OnWake::waker(|| panic!("a waker that panics on the thread of the reactor"));
    let wakes = Wakes::new();
    let mut waiting: Vec<_> = (0..6).map(|_| Box::pin(timeout(limit))).collect();
    for (i, waiting) in waiting.iter_mut().enumerate() {
        let waker = if i % 2 == 0 { hostile.clone() } else { wakes.waker() };
        assert!(poll_with(&waker, waiting.as_mut()).is_pending());
    }
    wakes.wait(3);
    assert_eq!(support::block_on(timeout(limit)), Reason::timeout(limit), "and later ones fire");
}

#[cfg(feature = "time")]
#[test]
fn g12_panic_in_a_predicate_is_false() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let mut checks = 0;
    let source = condition(|| {
        checks += 1;
        assert!(checks > 2, "check {checks} panics");
        true
    })
    .every(Duration::from_millis(1))
    .on_panic(|_| panic!("a hook that panics too"));
    let tally = support::Tally::new();
    let race = tally.ready_at(0).cancelable(any_of((never(), source)));
    let reason = support::block_on(race).unwrap_err().into_reason();
    assert_eq!(reason, Reason::condition("condition", 3));
}

#[test]
fn g12_helpers_notice_harm() {
    let _watchdog = support::watchdog();
    // `call_everything` needs a cancelled token; a panic in a future reaches the caller.
    assert!(!panic_of(|| call_everything(&CancellationToken::new())).is_empty());
}

/// A waker that panics when its last clone is dropped.
struct PanicsOnDrop;

impl std::task::Wake for PanicsOnDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("the destructor of a waker");
    }
}

/// Polls once with a [`PanicsOnDrop`] waker, then drops that waker. If the future keeps a clone, dropping the clone later
/// panics.
fn poll_with_hostile<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    let waker = std::task::Waker::from(Arc::new(PanicsOnDrop));
    let pending = poll_with(&waker, future).is_pending();
    // If the future has not kept a clone, the panic comes here.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(waker)));
    pending
}

#[test]
fn g12_panic_in_a_wakers_destructor_is_contained() {
    use std::future::pending;

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let sources: Vec<Box<dyn Fn() -> cancelable::source::BoxSource<'static>>> = vec![
        Box::new(|| Box::pin(never())),
        Box::new({
            let token = token.clone();
            move || Box::pin(token.clone().cancelled_owned())
        }),
        #[cfg(feature = "time")]
        Box::new(|| Box::pin(timeout(std::time::Duration::from_secs(60)))),
    ];
    for source in &sources {
        // A plain race: dropped, and polled with another waker.
        let mut race = Box::pin(pending::<()>().cancelable(source()));
        assert!(poll_with_hostile(race.as_mut()));
        assert!(poll_once(race.as_mut()).is_pending());
        assert!(poll_with_hostile(race.as_mut()));
        drop(race);

        // An operation: its end is recorded and its hooks are called.
        for shielded in [false, true] {
            let (registry, log) = (Registry::new(), Log::new());
            let noted = log.clone();
            let work = async move {
                if shielded {
                    shield(pending::<()>()).await;
                }
                pending::<()>().await
            };
            let race = work
                .cancelable(source())
                .registered_in(&registry)
                .on_cancel(move |_, _| noted.note("cancelled"))
                .finally(|_| async {});
            let operation = race.operation();
            let mut race = Box::pin(race);
            assert!(poll_with_hostile(race.as_mut()));
            drop(race);
            assert_eq!(operation.status(), Status::Cancelled);
            assert_eq!(log.take(), ["cancelled"]);
            assert!(registry.is_empty());
        }
    }

    // Clean-up that is dropped while it runs.
    let registry = Registry::new();
    let race = async {}.cancelable(never()).registered_in(&registry).finally(|_| pending::<()>());
    let operation = race.operation();
    let mut race = Box::pin(race);
    assert!(poll_with_hostile(race.as_mut()));
    drop(race);
    assert!(operation.status().is_final());
    assert!(registry.is_empty());

    // A listener and a wait for the end of a registry.
    let mut events = registry.events(1);
    assert!(poll_with_hostile(std::pin::Pin::new(&mut futures::StreamExt::next(&mut events))));
    drop(events);
    let other = Registry::new();
    let mut drained = Box::pin(other.drained());
    assert!(poll_with_hostile(drained.as_mut()));
    drop(drained);
}
