//! A million operations, one after another, leave nothing behind in the tokens, timers and groups that outlive them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use cancelable::prelude::*;

use crate::support::{self, Wakes, poll_once};

const WARM_UP: usize = 1_000;
const OPERATIONS: usize = 1_000_000;

/// How many bytes may remain: less than one for every ten operations.
const SLACK: i64 = 64 << 10;

/// The length of the timeouts. The slot of a timeout stays until the slot fires. Slots for limits of one hour are about four
/// seconds wide, so the test uses only a few of them. Their total size is well below [`SLACK`].
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs `operation` a thousand times, then a million times, and asserts that the million runs leave no memory that this
/// thread allocated. Other tests run on other threads, so their allocations do not count.
fn leaves_nothing(what: &str, mut operation: impl FnMut()) {
    (0..WARM_UP).for_each(|_| operation());
    let grown = measure(|| (0..OPERATIONS).for_each(|_| operation())).bytes_current;
    assert!(grown <= SLACK, "{what}: {grown} bytes more after {OPERATIONS} operations");
}

/// Runs work that is pending in its first poll and ready in the second. So the source registers.
fn run_short(source: impl Source, waker: &Waker) {
    let mut polls = 0;
    let work = poll_fn(|_| {
        polls += 1;
        if polls == 1 { Poll::Pending } else { Poll::Ready(polls) }
    });
    let mut run = pin!(work.cancelable(source));
    let mut cx = Context::from_waker(waker);
    assert!(run.as_mut().poll(&mut cx).is_pending());
    assert_eq!(run.as_mut().poll(&mut cx), Poll::Ready(Ok(2)));
}

/// Runs a million operations on one token, which is cancelled in the end.
fn on_one_token(what: &str, mut operation: impl FnMut(&CancellationToken, &Waker)) {
    let (wakes, token) = (Wakes::new(), CancellationToken::new());
    let waker = wakes.waker();
    leaves_nothing(what, || operation(&token, &waker));
    // Every waiter has unregistered.
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (0, 2));
    assert!(token.cancel());
    assert_eq!(wakes.count(), 0);
}

#[test]
fn races_with_one_token() {
    let _watchdog = support::watchdog();
    on_one_token("races", |token, waker| run_short(token, waker));
}

#[test]
fn races_with_children_of_one_token() {
    let _watchdog = support::watchdog();
    on_one_token("children", |token, waker| run_short(token.child_token(), waker));
}

#[test]
fn removed_callbacks() {
    let _watchdog = support::watchdog();
    on_one_token("callbacks", |token, _| drop(token.on_cancel(|reason| panic!("{reason}"))));
}

#[test]
fn races_with_a_timeout_and_one_token() {
    let _watchdog = support::watchdog();
    on_one_token("timeouts", |token, waker| run_short(any_of((timeout(LIMIT), token)), waker));
}

#[test]
fn members_of_one_group() {
    let _watchdog = support::watchdog();
    // The spawner polls a task until it has ended.
    let group = TaskGroup::new(|mut task| while poll_once(task.as_mut()).is_pending() {});
    let work = || {
        let mut polls = 0;
        poll_fn(move |_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready(polls) }
        })
    };
    let mut awaits_handle = false;
    leaves_nothing("members", || {
        awaits_handle = !awaits_handle;
        let handle = group.spawn(work());
        if awaits_handle {
            assert_eq!(poll_once(pin!(handle)), Poll::Ready(Ok(2)));
        } else {
            drop(handle);
            assert_eq!(group.take_results(), [Ok(2)]);
        }
    });
    assert_eq!((group.len(), group.operation().child_count()), (0, 0));
}
