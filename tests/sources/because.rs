//! `because`: any future as a source.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::Text;
use cancelable::prelude::*;
use futures::channel::oneshot::{self, Receiver, Sender};
use futures::future::FusedFuture;

use crate::support::{self, Tally, Wakes, block_on, poll_once};

/// A source that fires when a value is sent or the sender is dropped, with the reason "word".
fn word() -> (Sender<()>, cancelable::source::Because<Receiver<()>>) {
    let (sender, receiver) = oneshot::channel();
    (sender, receiver.because("word"))
}

#[test]
fn fires() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = pin!(source);
    assert!(poll_once(source.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert!(poll_once(source).is_ready());
}

#[test]
#[should_panic(expected = "`Because` polled after completion")]
fn fires_once() {
    let _watchdog = support::watchdog();
    // This future would be ready again if it were polled again, so the source itself must remember that it has fired.
    let mut source = pin!(std::future::poll_fn(|_| Poll::Ready(())).because("word"));
    assert!(poll_once(source.as_mut()).is_ready());
    let _ = poll_once(source);
}

#[test]
fn reason() {
    let _watchdog = support::watchdog();
    let done = || std::future::ready(7);
    assert_eq!(block_on(done().because("literal")), Reason::manual("literal"));
    assert_eq!(block_on(done().because(String::from("built"))), Reason::manual("built"));
    assert_eq!(block_on(done().because(Text::from("text"))), Reason::manual("text"));
    assert_eq!(block_on(done().because(Reason::Disconnected)), Reason::Disconnected);
    let passed_on = Cancelled::new(Reason::timeout(Duration::ZERO));
    assert_eq!(block_on(done().because(passed_on)), Reason::timeout(Duration::ZERO));
}

#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    let tally = Tally::new();
    let run = tally.ready_at(1).cancelable(std::future::ready(()).because("before"));
    assert_eq!(block_on(run), Err(Cancelled::new("before")));
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
}

#[test]
fn pending_registers_waker() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = pin!(source);
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 2);
    drop(sender);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = pin!(source);
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert!(wakes.poll(source).is_ready());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn changed_waker() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = pin!(source);
    let (first, last) = (Wakes::new(), Wakes::new());
    assert!(first.poll(source.as_mut()).is_pending());
    assert!(last.poll(source.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert_eq!((first.count(), last.count()), (0, 1));
}

#[test]
fn drop_deregisters() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = Box::pin(source);
    let wakes = Wakes::new();
    assert!(wakes.poll(source.as_mut()).is_pending());
    drop(source);
    assert!(sender.is_canceled());
    assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (0, 1));
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut run = pin!(Tally::new().ready_at(2).cancelable(source));
    assert!(poll_once(run.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert_eq!(poll_once(run), Poll::Ready(Ok(2)));
}

#[test]
fn drops_work_once() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(0).cancelable(source));
    assert!(poll_once(run.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);
    drop(run);
    assert_eq!(tally.drops(), 1);
}

#[test]
fn drops_the_future_with_the_race() {
    let _watchdog = support::watchdog();
    let trigger = Tally::new();
    let source = trigger.ready_at(2).because("word");
    let mut run = Box::pin(std::future::pending::<()>().cancelable(source));
    // The source is probed and then registered, in the same call.
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!((trigger.polls(), trigger.drops()), (2, 1));
    drop(run);
    assert_eq!(trigger.drops(), 1);
}

#[test]
fn never_polled_registers_nothing() {
    let _watchdog = support::watchdog();
    let trigger = Tally::new();
    drop(trigger.ready_at(1).because("word"));
    assert_eq!((trigger.polls(), trigger.drops()), (0, 1));
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    let (_sender, source) = word();
    let shown = format!("{source:?}");
    assert!(shown.starts_with("Because") && shown.contains("\"word\""), "{shown}");
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    let (sender, source) = word();
    let mut source = pin!(source);
    assert!(!source.is_terminated());
    assert!(poll_once(source.as_mut()).is_pending());
    sender.send(()).unwrap();
    assert!(!source.is_terminated());
    assert!(poll_once(source.as_mut()).is_ready());
    assert!(source.is_terminated());
}

#[test]
fn output_of_any_type() {
    let _watchdog = support::watchdog();
    struct Plain;
    let plain = async { Plain }.because("a");
    let fails = async { Err::<(), _>(std::fmt::Error) }.because("b");
    let diverges = std::future::pending::<std::convert::Infallible>().because("c");
    let both = all_of((plain, fails));
    let reason = block_on(any_of((diverges, both)));
    assert_eq!(reason.leaves(), [Reason::manual("a"), Reason::manual("b")]);
}

#[test]
fn source_with_another_reason() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("the reason of the token");
    assert_eq!(block_on(token.cancelled().because("mine")), Reason::manual("mine"));
}
