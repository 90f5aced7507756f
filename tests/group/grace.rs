//! Groups whose join or scope has a grace period of its own. Members get it from the group only if the group has one.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::by_hand::ByHand;
use crate::support::{self, Wakes};

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
