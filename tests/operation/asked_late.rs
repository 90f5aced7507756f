//! Handles, names, hooks and clean-up that are requested only after the first poll.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, Gate, Log, Wakes, kept, lost, poll_once};

#[test]
fn g04_plain_race_gives_a_late_handle() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut run = Box::pin(pending::<()>().cancelable(never()));
    assert!(wakes.poll(run.as_mut()).is_pending());
    let operation = run.operation();
    assert_eq!(operation.status(), Status::Running);
    operation.cancel_with("stop");
    assert_eq!(operation.status(), Status::Cancelling);
    // This handle does not wake the plain race. The race sees the cancellation at its next poll.
    assert_eq!((wakes.count(), kept(&wakes)), (0, 0));
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    assert_eq!(operation.status(), Status::Cancelled);

    let mut run = Box::pin(pending::<()>().cancelable(never()));
    assert!(poll_once(run.as_mut()).is_pending());
    let operation = run.operation();
    drop(run);
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::Dropped));
}

#[test]
fn plain_race_waiting_for_a_shield_has_its_reason() {
    let _watchdog = support::watchdog();
    let (gate, token) = (Gate::new(), CancellationToken::new());
    let mut run = pin!(async { shield(gate.pass()).await }.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("token");
    assert!(poll_once(run.as_mut()).is_pending());
    let operation = run.operation();
    assert_eq!((operation.is_cancelled(), operation.status()), (true, Status::Cancelling));
    assert!(!operation.cancel_with("too late"));
    gate.open();
    assert_eq!(lost(poll_once(run)), Reason::manual("token"));
    assert_eq!(operation.reason(), Some(Reason::manual("token")));
}

#[test]
fn g04_late_handle_of_an_operation_wakes() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut run = pin!(pending::<()>().cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    let operation = run.operation();
    assert_eq!(wakes.count(), 0, "it listens from its first pending poll on");
    operation.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
}

#[test]
fn panicking_waker_does_not_harm_the_caller() {
    let _watchdog = support::watchdog();
    struct Hostile;
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let mut run = pin!(pending::<()>().cancelable(never()).named("run"));
    let hostile = Waker::from(Arc::new(Hostile));
    assert!(run.as_mut().poll(&mut Context::from_waker(&hostile)).is_pending());
    assert!(run.operation().cancel());
}

/// Calls the builder methods on a race that has already started. The work is `Unpin`, so the race
/// can be moved.
#[test]
fn late_name_makes_a_running_operation() {
    let _watchdog = support::watchdog();
    let taken = Cell::new(None);
    let work = poll_fn(|_| -> Poll<()> {
        taken.set(Operation::current());
        Poll::Pending
    });
    let mut run = work.cancelable(never());
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    let mut run = run.named("late");
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    let operation = taken.take().unwrap();
    assert_eq!(operation.name(), Some("late"));
    assert_eq!(operation.status(), Status::Running);
    drop(run);
    assert_eq!(operation.status(), Status::Cancelled);
}

#[test]
fn late_hooks_and_clean_up_run() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let note = |what: &'static str| {
        let log = log.clone();
        move || log.note(what)
    };
    let (start, cancel, handed_on) = (note("start"), note("cancel"), note("handed on"));
    let mut run = pending::<()>().cancelable(never());
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    let run = run
        .on_start(move |_| start())
        .on_cancel(move |_, _| cancel())
        .finally_or_spawn(move |_| handed_on(), |_| async {});
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    assert_eq!(log.take(), ["start", "handed on", "cancel"]);
}

/// The race has started, so its clean-up must run, whether or not a handle was taken before.
#[test]
fn late_clean_up_goes_to_the_spawner() {
    let _watchdog = support::watchdog();
    for asked in [false, true] {
        let handed_on = Cell::new(0);
        let mut run = pending::<()>().cancelable(never());
        let before = asked.then(|| run.operation());
        assert!(poll_once(Pin::new(&mut run)).is_pending());
        drop(run.finally_or_spawn(|_| handed_on.set(handed_on.get() + 1), |_| async {}));
        assert_eq!(handed_on.get(), 1, "asked for its handle before: {asked}");
        assert!(before.is_none_or(|before| before.status() == Status::Cancelled));
    }
    // A race that is already in its clean-up has started, too.
    let handed_on = Cell::new(0);
    let mut run = pending::<()>().cancelable(never()).finally(|_| pending::<()>());
    let operation = run.operation();
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    assert!(operation.cancel());
    assert!(poll_once(Pin::new(&mut run)).is_pending());
    drop(run.finally_or_spawn(|_| handed_on.set(handed_on.get() + 1), |_| async {}));
    assert_eq!(handed_on.get(), 1);
    // If the race has not started, there is nothing to clean up.
    let run = pending::<()>().cancelable(never());
    drop(run.finally_or_spawn(|_| panic!("handed on"), |_| async {}));
}

#[test]
fn completed_is_not_running() {
    let _watchdog = support::watchdog();
    let mut run = pin!(async { 7 }.cancelable(never()).named("run"));
    assert!(poll_once(run.as_mut()).is_ready());
    let shown = format!("{run:?}");
    assert!(shown.contains("Completed") && !shown.contains("Running"), "{shown}");
}

#[test]
fn handle_taken_in_a_poll_wakes_once() {
    let _watchdog = support::watchdog();
    let taken = Cell::new(None);
    let work = poll_fn(|_| -> Poll<()> {
        taken.set(Operation::current());
        Poll::Pending
    });
    let wakes = Wakes::new();
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(taken.take().unwrap().cancel());
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(run).is_ready());
}

#[test]
fn handle_taken_by_a_thread_is_never_missed() {
    let _watchdog = support::watchdog();
    for _ in 0..1000 {
        let (hand, handle) = channel::<Operation>();
        let cancels = thread::spawn(move || handle.recv().unwrap().cancel());
        let work = async move {
            hand.send(Operation::current().unwrap()).unwrap();
            pending::<()>().await
        };
        assert!(support::block_on(work.cancelable(never()).named("run")).is_err());
        assert!(cancels.join().unwrap());
    }
}
