//! Models of tokens above and below one another: children and links.

use std::sync::Arc;

use loom::thread;

use super::{Count, block_on, bounded_model, model};
use crate::{CancellationToken, Reason};

fn cancel(token: &CancellationToken, message: &'static str) -> thread::JoinHandle<bool> {
    let remote = token.clone();
    thread::spawn(move || remote.cancel_with(message))
}

fn below(message: &'static str) -> Reason {
    Reason::parent(Reason::manual(message))
}

/// A child that is made while its parent is cancelled ends cancelled: it sees the reason, or is
/// found.
#[test]
fn a_child_made_meanwhile_is_cancelled() {
    model(|| {
        let parent = CancellationToken::new();
        let canceller = cancel(&parent, "stop");
        let child = parent.child_token();
        assert!(canceller.join().unwrap());
        assert_eq!(child.reason(), Some(below("stop")));
    });
}

/// One who waits for a child that is made while its parent is cancelled is woken.
#[test]
fn who_waits_for_a_child_made_meanwhile_is_woken() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let canceller = cancel(&parent, "stop");
        let child = parent.child_token();
        assert_eq!(block_on(child.cancelled()), below("stop"));
        assert!(canceller.join().unwrap());
    });
}

/// A child that nobody waits for is not told, and asks. Its own cancellation and its parent's come at
/// once: what was seen of it stays.
#[test]
fn what_is_seen_of_a_child_that_asks_stays() {
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

/// Two begin to listen to a child at once, while its parent is cancelled. Both hear of it, once.
#[test]
fn two_who_begin_to_listen_to_a_child_hear_of_it() {
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

/// A child that is dropped while its parent is cancelled leaves nothing behind, and its callback
/// runs at most once.
#[test]
fn a_child_may_go_meanwhile() {
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

/// A sibling is not touched by one that is dropped while the parent is cancelled.
#[test]
fn a_sibling_is_cancelled_all_the_same() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let (stays, goes) = (parent.child_token(), parent.child_token());
        let leaver = thread::spawn(move || drop(goes));
        assert!(parent.cancel_with("stop"));
        assert_eq!(stays.reason(), Some(below("stop")));
        leaver.join().unwrap();
    });
}

/// A place that a child has left is taken by the next, and the parent's cancellation reaches that
/// one.
#[test]
fn a_place_that_was_left_serves_the_next() {
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

/// Both tokens above are cancelled at once. The one below is cancelled once, for one of the two
/// reasons, and its callback runs once.
#[test]
fn two_above_cancel_once() {
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

/// A link that is made while one of those above is cancelled ends cancelled, for its reason.
#[test]
fn a_link_made_meanwhile_is_cancelled() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let canceller = cancel(&b, "b");
        let linked = CancellationToken::linked([&a, &b]);
        assert!(canceller.join().unwrap());
        assert_eq!(linked.reason(), Some(Reason::manual("b")));
        assert!(!a.is_cancelled());
    });
}

/// The same, where it is the one that is listed first.
#[test]
fn a_link_to_one_that_is_cancelled_meanwhile_has_its_reason() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let canceller = cancel(&a, "a");
        let linked = CancellationToken::linked([&a, &b]);
        assert!(canceller.join().unwrap());
        assert_eq!(linked.reason(), Some(Reason::manual("a")));
        assert!(!b.is_cancelled());
    });
}

/// Somebody asks a child while another begins to listen to it and its parent is cancelled: who listens
/// hears of it, once.
#[test]
fn one_who_asks_takes_nothing_from_one_who_begins_to_listen() {
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

/// Two look for the reason of one far below while the one at the top is cancelled. Who finds it cancelled
/// finds the reason.
#[test]
fn two_who_look_up_a_chain_find_one_reason() {
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

/// The one at the top and the one in the middle are cancelled at once. What was seen of the one at the
/// bottom stays, and is the story of the one in the middle.
#[test]
fn what_is_seen_below_two_that_are_cancelled_stays() {
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

/// Parent and child are cancelled at once. The child keeps one reason, and what is below the child
/// has the same root: nobody is told two stories.
#[test]
fn a_branch_tells_one_story() {
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

/// The handle in the middle goes while the one at the top is cancelled. The one at the bottom keeps
/// the chain together, and is reached.
#[test]
fn a_chain_whose_middle_goes_is_cancelled() {
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

/// The two last handles below go at once. All above goes with them, once: what a callback at the
/// top holds is dropped.
#[test]
fn the_last_of_a_chain_take_it_along() {
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

/// One that is listened to already is put below another while that is cancelled: all below it hear.
#[test]
fn one_that_is_put_below_meanwhile_tells_its_own() {
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

/// A thread that waits for a child hears of its parent.
#[test]
fn a_thread_that_waits_for_a_child_is_woken() {
    bounded_model(|| {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        let canceller = cancel(&parent, "stop");
        assert_eq!(child.blocking_wait(), below("stop"));
        assert!(canceller.join().unwrap());
    });
}
