//! Guarantee 10: a shielded section finishes before a cancellation takes effect.

use std::cell::Cell;
use std::future::pending;
use std::pin::{Pin, pin};

use cancelable::prelude::*;
use futures::FutureExt;

use crate::support::{self, Log, Switch, Wakes, lost, poll_once, won};

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + 'a>>;

#[test]
fn g10_section_finishes_first() {
    let _watchdog = support::watchdog();
    let (token, gate) = (CancellationToken::new(), Switch::new());
    let (log, wakes) = (Log::new(), Wakes::new());
    let work = async {
        let _held = log.on_drop("work dropped");
        shield(async {
            gate.source("gate").await;
            log.note("section");
        })
        .await;
        log.note("after");
    };
    let mut race = Box::pin(work.cancelable(&token));
    assert!(wakes.poll(race.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(wakes.poll(race.as_mut()).is_pending());
    assert!(wakes.poll(race.as_mut()).is_pending(), "however often it is polled");
    assert!(log.take().is_empty());
    gate.turn_on();
    assert_eq!(wakes.count(), 2, "by the token, and by what the section waits for");
    assert_eq!(lost(wakes.poll(race.as_mut())), Reason::manual("stop"));
    assert_eq!(log.take(), ["section", "work dropped"]);
}

#[test]
fn g10_new_section_does_not_begin() {
    let _watchdog = support::watchdog();
    let (token, gate, log) = (CancellationToken::new(), Switch::new(), Log::new());
    let work = async {
        gate.source("gate").await;
        log.note("reached");
        shield(async { log.note("begun") }).await;
        log.note("after");
    };
    let mut race = pin!(work.cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel_with("stop");
    gate.turn_on();
    // The last poll reaches the shield.
    assert_eq!(lost(poll_once(race)), Reason::manual("stop"));
    assert_eq!(log.take(), ["reached"]);
}

#[test]
fn g10_work_that_ends_meanwhile_wins() {
    let _watchdog = support::watchdog();
    let (token, gate) = (CancellationToken::new(), Switch::new());
    let work = async {
        let section = pin!(shield(pending::<()>()));
        futures::future::select(section, gate.source("gate")).await;
        7
    };
    let mut race = pin!(work.cancelable(&token));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(race.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(won(poll_once(race)), 7);
}

const LEVELS: usize = 10;

/// Returns nested races and operations of every kind around one section. The work of each notes when the next inner race has
/// ended, and then stays pending.
fn levels<'a>(
    tokens: &'a [CancellationToken],
    gate: impl Future<Output = Reason> + 'a,
    went_on: &'a [Cell<bool>],
) -> Run<'a> {
    let mut run: Run<'a> = Box::pin(async move {
        shield(gate).await;
        Ok(())
    });
    for (level, token) in tokens.iter().enumerate() {
        let body = async move {
            let _ = run.await;
            went_on[level].set(true);
            pending::<()>().await;
        };
        run = match level % 5 {
            0 => Box::pin(body.cancelable(token)),
            1 => Box::pin(body.cancelable(token).named("named")),
            2 => Box::pin(body.map(Ok::<_, Cancelled>).try_cancelable(token)),
            3 => Box::pin(body.cancelable(token).finally(|_| async {})),
            _ => {
                let operation = support::unpolled("");
                token
                    .on_cancel({
                        let operation = operation.clone();
                        move |reason| {
                            operation.cancel_with(reason.clone());
                        }
                    })
                    .detach();
                Box::pin(operation.wrap(|body| body)(body))
            }
        };
    }
    run
}

#[test]
fn g10_nested_races_wait_at_every_level() {
    let _watchdog = support::watchdog();
    // One or two of the races are cancelled. If there are two, the outer one decides where the code stops.
    for (inner, fired) in (0..LEVELS).flat_map(|fired| (0..=fired).map(move |inner| (inner, fired)))
    {
        let tokens: Vec<_> = (0..LEVELS).map(|_| CancellationToken::new()).collect();
        let went_on: Vec<_> = (0..LEVELS).map(|_| Cell::new(false)).collect();
        let gate = Switch::new();
        let mut run = levels(&tokens, gate.source("gate"), &went_on);
        assert!(poll_once(run.as_mut()).is_pending());
        tokens[inner].cancel_with("inner");
        tokens[fired].cancel_with("outer");
        for _ in 0..2 {
            assert!(poll_once(run.as_mut()).is_pending(), "levels {inner} and {fired}");
        }
        assert!(went_on.iter().all(|went_on| !went_on.get()), "levels {inner} and {fired} wait");
        gate.turn_on();
        let polled = poll_once(run.as_mut());
        // The races around the outer cancelled race continue. Nothing inside that race does.
        let went_on: Vec<_> = went_on.iter().map(Cell::get).collect();
        let expected: Vec<_> = (0..LEVELS).map(|level| level == fired + 1).collect();
        assert_eq!(went_on, expected, "levels {inner} and {fired}");
        assert_eq!(polled.is_ready(), fired == LEVELS - 1, "levels {inner} and {fired}");
    }
}

#[test]
fn g10_operations_inside_are_not_cancelled() {
    let _watchdog = support::watchdog();
    let (token, gate, log) = (CancellationToken::new(), Switch::new(), Log::new());
    let section = async {
        let running = gate.source("gate").cancelable(never()).named("running");
        assert_eq!(running.await, Ok(Reason::manual("gate")));
        // The cancellation is waiting by now.
        let plain = async { 7 }.cancelable(never());
        assert_eq!(plain.await, Ok(7));
        let operation = async { 8 }.cancelable(never()).named("late");
        let handle = operation.operation();
        assert_eq!(operation.await, Ok(8));
        assert_eq!(handle.parent_id(), Operation::current().map(|around| around.id()));
        assert!(!handle.is_cancelled());
        let limited = pending::<()>().cancelable(async { Reason::Disconnected });
        assert!(limited.await.unwrap_err().is_disconnected(), "by their own sources they are");
        log.note("all of it");
    };
    let mut run = pin!(async { shield(section).await }.cancelable(&token).named("run"));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert_eq!(log.take(), ["all of it"]);
}

#[test]
fn g10_no_guard_against_drop() {
    let _watchdog = support::watchdog();
    for cancelled in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::new());
        let section = async {
            let _held = log.on_drop("section dropped");
            pending::<()>().await;
        };
        let run = async { shield(section).await }.cancelable(&token).named("run");
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        if cancelled {
            token.cancel_with("stop");
            assert!(poll_once(run.as_mut()).is_pending());
        }
        assert!(log.take().is_empty());
        drop(run);
        assert_eq!(log.take(), ["section dropped"]);
        let reason = if cancelled { Reason::manual("stop") } else { Reason::Dropped };
        assert_eq!((operation.status(), operation.reason()), (Status::Cancelled, Some(reason)));
    }
}

#[test]
fn g10_no_guard_against_abort_and_runtime_shutdown() {
    let _watchdog = support::watchdog();
    for aborted in [false, true] {
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let held = log.on_drop("section dropped");
        let section = async move {
            let _held = held;
            pending::<()>().await;
        };
        let task = runtime.spawn(shield(section).cancelable(never()));
        runtime.block_on(tokio::task::yield_now());
        assert!(log.take().is_empty());
        if aborted {
            task.abort();
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        } else {
            drop(runtime);
        }
        assert_eq!(log.take(), ["section dropped"]);
    }
}

#[cfg(feature = "time")]
#[test]
fn g10_limit_ends_the_protection() {
    use std::time::Duration;

    let _watchdog = support::watchdog();
    let clock = support::Clock::start();
    for (limit, protects) in [(Duration::ZERO, false), (Duration::MAX, true)] {
        let token = CancellationToken::new();
        let work = async { shield_for(limit, pending::<()>()).await };
        let mut race = pin!(work.cancelable(&token));
        assert!(poll_once(race.as_mut()).is_pending());
        token.cancel();
        assert_eq!(poll_once(race.as_mut()).is_pending(), protects, "{limit:?}");
    }
    // The limit passes while the cancellation is waiting.
    let limit = Duration::from_millis(10);
    let (token, log) = (CancellationToken::new(), Log::new());
    let work = async {
        shield_for(limit, async {
            token.cancel_with("stop");
            pending::<()>().await;
        })
        .await;
        log.note("after");
    };
    let start = clock.now();
    assert_eq!(clock.block_on(work.cancelable(&token)), Err(Cancelled::new("stop")));
    clock.assert_passed(start, limit);
    assert!(log.take().is_empty());
}
