//! Models of parent and child operations: a child is cancelled with its parent, and a task waits until the children have
//! ended.

#[cfg(feature = "time")]
use std::future::poll_fn;
#[cfg(feature = "time")]
use std::task::Waker;

use loom::thread;

use super::operation::{Called, assert_views, cancel, complete, started};
use super::{block_on, bounded_model, model, model_within};
use crate::Reason;
#[cfg(feature = "time")]
use crate::operation::Inherited;
use crate::operation::{Operation, PolledBy, Status};
#[cfg(feature = "time")]
use crate::wait::Waiter;

fn below(name: Option<&'static str>, message: &'static str) -> Reason {
    Reason::parent_named(name.map(Into::into), Reason::manual(message))
}

/// An operation becomes a child while its new parent is being cancelled. The child is cancelled, too.
#[test]
fn child_enters_cancelled_parent() {
    model(|| {
        let (mut parent, child) = (started(), Operation::new());
        parent.set_name("parent".into());
        let canceller = cancel(&parent, "stop");
        child.enter_below(&parent);
        assert!(canceller.join().unwrap());
        assert_eq!(child.parent_id(), Some(parent.id()));
        let expected = below(Some("parent"), "stop");
        assert_views(&child, Status::Pending, Some(&expected));
    });
}

/// As above, for an operation that becomes a child because it starts inside its parent.
#[test]
fn child_starts_in_cancelled_parent() {
    model(|| {
        let (parent, mut child) = (started(), Operation::new());
        let canceller = cancel(&parent, "stop");
        let inside = parent.enter(PolledBy::ANYTHING);
        child.start(None);
        drop(inside);
        assert!(canceller.join().unwrap());
        assert_views(&child, Status::Cancelling, Some(&below(None, "stop")));
    });
}

/// A child is cancelled directly and, at the same time, with its parent. The child keeps one of the two reasons.
#[test]
fn cancelled_with_parent_and_directly() {
    model(|| {
        let (parent, mut child) = (started(), Operation::new());
        child.enter_below(&parent);
        child.start(None);
        let canceller = cancel(&parent, "above");
        let won = child.cancel_with("here");
        let seen = child.reason();
        assert!(canceller.join().unwrap());
        let expected = if won { Reason::manual("here") } else { below(None, "above") };
        assert_eq!(seen.as_ref(), Some(&expected));
        assert_views(&child, Status::Cancelling, Some(&expected));
    });
}

/// A parent is cancelled while its child completes. Once the child has a reason, it keeps that reason.
#[test]
fn cancelled_with_parent_at_completion() {
    bounded_model(|| {
        let (parent, mut child) = (started(), Operation::new());
        child.enter_below(&parent);
        child.start(None);
        let run = complete(&child);
        let canceller = cancel(&parent, "above");
        let seen = child.reason();
        run.join().unwrap();
        assert!(canceller.join().unwrap());
        let last = child.reason();
        if seen.is_some() {
            assert_eq!(seen, last);
        }
        if last.is_some() {
            assert_eq!(last, Some(below(None, "above")));
        }
        assert_views(&child, Status::Completed, last.as_ref());
        assert!(parent.is_cancelled());
    });
}

/// A parent is cancelled while the future of its child is dropped. The hook gets the reason that the child keeps.
#[test]
fn cancelled_with_parent_at_drop() {
    model(|| {
        let (parent, mut child) = (started(), Operation::new());
        child.enter_below(&parent);
        child.start(None);
        let called = Called::by(&child);
        let canceller = cancel(&parent, "above");
        child.end_cancelled(Reason::Dropped);
        assert!(canceller.join().unwrap());
        let reason = child.reason().unwrap();
        assert!([below(None, "above"), Reason::Dropped].contains(&reason));
        assert_views(&child, Status::Cancelled, Some(&reason));
        assert_eq!(child.token().reason().as_ref(), Some(&reason));
        assert_eq!(*called.heard.lock().unwrap(), [reason]);
    });
}

/// An operation and its child end at the same time, while a task waits until the parent of the operation has no children
/// left. Each of the two leaves its parent's list once, and the task is woken.
#[test]
fn children_leave_during_the_wait() {
    model_within(2, || {
        let top = started();
        let middle = Operation::new();
        middle.enter_below(&top);
        let bottom = Operation::new();
        bottom.enter_below(&middle);
        let run = middle.clone();
        let leaves = thread::spawn(move || run.end_unpolled());
        bottom.complete();
        block_on(top.children_ended());
        leaves.join().unwrap();
        assert_eq!([top.child_count(), middle.child_count()], [0, 0]);
    });
}

/// An operation ends while another one becomes its child. The operation stays in its parent's list until the child has
/// ended, too.
#[test]
fn child_comes_at_the_end() {
    model_within(2, || {
        let (top, middle, leaf) = (started(), started(), started());
        middle.enter_below(&top);
        let run = complete(&middle);
        leaf.enter_below(&middle);
        run.join().unwrap();
        assert_eq!([top.child_count(), middle.child_count()], [1, 1]);
        leaf.complete();
        assert_eq!([top.child_count(), middle.child_count()], [0, 0]);
    });
}

/// An operation has ended but still has a child. That child ends while the operation gets another child. The operation stays
/// in its parent's list until the new child has ended, too.
#[test]
fn children_come_and_go_after_the_end() {
    model_within(2, || {
        let (top, middle, first, second) = (started(), started(), started(), started());
        middle.enter_below(&top);
        middle.complete();
        first.enter_below(&middle);
        let run = complete(&first);
        second.enter_below(&middle);
        run.join().unwrap();
        assert_eq!([top.child_count(), middle.child_count()], [1, 1]);
        let run = complete(&second);
        block_on(top.children_ended());
        run.join().unwrap();
        assert_eq!([top.child_count(), middle.child_count()], [0, 0]);
    });
}

/// An operation gets a new child while it cancels its children. The new child is cancelled, too.
#[test]
fn child_comes_while_children_are_cancelled() {
    bounded_model(|| {
        let (parent, child) = (started(), started());
        let late = child.clone();
        let above = parent.clone();
        let adds = thread::spawn(move || late.enter_below(&above));
        let joined = parent.join_children(true);
        adds.join().unwrap();
        assert!(child.is_cancelled() && !parent.is_cancelled());
        let ends = thread::spawn(move || child.complete());
        block_on(joined);
        assert_eq!(parent.child_count(), 0);
        ends.join().unwrap();
    });
}

/// A child in another task starts as the deadline of its parent becomes known. A child below that child starts, too. Both
/// learn the deadline.
#[cfg(feature = "time")]
#[test]
fn children_start_as_the_deadline_becomes_known() {
    /// Waits for the deadline of the parent as the race of `child` does.
    fn learn(child: &Operation, inherited: Inherited) {
        let deadline = match inherited {
            Inherited::None => panic!("it has a parent"),
            Inherited::Until(at) => at,
            Inherited::Unknown => loop {
                let (at, latch) = child.inherit_deadline();
                let Some(latch) = latch else { break at.unwrap() };
                let mut waiter = Waiter::new(latch);
                block_on(poll_fn(|cx| waiter.poll("a model", cx, |()| ())));
            },
        };
        child.note_deadline(true);
        assert_eq!(child.deadline(), Some(deadline));
    }
    model_within(2, || {
        let (parent, mut child, mut below) = (started(), Operation::new(), Operation::new());
        child.enter_below(&parent);
        below.enter_below(&child);
        let remote = parent.clone();
        let starts = thread::spawn(move || {
            let now = crate::clock::now();
            remote.set_limit(now, now);
            remote.note_deadline(true);
        });
        let starts_below = thread::spawn(move || {
            let inherited = below.start(Some(Waker::noop())).inherited;
            learn(&below, inherited);
        });
        let inherited = child.start(Some(Waker::noop())).inherited;
        learn(&child, inherited);
        starts.join().unwrap();
        starts_below.join().unwrap();
    });
}
