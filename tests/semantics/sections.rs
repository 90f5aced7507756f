//! Guarantee 10: what the handles of an operation return inside a shield or clean-up.

use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use std::task::Poll;
#[cfg(feature = "time")]
use std::time::Duration;

use cancelable::prelude::*;
use futures::FutureExt;

use crate::support::{self, Log, Switch, lost, poll_once};

/// Makes all calls that tell code whether to continue. `operation` has been cancelled, but this code is in a section.
async fn goes_on(operation: &Operation) {
    goes_on_after(operation, Reason::manual("stop")).await;
}

/// Like `goes_on`, for an operation that was cancelled for the given reason.
async fn goes_on_after(operation: &Operation, reason: Reason) {
    assert_eq!(operation.check(), Ok(()));
    assert_eq!(operation.cancelled().now_or_never(), None);
    assert_eq!(operation.wrap(async |number| number)(1).await, Ok(1));
    let child = async { 2 }.cancelable(never()).child_of(operation);
    let handle = child.operation();
    assert_eq!(child.await, Ok(2));
    assert_eq!(handle.parent_id(), Some(operation.id()));
    assert!(operation.is_cancelled(), "what happened is the truth");
    assert_eq!(operation.reason(), Some(reason));
    assert_eq!(operation.status(), Status::Cancelling);
}

/// Makes the same calls outside of a section, so that `operation` tells the code to stop.
fn is_told_to_stop(operation: &Operation) {
    assert_eq!(operation.check().unwrap_err().reason(), &Reason::manual("stop"));
    assert_eq!(operation.cancelled().now_or_never(), Some(Reason::manual("stop")));
    let call = operation.wrap(async |number| number)(1).now_or_never();
    assert!(call.unwrap().is_err());
}

#[test]
fn g10_shield_goes_on() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Switch::new(), Log::new());
    let run = scope(never(), async |operation: Operation| {
        shield(async {
            gate.source("gate").await;
            goes_on(&operation).await;
            log.note("all of it");
        })
        .await;
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    is_told_to_stop(&operation);
    assert!(poll_once(run.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert_eq!(log.take(), ["all of it"]);
}

#[test]
fn g10_clean_up_goes_on() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let run = pending::<()>().cancelable(never()).named("run").finally(|_| async {
        goes_on(&Operation::current().unwrap()).await;
        log.note("all of it");
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert_eq!(log.take(), ["all of it"]);
}

#[test]
fn g10_section_goes_on_for_all_operations_around_it() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Switch::new(), Log::new());
    let run = scope(never(), async |outer: Operation| {
        let inner = scope(never(), async |inner: Operation| {
            gate.source("gate").await;
            goes_on(&outer).await;
            inner.cancel_with("stop");
            is_told_to_stop(&inner);
            log.note("all of it");
        });
        let _ = shield(inner).await;
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    gate.turn_on();
    assert!(poll_once(run).is_ready());
    assert_eq!(log.take(), ["all of it"]);
}

#[test]
fn g10_code_beside_a_section_is_told_to_stop() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Switch::new(), Log::new());
    let run = scope(never(), async |operation: Operation| {
        let beside = async {
            gate.source("gate").await;
            is_told_to_stop(&operation);
            log.note("all of it");
        };
        futures::join!(shield(pending::<()>()), beside);
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    gate.turn_on();
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(log.take(), ["all of it"]);
}

#[test]
fn g10_call_under_way_in_a_section_is_not_dropped() {
    let _watchdog = support::watchdog();
    let (gate, result) = (Switch::new(), RefCell::new(None));
    let run = scope(never(), async |operation: Operation| {
        let call = operation.wrap(async |()| gate.source("gate").await);
        // The call is created outside of the section, and polled inside it.
        let call = call(());
        shield(async { *result.borrow_mut() = Some(call.await) }).await;
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(*result.borrow(), None);
    gate.turn_on();
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert_eq!(result.take(), Some(Ok(Reason::manual("gate"))));
}

#[test]
fn g10_wait_that_leaves_the_section_resolves() {
    let _watchdog = support::watchdog();
    let operation = RefCell::new(None);
    let run = scope(never(), async |handle: Operation| {
        let handle = operation.borrow_mut().insert(handle).clone();
        let mut waiting = pin!(handle.cancelled());
        let wakes = support::Wakes::new();
        shield(async { assert!(wakes.poll(waiting.as_mut()).is_pending()) }).await;
        handle.cancel_with("stop");
        assert_eq!(wakes.count(), 1);
        assert_eq!(wakes.poll(waiting), Poll::Ready(Reason::manual("stop")));
    });
    assert!(poll_once(pin!(run)).is_ready());
}

#[cfg(feature = "time")]
#[test]
fn g10_time_left_is_that_of_the_section() {
    let _watchdog = support::watchdog();
    let (long, short) = (Duration::from_secs(60), Duration::from_secs(10));
    let run = scope(timeout(long), async |operation: Operation| {
        assert!(operation.remaining().is_some_and(|left| left > short));
        shield(async { assert_eq!(operation.remaining(), None) }).await;
        let limited = shield_for(short, async {
            assert!(operation.remaining().is_some_and(|left| left <= short));
            shield(async { assert!(operation.remaining().is_some_and(|left| left <= short)) })
                .await;
            shield_for(long, async { assert!(operation.deadline().is_some()) }).await;
        });
        limited.await;
        assert!(operation.remaining().is_some_and(|left| left > short));
    });
    let run = run.finally_for(short, |_| async {
        let operation = Operation::current().unwrap();
        assert!(operation.remaining().is_some_and(|left| left <= short));
    });
    let run =
        run.finally(|_| async { assert_eq!(Operation::current().unwrap().remaining(), None) });
    assert!(poll_once(pin!(run)).is_ready());
}

/// The limit of the operation itself has passed. It stops neither a section nor clean-up.
#[cfg(feature = "time")]
#[test]
fn g10_sections_go_on_after_the_limit() {
    let _watchdog = support::watchdog();
    let (short, long) = (Duration::from_millis(5), Duration::from_secs(60));
    let (clock, gate, log) = (support::Clock::start(), Switch::new(), Log::new());
    let run = scope(timeout(short), async |operation: Operation| {
        shield(async {
            gate.source("gate").await;
            goes_on_after(&operation, Reason::timeout(short)).await;
            assert_eq!(operation.remaining(), None);
            log.note("shield");
        })
        .await;
    });
    let run = run.finally_for(long, |_| async {
        let operation = Operation::current().unwrap();
        goes_on_after(&operation, Reason::timeout(short)).await;
        assert!(operation.remaining().is_some_and(|left| left > long / 2 && left <= long));
        log.note("limited clean-up");
    });
    let run = run.finally(|_| async {
        let operation = Operation::current().unwrap();
        goes_on_after(&operation, Reason::timeout(short)).await;
        assert_eq!(operation.remaining(), None);
        #[cfg(feature = "blocking")]
        assert_eq!(operation.run_blocking(|| 7).await, Ok(7));
        log.note("clean-up");
    });
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(short);
    assert!(poll_once(run.as_mut()).is_pending());
    gate.turn_on();
    assert_eq!(clock.block_on(run).unwrap_err().into_reason(), Reason::timeout(short));
    assert_eq!(log.take(), ["shield", "limited clean-up", "clean-up"]);
}

#[cfg(feature = "blocking")]
#[test]
fn g10_blocking_closure_of_a_section_goes_on() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never()).named("run").finally(|_| async {
        let operation = Operation::current().unwrap();
        let checked = operation.run_blocking(|| Operation::current().unwrap().check()).await;
        assert_eq!(checked, Ok(Ok(())));
    });
    let operation = run.operation();
    operation.cancel_with("stop");
    assert!(smol::block_on(run).is_err());

    // A call that is created outside of the section is refused.
    let run = try_scope(never(), async |operation: Operation| {
        operation.cancel_with("stop");
        let call = operation.run_blocking(|| ());
        shield(call).await
    });
    assert_eq!(smol::block_on(run).unwrap_err().into_reason(), Reason::manual("stop"));
}
