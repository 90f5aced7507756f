//! The token of tokio-util: the same names, and what its users rely on.

use std::collections::hash_map::RandomState;
use std::future::{pending, ready};
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use cancelable::prelude::*;
use cancelable::source::{WaitForCancellation, WaitForCancellationOwned};

use crate::support::{self, Tally, Wakes, block_on};

#[test]
fn cancel_wakes_waiters() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (mut early, mut late) = (pin!(token.cancelled()), pin!(token.cancelled()));
    assert!(wakes.poll(early.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0);
    token.cancel();
    assert_eq!(wakes.count(), 1, "only who was polled is woken");
    assert!(token.is_cancelled());
    assert!(wakes.poll(early.as_mut()).is_ready());
    assert!(wakes.poll(late.as_mut()).is_ready());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn parent_wakes_both() {
    let _watchdog = support::watchdog();
    let (parent, wakes) = (CancellationToken::new(), Wakes::new());
    let child = parent.child_token();
    let (mut below, mut above) = (pin!(child.cancelled()), pin!(parent.cancelled()));
    assert!(wakes.poll(below.as_mut()).is_pending());
    assert!(wakes.poll(above.as_mut()).is_pending());
    parent.cancel();
    assert_eq!(wakes.count(), 2);
    assert!(wakes.poll(below).is_ready() && wakes.poll(above).is_ready());
}

#[test]
fn grandchild_after_the_child_was_dropped() {
    let _watchdog = support::watchdog();
    let (top, wakes) = (CancellationToken::new(), Wakes::new());
    let middle = top.child_token();
    let bottom = middle.child_token();
    drop(middle);
    assert!(!bottom.is_cancelled());
    let mut waiting = pin!(bottom.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    top.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(wakes.poll(waiting).is_ready());
}

#[test]
fn child_alone_then_with_the_parent() {
    let _watchdog = support::watchdog();
    let (parent, wakes) = (CancellationToken::new(), Wakes::new());
    let first = parent.child_token();
    let (mut below, mut above) = (pin!(first.cancelled()), pin!(parent.cancelled()));
    assert!(wakes.poll(below.as_mut()).is_pending());
    assert!(wakes.poll(above.as_mut()).is_pending());
    first.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(!parent.is_cancelled());
    assert!(wakes.poll(below).is_ready());
    assert!(wakes.poll(above.as_mut()).is_pending());

    let second = parent.child_token();
    let mut below = pin!(second.cancelled());
    assert!(wakes.poll(below.as_mut()).is_pending());
    parent.cancel();
    assert_eq!(wakes.count(), 3);
    assert!(wakes.poll(below).is_ready() && wakes.poll(above).is_ready());
}

#[test]
fn child_of_a_cancelled_token() {
    let _watchdog = support::watchdog();
    for child_goes_first in [true, false] {
        let (parent, wakes) = (CancellationToken::new(), Wakes::new());
        parent.cancel();
        let child = parent.child_token();
        assert!(child.is_cancelled());
        assert!(wakes.poll(pin!(child.cancelled())).is_ready());
        assert_eq!(wakes.count(), 0);
        if child_goes_first {
            drop(child);
            assert!(parent.is_cancelled());
        } else {
            drop(parent);
            assert!(child.is_cancelled());
        }
    }
}

#[test]
fn dropping_children_cancels_nothing() {
    let _watchdog = support::watchdog();
    for backwards in [true, false] {
        let parent = CancellationToken::new();
        let mut children: Vec<_> = (0..3).map(|_| parent.child_token()).collect();
        if backwards {
            children.reverse();
        }
        while !children.is_empty() {
            drop(children.remove(0));
            assert!(!parent.is_cancelled());
            assert!(children.iter().all(|child| !child.is_cancelled()));
        }
        parent.cancel();
    }
}

#[test]
fn descendants_only() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let parent = CancellationToken::new();
    let (token, sibling) = (parent.child_token(), parent.child_token());
    let (left, right) = (token.child_token(), token.child_token());
    let (grand, other_grand) = (left.child_token(), left.child_token());
    let great_grand = grand.child_token();
    let below = [&token, &left, &right, &grand, &other_grand, &great_grand];

    let mut waiting: Vec<_> =
        [&parent, &sibling].iter().chain(&below).map(|token| Box::pin(token.cancelled())).collect();
    assert!(waiting.iter_mut().all(|waiting| wakes.poll(waiting.as_mut()).is_pending()));
    token.cancel();
    assert_eq!(wakes.count(), below.len());
    assert!(below.iter().all(|token| token.is_cancelled()));
    assert!(!parent.is_cancelled() && !sibling.is_cancelled());
    let ready: Vec<_> =
        waiting.iter_mut().map(|waiting| wakes.poll(waiting.as_mut()).is_ready()).collect();
    assert_eq!(ready, [false, false, true, true, true, true, true, true]);
    assert_eq!(wakes.count(), below.len());
}

#[test]
fn dropping_a_parent_cancels_no_child() {
    let _watchdog = support::watchdog();
    let parent = CancellationToken::new();
    let (first, second) = (parent.child_token(), parent.child_token());
    drop(parent);
    assert!(!first.is_cancelled() && !second.is_cancelled());
    drop(first);
    assert!(!second.is_cancelled());
    assert!(second.cancel());
}

#[test]
fn send_and_sync() {
    let _watchdog = support::watchdog();
    fn crosses<T: Send + Sync>() {}
    crosses::<CancellationToken>();
    crosses::<WaitForCancellation<'static>>();
    crosses::<WaitForCancellationOwned>();
}

#[test]
fn run_until_cancelled_drops_pending_work() {
    let _watchdog = support::watchdog();
    let (token, wakes, tally) = (CancellationToken::new(), Wakes::new(), Tally::new());
    let mut run = pin!(token.run_until_cancelled(tally.ready_at(0)));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(matches!(wakes.poll(run), Poll::Ready(Err(_))));
    assert_eq!(tally.drops(), 1);
}

#[test]
fn run_until_cancelled_returns_the_value() {
    let _watchdog = support::watchdog();
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let (sender, receiver) = futures::channel::oneshot::channel();
    let mut run = pin!(token.run_until_cancelled(receiver));
    assert!(wakes.poll(run.as_mut()).is_pending());
    sender.send(42).unwrap();
    assert_eq!(wakes.poll(run), Poll::Ready(Ok(Ok(42))));
    assert_eq!(block_on(token.run_until_cancelled(ready(7))), Ok(7));
}

#[test]
fn run_until_cancelled_does_not_poll() {
    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let run = token.run_until_cancelled(tally.ready_at(1));
    token.cancel();
    assert!(block_on(run).is_err());
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn ready_work_wins() {
    let _watchdog = support::watchdog();
    let (token, wakes, tally) = (CancellationToken::new(), Wakes::new(), Tally::new());
    let mut run = pin!(tally.ready_at(2).cancelable(&token));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(run), Poll::Ready(Ok(2)));
}

#[test]
fn race_owns_its_token() {
    let _watchdog = support::watchdog();
    fn detached(token: CancellationToken) -> impl Future<Output = Result<(), Cancelled>> + 'static {
        pending().cancelable(token)
    }
    let (token, wakes) = (CancellationToken::new(), Wakes::new());
    let mut run = pin!(detached(token.clone()));
    assert!(wakes.poll(run.as_mut()).is_pending());
    token.cancel();
    assert!(matches!(wakes.poll(run), Poll::Ready(Err(_))));
}

#[test]
fn equality_and_hash() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let clone = token.clone();
    let hashes = RandomState::new();
    assert_eq!(token, clone);
    assert_eq!(hashes.hash_one(&token), hashes.hash_one(&clone));
    assert_ne!(token, token.child_token());
    let other = CancellationToken::new();
    assert_ne!(token, other);
    assert_ne!(hashes.hash_one(&token), hashes.hash_one(&other));
}

#[test]
fn waker_uses_the_token() {
    let _watchdog = support::watchdog();
    struct Reenters {
        top: CancellationToken,
        found_cancelled: AtomicBool,
    }
    impl Wake for Reenters {
        fn wake(self: Arc<Self>) {
            let child = self.top.child_token();
            self.found_cancelled.store(child.is_cancelled(), Ordering::SeqCst);
        }
    }
    let top = CancellationToken::new();
    let child = top.child_token();
    let reenters = Arc::new(Reenters { top: top.clone(), found_cancelled: false.into() });
    let waker = Waker::from(reenters.clone());
    let mut waiting = pin!(child.cancelled());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    top.cancel();
    assert!(reenters.found_cancelled.load(Ordering::SeqCst));
}

#[test]
fn drop_guard() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let same = token.drop_guard().disarm();
    assert_eq!(same, token);
    assert!(!token.is_cancelled());
    let guard = token.drop_guard();
    assert!(!token.is_cancelled());
    drop(guard);
    assert!(token.is_cancelled());
}
