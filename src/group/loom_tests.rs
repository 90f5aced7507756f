//! Models of a group's counts: the end of the last member against the wait for it, against a new member, and against
//! the queue.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::sync::Arc;

use loom::thread;

use super::shared::Shared;
use crate::loom_tests::{Count, block_on, model_within};
use crate::wait::{HasLatch, Waiter};

type Group = Arc<Shared<(), Infallible>>;

/// Returns a group, and the number of tasks that its spawner was given.
fn group() -> (Group, Arc<Count>) {
    let spawned = Count::new();
    let count = spawned.clone();
    (Shared::new(Box::new(move |_| count.add())), spawned)
}

fn wait(group: &Group) {
    let mut waiter = Waiter::new(group.clone());
    block_on(poll_fn(|cx| waiter.poll("a model", cx, |()| ())));
}

#[test]
fn loom_last_member_wakes_the_wait() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.admit().unwrap();
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.number, Some(Ok(())), false))
        };
        group.release();
        wait(&group);
        assert_eq!((group.len(), group.take_results().len()), (0, 1));
        member.join().unwrap();
    });
}

#[test]
fn loom_no_member_after_the_last_end() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.admit().unwrap();
        group.release();
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.number, None, false))
        };
        match group.admit() {
            Some(late) => {
                assert!(!group.latch().is_set(), "it has ended with a member");
                group.member_ended(late.number, None, false);
            }
            None => assert!(group.is_closed()),
        }
        wait(&group);
        assert!(group.admit().is_none());
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
                let admitted = group.admit();
                if let Some(admitted) = admitted {
                    group.member_ended(admitted.number, None, false);
                }
                admitted.is_some()
            })
        };
        group.close();
        group.release();
        wait(&group);
        assert_eq!(group.len(), 0);
        adds.join().unwrap();
        assert!(group.admit().is_none());
    });
}

#[test]
fn loom_queued_member_starts_when_another_ends() {
    model_within(2, || {
        let (group, spawned) = group();
        group.set_policy(|policy| policy.bound = Some(1));
        let (first, second) = (group.admit().unwrap(), group.admit().unwrap());
        group.start(first, Box::pin(ready(())));
        assert_eq!(spawned.get(), 1);
        let ends = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(first.number, None, false))
        };
        group.start(second, Box::pin(ready(())));
        ends.join().unwrap();
        assert_eq!(spawned.get(), 2, "it stays in the queue");
    });
}

#[test]
fn loom_daemon_ends_beside_the_last_member() {
    model_within(2, || {
        let (group, _) = group();
        let admitted = group.admit().unwrap();
        assert!(group.admit_daemon());
        group.release();
        let daemon = {
            let group = group.clone();
            thread::spawn(move || group.daemon_ended())
        };
        group.member_ended(admitted.number, None, false);
        wait(&group);
        daemon.join().unwrap();
    });
}
