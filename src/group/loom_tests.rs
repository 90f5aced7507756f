//! Models of a group's counts: the end of the last member against the wait for it, against a new member, and against
//! the queue.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::sync::Arc;

use loom::thread;

use super::join_handle::JoinHandle;
use super::launcher::{Launcher, Place};
use crate::loom_tests::{Count, block_on, model_within};
use crate::wait::{HasLatch, Waiter};

type Group = Arc<Launcher<'static, (), Infallible>>;

/// Returns a group, and the number of tasks that its spawner was given.
fn group() -> (Group, Arc<Count>) {
    let spawned = Count::new();
    let count = spawned.clone();
    (Launcher::new(Place::Executor(Box::new(move |_| count.add()))), spawned)
}

fn wait(group: &Group) {
    let mut waiter = Waiter::new(group.clone());
    block_on(poll_fn(|cx| waiter.poll("a model", cx, |()| ())));
}

#[test]
fn loom_last_member_wakes_the_wait() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit().unwrap();
        group.shared.detach(admitted.seat);
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.seat, Ok(())))
        };
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
        let admitted = group.shared.admit().unwrap();
        group.shared.release();
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.seat, Ok(())))
        };
        match group.shared.admit() {
            Some(late) => {
                assert!(!group.latch().is_set(), "it has ended with a member");
                group.member_ended(late.seat, Ok(()));
            }
            None => assert!(group.shared.is_closed()),
        }
        wait(&group);
        assert!(group.shared.admit().is_none());
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
                let admitted = group.shared.admit();
                if let Some(admitted) = admitted {
                    group.member_ended(admitted.seat, Ok(()));
                }
                admitted.is_some()
            })
        };
        group.shared.close();
        group.shared.release();
        wait(&group);
        assert_eq!(group.shared.len(), 0);
        adds.join().unwrap();
        assert!(group.shared.admit().is_none());
    });
}

#[test]
fn loom_queued_member_starts_when_another_ends() {
    model_within(2, || {
        let (group, spawned) = group();
        group.set_bound(1);
        let (first, second) = (group.shared.admit().unwrap(), group.shared.admit().unwrap());
        group.start(first, Box::pin(ready(())));
        assert_eq!(spawned.get(), 1);
        let ends = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(first.seat, Ok(())))
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
        let admitted = group.shared.admit().unwrap();
        assert!(group.shared.admit_daemon());
        group.shared.release();
        let daemon = {
            let group = group.clone();
            thread::spawn(move || group.shared.daemon_ended())
        };
        group.member_ended(admitted.seat, Ok(()));
        wait(&group);
        daemon.join().unwrap();
    });
}

#[test]
fn loom_result_goes_to_the_handle_or_to_the_group() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit().unwrap();
        let handle = JoinHandle::new(group.shared.clone(), admitted.seat);
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.seat, Ok(())))
        };
        drop(handle);
        member.join().unwrap();
        assert_eq!(group.shared.take_results().len(), 1);
    });
}

#[test]
fn loom_result_wakes_the_handle() {
    model_within(3, || {
        let (group, _) = group();
        let admitted = group.shared.admit().unwrap();
        let handle = JoinHandle::new(group.shared.clone(), admitted.seat);
        let member = {
            let group = group.clone();
            thread::spawn(move || group.member_ended(admitted.seat, Ok(())))
        };
        assert_eq!(block_on(handle), Ok(()));
        member.join().unwrap();
        assert!(group.shared.take_results().is_empty());
    });
}
