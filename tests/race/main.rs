//! `Cancelable` and `TryCancelable`: a future raced against a source.

#![cfg(feature = "time")]

#[path = "../support/mod.rs"]
mod support;

mod dropping;
mod executors;
mod fallible;
mod later_polls;
mod nested;
mod panics;
mod polled_again;
mod sources;
mod the_first_poll;
mod threads;

use std::cell::Cell;
use std::fmt;
use std::future::{pending, poll_fn, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cancelable::TryCancelable;
use cancelable::prelude::*;
use futures::FutureExt;
use futures::future::FusedFuture;
use support::{Tally, Wakes, block_on, poll_once};

const LONG: Duration = Duration::from_secs(3600);

fn cancelled_token(message: &'static str) -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel_with(message);
    token
}

#[test]
fn new_equals_the_method() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(Cancelable::new(async { 7 }, &token)), Ok(7));
    token.cancel_with("stop");
    let mut run: Cancelable<_, _> = Cancelable::new(ready(7), token);
    assert_eq!(poll_once(Pin::new(&mut run)), Poll::Ready(Err(Cancelled::new("stop"))));
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut run = pin!(pending::<u8>().cancelable(&token));
    let shown = format!("{run:?}");
    assert!(shown.starts_with("Cancelable") && shown.contains("Pending<u8>"), "{shown}");
    assert!(shown.contains("WaitForCancellation") && shown.contains("not polled"), "{shown}");
    assert!(poll_once(run.as_mut()).is_pending());
    assert!(format!("{run:?}").contains("state: pending"), "{run:?}");
    token.cancel();
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(format!("{run:?}").contains("state: done"), "{run:?}");

    let mut run = pin!(ready(io::Result::Ok(7)).try_cancelable(never()));
    let shown = format!("{run:?}");
    assert!(shown.starts_with("TryCancelable") && shown.contains("not polled"), "{shown}");
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(format!("{run:?}").contains("done"), "{run:?}");
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut run = pin!(pending::<()>().cancelable(&token));
    assert!(!run.is_terminated());
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(!run.is_terminated());
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(run.is_terminated());

    let mut run = pin!(ready(io::Result::Ok(7)).try_cancelable(never()));
    assert!(!run.is_terminated());
    assert!(poll_once(run.as_mut()).is_ready());
    assert!(run.is_terminated());
}

#[test]
fn in_select() {
    let _watchdog = support::watchdog();
    block_on(async {
        let token = CancellationToken::new();
        let mut fast = pin!(async { 7 }.cancelable(&token));
        let mut slow = pin!(pending::<io::Result<()>>().try_cancelable(&token));
        let mut heard = Vec::new();
        loop {
            futures::select! {
                value = fast => {
                    heard.push(format!("{value:?}"));
                    token.cancel_with("stop");
                }
                outcome = slow => heard.push(outcome.unwrap_err().to_string()),
                complete => break,
            }
        }
        assert_eq!(heard, ["Ok(7)", "cancelled: stop"]);
    });
}

#[test]
fn unsized_and_boxed_work() {
    let _watchdog = support::watchdog();
    let boxed: Pin<Box<dyn Future<Output = i32>>> = Box::pin(async { 7 });
    assert_eq!(block_on(boxed.cancelable(never())), Ok(7));
    // Borrowed work can continue after it was cancelled.
    let mut work = pin!(Tally::new().ready_at(3));
    let token = CancellationToken::new();
    let mut run = Box::pin(work.as_mut().cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    assert!(matches!(poll_once(run.as_mut()), Poll::Ready(Err(_))));
    drop(run);
    assert_eq!(poll_once(work), Poll::Ready(3));
}
