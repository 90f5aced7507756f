//! Members that fail or panic.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::Poll;

use cancelable::group::{TaskError, TaskFailed};
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Log, Wakes, poll_once};

#[test]
fn g18_first_failure_cancels_the_others() {
    let _watchdog = support::watchdog();
    let (executor, wakes) = (ByHand::new(), Wakes::new());
    let group = executor.group::<(), io::Error>();
    let operation = group.operation();
    group.spawn(pending());
    group.try_spawn(async { Err(io::Error::other("no disk")) });
    group.try_spawn(async { Err(io::Error::other("too late")) });
    let mut join = pin!(group.join());
    assert!(wakes.poll(join.as_mut()).is_pending());
    executor.run();
    let Poll::Ready(Ok(results)) = wakes.poll(join.as_mut()) else { panic!("it has ended") };
    let reason = Reason::parent(operation.reason().unwrap());
    let cancelled = Cancelled::new(reason.clone());
    assert!(matches!(&results[0], Err(TaskError::Cancelled(found)) if *found == cancelled));
    assert!(matches!(&results[1], Err(TaskError::Failed(error)) if error.to_string() == "no disk"));
    assert!(matches!(&results[2], Err(TaskError::Cancelled(_))), "it has not started");
    let failed = reason.root().downcast_ref::<TaskFailed>().unwrap();
    assert_eq!(failed.to_string(), "a task of the group failed: no disk");
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().unwrap(), "no disk");
}

#[test]
fn g18_panic_cancels_the_others() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    group.spawn(pending());
    executor.run();
    group.spawn(async { panic!("out of cheese") });
    executor.run();
    assert_eq!(executor.pending(), 0);
    let Poll::Ready(Err(error)) = poll_once(pin!(group.try_join())) else { panic!("it failed") };
    assert_eq!(error, TaskError::Panicked("out of cheese".into()));
}

#[test]
fn g18_group_that_keeps_going_collects_all() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, io::Error>().keep_going();
    let operation = group.operation();
    group.try_spawn(async { Err(io::Error::other("no disk")) });
    group.spawn(async { panic!("out of cheese") });
    group.spawn(async { 7 });
    executor.run();
    let Poll::Ready(Ok(results)) = poll_once(pin!(group.join())) else { panic!("it has ended") };
    assert!(matches!(results[0], Err(TaskError::Failed(_))));
    assert!(matches!(results[1], Err(TaskError::Panicked(_))));
    assert!(matches!(results[2], Ok(7)));
    assert_eq!((operation.status(), operation.reason()), (Status::Completed, None));
}

#[test]
fn try_join_returns_the_failure_that_came_first() {
    let _watchdog = support::watchdog();
    for discards in [false, true] {
        let executor = ByHand::new();
        let mut group = executor.group::<(), String>();
        if discards {
            group = group.discard_results();
        }
        let log = Log::new();
        let hook = log.clone();
        group.spawn(pending());
        group.try_spawn(async { Err("no disk".to_owned()) });
        let join = group.try_join().named("copy").on_error(move |_, error| hook.note(error));
        let mut join = pin!(join);
        assert!(poll_once(join.as_mut()).is_pending());
        executor.run();
        let failed = Poll::Ready(Err(TaskError::Failed("no disk".to_owned())));
        assert_eq!(poll_once(join), failed);
        assert_eq!(log.take(), ["no disk"]);
    }
}

#[test]
fn try_join_returns_values() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    (0..3).for_each(|number| drop(group.spawn(async move { number })));
    executor.run();
    assert_eq!(poll_once(pin!(group.try_join())), Poll::Ready(Ok(vec![0, 1, 2])));
}

#[test]
fn failure_that_a_handle_has_is_reported_to_both() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    let handle = group.try_spawn(async { Err("no disk".to_owned()) });
    executor.run();
    let Poll::Ready(Err(error)) = poll_once(pin!(group.try_join())) else { panic!("it failed") };
    assert_eq!(error.to_string(), "cancelled by an error: a task of the group failed: no disk");
    let failed = Poll::Ready(Err(TaskError::Failed("no disk".to_owned())));
    assert_eq!(poll_once(pin!(handle)), failed);
}

#[test]
fn failure_after_a_cancellation_is_not_the_groups() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    let operation = group.operation();
    let request = operation.clone();
    group.try_spawn(async move {
        request.cancel_with("stop");
        Err("stopped".to_owned())
    });
    executor.run();
    let cancelled = poll_once(pin!(group.join()));
    assert_eq!(cancelled, Poll::Ready(Err(Cancelled::new("stop"))));
    assert_eq!(operation.status(), Status::Cancelled);
}
