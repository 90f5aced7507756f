//! The members of a registry: entering, leaving and the end of the intake, all at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use loom::thread;

use super::{Count, block_on, model};
use crate::operation::OperationId;
use crate::registry::{Entry, Members};
use crate::wait::Waiter;

fn emptied(members: &Members<()>) {
    let mut waiting = Waiter::new(members.emptied().clone());
    block_on(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
}

#[test]
fn loom_nobody_slips_in_while_it_closes() {
    model(|| {
        let members = Arc::new(Members::<()>::new());
        let id = OperationId::from_u64(1);
        let comes = {
            let members = members.clone();
            thread::spawn(move || {
                let entry = members.enter(id, &Arc::new(()));
                if entry == Entry::Entered {
                    members.leave(id);
                }
                entry
            })
        };
        assert!(members.close());
        emptied(&members);
        assert!(members.get(id).is_none() && members.len() == 0, "over, and somebody is in");
        let entry = comes.join().unwrap();
        assert!(matches!(entry, Entry::Entered | Entry::Closed));
    });
}

#[test]
fn loom_the_last_to_leave_wakes_who_waits() {
    model(|| {
        let members = Arc::new(Members::<()>::new());
        let ids = [OperationId::from_u64(1), OperationId::from_u64(2)];
        for id in ids {
            assert_eq!(members.enter(id, &Arc::new(())), Entry::Entered);
        }
        let leaves = {
            let members = members.clone();
            thread::spawn(move || members.leave(ids[0]))
        };
        assert!(members.close());
        members.leave(ids[1]);
        emptied(&members);
        assert_eq!(members.len(), 0);
        leaves.join().unwrap();
    });
}

#[test]
fn loom_it_is_not_over_while_somebody_is_in() {
    model(|| {
        let members = Arc::new(Members::<()>::new());
        let (id, stays) = (OperationId::from_u64(1), OperationId::from_u64(2));
        for id in [id, stays] {
            assert_eq!(members.enter(id, &Arc::new(())), Entry::Entered);
        }
        let leaves = {
            let members = members.clone();
            thread::spawn(move || members.leave(id))
        };
        assert!(members.close() && !members.close());
        // One that is in, or was, is not taken for a new one.
        assert_ne!(members.enter(id, &Arc::new(())), Entry::Entered);
        let late = OperationId::from_u64(3);
        assert_eq!(members.enter(late, &Arc::new(())), Entry::Closed);
        leaves.join().unwrap();
        let wakes = Count::new();
        let mut waiting = Waiter::new(members.emptied().clone());
        let mut over = pin!(poll_fn(|cx| waiting.poll("a model", cx, |()| ())));
        assert!(wakes.poll(over.as_mut()).is_pending());
        members.leave(stays);
        assert_eq!(wakes.get(), 1);
        assert!(wakes.poll(over).is_ready());
    });
}
