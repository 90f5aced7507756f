//! Models of the map of a registry's members: threads insert members, remove members and close the map at the same time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use loom::thread;

use super::{Count, block_on, bounded_model};
use crate::operation::OperationId;
use crate::registry::{Admission, Insertion, MemberMap};
use crate::wait::Waiter;

fn wait_until_drained(members: &MemberMap<()>) {
    let mut waiting = Waiter::new(members.drained().clone());
    block_on(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
}

#[test]
fn loom_insert_during_close() {
    bounded_model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let id = OperationId::from_u64(1);
        let inserter = {
            let members = members.clone();
            thread::spawn(move || {
                let entry = members.insert(id, false, Admission::Registered, &Arc::new(()));
                if entry == Insertion::Done {
                    members.remove(id);
                }
                entry
            })
        };
        assert!(members.close());
        wait_until_drained(&members);
        assert!(members.get(id).is_none() && members.len() == 0, "drained with a member left");
        let entry = inserter.join().unwrap();
        assert!(matches!(entry, Insertion::Done | Insertion::Refused));
    });
}

#[test]
fn loom_last_removal_wakes_waiter() {
    bounded_model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let ids = [OperationId::from_u64(1), OperationId::from_u64(2)];
        for id in ids {
            assert_eq!(
                members.insert(id, false, Admission::Registered, &Arc::new(())),
                Insertion::Done
            );
        }
        let remover = {
            let members = members.clone();
            thread::spawn(move || members.remove(ids[0]))
        };
        assert!(members.close());
        members.remove(ids[1]);
        wait_until_drained(&members);
        assert_eq!(members.len(), 0);
        remover.join().unwrap();
    });
}

#[test]
fn loom_not_drained_before_last_removal() {
    bounded_model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let (id, stays) = (OperationId::from_u64(1), OperationId::from_u64(2));
        for id in [id, stays] {
            assert_eq!(
                members.insert(id, false, Admission::Registered, &Arc::new(())),
                Insertion::Done
            );
        }
        let remover = {
            let members = members.clone();
            thread::spawn(move || members.remove(id))
        };
        assert!(members.close() && !members.close());
        // A closed map does not accept this member again, whether or not the member has been removed by now.
        assert_ne!(
            members.insert(id, false, Admission::Registered, &Arc::new(())),
            Insertion::Done
        );
        let late = OperationId::from_u64(3);
        assert_eq!(
            members.insert(late, false, Admission::Registered, &Arc::new(())),
            Insertion::Refused
        );
        remover.join().unwrap();
        let wakes = Count::new();
        let mut waiting = Waiter::new(members.drained().clone());
        let mut drained = pin!(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
        assert!(wakes.poll(drained.as_mut()).is_pending());
        members.remove(stays);
        assert_eq!(wakes.get(), 1);
        assert!(wakes.poll(drained).is_ready());
    });
}

#[test]
fn loom_last_regular_member_removed_during_close() {
    bounded_model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let (regular, daemon) = (OperationId::from_u64(1), OperationId::from_u64(2));
        assert_eq!(
            members.insert(regular, false, Admission::Registered, &Arc::new(())),
            Insertion::Done
        );
        assert_eq!(
            members.insert(daemon, true, Admission::Registered, &Arc::new(())),
            Insertion::Done
        );
        let remover = {
            let members = members.clone();
            thread::spawn(move || members.remove(regular))
        };
        assert!(members.close());
        let mut waiting = Waiter::new(members.regular_gone().clone());
        block_on(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
        assert_eq!(members.len(), 1, "the daemon is still there");
        members.remove(daemon);
        wait_until_drained(&members);
        remover.join().unwrap();
    });
}

/// A task joins while the map is closed and its last member leaves. Either the task is refused, or the map is drained
/// only after the task has left.
#[test]
fn loom_task_during_close() {
    bounded_model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let (id, task) = (OperationId::from_u64(1), OperationId::from_u64(2));
        let insert = |admission| members.insert(id, false, admission, &Arc::new(()));
        assert_eq!(insert(Admission::Registered), Insertion::Done);
        let inserter = {
            let members = members.clone();
            thread::spawn(move || {
                let entry = members.insert(task, false, Admission::Below, &Arc::new(()));
                if entry == Insertion::Done {
                    assert!(members.drained().get().is_none(), "drained with a task left");
                    members.remove(task);
                }
                entry
            })
        };
        assert!(members.close());
        members.remove(id);
        wait_until_drained(&members);
        assert_eq!(members.len(), 0);
        let entry = inserter.join().unwrap();
        assert!(matches!(entry, Insertion::Done | Insertion::Refused));
        assert_eq!(members.insert(task, true, Admission::Below, &Arc::new(())), Insertion::Refused);
        assert!(members.regular_gone().get().is_some());
    });
}
