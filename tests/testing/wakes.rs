//! `Wakes`.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use cancelable::prelude::*;
use cancelable::testing::Wakes;

use crate::support;

#[test]
fn counts() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    assert_eq!(wakes.count(), 0);
    wakes.waker().wake_by_ref();
    wakes.waker().wake();
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (2, 1));
}

#[test]
fn polls() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let token = CancellationToken::new();
    let mut waiting = pin!(token.cancelled());
    assert!(wakes.poll(waiting.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 2);
    token.cancel_with("stop");
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(waiting), Poll::Ready(Reason::manual("stop")));
}

#[test]
fn waits_for_threads() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let thread = thread::spawn(move || {
        waker.wake_by_ref();
        waker.wake();
    });
    wakes.wait(2);
    thread.join().unwrap();
    assert_eq!(wakes.count(), 2);
}
