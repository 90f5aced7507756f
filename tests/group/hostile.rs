//! Spawners, destructors and wakers that misbehave.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::TaskGroup;
use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, OnDrop, poll_once};

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
