//! `exit_like`: the end of a process shows its parent process the reason for the cancellation.

use std::io::{Write, stdout};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::reason::exit_like;

use crate::alone::{FOREVER, dies_of, exits_with, raise};
use crate::support::{self, block_on};

/// The signal is delivered, cancels the work, and then ends the process.
#[test]
fn dies_of_the_signal() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let stop = ctrl_c().unwrap();
        raise(Signal::Int);
        let cancelled = block_on(std::future::pending::<()>().cancelable(stop)).unwrap_err();
        exit_like(cancelled.reason());
    });
}

#[test]
fn signal_of_a_parent() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let _registered = termination().unwrap();
        exit_like(&Reason::parent(Reason::signal(Signal::Term)));
    });
}

#[test]
fn signal_among_others() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        exit_like(&Reason::all([Reason::Disconnected, Reason::signal(Signal::Term)]));
    });
}

/// A thread holds the lock of the standard output. That also happens when a thread writes to a pipe and the other end does
/// not read.
#[test]
fn stuck_output() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let (sender, locked) = channel();
        thread::spawn(move || {
            let _output = stdout().lock();
            sender.send(()).unwrap();
            thread::sleep(FOREVER);
        });
        locked.recv().unwrap();
        exit_like(&Reason::signal(Signal::Int));
    });
}

#[test]
fn own_lock_of_the_output() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let mut output = stdout().lock();
        output.write_all(b"no line break").unwrap();
        exit_like(&Reason::signal(Signal::Int));
    });
}

/// The default action of this signal does not end a process.
#[test]
fn harmless_signal() {
    let _watchdog = support::watchdog();
    exits_with(128 + Signal::Winch.number(), || exit_like(&Reason::signal(Signal::Winch)));
}

#[test]
fn time_limit() {
    let _watchdog = support::watchdog();
    exits_with(124, || exit_like(&Reason::timeout(Duration::ZERO)));
}

#[test]
fn only_time_limits() {
    let _watchdog = support::watchdog();
    let limit = || Reason::timeout_named("index", Duration::ZERO);
    exits_with(124, || exit_like(&Reason::all([limit(), Reason::parent(limit())])));
}

#[test]
fn any_other_reason() {
    let _watchdog = support::watchdog();
    exits_with(1, || exit_like(&Reason::manual("stop")));
}

#[test]
fn mixed_reasons() {
    let _watchdog = support::watchdog();
    exits_with(1, || {
        exit_like(&Reason::all([Reason::timeout(Duration::ZERO), Reason::Disconnected]));
    });
}
