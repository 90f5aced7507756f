//! Plain members and daemons as children of the group's operation.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;
use futures::channel::oneshot;

use crate::by_hand::ByHand;
use crate::support::{self, Wakes, poll_once};

#[test]
fn g18_plain_members_and_daemons_are_counted_as_children() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    let operation = group.operation();
    assert_eq!(operation.child_count(), 0);
    let (end, ended) = oneshot::channel::<()>();
    group.spawn(async move { ended.await.unwrap() });
    group.spawn_daemon(pending());
    group.spawn_cancelable(pending().cancelable(never()).named("member"));
    let names: Vec<_> =
        operation.children().iter().map(|it| it.name().map(str::to_owned)).collect();
    assert_eq!((operation.child_count(), names), (3, vec![Some("member".to_owned())]));
    executor.run();
    end.send(()).unwrap();
    executor.run();
    assert_eq!(operation.child_count(), 2);
    operation.cancel_with("stop");
    assert_eq!(operation.child_count(), 2, "they have not been polled");
    executor.run();
    assert_eq!(operation.child_count(), 0);
}

#[test]
fn g16_children_ended_waits_for_plain_members() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let group = executor.group::<(), String>();
    let (end, ended) = oneshot::channel::<()>();
    group.spawn(async move { ended.await.unwrap() });
    let wakes = Wakes::new();
    let mut children_ended = pin!(group.operation().children_ended());
    assert!(wakes.poll(children_ended.as_mut()).is_pending());
    executor.run();
    assert!(wakes.poll(children_ended.as_mut()).is_pending());
    end.send(()).unwrap();
    executor.run();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(children_ended).is_ready());
    assert_eq!(group.take_results(), [Ok(())]);
}

#[test]
fn g16_operations_above_wait_for_members_of_a_dropped_group() {
    let _watchdog = support::watchdog();
    let executor = ByHand::new();
    let above = pending::<()>().cancelable(never()).named("above");
    let operation = above.operation();
    let group = executor.group::<(), String>();
    let (handle, of_group) = (group.handle(), group.operation());
    group.spawn(pending());
    executor.run();
    drop(group.join().child_of(&operation));
    assert_eq!(of_group.status(), Status::Cancelled);
    assert_eq!(operation.children()[0], of_group, "a member of it has not ended");
    let mut children_ended = pin!(operation.children_ended());
    assert!(poll_once(children_ended.as_mut()).is_pending());
    // The group has not ended, so members may still be added.
    drop(handle.spawn(pending()));
    assert_eq!(of_group.child_count(), 1, "one that is added now is cancelled at once");
    executor.run();
    assert_eq!((of_group.child_count(), operation.child_count()), (0, 0));
    assert!(poll_once(children_ended).is_ready());
}

#[test]
fn member_that_never_started_is_no_longer_counted() {
    let _watchdog = support::watchdog();
    let dropping = TaskGroup::<()>::new(drop);
    dropping.spawn(pending());
    assert_eq!(dropping.operation().child_count(), 0);
    let queueing = ByHand::new().group::<(), String>().at_most(1);
    (0..3).for_each(|_| drop(queueing.spawn(pending())));
    assert_eq!(queueing.operation().child_count(), 3);
    queueing.operation().cancel();
    assert_eq!(queueing.operation().child_count(), 1, "the queue is empty");
}

/// If the body panics, only the code that ends the group cancels the members and polls the members in place. Joining the
/// children must not prevent that code from running.
#[test]
fn group_that_joins_its_children_still_drives_its_members() {
    let _watchdog = support::watchdog();
    for joins in [false, true] {
        let group = TaskGroup::<()>::in_place();
        group.spawn(pending());
        group.spawn_cancelable(pending().cancelable(never()));
        let scope = group.scope(never(), async |_| panic!("out of cheese"));
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if joins {
                let mut scope = pin!(scope.joins_children());
                (0..3).any(|_| poll_once(scope.as_mut()).is_ready())
            } else {
                let mut scope = pin!(scope);
                (0..3).any(|_| poll_once(scope.as_mut()).is_ready())
            }
        }));
        assert!(polled.is_err(), "it still waits, joining: {joins}");
    }
    let group = TaskGroup::<()>::in_place();
    let operation = group.operation();
    group.spawn(pending());
    let mut join = pin!(group.join().joins_children());
    assert!(poll_once(join.as_mut()).is_pending());
    operation.cancel_with("stop");
    let joined = (0..3).find_map(|_| match poll_once(join.as_mut()) {
        Poll::Ready(joined) => Some(joined),
        Poll::Pending => None,
    });
    assert_eq!(joined, Some(Err(Cancelled::new("stop"))));
}
