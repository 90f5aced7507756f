//! Tasks that run `in_scope` of an operation are children of it.

use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;

use cancelable::operation::Snapshot;
use cancelable::prelude::*;

use crate::support::{self, Gate, Wakes, kept, panic_of, poll_once};

fn only_child(parent: &Operation) -> Snapshot {
    let children = parent.children();
    assert_eq!((children.len(), parent.child_count()), (1, 1));
    children[0].snapshot()
}

#[test]
fn g16_task_in_scope_is_a_child() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let gate = Gate::new();
    let mut task = pin!(parent.in_scope(gate.pass()));
    let child = only_child(&parent);
    assert_eq!((child.status, child.parent_id), (Status::Pending, Some(parent.id())));
    let (mut ended, wakes) = (pin!(parent.children_ended()), Wakes::new());
    assert!(wakes.poll(ended.as_mut()).is_pending());

    assert!(poll_once(task.as_mut()).is_pending());
    assert_eq!(only_child(&parent).status, Status::Running);
    parent.cancel_with("stop");
    assert_eq!(only_child(&parent).status, Status::Cancelling);
    assert!(poll_once(task.as_mut()).is_pending(), "it goes on");
    let handle = parent.children().remove(0);
    gate.open();
    assert_eq!(wakes.count(), 0);
    assert!(poll_once(task.as_mut()).is_ready());
    assert_eq!((wakes.count(), parent.child_count()), (1, 0));
    assert!(wakes.poll(ended).is_ready());
    assert_eq!(handle.status(), Status::Completed);
    assert!(panic_of(|| poll_once(task).is_ready()).contains("`InScope` polled after completion"));
    assert_eq!(kept(&wakes), 0);
}

#[test]
fn g16_every_end_of_a_task_in_scope() {
    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    let in_scope = |polled: bool| {
        let mut task = Box::pin(parent.in_scope(pending::<()>()));
        assert!(!polled || poll_once(task.as_mut()).is_pending());
        (task, parent.children().remove(0))
    };
    for polled in [false, true] {
        let (task, child) = in_scope(polled);
        drop(task);
        assert_eq!((child.status(), child.reason()), (Status::Cancelled, Some(Reason::Dropped)));
        assert_eq!((child.snapshot().started, parent.child_count()), (polled, 0));
    }

    let mut panics = pin!(parent.in_scope(async { panic_any("on fire") }));
    let child = parent.children().remove(0);
    assert_eq!(panic_of(|| poll_once(panics.as_mut()).is_ready()), "on fire");
    assert_eq!((child.status(), parent.child_count()), (Status::Failed, 0));
    assert_eq!(child.error().as_deref(), Some("panicked: on fire"));

    let (task, child) = in_scope(true);
    parent.cancel_with("stop");
    drop(task);
    let told = Reason::parent_named(Some("parent".into()), Reason::manual("stop"));
    assert_eq!((child.status(), child.reason()), (Status::Cancelled, Some(told)));
}

/// The future is dropped before its child ends, even if a destructor in it panics.
#[test]
fn g16_task_in_scope_is_gone_before_its_child_ends() {
    struct Counts<'a>(&'a Operation);

    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            panic_any(format!("{} left", self.0.child_count()));
        }
    }

    let _watchdog = support::watchdog();
    let parent = support::unpolled("parent");
    for polled in [false, true] {
        let held = Counts(&parent);
        let mut task = Box::pin(parent.in_scope(async move {
            let _held = held;
            pending::<()>().await;
        }));
        assert!(!polled || poll_once(task.as_mut()).is_pending());
        assert_eq!(panic_of(|| drop(task)), "1 left");
        assert_eq!(parent.child_count(), 0);
    }
}
