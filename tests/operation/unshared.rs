//! Operations without a handle outside of their race. A handle that is made later sees the same as a handle that was made at
//! the start.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, Wakes, kept, lost, poll_once, won};

/// Returns work that never ends, and that calls `act` in its second poll.
fn acts_later(act: impl FnOnce(Operation)) -> impl Future<Output = ()> {
    let (mut polls, mut act) = (0, Some(act));
    poll_fn(move |_| {
        polls += 1;
        if polls == 2 {
            act.take().unwrap()(Operation::current().unwrap());
        }
        Poll::Pending
    })
}

#[test]
fn handle_made_in_a_later_poll_wakes() {
    let _watchdog = support::watchdog();
    let (wakes, taken) = (Wakes::new(), Cell::new(None));
    let work = acts_later(|operation| taken.set(Some(operation)));
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    assert!(taken.take().unwrap().cancel_with("stop"));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
}

#[test]
fn token_made_in_a_later_poll_wakes() {
    let _watchdog = support::watchdog();
    let (wakes, token) = (Wakes::new(), Cell::new(None));
    let work = acts_later(|operation| token.set(Some(operation.token())));
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    assert!(token.take().unwrap().cancel_with("stop"));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
}

/// The work cancels its own operation after the race has looked for cancellations in the same poll.
#[test]
fn cancelled_by_its_work_in_a_later_poll() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let work = acts_later(|operation| assert!(operation.cancel_with("stop")));
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
}

/// The source cancels the operation in a poll and stays pending. The work is polled once more in that poll, and not again.
#[test]
fn cancelled_by_its_source_in_a_later_poll() {
    let _watchdog = support::watchdog();
    let (wakes, work_polls) = (Wakes::new(), Cell::new(0));
    let work = poll_fn(|_| -> Poll<()> {
        work_polls.set(work_polls.get() + 1);
        Poll::Pending
    });
    let mut polls = 0;
    let source = poll_fn(move |_| -> Poll<Reason> {
        polls += 1;
        // The first two polls are in the first poll of the race.
        if polls == 3 {
            assert!(Operation::current().unwrap().cancel_with("stop"));
        }
        Poll::Pending
    });
    let mut run = pin!(work.cancelable(source).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(lost(wakes.poll(run)), Reason::manual("stop"));
    assert_eq!(work_polls.get(), 2);
}

#[test]
fn late_parent_wakes() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let parent = support::unpolled("parent");
    let mut run = pending::<()>().cancelable(never()).named("run");
    assert!(wakes.poll(Pin::new(&mut run)).is_pending());
    let mut run = run.child_of(&parent);
    assert!(parent.cancel_with("stop"));
    assert_eq!(wakes.count(), 1);
    assert!(matches!(lost(wakes.poll(Pin::new(&mut run))), Reason::Parent { .. }));
}

#[test]
fn printing_does_not_stop_the_wait() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let mut run = pin!(pending::<()>().cancelable(never()).named("run"));
    assert!(wakes.poll(run.as_mut()).is_pending());
    let shown = format!("{run:?} {run:?}");
    assert!(shown.contains("Running"), "{shown}");
    let operation = run.operation();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(operation.cancel());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn handle_made_after_the_end() {
    let _watchdog = support::watchdog();
    let mut run = pin!(ready(7).cancelable(never()).named("run"));
    assert_eq!(won(poll_once(run.as_mut())), 7);
    let operation = run.operation();
    assert_eq!((operation.status(), operation.reason()), (Status::Completed, None));
    assert!(!operation.cancel() && !operation.is_cancelled());
    let called = Arc::new(AtomicBool::new(false));
    let calls = called.clone();
    operation.on_complete(move |_| calls.store(true, Ordering::Relaxed));
    assert!(called.load(Ordering::Relaxed));
    assert_eq!(support::block_on(operation.ended()), Status::Completed);
    assert_eq!(run.operation(), operation);
}

/// Another thread adds a hook and drops its handle, so the race has all handles again.
#[test]
fn hook_of_a_dropped_handle_runs() {
    let _watchdog = support::watchdog();
    let called = Arc::new(AtomicBool::new(false));
    let calls = called.clone();
    let work = async move {
        let operation = Operation::current().unwrap();
        let add = move || operation.on_complete(move |_| calls.store(true, Ordering::Relaxed));
        thread::spawn(add).join().unwrap();
    };
    assert_eq!(support::block_on(work.cancelable(never()).named("run")), Ok(()));
    assert!(called.load(Ordering::Relaxed));
}

#[test]
fn only_the_last_waker_is_kept() {
    let _watchdog = support::watchdog();
    let (first, second) = (Wakes::new(), Wakes::new());
    let mut polls = 0;
    let work = poll_fn(|_| {
        polls += 1;
        if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
    });
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(first.poll(run.as_mut()).is_pending());
    assert_eq!(kept(&first), 1);
    assert!(second.poll(run.as_mut()).is_pending());
    assert_eq!((kept(&first), kept(&second)), (0, 1));
    assert_eq!(won(second.poll(run.as_mut())), 3);
    assert_eq!(kept(&second), 0);
    assert_eq!((first.count(), second.count()), (0, 0));
}

#[test]
fn waker_that_panics_when_dropped() {
    let _watchdog = support::watchdog();
    struct Hostile(Arc<AtomicBool>);
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Hostile {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
            panic!("a waker that panics");
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let mut run = Box::pin(pending::<()>().cancelable(never()).named("run"));
    {
        let hostile = Waker::from(Arc::new(Hostile(dropped.clone())));
        assert!(run.as_mut().poll(&mut Context::from_waker(&hostile)).is_pending());
    }
    assert!(!dropped.load(Ordering::Relaxed));
    drop(run);
    assert!(dropped.load(Ordering::Relaxed));
}

/// The operation ends when its work returns, not when a handle is first made.
#[cfg(all(feature = "time", feature = "testing"))]
#[test]
fn elapsed_ends_with_the_work() {
    use std::time::Duration;
    let _watchdog = support::watchdog();
    let time = cancelable::testing::pause();
    let mut waits = true;
    let work =
        poll_fn(move |_| if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) });
    let mut run = pin!(work.cancelable(never()).named("run"));
    assert!(poll_once(run.as_mut()).is_pending());
    time.advance(Duration::from_secs(2));
    won(poll_once(run.as_mut()));
    time.advance(Duration::from_secs(10));
    let elapsed = Duration::from_secs(2);
    assert_eq!(run.operation().elapsed(), elapsed);
    assert_eq!(run.operation().snapshot().elapsed, elapsed);
}

thread_local! {
    /// The operation that was the current one when this thread last panicked.
    static PANICKED_IN: Cell<Option<Operation>> = const { Cell::new(None) };
}

/// A poll after the end panics while the operation is the current one, and the panic hook of the process takes a handle.
#[test]
fn handle_made_after_the_end_by_a_panic_hook() {
    let _watchdog = support::watchdog();
    support::on_panic(|| PANICKED_IN.set(Operation::current()));
    let mut run = Box::pin(ready(7).cancelable(never()).named("run"));
    assert_eq!(won(poll_once(run.as_mut())), 7);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(run.as_mut()))).is_err());
    let operation = PANICKED_IN.take().expect("the poll panics in the operation");
    drop(run);
    assert_eq!((operation.status(), operation.cancel()), (Status::Completed, false));
    assert_eq!(support::block_on(operation.ended()), Status::Completed);
}
