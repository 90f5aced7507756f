//! Tasks of an executor that runs inside a race are not part of the race's work.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use cancelable::prelude::*;
use futures::FutureExt;
use smol::LocalExecutor;
use smol::future::{yield_now, zip};

use crate::support::{self, Gate, Log, Wakes, poll_once};

/// Waits at a gate that wakes its tasks when it opens.
fn pass(gate: &CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    gate.clone().cancelled_owned().map(drop)
}

/// Runs 50 tasks in an executor whose race is cancelled. Returns how many of them end.
fn tasks_that_end(named: bool, step: impl AsyncFn()) -> usize {
    let (go_on, done) = (Cell::new(true), Cell::new(0));
    let (executor, stop) = (LocalExecutor::new(), CancellationToken::new());
    for _ in 0..50 {
        executor
            .spawn(async {
                while go_on.get() {
                    yield_now().await;
                    step().await;
                }
                done.set(done.get() + 1);
            })
            .detach();
    }
    let run = executor.run(pending::<()>()).cancelable(&stop);
    let mut run = Box::pin(if named { run.named("worker") } else { run });
    for _ in 0..3 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    stop.cancel();
    while poll_once(run.as_mut()).is_pending() {}
    go_on.set(false);
    support::block_on(executor.run(async {
        while done.get() < 50 {
            yield_now().await;
        }
    }));
    done.get()
}

#[test]
fn tasks_with_shields_continue() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        assert_eq!(tasks_that_end(named, async || shield(async {}).await), 50);
        assert_eq!(tasks_that_end(named, async || shield(yield_now()).await), 50);
    }
}

#[test]
fn tasks_with_operations_continue() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let step = async || drop(yield_now().cancelable(never()).named("step").await);
        assert_eq!(tasks_that_end(named, step), 50);
        let step = async || {
            let run = yield_now().cancelable(never()).finally(|_| yield_now());
            drop(run.await);
        };
        assert_eq!(tasks_that_end(named, step), 50);
    }
}

#[test]
fn operations_with_clean_up_are_not_cancelled() {
    let _watchdog = support::watchdog();
    let (executor, stop) = (LocalExecutor::new(), CancellationToken::new());
    let gate = CancellationToken::new();
    let run = pass(&gate).cancelable(never()).finally(|_| yield_now());
    let operation = run.operation();
    let task = executor.spawn(run);
    let mut worker = Box::pin(executor.run(pending::<()>()).cancelable(&stop));
    assert!(poll_once(worker.as_mut()).is_pending());
    stop.cancel();
    // The race finds out that the operation is not part of its work, and does not wait for the operation's clean-up.
    for _ in 0..10 {
        if poll_once(worker.as_mut()).is_ready() {
            break;
        }
    }
    drop(worker);
    assert!(!operation.is_cancelled());
    gate.cancel();
    assert_eq!(support::block_on(executor.run(task)), Ok(()));
    assert_eq!(operation.status(), Status::Completed);
}

/// The section waits for a task with a shield of its own, which begins before or after the cancellation.
#[test]
fn section_awaits_a_task() {
    let _watchdog = support::watchdog();
    for begun in [false, true] {
        let (executor, stop) = (LocalExecutor::new(), CancellationToken::new());
        let (before, within) = (CancellationToken::new(), CancellationToken::new());
        let log = Log::new();
        let task = executor.spawn({
            let (before, within, log) = (pass(&before), pass(&within), log.clone());
            async move {
                before.await;
                shield(async {
                    within.await;
                    yield_now().await;
                    log.note("section of the task");
                })
                .await;
                log.note("end of the task");
            }
        });
        let work = async {
            shield(task).await;
            log.note("after");
        };
        let mut run = Box::pin(executor.run(work).cancelable(&stop));
        if begun {
            before.cancel();
        }
        assert!(poll_once(run.as_mut()).is_pending());
        stop.cancel();
        assert!(poll_once(run.as_mut()).is_pending(), "it waits for the section");
        before.cancel();
        within.cancel();
        let wakes = Wakes::new();
        for _ in 0..20 {
            if wakes.poll(run.as_mut()).is_ready() {
                break;
            }
        }
        assert_eq!(log.take(), ["section of the task", "end of the task"], "begun: {begun}");
    }
}

/// The race waits for a section that another thread finishes.
#[test]
fn moved_section_wakes_the_race() {
    let _watchdog = support::watchdog();
    let (executor, stop) = (smol::Executor::new(), CancellationToken::new());
    let gate = CancellationToken::new();
    let task = executor.spawn({
        let pass = pass(&gate);
        async move { shield(pass).await }
    });
    let wakes = Wakes::new();
    let mut run = Box::pin(executor.run(pending::<()>()).cancelable(&stop));
    assert!(wakes.poll(run.as_mut()).is_pending());
    stop.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    let woken = wakes.count();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gate.cancel();
            support::block_on(executor.run(task));
        });
    });
    assert!(wakes.count() > woken, "nothing else would wake it");
    assert!(wakes.poll(run.as_mut()).is_ready());
}

#[test]
fn tasks_of_a_local_set_continue() {
    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (local, stop) = (tokio::task::LocalSet::new(), CancellationToken::new());
    let (go_on, done) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
    for _ in 0..20 {
        let (go_on, done) = (go_on.clone(), done.clone());
        local.spawn_local(async move {
            while go_on.get() {
                tokio::task::yield_now().await;
                shield(tokio::task::yield_now()).await;
            }
            done.set(done.get() + 1);
        });
    }
    let canceller = stop.clone();
    local.spawn_local(async move {
        tokio::task::yield_now().await;
        canceller.cancel();
    });
    let served = runtime.block_on(local.run_until(pending::<()>()).cancelable(&stop));
    assert!(served.is_err());
    go_on.set(false);
    runtime.block_on(local);
    assert_eq!(done.get(), 20);
}

/// Sections in a `FuturesUnordered` inside another are part of the work: nothing after them runs.
#[test]
fn g10_deep_sections_are_part_of_the_work() {
    use futures::stream::{FuturesUnordered, StreamExt};

    let _watchdog = support::watchdog();
    for named in [false, true] {
        let (log, stop) = (Log::new(), CancellationToken::new());
        let gates: Vec<_> = (0..6).map(|_| CancellationToken::new()).collect();
        let part = async |number: usize| {
            shield(async {
                pass(&gates[number]).await;
                log.note(number);
            })
            .await;
            log.note("after");
            shield(async { log.note("begun") }).await;
        };
        let work = async {
            let middle = |first: usize| {
                let part = &part;
                async move {
                    let mut inner: FuturesUnordered<_> =
                        [part(first), part(first + 1)].into_iter().collect();
                    while inner.next().await.is_some() {}
                }
            };
            let mut outer: FuturesUnordered<_> = [middle(0), middle(2)].into_iter().collect();
            zip(async { while outer.next().await.is_some() {} }, zip(part(4), part(5))).await;
        };
        let run = work.cancelable(&stop);
        let mut run = pin!(if named { run.named("run") } else { run });
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        stop.cancel();
        assert!(wakes.poll(run.as_mut()).is_pending());
        for (number, gate) in gates.iter().enumerate() {
            gate.cancel();
            let mut woken = 0;
            let mut polled = Poll::Pending;
            // Polls like an executor: as long as the future is woken.
            while polled.is_pending() && wakes.count() > woken {
                woken = wakes.count();
                polled = wakes.poll(run.as_mut()).map(drop);
            }
            assert_eq!(log.take(), [number.to_string()], "named: {named}");
            assert_eq!(polled.is_ready(), number == gates.len() - 1);
        }
    }
}

/// A section is first polled in the last poll of the work. It is in a `FuturesUnordered`, which polls a part again if the
/// part wakes itself.
#[test]
fn g10_deep_sections_do_not_begin() {
    use futures::stream::{FuturesUnordered, StreamExt};

    let _watchdog = support::watchdog();
    let (log, stop, gate) = (Log::new(), CancellationToken::new(), CancellationToken::new());
    let work = async {
        let part = async {
            pass(&gate).await;
            shield(async { log.note("begun") }).await;
        };
        let mut inner: FuturesUnordered<_> = [part].into_iter().collect();
        let inner = async { while inner.next().await.is_some() {} };
        let mut outer: FuturesUnordered<_> = [inner].into_iter().collect();
        while outer.next().await.is_some() {}
    };
    let mut run = pin!(work.cancelable(&stop));
    assert!(poll_once(run.as_mut()).is_pending());
    gate.cancel();
    stop.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(log.take().is_empty());
}

/// A task that the work polls with the waker of its race is woken after the work is gone.
#[test]
fn task_that_outlives_the_work_is_woken() {
    let _watchdog = support::watchdog();
    for waits in [false, true] {
        let (gate, reached, stop) = (Gate::new(), Gate::new(), CancellationToken::new());
        let mut lent = Box::pin(async {
            reached.pass().await;
            shield(async {}).await;
        });
        let work = async {
            let other = shield(async {
                if waits {
                    gate.pass().await;
                }
            });
            zip(poll_fn(|cx| lent.as_mut().poll(cx)), zip(other, pending::<()>())).await;
        };
        let wakes = Wakes::new();
        {
            let mut run = pin!(work.cancelable(&stop));
            assert!(wakes.poll(run.as_mut()).is_pending());
            stop.cancel();
            reached.open();
            assert_eq!(wakes.poll(run.as_mut()).is_pending(), waits);
            if waits {
                gate.open();
                let woken = wakes.count();
                assert!(wakes.poll(run.as_mut()).is_ready());
                assert!(wakes.count() > woken, "by the end of the race");
            }
        }
        assert!(wakes.count() > 1);
        assert!(poll_once(lent.as_mut()).is_ready());
    }
}
