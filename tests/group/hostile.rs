//! Spawners, destructors and wakers that misbehave.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::TaskGroup;
use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, OnDrop, poll_once};

#[test]
fn g18_spawner_that_drops_or_panics() {
    let _watchdog = support::watchdog();
    let dropped = TaskError::from(Cancelled::new(Reason::Dropped));
    let group = TaskGroup::<(), String>::fallible(drop);
    group.spawn(pending());
    group.spawn_daemon(pending());
    assert_eq!(poll_once(pin!(group.join())), Poll::Ready(Ok(vec![Err(dropped.clone())])));
    let group = TaskGroup::<(), String>::fallible(|_| panic!("no more tasks"));
    group.spawn(pending());
    group.spawn_daemon(pending());
    assert_eq!(poll_once(pin!(group.try_join())), Poll::Ready(Err(dropped)));
}

#[test]
fn g18_executor_that_drops_a_task() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    let members = [group.spawn(pending()), group.spawn(pending())];
    executor.run();
    executor.drop_task(0);
    group.operation().cancel_with("stop");
    executor.drop_task(1);
    let reasons = members.map(|member| match poll_once(pin!(member)) {
        Poll::Ready(Err(error)) => error.to_string(),
        _ => panic!("it has ended"),
    });
    assert_eq!(reasons, ["dropped before it was done", "parent cancelled: stop"]);
    assert!(group.is_empty());
}

#[test]
fn g18_panic_in_a_members_destructor() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>().keep_going();
    for value in [true, false] {
        group.spawn(async move {
            let _hostile = OnDrop(|| panic!("out of cheese"));
            if !value {
                pending::<()>().await;
            }
        });
    }
    executor.run();
    drop(executor.clone());
    executor.drop_task(1);
    let Poll::Ready(Ok(results)) = poll_once(pin!(group.join())) else { panic!("it has ended") };
    assert_eq!(results[0], Err(TaskError::Panicked("out of cheese".into())));
    assert_eq!(results[1], Err(Cancelled::new(Reason::Dropped).into()));
}

#[test]
fn results_may_panic_on_drop() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>().discard_results();
    group.spawn(async { OnDrop(|| panic!("out of cheese")) });
    executor.run();
    assert!(matches!(poll_once(pin!(group.join())), Poll::Ready(Ok(_))));
}

/// A value whose destructor panics.
type Hostile = OnDrop<fn()>;

fn hostile() -> Hostile {
    OnDrop(|| panic!("out of cheese"))
}

/// After a failure, `try_join` drops the values of the other members. A panic there affects nothing else.
#[test]
fn values_that_a_failed_group_drops_may_panic() {
    let _watchdog = support::watchdog();
    for polled_before in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<Hostile, String>();
        let operation = group.operation();
        (0..3).for_each(|_| drop(group.spawn(async { hostile() })));
        let gate = Gate::new();
        let pass = gate.pass();
        group.try_spawn(async move {
            pass.await;
            Err("no disk".to_owned())
        });
        let mut join = pin!(group.try_join());
        if polled_before {
            assert!(poll_once(join.as_mut()).is_pending());
        }
        gate.open();
        executor.run();
        let Poll::Ready(Err(error)) = poll_once(join) else { panic!("it has failed") };
        assert_eq!(error.to_string(), "no disk");
        assert_eq!(operation.status(), Status::Failed);
    }
}

/// With `keep_going`, `try_join` returns the first error and drops everything else.
#[test]
fn values_that_a_group_drops_for_an_error_may_panic() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<Hostile, String>().keep_going();
    (0..2).for_each(|_| drop(group.spawn(async { hostile() })));
    group.try_spawn(async { Err("no disk".to_owned()) });
    (0..2).for_each(|_| drop(group.spawn(async { hostile() })));
    executor.run();
    let Poll::Ready(Err(error)) = poll_once(pin!(group.try_join())) else { panic!("it failed") };
    assert_eq!(error.to_string(), "no disk");
}

/// The conversion of a member's failure into the error of the body is user code. Its panic passes through the group.
#[test]
fn conversion_of_a_failure_may_panic() {
    #[derive(Debug)]
    struct OfBody;

    impl From<TaskError<String>> for OfBody {
        fn from(_: TaskError<String>) -> Self {
            panic!("out of cheese")
        }
    }

    impl From<Cancelled> for OfBody {
        fn from(_: Cancelled) -> Self {
            OfBody
        }
    }

    impl std::fmt::Display for OfBody {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    let _watchdog = support::watchdog();
    for polled_before in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<(), String>();
        let operation = group.operation();
        group.try_spawn(async { Err("no disk".to_owned()) });
        let scope = group.try_scope(never(), |_| pending::<Result<(), OfBody>>());
        let mut scope = pin!(scope);
        if polled_before {
            assert!(poll_once(scope.as_mut()).is_pending());
        }
        executor.run();
        assert_eq!(support::panic_of(|| poll_once(scope)), "out of cheese");
        assert_eq!(operation.status(), Status::Failed);
    }
}

#[test]
fn values_that_were_not_taken_may_panic() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<Hostile, String>();
    (0..3).for_each(|_| drop(group.spawn(async { hostile() })));
    let handle = group.spawn(async { hostile() });
    executor.run();
    let mut scope = pin!(group.scope(never(), |_| std::future::ready(7)));
    assert_eq!(poll_once(scope.as_mut()), Poll::Ready(Ok(7)));
    drop(handle);
}

#[test]
fn task_polled_again_panics() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = std::sync::mpsc::channel();
    let group = TaskGroup::<(), String>::fallible(move |task| sender.send(task).unwrap());
    group.spawn(async {});
    let mut task = receiver.recv().unwrap();
    assert!(poll_once(task.as_mut()).is_ready());
    let text = support::panic_of(|| poll_once(task.as_mut()));
    assert!(text.contains("polled after completion"), "{text}");
}
