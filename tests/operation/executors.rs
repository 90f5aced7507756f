//! Operations on every executor.

use std::future::pending;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use smol::future::yield_now;

use crate::support::{Log, on_every_executor};

/// Cancels the operation from another thread, once it runs.
fn cancel_soon(operation: Operation) {
    thread::spawn(move || {
        while operation.status() == Status::Pending {
            thread::yield_now();
        }
        operation.cancel_with("stop");
    });
}

on_every_executor! {
    async fn completes() {
        let log = Log::new();
        let (start, clean_up) = (log.clone(), log.clone());
        let run = scope(never(), async |operation: Operation| {
            yield_now().await;
            assert_eq!(Operation::current(), Some(operation.clone()));
            operation.report_progress(Progress::steps(1, 2));
            7
        });
        let run = run.named("run").on_start(move |_| start.note("started")).finally(move |_| {
            async move {
                yield_now().await;
                clean_up.note("cleaned up");
            }
        });
        let operation = run.operation();
        log.watch(&operation);
        assert_eq!(run.await, Ok(7));
        assert_eq!(log.take(), ["started", "cleaned up", "completed"]);
        assert_eq!(operation.snapshot().progress, Some(Progress::steps(1, 2)));
    }

    async fn cancelled_by_a_handle() {
        let log = Log::new();
        let clean_up = log.clone();
        let run = pending::<()>().cancelable(never()).finally(move |outcome| {
            let text = outcome.as_ref().unwrap_err().to_string();
            async move {
                yield_now().await;
                clean_up.note(text);
            }
        });
        let operation = run.operation();
        log.watch(&operation);
        cancel_soon(operation);
        assert_eq!(run.await.unwrap_err().into_reason(), Reason::manual("stop"));
        assert_eq!(log.take(), ["cancelled: stop", "hook: cancelled: stop"]);
    }

    async fn fails() {
        let run = async {
            yield_now().await;
            Err::<(), _>(std::io::Error::other("no disk"))
        };
        let run = run.try_cancelable(never()).named("save");
        let operation = run.operation();
        assert_eq!(run.await.unwrap_err().to_string(), "no disk");
        assert_eq!(operation.status(), Status::Failed);
        assert_eq!(operation.error().as_deref(), Some("no disk"));
    }

    async fn finishes_a_shield() {
        let log = Log::new();
        let note = log.clone();
        let run = scope(never(), async move |operation: Operation| {
            shield(async {
                operation.cancel_with("stop");
                for _ in 0..3 {
                    yield_now().await;
                }
                note.note("section");
            })
            .await;
            note.note("after");
        });
        assert_eq!(run.await.unwrap_err().into_reason(), Reason::manual("stop"));
        assert_eq!(log.take(), ["section"]);
    }

    async fn parent_cancels_children() {
        let inner = pending::<()>().cancelable(never()).named("inner");
        let below = inner.operation();
        let run = async { inner.await.is_err() }.cancelable(never()).named("outer");
        let operation = run.operation();
        cancel_soon(operation.clone());
        // In its last poll, the work of the outer operation sees the end of the inner operation and returns a value. If the
        // outer operation was cancelled before it started, there is no such poll.
        let outcome = run.await;
        assert!(operation.is_cancelled());
        if outcome.is_ok() {
            assert_eq!(below.parent_id(), Some(operation.id()));
            assert_eq!(below.reason().unwrap().to_string(), "parent `outer` cancelled: stop");
        }
    }

    async fn interrupts_wrapped_calls() {
        let unpolled = async {}.cancelable(never());
        let operation = unpolled.operation();
        let wait = operation.wrap(async |()| pending::<()>().await);
        let add = operation.wrap(async |(a, b): (u32, u32)| {
            yield_now().await;
            a + b
        });
        assert_eq!(add((3, 4)).await, Ok(7));
        let cancels = operation.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(1));
            cancels.cancel_with("stop");
        });
        assert_eq!(wait(()).await.unwrap_err().into_reason(), Reason::manual("stop"));
        assert!(add((3, 4)).await.is_err());
    }
}

#[cfg(feature = "time")]
on_every_executor! {
    async fn cancelled_by_a_timeout() {
        let limit = Duration::from_millis(5);
        let run = pending::<()>().cancelable(timeout(limit)).named("run");
        let operation = run.operation();
        assert!(run.await.unwrap_err().is_timeout());
        assert!(operation.elapsed() >= limit);
        assert_eq!(operation.remaining(), Some(Duration::ZERO));
    }

    async fn ends_in_grace() {
        let run = scope(timeout(Duration::from_millis(2)), |operation: Operation| async move {
            operation.cancelled().await;
            yield_now().await;
            "saved"
        });
        let run = run.grace(Duration::from_secs(3600));
        let operation = run.operation();
        assert_eq!(run.await, Ok("saved"));
        assert_eq!(operation.reason().unwrap().kind(), ReasonKind::Timeout);
    }

    async fn dropped_after_grace() {
        let run = pending::<()>().cancelable(timeout(Duration::from_millis(2)));
        let cancelled = run.grace(Duration::from_millis(2)).await.unwrap_err();
        assert!(cancelled.was_forced() && cancelled.is_timeout());
    }

    async fn limited_clean_up_and_shields() {
        let limit = Duration::from_millis(2);
        let run = shield_for(limit, pending::<()>())
            .cancelable(timeout(Duration::from_millis(1)))
            .finally_for(limit, |_| pending());
        assert!(run.await.unwrap_err().is_timeout());
    }
}

#[cfg(feature = "blocking")]
on_every_executor! {
    async fn runs_blocking_code() {
        let unpolled = async {}.cancelable(never());
        let operation = unpolled.operation();
        let seen = operation.run_blocking(|| Operation::current().unwrap().id());
        assert_eq!(seen.await, Ok(operation.id()));
        cancel_later(&operation);
        let waits = operation.run_blocking(|| {
            Operation::current().unwrap().token().blocking_wait();
            thread::sleep(Duration::from_millis(50));
        });
        // The call may return the value or the cancellation, because a cancelled call does not wait for its thread.
        let _ = waits.await;
        assert!(operation.run_blocking(|| 7).await.is_err());
    }
}

/// Cancels the operation from another thread after a while.
#[cfg(feature = "blocking")]
fn cancel_later(operation: &Operation) {
    let operation = operation.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        operation.cancel_with("stop");
    });
}
