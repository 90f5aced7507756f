//! Groups with a body.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::Poll;

use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Log, OnDrop, Wakes, panic_of, poll_once};

#[test]
fn g18_scope_waits_for_its_members() {
    let _watchdog = support::watchdog();
    let (executor, wakes, gate) = (ByHand::new(), Wakes::new(), Gate::new());
    let pass = gate.pass();
    let scope = executor.group::<(), String>().scope(never(), async move |group| {
        group.spawn(pass);
        "body"
    });
    let mut scope = pin!(scope.named("scope"));
    assert!(wakes.poll(scope.as_mut()).is_pending());
    executor.run();
    assert!(wakes.poll(scope.as_mut()).is_pending());
    gate.open();
    executor.run_all();
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(scope), Poll::Ready(Ok("body")));
}

#[test]
fn group_stays_open_while_its_body_runs() {
    let _watchdog = support::watchdog();
    let (executor, gate) = (ByHand::new(), Gate::new());
    let pass = gate.pass();
    let scope = executor.group::<_, String>().scope(never(), async |group| {
        group.spawn_daemon(pending());
        assert_eq!(group.next().await, None);
        pass.await;
        group.spawn(async { 7 }).await
    });
    let mut scope = pin!(scope);
    assert!(poll_once(scope.as_mut()).is_pending());
    executor.run();
    assert_eq!(executor.pending(), 1, "the daemon");
    gate.open();
    assert!(poll_once(scope.as_mut()).is_pending());
    executor.run();
    assert!(poll_once(scope.as_mut()).is_pending(), "the daemon is told to stop");
    executor.run();
    assert_eq!(poll_once(scope), Poll::Ready(Ok(Ok(7))));
}

#[test]
fn g18_failure_of_a_member_cancels_the_body() {
    let _watchdog = support::watchdog();
    let (executor, wakes, log) = (ByHand::new(), Wakes::new(), Log::new());
    let body = log.clone();
    let scope = executor.group::<(), io::Error>().try_scope(never(), async move |group| {
        group.spawn(pending());
        group.try_spawn(async { Err(io::Error::other("no disk")) });
        let _gone = OnDrop(|| body.note("body gone"));
        pending::<Result<(), TaskError<io::Error>>>().await
    });
    let mut scope = pin!(scope);
    assert!(wakes.poll(scope.as_mut()).is_pending());
    executor.run();
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Err(error)) = wakes.poll(scope.as_mut()) else { panic!("it failed") };
    assert!(matches!(error, TaskError::Failed(error) if error.to_string() == "no disk"));
    assert_eq!(log.take(), ["body gone"]);

    let scope = executor.group::<(), String>().scope(never(), async |group| {
        group.spawn(async { panic!("out of cheese") });
        7
    });
    let mut scope = pin!(scope);
    assert!(poll_once(scope.as_mut()).is_pending());
    executor.run();
    let Poll::Ready(Err(cancelled)) = poll_once(scope) else { panic!("it failed") };
    let text = "cancelled by an error: a task of the group failed: panicked: out of cheese";
    assert_eq!(cancelled.to_string(), text);
}

#[test]
fn g18_error_of_the_body_cancels_the_members() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let scope = executor.group::<(), String>().try_scope(never(), async |group| {
        group.spawn(pending());
        Err::<(), _>(TaskError::Failed("no disk".to_owned()))
    });
    let scope = scope.named("scope");
    let operation = scope.operation();
    let mut scope = pin!(scope);
    assert!(poll_once(scope.as_mut()).is_pending(), "the member is there");
    assert!(operation.is_cancelled());
    executor.run();
    assert_eq!(executor.pending(), 0);
    let failed = Poll::Ready(Err(TaskError::Failed("no disk".to_owned())));
    assert_eq!(poll_once(scope), failed);
    assert_eq!(operation.status(), Status::Failed);
    assert_eq!(operation.error().unwrap(), "no disk");
}

#[test]
fn g18_panic_of_the_body_cancels_the_members() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let scope = executor.group::<(), String>().scope(never(), async |group| {
        group.spawn(pending());
        futures::pending!();
        panic!("out of cheese");
    });
    let mut scope = Box::pin(scope);
    assert!(poll_once(scope.as_mut()).is_pending());
    executor.run();
    assert!(poll_once(scope.as_mut()).is_pending(), "the member is there");
    executor.run();
    assert_eq!(executor.pending(), 0);
    assert_eq!(panic_of(|| poll_once(scope.as_mut())), "out of cheese");
}

#[test]
fn cancelled_before_its_first_poll() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let token = CancellationToken::new();
    token.cancel_with("stop");
    let group = executor.group::<(), String>();
    group.spawn(pending());
    executor.run();
    let mut scope = pin!(group.scope(&token, async |_| unreachable!("it never starts")));
    assert!(poll_once(scope.as_mut()).is_pending());
    executor.run();
    assert_eq!(poll_once(scope), Poll::Ready(Err(Cancelled::new("stop"))));
}

#[test]
fn clean_up_runs_after_the_members() {
    let _watchdog = support::watchdog();
    let (executor, log, gate) = (ByHand::new(), Log::new(), Gate::new());
    let (member, clean_up, pass) = (log.clone(), log.clone(), gate.pass());
    let scope = executor.group::<(), String>().scope(never(), async move |group| {
        group.spawn(async move {
            pass.await;
            member.note("member");
        });
    });
    let mut scope = pin!(scope.finally(|_| async move { clean_up.note("clean-up") }));
    assert!(poll_once(scope.as_mut()).is_pending());
    gate.open();
    executor.run();
    assert_eq!(poll_once(scope), Poll::Ready(Ok(())));
    assert_eq!(log.take(), ["member", "clean-up"]);
}
