//! Models of `Latch` and `Waiter`, which tokens, deadline slots and signals use.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Count, block_on, bounded_model, model};
use crate::wait::{Latch, Waiter};

type Shared = Arc<Latch<usize>>;

fn wait(latch: Shared) -> impl Future<Output = usize> {
    let mut waiting = Waiter::new(latch);
    poll_fn(move |cx| waiting.poll("the model", cx, |value| *value))
}

fn set(latch: &Shared, value: usize) -> bool {
    latch.set(value).map(|waiters| waiters.wake_all()).is_some()
}

/// Two waiters register while the value is being set. Each of them sees the value or is woken.
#[test]
fn no_wake_up_is_lost() {
    bounded_model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let waiters = [latch.clone(), latch.clone()]
            .map(|latch| thread::spawn(move || block_on(wait(latch))));
        assert!(set(&latch, 7));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), 7);
        }
    });
}

/// Two threads set the value at the same time. One of the two calls reports that it was first, and the latch keeps the value
/// of that call. Each thread finds this value when its call returns.
#[test]
fn one_value_stays() {
    model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let remote = latch.clone();
        let other = thread::spawn(move || (set(&remote, 1), remote.get().copied()));
        let here = (set(&latch, 2), latch.get().copied());
        let there = other.join().unwrap();
        assert_ne!(here.0, there.0, "one of them is first");
        let expected = if here.0 { 2 } else { 1 };
        assert_eq!((here.1, there.1), (Some(expected), Some(expected)));
    });
}

/// A thread that sees the flag also sees the value, and everything that the other thread wrote before it set the value. The
/// reading thread takes no lock: the flag alone orders the two threads.
#[test]
fn flag_publishes() {
    model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let before = Arc::new(AtomicUsize::new(0));
        let (remote, written) = (latch.clone(), before.clone());
        let setter = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            set(&remote, 7);
        });
        if latch.is_set() {
            assert_eq!(latch.get(), Some(&7));
            assert_eq!(before.load(Ordering::Relaxed), 1);
        }
        setter.join().unwrap();
    });
}

/// As above, for a waiter, which learns of the value from the flag, under the lock, or by being woken.
#[test]
fn waiting_publishes() {
    model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let before = Arc::new(AtomicUsize::new(0));
        let (remote, written) = (latch.clone(), before.clone());
        let setter = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            set(&remote, 7);
        });
        assert_eq!(block_on(wait(latch)), 7);
        assert_eq!(before.load(Ordering::Relaxed), 1);
        setter.join().unwrap();
    });
}

/// A waiter that is polled with a second waker is woken through the second one, or sees the value.
#[test]
fn last_waker_is_woken() {
    model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let remote = latch.clone();
        let setter = thread::spawn(move || set(&remote, 7));
        let mut waiting = pin!(wait(latch));
        let first = Count::new();
        let seen = match first.poll(waiting.as_mut()) {
            Poll::Ready(value) => value,
            Poll::Pending => block_on(waiting),
        };
        assert_eq!(seen, 7);
        assert!(setter.join().unwrap());
        // Nothing holds the waker that was replaced.
        assert_eq!(Arc::strong_count(&first), 1);
    });
}

/// One of two waiters leaves while the value is being set. It removes only its own waker: the other waiter is woken once.
/// The waiter that left is woken at most once, and its waker is dropped.
#[test]
fn leave_while_it_is_set() {
    bounded_model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let stays = Count::new();
        let mut other = Box::pin(wait(latch.clone()));
        assert!(stays.poll(other.as_mut()).is_pending());

        let leaves = Count::new();
        let (remote, count) = (latch.clone(), leaves.clone());
        let leaver = thread::spawn(move || {
            let mut waiting = Box::pin(wait(remote));
            let _ = count.poll(waiting.as_mut());
        });
        let remote = latch.clone();
        let setter = thread::spawn(move || set(&remote, 7));
        leaver.join().unwrap();
        assert!(setter.join().unwrap());

        assert_eq!(stays.get(), 1);
        assert_eq!(stays.poll(other.as_mut()), Poll::Ready(7));
        assert!(leaves.get() <= 1);
        assert_eq!(Arc::strong_count(&leaves), 1);
    });
}

/// A waiter leaves, and the next waiter reuses its index in the wait list. The next waiter is woken.
#[test]
fn index_is_reused() {
    bounded_model(|| {
        let latch: Shared = Arc::new(Latch::new());
        let first = Count::new();
        let mut leaving = Box::pin(wait(latch.clone()));
        assert!(first.poll(leaving.as_mut()).is_pending());

        let remote = latch.clone();
        let next = thread::spawn(move || block_on(wait(remote)));
        let remote = latch.clone();
        let setter = thread::spawn(move || set(&remote, 7));
        drop(leaving);
        assert_eq!(next.join().unwrap(), 7);
        assert!(setter.join().unwrap());
        assert_eq!(Arc::strong_count(&first), 1);
    });
}
