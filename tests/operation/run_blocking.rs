//! `run_blocking`: closures on the thread pool, inside an operation.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, lost, panic_of, payload_of, poll_once};

fn operation() -> Operation {
    support::unpolled("run")
}

#[test]
fn runs_on_another_thread() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let here = thread::current().id();
    let seen = operation.run_blocking(move || {
        assert_ne!(thread::current().id(), here);
        Operation::current().map(|operation| operation.id())
    });
    assert_eq!(support::block_on(seen), Ok(Some(operation.id())));
    assert!(Operation::current().is_none());
}

#[test]
fn current_is_the_operation_called() {
    let _watchdog = support::watchdog();
    let other = operation();
    let work = scope(never(), async |awaiting: Operation| {
        let seen = other.run_blocking(|| Operation::current().unwrap().id()).await.unwrap();
        assert_eq!(seen, other.id());
        assert_ne!(seen, awaiting.id());
    });
    support::block_on(work).unwrap();
}

#[test]
fn polled_there_is_a_child() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let parent = operation.run_blocking(|| {
        let work = async { Operation::current().unwrap().parent_id() };
        support::block_on(work.cancelable(never()).named("below")).unwrap()
    });
    assert_eq!(support::block_on(parent), Ok(Some(operation.id())));
}

#[test]
fn check_sees_the_cancellation() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (begun, has_begun) = channel();
    let (told, tells) = channel();
    let (release, released) = channel::<()>();
    let run = operation.run_blocking(move || {
        let operation = Operation::current().unwrap();
        assert!(operation.check().is_ok());
        begun.send(()).unwrap();
        let stopped = operation.token().blocking_wait();
        told.send((stopped, operation.check().map_err(Cancelled::into_reason))).unwrap();
        // If the closure returned its value in time, the value would win.
        released.recv().unwrap();
    });
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    has_begun.recv().unwrap();
    operation.cancel_with("stop");
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert_eq!(tells.recv(), Ok((Reason::manual("stop"), Err(Reason::manual("stop")))));
    let woken = wakes.count();
    release.send(()).unwrap();
    wakes.wait(woken + 1);
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
}

#[test]
fn abandoned_on_cancel() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    let value = Arc::new(());
    let late = value.clone();
    let run = operation.run_blocking(move || {
        begun.send(()).unwrap();
        released.recv().unwrap();
        late
    });
    let mut run = Box::pin(run.abandon_on_cancel());
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    has_begun.recv().unwrap();
    operation.cancel_with("stop");
    assert_eq!(wakes.count(), 1, "it is told at once");
    assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"));
    drop(run);
    assert_eq!(Arc::strong_count(&value), 2, "the closure still holds it");
    release.send(()).unwrap();
    while Arc::strong_count(&value) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn refused_if_cancelled() {
    let _watchdog = support::watchdog();
    let operation = operation();
    operation.cancel_with("stop");
    let run = operation.run_blocking(|| 7);
    assert_eq!(support::block_on(run).unwrap_err().into_reason(), Reason::manual("stop"));
}

#[test]
fn panic_propagates() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let said =
        panic_of(|| support::block_on(operation.run_blocking(|| -> u32 { panic_any("on fire") })));
    assert_eq!(said, "on fire");
    let payload =
        payload_of(|| support::block_on(operation.run_blocking(|| -> u32 { panic_any(7) })));
    assert_eq!(payload.downcast_ref(), Some(&7));
    assert!(!operation.is_cancelled());
}

#[test]
fn panic_fails_the_operation() {
    let _watchdog = support::watchdog();
    let run = scope(never(), async |operation: Operation| {
        operation.run_blocking(|| -> u32 { panic_any("on fire") }).await
    });
    let operation = run.operation();
    assert_eq!(panic_of(|| support::block_on(run)), "on fire");
    assert_eq!(operation.error().as_deref(), Some("panicked: on fire"));
}

#[test]
fn pool_threads_are_clean() {
    let _watchdog = support::watchdog();
    // More closures than the pool keeps threads, so that threads are used again.
    for round in 0..20 {
        let operation = operation();
        let run = operation.run_blocking(move || {
            let seen = thread::current().id();
            assert!(Operation::current().is_some());
            if round % 2 == 0 {
                panic_any("on fire");
            }
            seen
        });
        let ended =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| support::block_on(run)));
        assert_eq!(ended.is_err(), round % 2 == 0);
        let clean = support::block_on(blocking_current());
        assert!(clean, "an unrelated job sees an operation");
    }
}

/// Returns whether an unrelated job on the pool is outside of every operation.
async fn blocking_current() -> bool {
    smol::unblock(|| Operation::current().is_none()).await
}

#[test]
fn drop_does_not_wait() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (begun, has_begun) = channel();
    let (done, is_done) = channel();
    let mut run = Box::pin(operation.run_blocking(move || {
        begun.send(()).unwrap();
        thread::sleep(Duration::from_millis(5));
        done.send(()).unwrap();
    }));
    assert!(poll_once(run.as_mut()).is_pending());
    has_begun.recv().unwrap();
    drop(run);
    is_done.recv().unwrap();
    assert!(!operation.is_cancelled(), "it is the operation's work, not the operation");
}

/// Polls `run` until a closure in it has begun, cancels, and polls again. Then releases the closure, waits for the
/// wake-up, and returns the last poll.
fn cancel_amid<T>(
    run: impl Future<Output = T>,
    cancel: impl FnOnce(),
    has_begun: &Receiver<()>,
    release: &Sender<()>,
) -> Poll<T> {
    let mut run = pin!(run);
    let wakes = Wakes::new();
    assert!(wakes.poll(run.as_mut()).is_pending());
    has_begun.recv().unwrap();
    cancel();
    assert!(wakes.poll(run.as_mut()).is_pending(), "the closure runs");
    let woken = wakes.count();
    release.send(()).unwrap();
    wakes.wait(woken + 1);
    wakes.poll(run.as_mut())
}

#[test]
fn g10_clean_up_waits_for_closures() {
    let _watchdog = support::watchdog();
    for shielded in [false, true] {
        let (begun, has_begun) = channel();
        let (release, released) = channel::<()>();
        let log = Log::new();
        let (on_the_pool, in_the_work) = (log.clone(), log.clone());
        let run = scope(never(), async move |operation: Operation| {
            let call = operation.run_blocking(move || {
                begun.send(()).unwrap();
                released.recv().unwrap();
                on_the_pool.note("closure");
            });
            if shielded {
                let _ = shield(call).await;
            } else {
                let _ = call.await;
            }
            in_the_work.note("after");
            futures::pending!();
        });
        let run = run.finally(|_| async { log.note("clean-up") });
        let operation = run.operation();
        let cancel = || assert!(operation.cancel_with("stop"));
        let polled = cancel_amid(run, cancel, &has_begun, &release);
        assert_eq!(lost(polled), Reason::manual("stop"), "shielded: {shielded}");
        assert_eq!(log.take(), ["closure", "clean-up"], "shielded: {shielded}");
    }
}

#[test]
fn g10_race_around_a_closure_waits() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    let call = operation.run_blocking(move || {
        begun.send(()).unwrap();
        released.recv().unwrap();
    });
    // Here the race around the call is cancelled, but not the operation of the closure.
    let other = CancellationToken::new();
    let cancel = || assert!(other.cancel_with("stop"));
    let polled = cancel_amid(call.cancelable(&other), cancel, &has_begun, &release);
    assert_eq!(lost(polled), Reason::manual("stop"));
}

#[test]
fn not_queued_after_an_unseen_deadline() {
    let _watchdog = support::watchdog();
    let limit = Duration::from_millis(10);
    let run = std::future::pending::<()>().cancelable(timeout(limit));
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    thread::sleep(limit * 2);
    let (begun, has_begun) = channel();
    let call = operation.run_blocking(move || begun.send(()).unwrap());
    assert_eq!(support::block_on(call).unwrap_err().reason(), &Reason::timeout(limit));
    assert!(has_begun.recv().is_err());
}

/// Starts as many closures as the pool has threads, so that the next one is queued until the sender is dropped.
fn busy_pool() -> (Sender<()>, Vec<blocking::Task<()>>) {
    let (release, released) = channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let busy = (0..500).map(|_| {
        let released = released.clone();
        blocking::unblock(move || {
            let _ = released.lock().unwrap().recv();
        })
    });
    (release, busy.collect())
}

#[test]
fn queued_closure_of_a_cancelled_operation() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (release, busy) = busy_pool();
    let (begun, has_begun) = channel();
    let call = operation.run_blocking(move || begun.send(()).unwrap());
    assert!(operation.cancel_with("stop"));
    drop(release);
    // The call is not polled, as if its task were busy, but it is not dropped either.
    assert!(has_begun.recv().is_err(), "it is dropped, and does not begin");
    assert_eq!(support::block_on(call).unwrap_err().reason(), &Reason::manual("stop"));
    busy.into_iter().for_each(support::block_on);
}

/// A cancellation does not wait for a thread of the pool.
#[test]
fn queued_closure_is_not_waited_for() {
    let _watchdog = support::watchdog();
    let operation = operation();
    let (release, busy) = busy_pool();
    let (begun, has_begun) = channel();
    let mut call = pin!(operation.run_blocking(move || begun.send(()).unwrap()));
    let wakes = Wakes::new();
    assert!(wakes.poll(call.as_mut()).is_pending());
    assert!(operation.cancel_with("stop"));
    assert_eq!(wakes.count(), 1);
    assert_eq!(lost(wakes.poll(call.as_mut())), Reason::manual("stop"));
    drop(release);
    assert!(has_begun.recv().is_err());
    busy.into_iter().for_each(support::block_on);
}

/// Panics when it is woken and when it is dropped.
struct HostileWaker;

impl Wake for HostileWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker was woken");
    }

    fn wake_by_ref(self: &Arc<Self>) {
        panic!("a waker was woken");
    }
}

impl Drop for HostileWaker {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a waker was dropped");
        }
    }
}

/// Panics when it is dropped.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a value was dropped");
        }
    }
}

/// Without containment, a panic in one of these wakers and destructors would abort the process.
#[test]
fn g12_hostile_waker_on_the_pool() {
    let _watchdog = support::watchdog();
    let (release, released) = channel::<()>();
    let (done, is_done) = channel();
    let operation = operation();
    let mut call = pin!(operation.run_blocking(move || {
        released.recv().unwrap();
        done.send(()).unwrap();
        7
    }));
    let hostile = ManuallyDrop::new(Waker::from(Arc::new(HostileWaker)));
    assert!(call.as_mut().poll(&mut Context::from_waker(&hostile)).is_pending());
    release.send(()).unwrap();
    is_done.recv().unwrap();
    assert_eq!(support::block_on(call), Ok(7));

    // While the closure runs, the waker is replaced by one that does not panic.
    let (release, released) = channel::<()>();
    let mut call = pin!(operation.run_blocking(move || released.recv().unwrap()));
    let replaced = ManuallyDrop::new(Waker::from(Arc::new(HostileWaker)));
    assert!(call.as_mut().poll(&mut Context::from_waker(&replaced)).is_pending());
    let wakes = Wakes::new();
    assert!(wakes.poll(call.as_mut()).is_pending());
    release.send(()).unwrap();
    wakes.wait(1);
    assert_eq!(poll_once(call), Poll::Ready(Ok(())));
}

#[test]
fn g12_destructors_on_the_pool() {
    let _watchdog = support::watchdog();
    // The destructor of a result panics after the call was dropped.
    let (release, released) = channel::<()>();
    let (begun, has_begun) = channel();
    let (tx, rx) = channel::<()>();
    let operation = operation();
    let mut call = Box::pin(operation.run_blocking(move || {
        begun.send(()).unwrap();
        released.recv().unwrap();
        // Closed when the thread has dropped the result as well.
        (PanicsOnDrop, tx)
    }));
    assert!(poll_once(call.as_mut()).is_pending());
    has_begun.recv().unwrap();
    drop(call);
    release.send(()).unwrap();
    assert!(rx.recv().is_err());

    // A capture of a closure panics when it is dropped.
    let held = PanicsOnDrop;
    let call = operation.run_blocking(move || drop(catch_unwind(AssertUnwindSafe(|| drop(held)))));
    assert!(support::block_on(call).is_ok());
}
