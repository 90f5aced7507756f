//! Members watch the deadline of their group by themselves, whether their executor polls them before or after the group.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::group::{GroupHandle, JoinHandle, TaskError};
use cancelable::prelude::*;
use cancelable::testing;

use crate::by_hand::ByHand;
use crate::support::{self, Gate, Log, OnDrop, Wakes, kept, poll_once};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns a group whose spawner puts the tasks into a list.
fn listed() -> (TaskGroup<'static, (), String>, Arc<Mutex<Vec<Task>>>) {
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let list = tasks.clone();
    (TaskGroup::fallible(move |task| list.lock().unwrap().push(task)), tasks)
}

/// Returns the error of a member that was cancelled with its group, which had this limit.
fn timed_out(limit: Duration) -> TaskError<String> {
    Cancelled::new(Reason::parent(Reason::timeout(limit))).into()
}

fn error_of(handle: JoinHandle<(), String>) -> TaskError<String> {
    let Poll::Ready(Err(error)) = poll_once(pin!(handle)) else { panic!("it has ended") };
    error
}

#[test]
fn g18_member_polled_before_its_group_keeps_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    for polled_again in [false, true] {
        let (group, tasks) = listed();
        let (handle, wakes) = (group.spawn(pending()), Wakes::new());
        let mut task = tasks.lock().unwrap().pop().unwrap();
        assert!(wakes.poll(task.as_mut()).is_pending());
        if polled_again {
            assert!(wakes.poll(task.as_mut()).is_pending());
        }
        time.advance(secs(100));
        let mut join = pin!(group.join_within(timeout(secs(10))));
        assert_eq!(wakes.count(), 0);
        assert!(poll_once(join.as_mut()).is_pending());
        // The group has a deadline now. The member is woken once, to watch it.
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(task.as_mut()).is_pending());
        time.advance(secs(9));
        assert_eq!(wakes.count(), 1);
        time.advance(secs(1));
        assert_eq!(wakes.count(), 2);
        assert!(wakes.poll(task.as_mut()).is_ready());
        assert_eq!(error_of(handle), timed_out(secs(10)));
        drop(task);
        assert_eq!(kept(&wakes), 0);
        let error = Cancelled::new(Reason::timeout(secs(10)));
        assert_eq!(poll_once(join), Poll::Ready(Err(error)));
    }
}

/// If the deadline passes before the executor polls the member again, the member ends in that poll.
#[test]
fn member_is_polled_again_after_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (group, tasks) = listed();
    let (handle, wakes) = (group.spawn(pending()), Wakes::new());
    let mut task = tasks.lock().unwrap().pop().unwrap();
    assert!(wakes.poll(task.as_mut()).is_pending());
    let mut join = pin!(group.join_within(timeout(secs(10))));
    assert!(poll_once(join.as_mut()).is_pending());
    time.advance(secs(10));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(task.as_mut()).is_ready());
    assert_eq!(error_of(handle), timed_out(secs(10)));
}

/// A member moves to another task between its polls. The latest waker is woken.
#[test]
fn member_polled_with_another_waker() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (group, tasks) = listed();
    group.spawn(pending());
    let mut task = tasks.lock().unwrap().pop().unwrap();
    let (first, second) = (Wakes::new(), Wakes::new());
    assert!(first.poll(task.as_mut()).is_pending());
    assert!(second.poll(task.as_mut()).is_pending());
    assert_eq!(kept(&first), 0);
    let mut join = pin!(group.join_within(timeout(secs(10))));
    assert!(poll_once(join.as_mut()).is_pending());
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(second.poll(task.as_mut()).is_pending());
    time.advance(secs(10));
    assert!(second.poll(task.as_mut()).is_ready());
}

/// Adds a pending member. The member notes in the log when its future is dropped.
type Add = fn(&GroupHandle<'static, (), String>, Log);

const KINDS: [(&str, Add); 4] = [
    ("plain", |group, log| drop(group.spawn(until_gone(log)))),
    ("fallible", |group, log| {
        group.try_spawn(async {
            until_gone(log).await;
            Ok(())
        });
    }),
    ("operation", |group, log| {
        group.spawn_cancelable(until_gone(log).cancelable(never()));
    }),
    ("daemon", |group, log| group.spawn_daemon(until_gone(log))),
];

async fn until_gone(log: Log) {
    let _gone = OnDrop(|| log.note("gone"));
    pending().await
}

#[test]
fn g18_every_kind_of_member_keeps_the_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    for (kind, add) in KINDS {
        for (early, grace) in [(false, false), (false, true), (true, false), (true, true)] {
            let (executor, log) = (ByHand::new(), Log::new());
            let group = executor.group::<(), String>();
            let group = if grace { group.grace(secs(1)) } else { group };
            let member = group.handle();
            let scope = group.scope(timeout(secs(10)), |_| pending::<()>());
            let mut scope = Box::pin(scope);
            if early {
                add(&member, log.clone());
                executor.run();
            }
            assert!(poll_once(scope.as_mut()).is_pending());
            if !early {
                add(&member, log.clone());
            }
            executor.run();
            time.advance(secs(10));
            executor.run();
            time.advance(secs(1));
            executor.run();
            assert_eq!(log.take(), ["gone"], "{kind}, early: {early}, grace: {grace}");
            assert_eq!(executor.pending(), 0);
            let Poll::Ready(Err(error)) = poll_once(scope.as_mut()) else { panic!("it has ended") };
            assert_eq!(error.reason(), &Reason::timeout(secs(10)));
        }
    }
}

/// A member that is an operation notices the deadline of its group by itself. The outcome of the group is the same as if the
/// group had noticed the deadline first.
#[test]
fn g18_deadline_counts_if_a_member_notices_it_first() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    for grace in [false, true] {
        let executor = ByHand::new();
        let group = executor.group::<(), String>();
        let group = if grace { group.grace(secs(1)) } else { group };
        let (operation, handle) = (group.operation(), group.handle());
        group.spawn_cancelable(pending().cancelable(never()));
        let mut join = pin!(group.join_within(timeout(secs(10))));
        assert!(poll_once(join.as_mut()).is_pending());
        executor.run();
        time.advance(secs(10));
        executor.run();
        time.advance(secs(1));
        executor.run();
        assert_eq!((executor.pending(), operation.reason()), (0, Some(Reason::timeout(secs(10)))));
        let error = Cancelled::new(Reason::timeout(secs(10)));
        assert_eq!(poll_once(join), Poll::Ready(Err(error)));
        assert_eq!(handle.take_results(), [Err(timed_out(secs(10)))]);
    }
}

#[test]
fn members_are_not_woken_if_the_group_has_no_deadline() {
    let _watchdog = support::watchdog();
    let _time = testing::pause();
    let (executor, token, gate) = (ByHand::new(), CancellationToken::new(), Gate::new());
    let group = executor.group::<(), String>();
    group.spawn(pending());
    group.spawn_cancelable(pending().cancelable(never()));
    let passes = group.spawn(gate.pass());
    executor.run();
    let mut join = pin!(group.join_within(&token));
    assert!(poll_once(join.as_mut()).is_pending());
    assert!((0..3).all(|task| !executor.step(task)), "a member was woken");
    gate.open();
    executor.run_all();
    assert_eq!(poll_once(pin!(passes)), Poll::Ready(Ok(())));
    token.cancel();
    assert!(poll_once(join.as_mut()).is_pending());
    executor.run();
    assert_eq!(executor.pending(), 0);
}

/// The deadline of a group may be that of an operation around it.
#[test]
fn members_keep_the_deadline_of_the_operation_around_the_group() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    for parent_starts_last in [false, true] {
        let executor = ByHand::new();
        let parent = pending::<()>().cancelable(timeout(secs(10))).named("parent");
        let around = parent.operation();
        let mut parent = Box::pin(parent);
        let group = executor.group::<(), String>();
        let plain = group.spawn(pending());
        let operation = group.spawn_cancelable(pending().cancelable(never()));
        executor.run();
        let mut join = Box::pin(group.join().child_of(&around));
        if !parent_starts_last {
            assert!(poll_once(parent.as_mut()).is_pending());
        }
        let wakes = Wakes::new();
        assert!(wakes.poll(join.as_mut()).is_pending());
        if parent_starts_last {
            assert!(poll_once(parent.as_mut()).is_pending());
            // The group is woken, to watch the deadline of its parent. In this poll it wakes its members.
            assert_eq!(wakes.count(), 1);
            assert!(wakes.poll(join.as_mut()).is_pending());
        }
        executor.run();
        time.advance(secs(10));
        executor.run();
        let reason = Reason::parent_named(Some("parent".into()), Reason::timeout(secs(10)));
        for member in [plain, operation] {
            assert_eq!(error_of(member), Cancelled::new(reason.clone()).into());
        }
        assert_eq!(executor.pending(), 0);
    }
}

/// A group that is dropped before its first poll never has a deadline. Its members end with it.
#[test]
fn group_is_dropped_before_it_has_a_deadline() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let (group, tasks) = listed();
    let (handle, wakes) = (group.spawn(pending()), Wakes::new());
    let mut task = tasks.lock().unwrap().pop().unwrap();
    assert!(wakes.poll(task.as_mut()).is_pending());
    drop(group.join_within(timeout(secs(10))));
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(task.as_mut()).is_ready());
    assert_eq!(error_of(handle), Cancelled::new(Reason::parent(Reason::Dropped)).into());
    time.advance(secs(10));
    assert_eq!((wakes.count(), kept(&wakes)), (1, 0));
}

/// The group has a deadline from the operation around it before it starts, and an earlier one of its own from then on.
#[test]
fn g18_deadline_of_the_group_is_earlier_than_the_one_around_it() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    for group_starts in [true, false] {
        let around = pending::<()>().cancelable(timeout(secs(30))).named("around");
        let (operation, mut around) = (around.operation(), Box::pin(around));
        assert!(poll_once(around.as_mut()).is_pending());
        let (group, tasks) = listed();
        let (handle, wakes) = (group.spawn(pending()), Wakes::new());
        let mut task = tasks.lock().unwrap().pop().unwrap();
        let mut join = pin!(group.join_within(timeout(secs(10))).child_of(&operation));
        assert!(wakes.poll(task.as_mut()).is_pending());
        let reason = if group_starts {
            assert!(poll_once(join.as_mut()).is_pending());
            assert_eq!(wakes.count(), 1);
            assert!(wakes.poll(task.as_mut()).is_pending());
            time.advance(secs(10));
            Reason::parent(Reason::timeout(secs(10)))
        } else {
            time.advance(secs(30));
            Reason::parent_named(Some("around".into()), Reason::timeout(secs(30)))
        };
        assert!(wakes.poll(task.as_mut()).is_ready());
        assert_eq!(error_of(handle), Cancelled::new(reason).into());
    }
}

/// The deadline that a member watches comes from an operation that ends before. From then on, the limit of the group counts.
#[test]
fn g18_next_limit_counts_if_the_operation_around_the_group_has_ended() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let gate = Gate::new();
    let around = gate.pass().cancelable(timeout(secs(5))).named("around");
    let (operation, mut around) = (around.operation(), Box::pin(around));
    assert!(poll_once(around.as_mut()).is_pending());
    let (group, tasks) = listed();
    let (handle, wakes) = (group.spawn(pending()), Wakes::new());
    let mut task = tasks.lock().unwrap().pop().unwrap();
    let mut join = pin!(group.join_within(timeout(secs(10))).child_of(&operation));
    assert!(poll_once(join.as_mut()).is_pending());
    assert!(wakes.poll(task.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(around.as_mut()).is_ready());
    time.advance(secs(5));
    assert!(wakes.poll(task.as_mut()).is_pending());
    let before = wakes.count();
    time.advance(secs(5));
    assert_eq!(wakes.count(), before + 1);
    assert!(wakes.poll(task.as_mut()).is_ready());
    assert_eq!(error_of(handle), timed_out(secs(10)));
}
