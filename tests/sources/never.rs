//! `never`: the source that never fires.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cancelable::prelude::*;
use futures::future::FusedFuture;

use crate::support::{self, Tally, Wakes, block_on, poll_once};

#[test]
fn never_fires() {
    let _watchdog = support::watchdog();
    let mut source = pin!(never());
    let wakes = Wakes::new();
    for _ in 0..1000 {
        assert!(wakes.poll(source.as_mut()).is_pending());
    }
    assert_eq!(wakes.count(), 0);
}

#[test]
fn never_polled_registers_nothing() {
    let _watchdog = support::watchdog();
    let mut source = Box::pin(never());
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    // Nothing is registered even after a poll.
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    assert_eq!(block_on(async { 7 }.cancelable(never())), Ok(7));
    let mut run = pin!(Tally::new().ready_at(2).cancelable(never()));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
}

#[test]
fn drops_work_once() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(1).cancelable(never()));
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);
    drop(run);
    assert_eq!(tally.drops(), 1);
}

#[test]
fn ignored_in_lists() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("stop");
    assert_eq!(poll_once(pin!(never() | &token)), Poll::Ready(Reason::manual("stop")));
    // `all_of` with it never fires either.
    assert!(poll_once(pin!(never() & &token)).is_pending());
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    assert!(format!("{:?}", never()).starts_with("Never"));
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    let mut source = pin!(never());
    assert!(source.is_terminated());
    assert!(poll_once(source.as_mut()).is_pending());
    assert!(source.is_terminated());
}

#[test]
fn not_polled_by_select() {
    let _watchdog = support::watchdog();
    block_on(async {
        let mut source = never();
        let mut ready = futures::future::ready(7);
        let value = futures::select! {
            reason = source => panic!("{reason}"),
            value = ready => value,
        };
        assert_eq!(value, 7);
        // If nothing else is left, `select!` ends instead of waiting forever.
        futures::select! {
            reason = source => panic!("{reason}"),
            complete => {}
        }
    });
}
