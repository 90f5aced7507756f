//! Groups whose join or scope has a grace period of its own, and whether the error of a group says that something was
//! dropped by force. Members get a grace period from the group only if the group has one.

use std::future::pending;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use cancelable::group::TaskError;
use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Wakes, poll_once};

const GRACE: Duration = Duration::from_secs(3600);

/// Asserts that a cancelled group without members ends at once, although its grace period is long.
fn ends_at_once<V: std::fmt::Debug>(
    work: impl Future<Output = Result<V, Cancelled>>,
    stop: impl FnOnce(),
    executor: &ByHand,
) {
    let (mut work, wakes) = (pin!(work), Wakes::new());
    assert!(wakes.poll(work.as_mut()).is_pending());
    executor.run();
    stop();
    let mut seen = 0;
    let outcome = loop {
        executor.run_all();
        assert!(wakes.count() > seen, "pending without a wake-up");
        seen = wakes.count();
        assert!(seen < 16, "it wakes itself for ever");
        if let Poll::Ready(outcome) = wakes.poll(work.as_mut()) {
            break outcome;
        }
    };
    assert_eq!(outcome.unwrap_err().reason(), &Reason::manual("stop"));
}

#[test]
fn spawned_members() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<u8, String>();
    group.spawn(pending());
    let operation = group.operation();
    ends_at_once(group.join().grace(GRACE), || _ = operation.cancel_with("stop"), &executor);
}

#[test]
fn members_in_place() {
    let _watchdog = support::watchdog();
    let group = TaskGroup::<u8>::in_place();
    group.spawn(pending());
    let token = CancellationToken::new();
    let join = group.join_within(&token).grace(GRACE);
    ends_at_once(join, || _ = token.cancel_with("stop"), &ByHand::new());
}

#[test]
fn scope() {
    let _watchdog = support::watchdog();
    let (executor, token) = (ByHand::new(), CancellationToken::new());
    let scope = executor.group::<u8, String>().scope(&token, async |group| {
        group.spawn(pending());
    });
    ends_at_once(scope.grace(GRACE), || _ = token.cancel_with("stop"), &executor);
}

#[test]
fn failure() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<u8, String>();
    group.try_spawn(async { Err("disk full".to_owned()) });
    group.spawn(pending());
    let mut join = pin!(group.try_join().grace(GRACE));
    let wakes = Wakes::new();
    for _ in 0..8 {
        if let Poll::Ready(result) = wakes.poll(join.as_mut()) {
            assert!(result.unwrap_err().to_string().contains("disk full"));
            return;
        }
        executor.run_all();
    }
    panic!("the group did not end");
}

/// Polls a cancelled group until it has ended. Returns its error.
fn error_of<V: std::fmt::Debug>(
    mut work: Pin<&mut impl Future<Output = Result<V, Cancelled>>>,
    executor: &ByHand,
) -> Cancelled {
    let polled = (0..4).find_map(|_| {
        executor.run_all();
        match poll_once(work.as_mut()) {
            Poll::Ready(outcome) => Some(outcome.unwrap_err()),
            Poll::Pending => None,
        }
    });
    polled.expect("the group has not ended")
}

#[test]
fn g18_group_was_forced_if_a_member_was() {
    let _watchdog = support::watchdog();
    for (by_force, own_grace) in [(false, false), (false, true), (true, false), (true, true)] {
        let executor = ByHand::new();
        let group = executor.group::<(), String>().grace(GRACE);
        let (operation, gate) = (group.operation(), Gate::new());
        let forced = group.spawn(gate.pass());
        (0..2).for_each(|_| drop(group.spawn(gate.pass())));
        let join = group.join().named("crawl");
        let mut join = pin!(if own_grace { join.grace(GRACE) } else { join });
        assert!(poll_once(join.as_mut()).is_pending());
        executor.run();
        operation.cancel_with("stop");
        executor.run_all();
        assert!(poll_once(join.as_mut()).is_pending(), "members are in their grace period");
        if by_force {
            assert!(operation.children()[0].force());
        }
        executor.run_all();
        assert_eq!(forced.is_finished(), by_force);
        // The executor drops the task of one member, and the others end by themselves.
        executor.drop_task(1);
        gate.open();
        let error = error_of(join, &executor);
        assert_eq!(error.was_forced(), by_force, "own grace: {own_grace}");
        assert_eq!(error.to_string(), "`crawl` cancelled: stop");
    }
}

/// A member that a source of its own cancelled was not cancelled with the group, even if it ends after the cancellation of
/// the group.
#[test]
fn g18_group_was_not_forced_if_a_member_stopped_itself() {
    let _watchdog = support::watchdog();
    for cut in [false, true] {
        let (executor, own, gate) = (ByHand::new(), CancellationToken::new(), Gate::new());
        let group = executor.group::<(), String>().grace(GRACE);
        let (operation, results) = (group.operation(), group.handle());
        let member = pending().cancelable(own.clone()).grace(GRACE);
        let member_operation = member.operation();
        group.spawn_cancelable(member);
        (0..2).for_each(|_| drop(group.spawn(gate.pass())));
        let mut join = pin!(group.join());
        assert!(poll_once(join.as_mut()).is_pending());
        executor.run();
        own.cancel_with("enough");
        executor.run();
        operation.cancel_with("stop");
        executor.run();
        assert!(member_operation.force());
        executor.run_all();
        assert_eq!(member_operation.status(), Status::Cancelled);
        if cut {
            executor.drop_task(1);
        }
        gate.open();
        executor.run_all();
        assert_eq!(executor.pending(), 0);
        let Poll::Ready(outcome) = poll_once(join) else { panic!("it has ended") };
        let members = match outcome {
            Ok(members) => members,
            Err(error) => {
                assert!(!error.was_forced() && cut);
                results.take_results()
            }
        };
        let Err(TaskError::Cancelled(error)) = &members[0] else { panic!("it was cancelled") };
        assert!(error.was_forced());
        assert_eq!(error.reason(), &Reason::manual("enough"));
        assert_eq!((members[1].is_err(), &members[2]), (cut, &Ok(())));
    }
}

#[test]
fn group_was_not_forced_if_its_members_had_no_grace_period() {
    let _watchdog = support::watchdog();
    let (executor, token) = (ByHand::new(), CancellationToken::new());
    let group = executor.group::<(), String>();
    group.spawn(pending());
    let mut join = pin!(group.join_within(&token).grace(GRACE));
    assert!(poll_once(join.as_mut()).is_pending());
    executor.run();
    token.cancel();
    assert!(!error_of(join, &executor).was_forced());
}

#[test]
fn group_was_forced_if_its_body_was() {
    let _watchdog = support::watchdog();
    let (executor, token) = (ByHand::new(), CancellationToken::new());
    let scope = executor.group::<(), String>().scope(&token, |_| pending::<()>()).grace(GRACE);
    let operation = scope.operation();
    let mut scope = pin!(scope);
    assert!(poll_once(scope.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(scope.as_mut()).is_pending());
    assert!(operation.force());
    assert!(error_of(scope, &executor).was_forced());
}
