//! Models of the members of a registry: insertion, removal and closing, all at the same time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use loom::thread;

use super::{Count, block_on, model};
use crate::operation::OperationId;
use crate::registry::{Insertion, MemberMap};
use crate::wait::Waiter;

fn emptied(members: &MemberMap<()>) {
    let mut waiting = Waiter::new(members.drained().clone());
    block_on(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
}

#[test]
fn loom_nobody_slips_in_while_it_closes() {
    model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let id = OperationId::from_u64(1);
        let comes = {
            let members = members.clone();
            thread::spawn(move || {
                let entry = members.insert(id, &Arc::new(()));
                if entry == Insertion::Done {
                    members.remove(id);
                }
                entry
            })
        };
        assert!(members.close());
        emptied(&members);
        assert!(members.get(id).is_none() && members.len() == 0, "over, and somebody is in");
        let entry = comes.join().unwrap();
        assert!(matches!(entry, Insertion::Done | Insertion::Refused));
    });
}

#[test]
fn loom_the_last_to_leave_wakes_who_waits() {
    model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let ids = [OperationId::from_u64(1), OperationId::from_u64(2)];
        for id in ids {
            assert_eq!(members.insert(id, &Arc::new(())), Insertion::Done);
        }
        let leaves = {
            let members = members.clone();
            thread::spawn(move || members.remove(ids[0]))
        };
        assert!(members.close());
        members.remove(ids[1]);
        emptied(&members);
        assert_eq!(members.len(), 0);
        leaves.join().unwrap();
    });
}

#[test]
fn loom_it_is_not_over_while_somebody_is_in() {
    model(|| {
        let members = Arc::new(MemberMap::<()>::new());
        let (id, stays) = (OperationId::from_u64(1), OperationId::from_u64(2));
        for id in [id, stays] {
            assert_eq!(members.insert(id, &Arc::new(())), Insertion::Done);
        }
        let leaves = {
            let members = members.clone();
            thread::spawn(move || members.remove(id))
        };
        assert!(members.close() && !members.close());
        // A member that is in the map, or was, is not inserted again.
        assert_ne!(members.insert(id, &Arc::new(())), Insertion::Done);
        let late = OperationId::from_u64(3);
        assert_eq!(members.insert(late, &Arc::new(())), Insertion::Refused);
        leaves.join().unwrap();
        let wakes = Count::new();
        let mut waiting = Waiter::new(members.drained().clone());
        let mut over = pin!(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
        assert!(wakes.poll(over.as_mut()).is_pending());
        members.remove(stays);
        assert_eq!(wakes.get(), 1);
        assert!(wakes.poll(over).is_ready());
    });
}
