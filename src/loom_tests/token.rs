//! Models of one token: cancelling it, and waiting for it in a task, on a thread and in a race.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Count, block_on, bounded_model, model};
use crate::future::CancelableExt;
use crate::reason::Reason;
use crate::source::{CancellationToken, all_of, any_of};

fn cancel(token: &CancellationToken, message: &'static str) -> thread::JoinHandle<bool> {
    let remote = token.clone();
    thread::spawn(move || remote.cancel_with(message))
}

/// A task that starts to wait during the cancellation is woken, and gets the reason.
#[test]
fn no_lost_wake() {
    model(|| {
        let token = CancellationToken::new();
        let canceller = cancel(&token, "stop");
        assert_eq!(block_on(token.cancelled()), Reason::manual("stop"));
        assert!(canceller.join().unwrap());
    });
}

/// Two threads cancel at the same time. One call returns true, and the token keeps the reason of that call.
#[test]
fn one_cancellation_wins() {
    model(|| {
        let token = CancellationToken::new();
        let other = cancel(&token, "there");
        let here = token.cancel_with("here");
        let seen_here = token.reason();
        let there = other.join().unwrap();
        assert_ne!(here, there, "one of them wins");
        let expected = Reason::manual(if here { "here" } else { "there" });
        assert_eq!(seen_here.as_ref(), Some(&expected));
        assert_eq!(token.reason(), Some(expected));
    });
}

/// A thread that observes the cancellation also observes the reason, and everything that the cancelling thread wrote before.
#[test]
fn cancelled_implies_a_reason() {
    model(|| {
        let token = CancellationToken::new();
        let before = Arc::new(AtomicUsize::new(0));
        let (remote, written) = (token.clone(), before.clone());
        let canceller = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            remote.cancel_with("stop");
        });
        if token.is_cancelled() {
            assert_eq!(token.reason(), Some(Reason::manual("stop")));
            assert!(token.check().is_err());
            assert_eq!(before.load(Ordering::Relaxed), 1);
        }
        canceller.join().unwrap();
    });
}

/// A waiter dropped during the cancellation leaves nothing behind, and is woken at most once.
#[test]
fn waiter_leaves() {
    model(|| {
        let token = CancellationToken::new();
        let canceller = cancel(&token, "stop");
        let count = Count::new();
        let mut waiting = Box::pin(token.cancelled());
        let seen = count.poll(waiting.as_mut());
        drop(waiting);
        assert!(canceller.join().unwrap());
        assert_eq!(Arc::strong_count(&count), 1);
        assert!(count.get() <= usize::from(seen.is_pending()));
    });
}

/// A thread that starts to wait during the cancellation does not sleep forever.
#[test]
fn thread_is_unparked() {
    model(|| {
        let token = CancellationToken::new();
        let canceller = cancel(&token, "stop");
        assert_eq!(token.blocking_wait(), Reason::manual("stop"));
        assert!(canceller.join().unwrap());
    });
}

/// The first poll of a race only looks whether the source has fired, and registers nothing. A cancellation between that look
/// and the registration is observed, or wakes the task.
#[test]
fn race_after_probe() {
    model(|| {
        let token = CancellationToken::new();
        let canceller = cancel(&token, "stop");
        let outcome = block_on(pending::<()>().cancelable(&token));
        assert_eq!(outcome.unwrap_err().reason(), &Reason::manual("stop"));
        assert!(canceller.join().unwrap());
    });
}

/// The work becomes ready just before the source fires. The race ends. If the race has polled the work at all, the outcome
/// is the value of the work.
#[test]
fn value_and_source_at_once() {
    bounded_model(|| {
        let (done, stop) = (CancellationToken::new(), CancellationToken::new());
        let (worker, canceller) = (done.clone(), stop.clone());
        let both = thread::spawn(move || {
            worker.cancel_with("done");
            canceller.cancel_with("stop");
        });
        let mut polled = false;
        let mut work = Box::pin(done.cancelled());
        let work = poll_fn(|cx| {
            polled = true;
            work.as_mut().poll(cx)
        });
        let outcome = block_on(work.cancelable(&stop));
        match outcome {
            Ok(reason) => assert_eq!(reason, Reason::manual("done")),
            Err(cancelled) => {
                assert_eq!(cancelled.reason(), &Reason::manual("stop"));
                assert!(!polled, "a value that was there was thrown away");
            }
        }
        both.join().unwrap();
    });
}

/// Two sources fire at the same time. `any_of` reports one of them, and no task sleeps forever.
#[test]
fn any_of_once() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let both = [cancel(&a, "a"), cancel(&b, "b")];
        let reason = block_on(any_of((&a, &b)));
        assert!([Reason::manual("a"), Reason::manual("b")].contains(&reason));
        for canceller in both {
            assert!(canceller.join().unwrap());
        }
    });
}

/// Two sources fire at the same time. `all_of` reports both, in the order of the list.
#[test]
fn all_of_once() {
    bounded_model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let both = [cancel(&a, "a"), cancel(&b, "b")];
        let reason = block_on(all_of((&a, &b)));
        assert_eq!(reason.leaves(), [Reason::manual("a"), Reason::manual("b")]);
        for canceller in both {
            assert!(canceller.join().unwrap());
        }
    });
}

/// By the time `cancel` returns, a waiter that was pending has been woken.
#[test]
fn cancel_returns_after_waking() {
    model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let mut waiting = Box::pin(token.cancelled());
        assert_eq!(count.poll(waiting.as_mut()), Poll::Pending);
        assert!(cancel(&token, "stop").join().unwrap());
        assert_eq!(count.get(), 1);
        assert_eq!(count.poll(waiting.as_mut()), Poll::Ready(Reason::manual("stop")));
    });
}
