//! `Operation::ended`: the final status, once clean-up and hooks are over.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use futures::future::FusedFuture;

use crate::support::{self, Gate, Log, Wakes, kept, panic_of, poll_once};

#[test]
fn g16_after_clean_up_and_hooks() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = async { 7 }.cancelable(never()).finally(|_| gate.pass());
    let operation = run.operation();
    let (waiting, note) = (operation.clone(), log.clone());
    operation.on_complete(move |_| {
        note.note(format_args!("in the hook: {:?}", poll_once(pin!(waiting.ended()))));
    });
    let (wakes, mut run) = (Wakes::new(), pin!(run));
    let mut ended = pin!(operation.ended());
    assert!(wakes.poll(ended.as_mut()).is_pending());
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(wakes.count(), 0, "clean-up is running");
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), ["in the hook: Pending"]);
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(ended.as_mut()), Poll::Ready(Status::Completed));
    assert!(ended.is_terminated());
    assert!(panic_of(|| poll_once(ended).is_ready()).contains("`Ended` polled after completion"));
    assert_eq!(poll_once(pin!(operation.ended())), Poll::Ready(Status::Completed));
}

#[test]
fn g16_every_end() {
    let _watchdog = support::watchdog();
    let failed = async { Err::<(), _>(io::Error::other("no disk")) }.try_cancelable(never());
    let panicked = async { panic!("on fire") }.cancelable(never());
    let (failed_handle, panicked_handle) = (failed.operation(), panicked.operation());
    let waiters = [failed_handle.ended(), panicked_handle.ended()];
    assert!(support::block_on(failed).is_err());
    panic_of(|| support::block_on(panicked).is_ok());
    for mut ended in waiters {
        assert_eq!(poll_once(pin!(&mut ended)), Poll::Ready(Status::Failed));
    }
    let unpolled = pending::<()>().cancelable(never());
    let (operation, wakes) = (unpolled.operation(), Wakes::new());
    let mut ended = operation.ended();
    assert!(wakes.poll(pin!(&mut ended)).is_pending());
    drop(unpolled);
    assert_eq!(wakes.count(), 1);
    assert_eq!(wakes.poll(pin!(&mut ended)), Poll::Ready(Status::Cancelled));
}

#[test]
fn g16_many_waiters_come_and_go() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never());
    let (operation, wakes) = (run.operation(), Wakes::new());
    let mut waiters: Vec<_> = (0..100).map(|_| operation.ended()).collect();
    for waiter in &mut waiters {
        assert!(wakes.poll(pin!(waiter)).is_pending());
    }
    assert_eq!(kept(&wakes), 100);
    waiters.truncate(10);
    assert_eq!(kept(&wakes), 10, "dropped waiters leave nothing");
    drop(run);
    assert_eq!((wakes.count(), kept(&wakes)), (10, 0));
}

#[test]
fn g16_cancel_and_wait() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let run = pending::<()>().cancelable(never()).finally(|_| gate.pass());
    let (operation, mut run) = (run.operation(), pin!(run));
    assert!(poll_once(run.as_mut()).is_pending());
    let mut ended = pin!(operation.cancel_and_wait("stop"));
    assert_eq!(operation.reason(), Some(Reason::manual("stop")), "the call cancels");
    assert!(poll_once(run.as_mut()).is_pending() && poll_once(ended.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(run).is_ready());
    assert_eq!(poll_once(ended), Poll::Ready(Status::Cancelled));
}

#[test]
fn g16_blocks_a_thread() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never());
    let operation = run.operation();
    assert_eq!(operation.blocking_ended_timeout(Duration::ZERO), None);
    let waiting = operation.clone();
    let waiter = thread::spawn(move || waiting.blocking_ended());
    drop(run);
    assert_eq!(waiter.join().unwrap(), Status::Cancelled);
    assert_eq!(operation.blocking_ended_timeout(Duration::MAX), Some(Status::Cancelled));
}
