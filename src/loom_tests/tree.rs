//! Models of trees of tokens: children and linked tokens.

use std::sync::Arc;

use loom::thread;

use super::{Count, block_on, bounded_model, model};
use crate::reason::Reason;
use crate::source::CancellationToken;

fn cancel(token: &CancellationToken, message: &'static str) -> thread::JoinHandle<bool> {
    let remote = token.clone();
    thread::spawn(move || remote.cancel_with(message))
}

fn below(message: &'static str) -> Reason {
    Reason::parent(Reason::manual(message))
}

/// A child created during its parent's cancellation is cancelled: it observes the reason, or is notified.
#[test]
fn child_created_meanwhile() {
    model(|| {
        let parent = CancellationToken::new();
        let canceller = cancel(&parent, "stop");
        let child = parent.child_token();
        assert!(canceller.join().unwrap());
        assert_eq!(child.reason(), Some(below("stop")));
    });
}

/// A child is created during its parent's cancellation. A task that waits for the child is woken.
#[test]
fn waiter_of_child_created_meanwhile() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let canceller = cancel(&parent, "stop");
        let child = parent.child_token();
        assert_eq!(block_on(child.cancelled()), below("stop"));
        assert!(canceller.join().unwrap());
    });
}

/// A child that nothing waits for is not registered with its parent, so it asks its parent for the reason. The child and its
/// parent are cancelled at the same time. A reason that was observed does not change.
#[test]
fn unregistered_child() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let (above, own) = (cancel(&parent, "parent"), cancel(&child, "child"));
        let seen = child.reason();
        assert!(seen.is_none() || child.is_cancelled());
        assert!(above.join().unwrap());
        let won = own.join().unwrap();
        let reason = child.reason().unwrap();
        assert_eq!(reason.root(), &Reason::manual(if won { "child" } else { "parent" }));
        assert!(seen.is_none_or(|seen| seen == reason));
    });
}

/// Two threads register callbacks with a child during its parent's cancellation. Each callback runs once.
#[test]
fn two_registrations() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let count = Count::new();
        let listen = |count: Arc<Count>, child: CancellationToken| {
            thread::spawn(move || child.on_cancel(move |_| count.add()).detach())
        };
        let one = listen(count.clone(), child.clone());
        let two = listen(count.clone(), child.clone());
        assert!(parent.cancel_with("stop"));
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(count.get(), 2);
    });
}

/// A child that is dropped during its parent's cancellation leaves nothing behind, and its callback runs at most once.
#[test]
fn child_dropped() {
    model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let count = Count::new();
        let counted = count.clone();
        child.on_cancel(move |_| counted.add()).detach();
        let canceller = cancel(&parent, "stop");
        drop(child);
        assert!(canceller.join().unwrap());
        assert!(count.get() <= 1);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// A child dropped during the cancellation does not affect its sibling.
#[test]
fn sibling_dropped() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let (stays, goes) = (parent.child_token(), parent.child_token());
        let leaver = thread::spawn(move || drop(goes));
        assert!(parent.cancel_with("stop"));
        assert_eq!(stays.reason(), Some(below("stop")));
        leaver.join().unwrap();
    });
}

/// A child is dropped, and a new child reuses its key in the parent's list. A cancellation at the same time reaches the new
/// child.
#[test]
fn key_is_reused() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let first = parent.child_token();
        let maker = parent.clone();
        let leaver = thread::spawn(move || drop(first));
        let next = thread::spawn(move || maker.child_token());
        parent.cancel_with("stop");
        leaver.join().unwrap();
        assert_eq!(next.join().unwrap().reason(), Some(below("stop")));
    });
}

/// Both parents of a linked token are cancelled at the same time. The linked token is cancelled once, with one of the two
/// reasons, and its callback runs once.
#[test]
fn two_parents() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let linked = CancellationToken::linked([&a, &b]);
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let list = heard.clone();
        linked.on_cancel(move |reason| list.lock().unwrap().push(reason.clone())).detach();
        let other = cancel(&a, "a");
        assert!(b.cancel_with("b"));
        assert!(other.join().unwrap());
        let reason = linked.reason().unwrap();
        assert!([Reason::manual("a"), Reason::manual("b")].contains(&reason));
        assert_eq!(*heard.lock().unwrap(), [reason]);
    });
}

/// A token that is linked during the cancellation of its second parent is cancelled with the reason of that parent.
#[test]
fn linked_meanwhile() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let canceller = cancel(&b, "b");
        let linked = CancellationToken::linked([&a, &b]);
        assert!(canceller.join().unwrap());
        assert_eq!(linked.reason(), Some(Reason::manual("b")));
        assert!(!a.is_cancelled());
    });
}

/// As above, during the cancellation of its first parent.
#[test]
fn linked_meanwhile_to_first() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let canceller = cancel(&a, "a");
        let linked = CancellationToken::linked([&a, &b]);
        assert!(canceller.join().unwrap());
        assert_eq!(linked.reason(), Some(Reason::manual("a")));
        assert!(!b.is_cancelled());
    });
}

/// One thread checks a child, another one registers a callback with the child, and a third one cancels the parent. The
/// callback runs once.
#[test]
fn check_and_registration() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let count = Count::new();
        let (listener, counted) = (child.clone(), count.clone());
        let listens = thread::spawn(move || listener.on_cancel(move |_| counted.add()).detach());
        let canceller = cancel(&parent, "stop");
        let (cancelled, seen) = (child.is_cancelled(), child.reason());
        assert!(!cancelled || seen.is_some());
        assert!(seen.is_none_or(|seen| seen == below("stop")));
        listens.join().unwrap();
        assert!(canceller.join().unwrap());
        assert_eq!(count.get(), 1);
        assert_eq!(child.reason(), Some(below("stop")));
    });
}

/// Two threads read the reason of a grandchild during the cancellation of the top token. A thread that
/// observes the cancellation gets the reason.
#[test]
fn two_reasons_from_ancestor() {
    bounded_model(|| {
        let top = CancellationToken::new();
        let middle = top.child_token();
        let bottom = middle.child_token();
        let canceller = cancel(&top, "stop");
        let other = bottom.clone();
        let other = thread::spawn(move || (other.is_cancelled(), other.reason()));
        let here = (bottom.is_cancelled(), bottom.reason());
        for (cancelled, reason) in [here, other.join().unwrap()] {
            assert!(!cancelled || reason.is_some());
            assert!(reason.is_none_or(|reason| reason == below("stop")));
        }
        assert!(canceller.join().unwrap());
        assert_eq!(middle.reason(), Some(below("stop")));
        assert_eq!(bottom.reason(), Some(below("stop")));
    });
}

/// The top and the middle token are cancelled at the same time. A reason that was observed at the bottom does not change,
/// and has the same root as the reason of the middle token.
#[test]
fn top_and_middle() {
    bounded_model(|| {
        let top = CancellationToken::new();
        let middle = top.child_token();
        let bottom = middle.child_token();
        let (above, own) = (cancel(&top, "top"), cancel(&middle, "middle"));
        let (cancelled, seen) = (bottom.is_cancelled(), bottom.reason());
        assert!(!cancelled || seen.is_some());
        assert!(above.join().unwrap());
        let won = own.join().unwrap();
        let reason = bottom.reason();
        assert_eq!(reason, Some(below(if won { "middle" } else { "top" })));
        assert!(seen.is_none() || seen == reason);
    });
}

/// A parent and its child are cancelled at the same time. The child keeps one of the two reasons, and the reason of the
/// grandchild has the same root.
#[test]
fn parent_and_child() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let grandchild = child.child_token();
        let other = cancel(&parent, "parent");
        let won = child.cancel_with("child");
        assert!(other.join().unwrap());
        let expected = if won { "child" } else { "parent" };
        assert_eq!(child.reason().unwrap().root(), &Reason::manual(expected));
        assert_eq!(grandchild.reason(), Some(below(expected)));
    });
}

/// The middle handle is dropped during the cancellation of the top token. The bottom token keeps the
/// chain alive, and is cancelled.
#[test]
fn middle_dropped() {
    bounded_model(|| {
        let top = CancellationToken::new();
        let middle = top.child_token();
        let bottom = middle.child_token();
        let canceller = cancel(&top, "stop");
        drop(middle);
        assert!(canceller.join().unwrap());
        assert_eq!(bottom.reason(), Some(below("stop")));
    });
}

/// The last two handles of a tree are dropped at the same time. Each token is dropped once. So is the value that a
/// callback of the top token owns.
#[test]
fn last_handles_dropped() {
    bounded_model(|| {
        let count = Count::new();
        let counted = count.clone();
        let top = CancellationToken::new();
        top.on_cancel(move |_| counted.add()).detach();
        let middle = top.child_token();
        let (left, right) = (middle.child_token(), middle.child_token());
        drop((top, middle));
        let other = thread::spawn(move || drop(left));
        drop(right);
        other.join().unwrap();
        assert_eq!(count.get(), 0);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// A token with a callback becomes a child during the cancellation of its parent: the callback runs.
#[test]
fn late_child() {
    bounded_model(|| {
        let (upper, node) = (CancellationToken::new(), CancellationToken::new());
        let count = Count::new();
        let counted = count.clone();
        node.on_cancel(move |_| counted.add()).detach();
        let canceller = cancel(&upper, "stop");
        assert!(node.descend_from(&upper));
        assert!(canceller.join().unwrap());
        assert_eq!(node.reason(), Some(below("stop")));
        assert_eq!(count.get(), 1);
    });
}

/// A thread that waits for a child is unparked by the cancellation of its parent.
#[test]
fn thread_waits_for_child() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let canceller = cancel(&parent, "stop");
        assert_eq!(child.blocking_wait(), below("stop"));
        assert!(canceller.join().unwrap());
    });
}
