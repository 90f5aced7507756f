//! The tests of `hother.cancelable`, a Python library for the same purpose: operations.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Wakes, block_on, poll_once};

const SOON: Duration = Duration::from_millis(10);

type Log = Arc<Mutex<Vec<String>>>;

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

// Lifecycle.

#[test]
fn work_stops_at_its_await() {
    let _watchdog = support::watchdog();
    struct Closes<'a>(&'a Cell<u32>);
    impl Drop for Closes<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (closed, token) = (Cell::new(0), CancellationToken::new());
    let work = async {
        let _file = Closes(&closed);
        pending::<()>().await;
        unreachable!("it is left at the line above");
    };
    let mut run = pin!(work.cancelable(&token).named("run"));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(closed.get(), 1);
}

/// Differs: a timeout has no status of its own.
#[test]
fn timeout_has_its_reason() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(timeout(SOON)).named("run");
    let operation = run.operation();
    assert!(block_on(run).is_err());
    assert_eq!(operation.status(), Status::Cancelled);
    assert_eq!(operation.reason(), Some(Reason::timeout(SOON)));
    assert!(operation.is_cancelled());
}

#[test]
fn cancel_from_within() {
    let _watchdog = support::watchdog();
    let steps = Cell::new(0);
    let run = scope(never(), |operation| {
        let steps = &steps;
        async move {
            operation.cancel_with("enough");
            steps.set(1);
            pending::<()>().await;
            steps.set(2);
        }
    });
    assert_eq!(block_on(run), Err(Cancelled::new("enough")));
    assert_eq!(steps.get(), 1);
}

#[test]
fn inner_cancellation_is_a_value() {
    let _watchdog = support::watchdog();
    let work = async {
        let inner = pending::<()>().cancelable(timeout(SOON)).named("inner");
        inner.await.unwrap_err().is_timeout()
    };
    let outer = work.cancelable(never()).named("outer");
    let operation = outer.operation();
    assert_eq!(block_on(outer), Ok(true));
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), None);
}

#[test]
fn hundred_nested_operations() {
    let _watchdog = support::watchdog();
    type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;
    let token = CancellationToken::new();
    let (wakes, log) = (Wakes::new(), Log::default());
    let mut run: Run = Box::pin(pending::<()>().cancelable(never()));
    for level in 0..100 {
        let inner = run;
        let body = async move {
            let _ = inner.await;
            pending::<()>().await;
        };
        let log = log.clone();
        let noted = move |operation: &Operation, _: &Reason| {
            log.lock().unwrap().push(operation.name().unwrap().to_string());
        };
        run = Box::pin(body.cancelable(never()).named(level.to_string()).on_cancel(noted));
    }
    let mut outermost = Box::pin(run.cancelable(&token).named("outermost"));
    assert!(wakes.poll(outermost.as_mut()).is_pending());
    token.cancel();
    assert!(wakes.poll(outermost.as_mut()).is_ready());
    let expected: Vec<_> = (0..100).map(|level| level.to_string()).collect();
    assert_eq!(taken(&log), expected, "from the inside out");
}

#[test]
fn awaiting_a_timed_out_task() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let task = runtime.spawn(pending::<()>().cancelable(timeout(SOON)).named("task"));
    assert!(runtime.block_on(task).unwrap().unwrap_err().is_timeout());
}

#[test]
fn cancelled_operation_leaves_nothing() {
    let _watchdog = support::watchdog();
    block_on(async {
        let first = pending::<()>().cancelable(timeout(SOON)).named("first").await;
        assert!(first.is_err());
        assert!(Operation::current().is_none());
        assert_eq!(async { 7 }.cancelable(timeout(SOON)).named("second").await, Ok(7));
        shield(smol::future::yield_now()).await;
    });
}

// Fields.

#[test]
fn parent_id_outlives_the_parent() {
    let _watchdog = support::watchdog();
    let parent = async {}.cancelable(never()).named("parent");
    let id = parent.operation().id();
    let child_run = async {}.cancelable(never()).child_of(&parent.operation());
    let child = child_run.operation();
    drop(parent);
    assert_eq!(child.parent_id(), Some(id));
    assert_eq!(child.snapshot().parent_name.as_deref(), Some("parent"));
}

// Hooks.

#[test]
fn request_and_end() {
    let _watchdog = support::watchdog();
    let (log, open) = (Log::default(), Cell::new(false));
    let work =
        shield(std::future::poll_fn(|_| if open.get() { Poll::Ready(()) } else { Poll::Pending }));
    let (request, end) = (log.clone(), log.clone());
    let run =
        work.cancelable(never()).on_cancel(move |_, _| end.lock().unwrap().push("end".into()));
    let operation = run.operation();
    let note = move |reason: &Reason| request.lock().unwrap().push(format!("request: {reason}"));
    operation.token().on_cancel(note).detach();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(taken(&log), ["request: cancelled: stop"]);
    open.set(true);
    assert!(poll_once(run).is_ready());
    assert_eq!(taken(&log), ["end"]);
}

// Shields.

/// Differs: in Python an exception inside the shield takes precedence over the waiting cancellation.
#[test]
fn error_of_a_shielded_section() {
    let _watchdog = support::watchdog();
    for cancelled in [false, true] {
        let token = CancellationToken::new();
        let work = async {
            shield(async {
                if cancelled {
                    token.cancel_with("stop");
                    futures::pending!();
                }
                Err::<(), _>(io::Error::other("no disk"))
            })
            .await
        };
        let run = work.try_cancelable(&token).named("run");
        let operation = run.operation();
        let error = block_on(run).unwrap_err().to_string();
        let expected = if cancelled {
            ("`run` cancelled: stop", Status::Cancelled)
        } else {
            ("no disk", Status::Failed)
        };
        assert_eq!((error.as_str(), operation.status()), expected);
    }
}

// Retries.

#[derive(Debug, PartialEq)]
enum RetryError {
    Cancelled(Cancelled),
    Exhausted { tries: u32 },
}

async fn retry(operation: &Operation, calls: &Cell<u32>, most: u32) -> RetryError {
    let call = operation.wrap(async |()| {
        calls.set(calls.get() + 1);
        Err::<(), _>(io::Error::other("busy"))
    });
    let pause = operation.wrap(async |()| futures::pending!());
    for _ in 0..most {
        match call(()).await {
            Ok(Err(_busy)) => {}
            Ok(Ok(())) => unreachable!("it is always busy"),
            Err(cancelled) => return RetryError::Cancelled(cancelled),
        }
        if let Err(cancelled) = pause(()).await {
            return RetryError::Cancelled(cancelled);
        }
    }
    RetryError::Exhausted { tries: calls.get() }
}

#[test]
fn retry_loop() {
    let _watchdog = support::watchdog();
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    let calls = Cell::new(0);
    {
        let mut retries = pin!(retry(&operation, &calls, 2));
        assert!(poll_once(retries.as_mut()).is_pending(), "the first pause");
        assert!(poll_once(retries.as_mut()).is_pending(), "the second");
        assert_eq!(poll_once(retries), Poll::Ready(RetryError::Exhausted { tries: 2 }));
    }
    let wakes = Wakes::new();
    let mut retries = pin!(retry(&operation, &calls, 100));
    assert!(wakes.poll(retries.as_mut()).is_pending());
    operation.cancel_with("the user left");
    assert_eq!(wakes.count(), 1, "in its pause");
    // The pause ends in this poll, so its outcome is a value. The next call is refused.
    let left = RetryError::Cancelled(Cancelled::new("the user left"));
    assert_eq!(wakes.poll(retries), Poll::Ready(left));
    assert_eq!(calls.get(), 3);
}
