//! Futures that are polled, and errors that are printed, by destructors of thread-locals.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use cancelable::prelude::*;

use crate::support::{self, poll_once};

/// A thread-local value whose destructor calls a function and sends the result.
#[derive(Default)]
struct Last(RefCell<Option<AtEnd>>);

type AtEnd = (fn() -> bool, Sender<Option<bool>>);

impl Last {
    fn set(&self, then: fn() -> bool, told: &Sender<Option<bool>>) {
        *self.0.borrow_mut() = Some((then, told.clone()));
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some((then, told)) = self.0.take() {
            // A panic that escapes the destructor would abort the process.
            told.send(std::panic::catch_unwind(then).ok()).unwrap();
        }
    }
}

thread_local! {
    static BEFORE: Last = Last::default();
    static AFTER: Last = Last::default();
}

/// Calls `then` on a thread, and calls it again twice when the thread ends: before and after the thread-locals of this
/// crate are destroyed, in either order. Returns the results of these two calls.
fn as_the_thread_ends(then: fn() -> bool) -> Vec<Option<bool>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        BEFORE.with(|last| last.set(then, &tell));
        then();
        AFTER.with(|last| last.set(then, &tell));
    })
    .join()
    .unwrap();
    let mut told: Vec<_> = told.iter().collect();
    told.sort();
    told
}

#[test]
fn cancellation_can_be_printed() {
    let _watchdog = support::watchdog();
    let prints = || Cancelled::new("stop").to_string() == "cancelled: stop";
    assert_eq!(as_the_thread_ends(prints), [Some(true); 2]);
}

#[test]
fn error_can_be_classified() {
    let _watchdog = support::watchdog();
    let fails = || {
        let run = async { Err::<(), _>(std::io::Error::other("no disk")) };
        let run = run.try_cancelable(never()).named("run");
        let operation = run.operation();
        support::block_on(run).is_err() && operation.status() == Status::Failed
    };
    assert_eq!(as_the_thread_ends(fails), [Some(true); 2]);
}

#[test]
fn shield_can_be_polled() {
    let _watchdog = support::watchdog();
    let is_waited_for = || {
        let token = CancellationToken::new();
        let mut run = pin!(async { shield(std::future::pending::<()>()).await }.cancelable(&token));
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        poll_once(run.as_mut()).is_pending()
    };
    assert_eq!(as_the_thread_ends(is_waited_for), [Some(false), Some(true)]);
}
