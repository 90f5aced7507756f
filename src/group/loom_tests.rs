//! Models of a group. The end of the last member races against the wait for the members, a new member, the queue, and the
//! drop of the group. The count of plain members races against the end of the group's operation. A member that waits for the
//! deadline of the group races against the start of the group. The first poll and the wake-ups of members in place race
//! against a poll of the group and against its drop.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Instant;

use loom::thread::{self, JoinHandle as Thread};

use super::in_place::InPlace;
use super::join_handle::JoinHandle;
use super::launcher::{Launcher, Place};
#[cfg(feature = "time")]
use super::source::GroupSource;
use super::state::Seat;
use crate::loom_tests::{Count, block_on, model_within};
#[cfg(feature = "time")]
use crate::operation::PolledBy;
use crate::operation::{Operation, Progress, Roster, WatchedIn, Watcher};
#[cfg(feature = "time")]
use crate::reason::Reason;
use crate::sync::Mutex;
use crate::wait::{HasLatch, Waiter};

type Group = Arc<Launcher<'static, (), Infallible>>;

/// Returns a group, and a counter of the tasks that its spawner was given.
fn group() -> (Group, Arc<Count>) {
    let spawned = Count::new();
    let count = spawned.clone();
    (Launcher::new(Place::Executor(Box::new(move |_| count.add()))), spawned)
}

/// Ends a member on a thread.
fn end_on_a_thread(group: &Group, member: Seat) -> Thread<()> {
    let group = group.clone();
    thread::spawn(move || group.member_ended(member, true, Ok(())))
}

fn wait(group: &Group) {
    let mut waiter = Waiter::new(group.clone());
    block_on(poll_fn(|cx| waiter.poll("a model", cx, |()| ())));
}

#[test]
fn loom_last_member_wakes_the_wait() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit(true).unwrap();
        group.shared.detach(admitted.seat);
        let member = end_on_a_thread(&group, admitted.seat);
        group.shared.release();
        wait(&group);
        assert_eq!((group.shared.len(), group.shared.take_results().len()), (0, 1));
        member.join().unwrap();
    });
}

#[test]
fn loom_no_member_after_the_last_end() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit(true).unwrap();
        group.shared.release();
        let member = end_on_a_thread(&group, admitted.seat);
        match group.shared.admit(true) {
            Some(late) => {
                assert!(!group.latch().is_set(), "it has ended with a member");
                group.member_ended(late.seat, true, Ok(()));
            }
            None => assert!(group.shared.is_closed()),
        }
        wait(&group);
        assert!(group.shared.admit(true).is_none());
        member.join().unwrap();
    });
}

#[test]
fn loom_close_against_a_new_member() {
    model_within(3, || {
        let (group, _) = group();
        let adds = {
            let group = group.clone();
            thread::spawn(move || {
                let admitted = group.shared.admit(true);
                if let Some(admitted) = admitted {
                    group.member_ended(admitted.seat, true, Ok(()));
                }
                admitted.is_some()
            })
        };
        group.shared.close();
        group.shared.release();
        wait(&group);
        assert_eq!(group.shared.len(), 0);
        adds.join().unwrap();
        assert!(group.shared.admit(true).is_none());
    });
}

#[test]
fn loom_queued_member_starts_when_another_ends() {
    model_within(2, || {
        let (group, spawned) = group();
        group.set_bound(1);
        let (first, second) =
            (group.shared.admit(true).unwrap(), group.shared.admit(true).unwrap());
        group.start(first, Box::pin(ready(())));
        assert_eq!(spawned.get(), 1);
        let ends = end_on_a_thread(&group, first.seat);
        group.start(second, Box::pin(ready(())));
        ends.join().unwrap();
        assert_eq!(spawned.get(), 2, "it stays in the queue");
    });
}

#[test]
fn loom_daemon_ends_beside_the_last_member() {
    model_within(2, || {
        let (group, _) = group();
        let admitted = group.shared.admit(true).unwrap();
        assert!(group.shared.admit_daemon());
        group.shared.release();
        let daemon = {
            let group = group.clone();
            thread::spawn(move || group.shared.daemon_ended())
        };
        group.member_ended(admitted.seat, true, Ok(()));
        wait(&group);
        daemon.join().unwrap();
    });
}

/// Stands for a registry: keeps the children that it lists.
#[derive(Default)]
struct Listed(Mutex<Vec<Operation>>);

impl Roster for Listed {
    fn add_task(self: Arc<Self>, task: &Operation, _is_daemon: bool) {
        self.0.lock().push(task.clone());
    }
}

struct Watching(Weak<Listed>);

impl Watcher for Watching {
    fn started(&self) {}
    fn reported(&self, _: &Progress) {}
    fn left(&self, _: Instant) {}

    fn roster(&self) -> WatchedIn {
        WatchedIn { roster: self.0.clone(), is_daemon: false }
    }
}

#[test]
fn loom_member_ends_while_its_listed_group_is_dropped() {
    model_within(2, || {
        let (group, _) = group();
        let listed = Arc::new(Listed::default());
        group.shared.operation.watch(Arc::new(Watching(Arc::downgrade(&listed))));
        let admitted = group.shared.admit(true).unwrap();
        // The body has returned, so the end of the member is the end of the group.
        group.shared.release();
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.seat, true, Ok(())))
        };
        group.abandon();
        member.join().unwrap();
        assert!(group.latch().is_set());
        let children = std::mem::take(&mut *listed.0.lock());
        assert!(children.len() < 2 && children.iter().all(Operation::has_ended));
    });
}

#[test]
fn loom_result_goes_to_the_handle_or_to_the_group() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit(true).unwrap();
        let handle = JoinHandle::new(group.shared.clone(), admitted.seat);
        let member = end_on_a_thread(&group, admitted.seat);
        drop(handle);
        member.join().unwrap();
        assert_eq!(group.shared.take_results().len(), 1);
    });
}

#[test]
fn loom_result_wakes_the_handle() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit(true).unwrap();
        let handle = JoinHandle::new(group.shared.clone(), admitted.seat);
        let member = end_on_a_thread(&group, admitted.seat);
        assert_eq!(block_on(handle), Ok(()));
        member.join().unwrap();
        assert!(group.shared.take_results().is_empty());
    });
}

/// The group gets its deadline, which has passed, as a member begins to wait.
#[cfg(feature = "time")]
#[test]
fn loom_deadline_comes_as_a_member_begins_to_wait() {
    model_within(3, || {
        let (group, _) = group();
        let operation = group.shared.operation.clone();
        let now = crate::clock::now();
        let starts = thread::spawn(move || {
            operation.set_limit(now, now);
            operation.note_deadline(true);
        });
        let inside = group.shared.operation.enter(PolledBy::ANYTHING);
        let reason = block_on(GroupSource::new(&group.shared.token, true));
        drop(inside);
        assert!(matches!(reason, Reason::Parent { .. }));
        assert!(group.shared.operation.is_cancelled());
        starts.join().unwrap();
    });
}

/// Returns a group below an operation, and that operation.
fn group_below() -> (Group, Operation) {
    let (group, _) = group();
    let above = Operation::new();
    group.shared.operation.enter_below(&above);
    (group, above)
}

#[test]
fn loom_last_task_ends_during_the_wait_for_children() {
    model_within(2, || {
        let (group, above) = group_below();
        let admitted = group.shared.admit(true).unwrap();
        let operation = group.shared.operation.clone();
        let ends = thread::spawn(move || operation.complete());
        let member = end_on_a_thread(&group, admitted.seat);
        block_on(above.children_ended());
        let children = (above.child_count(), group.shared.operation.child_count());
        assert_eq!(children, (0, 0));
        ends.join().unwrap();
        member.join().unwrap();
    });
}

#[test]
fn loom_first_task_comes_at_the_end_of_the_operation() {
    model_within(2, || {
        let (group, above) = group_below();
        let operation = group.shared.operation.clone();
        let ends = thread::spawn(move || operation.complete());
        let admitted = group.shared.admit(true).unwrap();
        ends.join().unwrap();
        let children = |group: &Group| (above.child_count(), group.shared.operation.child_count());
        assert_eq!(children(&group), (1, 1));
        group.member_ended(admitted.seat, true, Ok(()));
        assert_eq!(children(&group), (0, 0));
    });
}

#[test]
fn loom_tasks_come_and_go_after_the_end_of_the_operation() {
    model_within(2, || {
        let (group, above) = group_below();
        let first = group.shared.admit(true).unwrap();
        group.shared.operation.complete();
        let member = end_on_a_thread(&group, first.seat);
        let second = group.shared.admit(true).unwrap();
        member.join().unwrap();
        assert_eq!((above.child_count(), group.shared.operation.child_count()), (1, 1));
        group.member_ended(second.seat, true, Ok(()));
        assert_eq!(above.child_count(), 0);
    });
}

fn group_in_place() -> Group {
    Launcher::new(Place::InPlace(InPlace::new()))
}

/// Ends a member when dropped.
struct EndOnDrop(Group, Seat);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.member_ended(self.1, true, Ok(()));
    }
}

/// Adds a member in place that runs `work`.
fn add(group: &Group, work: impl Future<Output = ()> + Send + 'static) {
    let Some(admitted) = group.shared.admit(true) else { return };
    let ends = EndOnDrop(group.clone(), admitted.seat);
    let task = async move {
        let _ends = ends;
        work.await;
    };
    group.start(admitted, Box::pin(task));
}

/// Polls the members until all have ended.
fn drive(group: &Group) {
    group.shared.release();
    let mut waiter = Waiter::new(group.clone());
    block_on(poll_fn(|cx| {
        group.poll_in_place(cx);
        waiter.poll("a model", cx, |()| ())
    }));
    assert_eq!(group.shared.len(), 0);
}

#[test]
fn loom_member_in_place_comes_during_a_poll() {
    model_within(2, || {
        let group = group_in_place();
        let admitted = group.shared.admit(true).unwrap();
        let adds = {
            let group = group.clone();
            let ends = EndOnDrop(group.clone(), admitted.seat);
            let task = async move { drop(ends) };
            thread::spawn(move || group.start(admitted, Box::pin(task)))
        };
        drive(&group);
        adds.join().unwrap();
    });
}

#[test]
fn loom_member_in_place_is_woken_during_a_poll() {
    model_within(2, || {
        let group = group_in_place();
        // Kept under a lock, because loom does not see the atomics of the list into which a wake-up puts the member.
        let flag: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
        let seen = flag.clone();
        add(
            &group,
            poll_fn(move |cx| {
                let mut flag = seen.lock();
                flag.1 = Some(cx.waker().clone());
                if flag.0 { Poll::Ready(()) } else { Poll::Pending }
            }),
        );
        let wakes = thread::spawn(move || {
            let waker = {
                let mut flag = flag.lock();
                flag.0 = true;
                flag.1.take()
            };
            waker.into_iter().for_each(Waker::wake);
        });
        drive(&group);
        wakes.join().unwrap();
    });
}

#[test]
fn loom_member_in_place_comes_as_the_group_is_dropped() {
    model_within(2, || {
        let group = group_in_place();
        let adds = {
            let group = group.clone();
            thread::spawn(move || add(&group, std::future::pending()))
        };
        group.abandon();
        adds.join().unwrap();
        assert_eq!((group.shared.len(), group.shared.operation.child_count()), (0, 0));
        assert!(group.latch().is_set());
    });
}
