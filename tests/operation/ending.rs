//! How work ends: with a value, an error, a cancellation or a panic.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::future::pending;
use std::io;
use std::panic::panic_any;
use std::pin::pin;

use cancelable::prelude::*;

#[cfg(feature = "time")]
use crate::support::Switch;
use crate::support::{self, Log, panic_of, payload_of, poll_once};

/// An error type of a user.
#[derive(Debug, PartialEq)]
enum Fault {
    Stopped(Cancelled),
    Disk,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Stopped(cancelled) => write!(f, "fault: {cancelled}"),
            Fault::Disk => f.write_str("no disk"),
        }
    }
}

impl From<Cancelled> for Fault {
    fn from(cancelled: Cancelled) -> Self {
        Fault::Stopped(cancelled)
    }
}

/// An error that keeps nothing of the `Cancelled` from which it is made.
#[derive(Debug)]
struct Stopped;

impl Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl From<Cancelled> for Stopped {
    fn from(_: Cancelled) -> Self {
        Stopped
    }
}

/// Runs an operation to its end. Returns how it ended.
fn ends<F, S, E, T, X>(
    run: cancelable::TryCancelable<F, S, E>,
) -> (Status, Option<Reason>, Vec<String>)
where
    F: Future<Output = Result<T, X>>,
    S: Future<Output = Reason>,
    E: cancelable::operation::Ending<Result<T, X>>,
    X: From<Cancelled> + std::fmt::Display,
{
    let log = Log::new();
    let operation = run.operation();
    log.watch(&operation);
    assert!(support::block_on(run).is_err());
    assert_eq!(operation.snapshot().status, operation.status());
    assert_eq!(operation.snapshot().reason, operation.reason());
    (operation.status(), operation.reason(), log.take())
}

fn was_cancelled(reason: Reason) -> (Status, Option<Reason>, Vec<String>) {
    (Status::Cancelled, Some(reason.clone()), vec![format!("hook: {reason}")])
}

#[test]
fn error_is_a_failure() {
    let _watchdog = support::watchdog();
    let run = async { Err::<(), _>(Fault::Disk) }.try_cancelable(never());
    let operation = run.operation();
    assert_eq!(operation.error(), None);
    let log = Log::new();
    log.watch(&operation);
    assert_eq!(support::block_on(run), Err(Fault::Disk));
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().as_deref(), Some("no disk"));
    assert_eq!(operation.snapshot().error.as_deref(), Some("no disk"));
    assert_eq!((operation.reason(), operation.is_cancelled()), (None, false));
    assert_eq!(log.take(), ["failed: no disk"]);
}

#[test]
fn err_under_cancelable_is_a_value() {
    let _watchdog = support::watchdog();
    let run = async { Err::<(), _>(Fault::Disk) }.cancelable(never());
    let operation = run.operation();
    assert_eq!(support::block_on(run), Ok(Err(Fault::Disk)));
    assert_eq!((operation.status(), operation.error()), (Status::Completed, None));
}

fn checked<X: From<Cancelled> + Display + Debug>() {
    let run = try_scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        operation.check()?;
        Ok::<(), X>(())
    });
    assert_eq!(ends(run), was_cancelled(Reason::manual("stop")));

    let run = async {
        let operation = Operation::current().unwrap();
        operation.cancel_with("stop");
        operation.check()?;
        Ok::<(), X>(())
    };
    assert_eq!(ends(run.try_cancelable(never()).named("a")), was_cancelled(Reason::manual("stop")));
}

#[test]
fn returned_cancellation_is_no_failure() {
    let _watchdog = support::watchdog();
    checked::<Cancelled>();
    checked::<io::Error>();
    checked::<Box<dyn Error>>();
    checked::<Box<dyn Error + Send + Sync>>();
    checked::<Fault>();
    checked::<Stopped>();
}

#[test]
fn returned_cancellation_of_the_parent_is_no_failure() {
    let _watchdog = support::watchdog();
    let outer = scope(never(), async |outer: Operation| {
        let inner = try_scope(never(), async |inner: Operation| {
            outer.cancel_with("stop");
            inner.check()?;
            Ok::<(), io::Error>(())
        });
        ends(inner.child_of(&outer))
    });
    let ended = support::block_on(outer.named("outer")).unwrap();
    let parent = Reason::parent_named(Some("outer".into()), Reason::manual("stop"));
    assert_eq!(ended, was_cancelled(parent));
}

fn of_a_source<X: From<Cancelled> + Display + Debug>() {
    let token = CancellationToken::new();
    let run = try_scope(&token, async |_| {
        token.cancel_with("stop");
        token.check()?;
        Ok::<(), X>(())
    });
    assert_eq!(ends(run), was_cancelled(Reason::manual("stop")));
}

#[test]
fn returned_cancellation_of_the_source_is_no_failure() {
    let _watchdog = support::watchdog();
    of_a_source::<Cancelled>();
    of_a_source::<io::Error>();
    of_a_source::<Box<dyn Error>>();
    of_a_source::<Fault>();
}

fn without_a_cause<X: From<Cancelled> + Display + Debug>() {
    let run = async { Err::<(), X>(Cancelled::new("of its own").into()) };
    let (status, reason, hooks) = ends(run.try_cancelable(never()));
    assert_eq!((status, reason), (Status::Failed, None));
    assert_eq!(hooks.len(), 1);
    assert!(hooks[0].starts_with("failed: "), "{hooks:?}");
}

/// The type of the error does not decide. Nothing has cancelled this operation, so it has failed.
#[test]
fn returned_cancellation_without_a_cause_is_a_failure() {
    let _watchdog = support::watchdog();
    without_a_cause::<Cancelled>();
    without_a_cause::<io::Error>();
    without_a_cause::<Box<dyn Error>>();
    without_a_cause::<Fault>();
    without_a_cause::<Stopped>();
}

/// The limit applies to one call in the work. The children of the operation are not cancelled.
#[test]
#[cfg(feature = "time")]
fn inner_limit_is_a_failure() {
    let _watchdog = support::watchdog();
    let mut child = None;
    let run = try_scope(never(), async |outer: Operation| {
        child = Some(async { 7 }.cancelable(never()).child_of(&outer));
        pending::<()>().cancelable(timeout(std::time::Duration::from_millis(1))).await?;
        Ok::<(), io::Error>(())
    });
    let (status, reason, hooks) = ends(run);
    assert_eq!((status, reason), (Status::Failed, None));
    assert_eq!(hooks, ["failed: timed out after 1ms"]);
    assert_eq!(support::block_on(child.unwrap()), Ok(7));
}

/// The child is running when the limit of one call in the work passes. The child goes on.
#[test]
#[cfg(feature = "time")]
fn inner_limit_leaves_a_running_child() {
    let _watchdog = support::watchdog();
    let (gate, mut child) = (Switch::new(), None);
    let run = try_scope(never(), async |outer: Operation| {
        let running = gate.source("gate").cancelable(never()).child_of(&outer);
        let (handle, mut running) = (running.operation(), Box::pin(running));
        // As if in a task of its own.
        assert!(poll_once(running.as_mut()).is_pending());
        child = Some((handle, running));
        pending::<()>().cancelable(timeout(std::time::Duration::from_millis(1))).await?;
        Ok::<(), io::Error>(())
    });
    let outer = run.operation();
    let (status, reason, hooks) = ends(run);
    assert_eq!((status, reason), (Status::Failed, None));
    assert_eq!(hooks, ["failed: timed out after 1ms"]);
    let (handle, mut running) = child.unwrap();
    assert_eq!((handle.status(), handle.reason()), (Status::Running, None));
    assert_eq!(outer.child_count(), 1);
    assert!(poll_once(running.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(support::block_on(running), Ok(Reason::manual("gate")));
    assert_eq!((handle.status(), outer.child_count()), (Status::Completed, 0));
}

/// The operation was cancelled, so the error counts as a cancellation. `error()` still returns its text.
#[test]
fn error_after_cancel_is_a_cancellation() {
    let _watchdog = support::watchdog();
    let run = try_scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        Err::<(), _>(Fault::Disk)
    });
    let operation = run.operation();
    assert_eq!(ends(run), was_cancelled(Reason::manual("stop")));
    assert_eq!(operation.error().as_deref(), Some("no disk"));
    assert_eq!(operation.snapshot().error.as_deref(), Some("no disk"));
    assert!(operation.snapshot().to_string().ends_with("cancelled: stop"));
}

#[test]
fn value_after_cancel_is_a_value() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        7
    });
    let operation = run.operation();
    log.watch(&operation);
    assert_eq!(support::block_on(run), Ok(7));
    assert_eq!(operation.status(), Status::Completed);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(log.take(), ["completed"]);
}

#[test]
fn g13_panic_is_a_failure() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let held = log.on_drop("the work is gone");
    let mut said = "on fire";
    let work = async move {
        let _held = held;
        futures::pending!();
        // The message comes from a variable, because the compiler would report code after a literal panic as unreachable.
        panic!("{}", std::mem::take(&mut said));
    };
    let note = log.clone();
    let run = work.cancelable(never()).finally(move |outcome: &Result<(), Cancelled>| {
        assert!(outcome.is_err());
        async move { note.note("finally") }
    });
    let operation = run.operation();
    log.watch(&operation);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(panic_of(|| poll_once(run.as_mut()).is_ready()), "on fire");
    assert_eq!(log.take(), ["the work is gone", "finally", "failed: panicked: on fire"]);
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().as_deref(), Some("panicked: on fire"));
    assert_eq!(operation.reason(), None);
    assert!(Operation::current().is_none());
}

#[test]
fn g13_panic_keeps_its_payload() {
    let _watchdog = support::watchdog();
    #[derive(Debug, PartialEq)]
    struct Code(u32);

    let run = async { panic_any(Code(7)) }.cancelable(never()).named("odd");
    let operation = run.operation();
    let payload = payload_of(|| support::block_on(run).is_ok());
    assert_eq!(payload.downcast_ref(), Some(&Code(7)));
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().as_deref(), Some("panicked: a panic without a message"));
}

#[test]
fn g13_panic_after_cancel_is_a_failure() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        panic_any("on fire");
    });
    let operation = run.operation();
    log.watch(&operation);
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "on fire");
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
    assert_eq!(log.take(), ["failed: panicked: on fire"]);
}

#[test]
fn g13_panic_fails_outer_operations() {
    let _watchdog = support::watchdog();
    let (outer_log, inner_log) = (Log::new(), Log::new());
    let inner = async { panic_any("on fire") }.cancelable(never());
    let inner_operation = inner.operation();
    inner_log.watch(&inner_operation);
    let outer = inner.cancelable(never());
    let outer_operation = outer.operation();
    outer_log.watch(&outer_operation);
    assert_eq!(panic_of(|| support::block_on(outer).is_ok()), "on fire");
    assert_eq!(inner_log.take(), ["failed: panicked: on fire"]);
    assert_eq!(outer_log.take(), ["failed: panicked: on fire"]);
}

#[test]
fn panic_of_the_source_restores_the_current_operation() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(async { panic_any("no such source") });
    let operation = run.operation();
    log.watch(&operation);
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "no such source");
    assert!(Operation::current().is_none());
    assert!(operation.status().is_final());
    assert_eq!(log.take().len(), 1);
}

#[test]
fn panicked_operation_has_ended() {
    let _watchdog = support::watchdog();
    let run = async { panic_any("on fire") }.cancelable(never()).named("a");
    let log = Log::new();
    log.watch(&run.operation());
    let mut run: std::pin::Pin<Box<dyn Future<Output = Result<(), Cancelled>>>> = Box::pin(run);
    assert_eq!(panic_of(|| poll_once(run.as_mut()).is_ready()), "on fire");
    let again = panic_of(|| poll_once(run.as_mut()).is_ready());
    assert_eq!(again, "`Cancelable` polled after completion");
    drop(run);
    assert_eq!(log.take(), ["failed: panicked: on fire"]);
}

#[test]
fn g13_panic_in_the_works_destructor_is_a_failure() {
    let _watchdog = support::watchdog();
    struct Hostile;
    impl Drop for Hostile {
        fn drop(&mut self) {
            panic_any("not even dropped in peace");
        }
    }
    let (token, log) = (CancellationToken::new(), Log::new());
    let hostile = Hostile;
    let work = async move {
        let _hostile = hostile;
        std::future::pending::<()>().await;
    };
    let source = {
        let (token, held) = (token.clone(), log.on_drop("source"));
        async move {
            let _held = held;
            token.cancelled().await
        }
    };
    let run = work.cancelable(source).finally(|_| async { log.note("clean-up") });
    let operation = run.operation();
    log.watch(&operation);
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    let said = panic_of(|| poll_once(run.as_mut()).is_ready());
    assert_eq!(said, "not even dropped in peace");
    let failed = "failed: panicked: not even dropped in peace";
    assert_eq!(log.take(), ["source", "clean-up", failed]);
    assert_eq!(operation.reason(), Some(Reason::manual("stop")));
}

#[test]
fn g13_unprintable_error_is_a_failure() {
    let _watchdog = support::watchdog();
    #[derive(Debug)]
    struct Unspeakable;
    impl Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic_any("no words")
        }
    }
    impl From<Cancelled> for Unspeakable {
        fn from(_: Cancelled) -> Self {
            Unspeakable
        }
    }
    let run = async { Err::<(), _>(Unspeakable) }.try_cancelable(never());
    let operation = run.operation();
    assert!(support::block_on(run).is_err(), "the error is told as it is");
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().as_deref(), Some("panicked: no words"));
}

/// The source fires, and the work returns an error in its last poll.
#[test]
fn error_in_the_last_poll_polls_no_fired_source() {
    let _watchdog = support::watchdog();
    let fired = std::cell::Cell::new(0);
    let token = CancellationToken::new();
    let source = async {
        token.cancelled().await;
        fired.set(fired.get() + 1);
        Reason::manual("stop")
    };
    // An async block that is polled after it has completed panics.
    let mut polls = 0;
    let work = std::future::poll_fn(|_| {
        polls += 1;
        if polls < 2 {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(Err::<(), _>(Fault::Disk))
        }
    });
    let printed = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = printed.clone();
    let here = std::thread::current().id();
    support::on_panic(move || {
        if std::thread::current().id() == here {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let run = work.try_cancelable(source);
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!((operation.status(), fired.get()), (Status::Cancelled, 1));
    assert_eq!(operation.error().as_deref(), Some("no disk"));
    assert_eq!(printed.load(std::sync::atomic::Ordering::SeqCst), 0, "nothing panicked");
}
