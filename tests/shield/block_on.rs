//! `block_on` inside a poll, when a race is about to drop its work. The future in `block_on` is not part
//! of that work.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, poll_once};

/// Runs two steps that must both happen, on this thread.
fn save(log: &Log) {
    support::block_on(shield(async {
        smol::future::yield_now().await;
        log.note("saved");
    }));
}

/// Calls `save` in its destructor. User code does so because a destructor cannot await.
struct SavesOnDrop(Log);

impl Drop for SavesOnDrop {
    fn drop(&mut self) {
        save(&self.0);
    }
}

/// Runs `work` in a race and in an operation, and cancels it after its first poll.
fn cancel<F: Future>(log: &Log, work: impl Fn(CancellationToken) -> F) {
    for named in [false, true] {
        let token = CancellationToken::new();
        let run = work(token.clone()).cancelable(&token);
        let mut run = pin!(if named { run.named("run") } else { run });
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run).is_ready());
        assert_eq!(log.take(), ["saved"], "named: {named}");
    }
}

/// Ready once the token is cancelled. It registers no waker.
async fn seen(token: &CancellationToken) {
    poll_fn(|_| if token.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn in_a_destructor_of_the_work() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    cancel(&log, async |_| {
        let _saves = SavesOnDrop(log.clone());
        pending::<()>().await;
    });
    // The work of a race in the work.
    cancel(&log, async |token| {
        let inner = async {
            let _saves = SavesOnDrop(log.clone());
            pending::<()>().await;
        };
        let _ = inner.cancelable(&token).await;
        pending::<()>().await;
    });
    // A local variable that is dropped in the last poll.
    cancel(&log, async |token| {
        let saves = SavesOnDrop(log.clone());
        seen(&token).await;
        drop(saves);
        pending::<()>().await;
    });
}

#[test]
fn in_the_work() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    cancel(&log, async |token| {
        seen(&token).await;
        save(&log);
        pending::<()>().await;
    });
    cancel(&log, async |token| {
        seen(&token).await;
        let run = async { log.note("saved") }.cancelable(never()).finally(|_| async {});
        support::block_on(run).unwrap();
        pending::<()>().await;
    });
}

/// The race waits for another section at the same time.
#[test]
fn beside_a_section() {
    let _watchdog = support::watchdog();
    for saves in [true, false] {
        let (log, token) = (Log::new(), CancellationToken::new());
        let work = async {
            let save = async {
                seen(&token).await;
                if saves {
                    save(&log);
                }
            };
            futures::join!(save, shield(seen(&token)));
            pending::<()>().await;
        };
        let mut run = pin!(work.cancelable(&token));
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run).is_ready());
        assert_eq!(log.take().len(), usize::from(saves));
    }
}

#[test]
fn in_hooks_and_clean_up() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    cancel(&log, async |token| {
        let hook = log.clone();
        let inner = pending::<()>().cancelable(&token).on_cancel(move |_, _| save(&hook));
        let _ = inner.await;
        pending::<()>().await;
    });
    cancel(&log, async |token| {
        let inner = pending::<()>().cancelable(&token).finally(|_| {
            save(&log);
            async {}
        });
        let _ = inner.await;
        pending::<()>().await;
    });
    cancel(&log, async |token| {
        let inner = pending::<()>().cancelable(&token).finally(|_| async { save(&log) });
        let _ = inner.await;
        pending::<()>().await;
    });
}

#[test]
fn in_a_waker() {
    struct SavesOnWake(Log);

    impl Wake for SavesOnWake {
        fn wake(self: Arc<Self>) {
            save(&self.0);
        }
    }

    let _watchdog = support::watchdog();
    let log = Log::new();
    cancel(&log, async |token| {
        let other = CancellationToken::new();
        let mut waits = pin!(other.cancelled());
        let waker = Waker::from(Arc::new(SavesOnWake(log.clone())));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        seen(&token).await;
        other.cancel();
        pending::<()>().await;
    });
}

/// The blocking code polls with the waker of the task, as tokio's `block_on` does inside another `block_on`.
#[test]
fn with_the_waker_of_the_task() {
    let _watchdog = support::watchdog();
    for waits in [false, true] {
        let (token, log, wakes) = (CancellationToken::new(), Log::new(), Wakes::new());
        let waker = wakes.waker();
        let work = async {
            let save = async {
                seen(&token).await;
                let mut section = pin!(shield(async { log.note("saved") }));
                let mut cx = Context::from_waker(&waker);
                while section.as_mut().poll(&mut cx).is_pending() {}
                pending::<()>().await;
            };
            let other = shield(async {
                if waits {
                    seen(&token).await;
                }
            });
            futures::join!(save, other);
        };
        let mut run = pin!(work.cancelable(&token));
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel();
        assert!(wakes.poll(run.as_mut()).is_ready());
        assert_eq!(log.take(), ["saved"]);
    }
}

#[test]
fn of_tokio_within_another() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (token, log) = (CancellationToken::new(), Log::new());
    let work = async {
        tokio::task::yield_now().await;
        token.cancel();
        seen(&token).await;
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(shield(async { log.note("saved") }));
        });
        pending::<()>().await;
    };
    assert!(runtime.block_on(work.cancelable(&token)).is_err());
    assert_eq!(log.take(), ["saved"]);
}

/// Code that blocks the thread finishes a section that the race waits for.
#[test]
fn of_a_section_that_had_begun() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::new());
    let work = async {
        let mut section = Box::pin(shield(async {
            seen(&token).await;
            log.note("section");
        }));
        assert!(futures::poll!(section.as_mut()).is_pending());
        seen(&token).await;
        support::block_on(section);
        log.note("after");
        pending::<()>().await;
    };
    let mut run = pin!(work.cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(run).is_ready());
    assert_eq!(log.take(), ["section", "after"]);
}
