//! Members as children of the group's operation.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::Poll;

use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Log, poll_once};

#[test]
fn g18_member_runs_in_the_operation_of_the_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<_, String>();
    let id = group.operation().id();
    let member = group.spawn(async {
        let inner = async { Operation::current().unwrap().parent_id() };
        let inner = inner.cancelable(never()).named("inner").await.unwrap();
        (Operation::current().map(|operation| operation.id()), inner)
    });
    executor.run();
    assert_eq!(poll_once(pin!(member)), Poll::Ready(Ok((Some(id), Some(id)))));
}

#[test]
fn g18_operation_as_a_member_is_a_child() {
    let _watchdog = support::watchdog();
    let (executor, log) = (ByHand::new(), Log::new());
    let group = executor.group::<(), String>();
    let clean_up = log.clone();
    let work = pending().cancelable(never()).named("member").finally(|outcome| {
        let text = outcome.as_ref().unwrap_err().to_string();
        async move { clean_up.note(text) }
    });
    let operation = work.operation();
    let member = group.spawn_cancelable(work);
    assert_eq!(operation.parent_id(), Some(group.operation().id()));
    executor.run();
    assert_eq!(operation.status(), Status::Running);
    group.operation().cancel_with("stop");
    executor.run();
    assert_eq!(operation.status(), Status::Cancelled);
    let Poll::Ready(Err(error)) = poll_once(pin!(member)) else { panic!("it has ended") };
    let text = "`member` cancelled: parent cancelled: stop";
    assert_eq!((error.to_string().as_str(), log.take()), (text, vec![text.to_owned()]));
}

#[test]
fn own_source_of_a_member_is_no_failure() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let token = CancellationToken::new();
    let group = executor.group::<(), String>();
    group.spawn(pending());
    let member = group.spawn_cancelable(pending().cancelable(token.clone()));
    executor.run();
    token.cancel_with("this one");
    executor.run();
    assert_eq!(poll_once(pin!(member)), Poll::Ready(Err(Cancelled::new("this one").into())));
    assert!(!group.operation().is_cancelled());
    assert_eq!(group.len(), 1);
}

#[test]
fn fallible_operation_as_a_member() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), io::Error>();
    let work = async { Err(io::Error::other("no disk")) }.try_cancelable(never()).named("member");
    let operation = work.operation();
    group.try_spawn_cancelable(work);
    executor.run();
    assert_eq!(operation.status(), Status::Failed);
    let Poll::Ready(Err(error)) = poll_once(pin!(group.try_join())) else { panic!("it failed") };
    assert!(matches!(error, TaskError::Failed(_)));
}

#[test]
fn group_is_listed_until_its_last_member_has_ended() {
    let _watchdog = support::watchdog();
    let (executor, registry) = (ByHand::new(), Registry::new());
    let group = executor.group::<(), String>();
    group.spawn(shield(futures::future::lazy(|_| ())));
    let mut join = pin!(group.join().named("group").registered_in(&registry));
    assert!(poll_once(join.as_mut()).is_pending());
    registry.list().iter().for_each(|listed| assert_eq!(listed.name.as_deref(), Some("group")));
    registry.cancel_all(cancelable::registry::Filter::all(), "stop");
    assert!(poll_once(join.as_mut()).is_pending());
    assert_eq!(registry.list().len(), 1, "a member has not ended");
    executor.run();
    assert_eq!(poll_once(join), Poll::Ready(Err(Cancelled::new("stop"))));
    assert!(registry.is_empty());
}
