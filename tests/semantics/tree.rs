//! Guarantee 11: parents, children, siblings, and chains of any length.

use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, Log, Wakes, kept, on_a_stack_of, poll_once};

const LONG: usize = 100_000;

/// Too small for a recursion of [`LONG`] calls.
const STACK: usize = 256 << 10;

/// A chain of tokens, each the child of the one before, with all their handles.
fn chain(link: fn(&CancellationToken) -> CancellationToken) -> Vec<CancellationToken> {
    let mut chain = vec![CancellationToken::new()];
    for i in 1..LONG {
        let next = link(&chain[i - 1]);
        chain.push(next);
    }
    chain
}

fn child(token: &CancellationToken) -> CancellationToken {
    token.child_token()
}

fn linked(token: &CancellationToken) -> CancellationToken {
    CancellationToken::linked([token])
}

#[test]
fn g11_children_are_cancelled_with_the_reason() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let children = [parent.child_token(), parent.child_token()];
    let grandchild = children[0].child_token();
    let wakes = Wakes::new();
    let mut waiting = pin!(grandchild.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());

    assert!(parent.cancel_with("closing"));
    let below = Reason::parent(Reason::manual("closing"));
    assert_eq!(parent.reason(), Some(Reason::manual("closing")));
    for child in &children {
        assert_eq!(child.reason(), Some(below.clone()));
    }
    // The reason is the one from the top, at any depth.
    assert_eq!(grandchild.reason(), Some(below.clone()));
    assert_eq!(below.root(), &Reason::manual("closing"));
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(waiting.as_mut()), std::task::Poll::Ready(below.clone()));
    assert_eq!(parent.child_token().reason(), Some(below), "born cancelled");
}

#[test]
fn g11_parent_and_siblings_are_not() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let (child, sibling) = (parent.child_token(), parent.child_token());
    let (grandchild, nephew) = (child.child_token(), sibling.child_token());
    let wakes = Wakes::new();
    let mut waiting = [&parent, &sibling, &nephew].map(|token| Box::pin(token.cancelled()));
    for waiting in &mut waiting {
        assert!(wakes.poll(waiting.as_mut()).is_pending());
    }
    child.cancel();
    assert!(child.is_cancelled() && grandchild.is_cancelled());
    assert!(!parent.is_cancelled() && !sibling.is_cancelled() && !nephew.is_cancelled());
    assert_eq!(wakes.count(), 0);
    parent.cancel();
    assert!(sibling.is_cancelled() && nephew.is_cancelled());
    assert_eq!(wakes.count(), 3);
}

#[test]
fn g11_linked_token_follows_each() {
    let _watchdog = support::watchdog();
    for i in 0..3 {
        let above: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
        let below = CancellationToken::linked(&above);
        above[i].cancel_with("one of them");
        assert_eq!(below.reason(), Some(Reason::manual("one of them")));
        assert_eq!(above.iter().filter(|token| token.is_cancelled()).count(), 1);
    }
    let above = CancellationToken::new();
    let below = CancellationToken::linked([&above, &above.child_token()]);
    below.cancel();
    assert!(!above.is_cancelled());
}

#[test]
fn g11_dropping_a_token_cancels_nothing() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let child = parent.child_token();
    drop(parent.child_token());
    assert!(!parent.is_cancelled() && !child.is_cancelled());
    drop(parent);
    assert!(!child.is_cancelled());
}

#[test]
fn g11_child_keeps_its_ancestors_alive() {
    let _watchdog = support::watchdog();
    let log = Log::new();
    let root = CancellationToken::new();
    let held = log.on_drop("root dropped");
    root.on_cancel(move |_| drop(held)).detach();
    let middle = root.child_token();
    let leaf = middle.child_token();
    drop(root);
    drop(middle);
    assert!(log.take().is_empty());
    drop(leaf);
    // The last handle below the root is gone, so the root was dropped together with its callback.
    assert_eq!(log.take(), ["root dropped"]);
}

#[test]
fn g11_dropped_child_leaves_nothing() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let log = Log::new();
    let wakes = Wakes::new();
    for _ in 0..1000 {
        let child = parent.child_token();
        let held = log.on_drop("callback dropped");
        child.on_cancel(move |_| drop(held)).detach();
        let mut race = Box::pin(std::future::pending::<()>().cancelable(child.clone()));
        assert!(wakes.poll(race.as_mut()).is_pending());
        drop(child);
        assert_eq!(log.take().len(), 0, "the race keeps it alive");
        drop(race);
        assert_eq!(log.take().len(), 1, "nothing else does, its parent included");
    }
    assert_eq!(kept(&wakes), 0);
    parent.cancel();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn g11_chain_cancelled_at_the_root() {
    let _watchdog = support::watchdog();
    for link in [child, linked] {
        on_a_stack_of(STACK, move || {
            let chain = chain(link);
            let heard = Arc::new(Mutex::new(None));
            let hears = heard.clone();
            let leaf = chain.last().unwrap();
            leaf.on_cancel(move |reason| *hears.lock().unwrap() = Some(reason.clone())).detach();
            assert!(chain[0].cancel_with("root"));
            assert!(chain.iter().all(CancellationToken::is_cancelled));
            assert_eq!(leaf.reason().unwrap().root(), &Reason::manual("root"));
            assert_eq!(*heard.lock().unwrap(), leaf.reason());
        });
    }
}

#[test]
fn g11_chain_cancelled_in_the_middle() {
    let _watchdog = support::watchdog();
    on_a_stack_of(STACK, || {
        let chain = chain(child);
        let (above, below) = chain.split_at(LONG / 2);
        chain[LONG - 1].cancel();
        assert_eq!(chain.iter().filter(|token| token.is_cancelled()).count(), 1);
        below[0].cancel();
        assert!(below.iter().all(CancellationToken::is_cancelled));
        assert!(!above.iter().any(CancellationToken::is_cancelled));
        above[0].cancel();
        assert!(above.iter().all(CancellationToken::is_cancelled));
    });
}

#[test]
fn g11_chain_shares_the_reason() {
    let _watchdog = support::watchdog();
    for link in [child, linked] {
        for from_the_leaf_on in [false, true] {
            on_a_stack_of(STACK, move || {
                let mut chain = chain(link);
                chain[0].cancel_with("top");
                let root = chain.remove(0);
                if from_the_leaf_on {
                    chain.reverse();
                }
                for token in &chain {
                    assert_eq!(token.reason().unwrap().root(), &Reason::manual("top"));
                }
                assert_eq!(root.reason(), Some(Reason::manual("top")));
            });
        }
    }
}

#[test]
fn g11_chain_dropped_in_any_order() {
    let _watchdog = support::watchdog();
    for link in [child, linked] {
        for cancelled in [false, true] {
            on_a_stack_of(STACK, move || {
                let make = || {
                    let chain = chain(link);
                    assert_eq!(cancelled && chain[0].cancel(), cancelled);
                    chain
                };
                // From the root on. Each token but the last is kept alive by its child, and dropping the last handle drops
                // them all.
                make().into_iter().for_each(drop);
                // From the leaf up.
                make().into_iter().rev().for_each(drop);
                // All but the leaf, then the leaf.
                let leaf = make().pop().unwrap();
                assert_eq!(leaf.is_cancelled(), cancelled);
                drop(leaf);
                // Every second one, then the rest.
                let mut chain = make();
                let mut even = true;
                chain.retain(|_| {
                    even = !even;
                    even
                });
                drop(chain);
            });
        }
    }
}

#[test]
fn g11_chain_held_by_its_leaf() {
    let _watchdog = support::watchdog();
    on_a_stack_of(STACK, || {
        let root = CancellationToken::new();
        let mut leaf = root.child_token();
        for _ in 0..LONG {
            leaf = leaf.child_token();
        }
        let wakes = Wakes::new();
        let mut waiting = Box::pin(leaf.cancelled_owned());
        assert!(wakes.poll(waiting.as_mut()).is_pending());
        root.cancel_with("root");
        assert_eq!(wakes.count(), 1);
        let reason = Reason::parent(Reason::manual("root"));
        assert_eq!(poll_once(waiting.as_mut()), std::task::Poll::Ready(reason));
        // This was the last handle that kept the chain alive.
        drop(waiting);
        drop(root);
    });
}

#[test]
fn g11_chain_dropped_during_cancel() {
    let _watchdog = support::watchdog();
    on_a_stack_of(STACK, || {
        let root = CancellationToken::new();
        let mut leaf = root.child_token();
        // A callback at the top holds the leaf, and so the whole chain.
        for _ in 0..LONG {
            leaf = leaf.child_token();
        }
        let seen = leaf.clone();
        root.on_cancel(move |_| drop(leaf)).detach();
        assert!(root.cancel());
        assert!(seen.is_cancelled(), "flipped before the callbacks ran");
        drop(root);
        drop(seen);
    });
}

#[test]
fn g11_wide_tree() {
    let _watchdog = support::watchdog();
    let root = CancellationToken::new();
    let children: Vec<_> = (0..1000).map(|_| root.child_token()).collect();
    let grandchildren: Vec<_> =
        children.iter().flat_map(|child| [child.child_token(), child.child_token()]).collect();
    root.cancel();
    assert!(children.iter().chain(&grandchildren).all(CancellationToken::is_cancelled));
}

#[test]
fn g11_child_made_during_cancel() {
    let _watchdog = support::watchdog();
    for _ in 0..200 {
        let root = CancellationToken::new();
        thread::scope(|scope| {
            let makers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        (0..50).map(|_| root.child_token().child_token()).collect::<Vec<_>>()
                    })
                })
                .collect();
            root.cancel();
            for maker in makers {
                // Whether a token was made before or after the cancellation, it is cancelled by now.
                assert!(maker.join().unwrap().iter().all(CancellationToken::is_cancelled));
            }
        });
    }
}
