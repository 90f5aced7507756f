//! Models of callbacks: registering and unregistering them during the cancellation.

use std::sync::Arc;

use loom::thread;

use super::{Count, bounded_model, model};
use crate::reason::Reason;
use crate::source::CancellationToken;

fn counting(count: &Arc<Count>) -> impl FnOnce(&Reason) + Send + 'static {
    let count = count.clone();
    move |_| count.add()
}

/// A callback registered during the cancellation runs once. It runs on the registering thread if that thread observes the
/// cancellation, and otherwise on the cancelling thread.
#[test]
fn registered_meanwhile() {
    model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        let registration = token.on_cancel(counting(&count));
        assert!(canceller.join().unwrap());
        assert_eq!(count.get(), 1);
        drop(registration);
        assert_eq!(count.get(), 1);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// Two threads cancel at the same time. The callback runs in only one of the two calls, and gets the reason that the token
/// keeps.
#[test]
fn two_cancellations() {
    model(|| {
        let token = CancellationToken::new();
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let list = heard.clone();
        let registration = token.on_cancel(move |reason| list.lock().unwrap().push(reason.clone()));
        let remote = token.clone();
        let other = thread::spawn(move || remote.cancel_with("there"));
        token.cancel_with("here");
        other.join().unwrap();
        assert_eq!(*heard.lock().unwrap(), [token.reason().unwrap()]);
        drop(registration);
    });
}

/// A callback that is unregistered during the cancellation runs at most once. Whether it has run or not, it is dropped.
#[test]
fn unregistered_meanwhile() {
    model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let registration = token.on_cancel(counting(&count));
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        drop(registration);
        assert!(canceller.join().unwrap());
        assert!(count.get() <= 1);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// Unregistering one callback during the cancellation does not affect another.
#[test]
fn one_of_two_unregistered() {
    bounded_model(|| {
        let token = CancellationToken::new();
        let (goes, stays) = (Count::new(), Count::new());
        let first = token.on_cancel(counting(&goes));
        let second = token.on_cancel(counting(&stays));
        let remote = token.clone();
        let leaver = thread::spawn(move || drop(first));
        let canceller = thread::spawn(move || remote.cancel());
        leaver.join().unwrap();
        assert!(canceller.join().unwrap());
        assert!(goes.get() <= 1);
        assert_eq!(stays.get(), 1);
        drop(second);
    });
}

/// A callback is unregistered while the last handle of its token is dropped. The callback is dropped, and there is no
/// deadlock.
#[test]
fn registration_outlives_token() {
    model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let registration = token.on_cancel(counting(&count));
        let other = thread::spawn(move || drop(token));
        drop(registration);
        other.join().unwrap();
        assert_eq!(count.get(), 0);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// A callback that is unregistered too late has run to its end when `unregister_and_wait` returns. The callback never runs
/// after that.
#[test]
fn unregistered_and_waited() {
    bounded_model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let registration = token.on_cancel(counting(&count));
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        let in_time = super::block_on(registration.unregister_and_wait());
        let runs = count.get();
        assert_eq!(runs, usize::from(!in_time));
        assert!(canceller.join().unwrap());
        assert_eq!(count.get(), runs);
    });
}

/// A callback that is registered with `try_on_cancel` during the cancellation either runs once or is returned.
#[test]
fn tried_meanwhile() {
    model(|| {
        let token = CancellationToken::new();
        let count = Count::new();
        let remote = token.clone();
        let canceller = thread::spawn(move || remote.cancel());
        let tried = token.try_on_cancel(counting(&count));
        assert!(canceller.join().unwrap());
        assert_eq!(count.get(), usize::from(tried.is_ok()));
    });
}
