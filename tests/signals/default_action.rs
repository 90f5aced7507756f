//! The default action of a signal. Once the signal is registered, the action no longer applies, but only in this process.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use cancelable::prelude::*;
use rustix::process::{Pid, Signal as Raw, kill_process};

use crate::alone::{FOREVER, alone, dies_of, raise, raise_heard};
use crate::support::{self, block_on};

/// The default action without this crate, as the reference for the other tests.
#[test]
fn before_first_source() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        raise(Signal::Term);
        std::thread::sleep(FOREVER);
    });
}

#[test]
fn of_other_signals() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let _source = signals([Signal::Int, Signal::Hup]).unwrap();
        raise(Signal::Term);
        std::thread::sleep(FOREVER);
    });
}

#[test]
fn stays_gone() {
    let _watchdog = support::watchdog();
    alone(|| {
        drop(termination().unwrap());
        for _ in 0..10 {
            raise(Signal::Term);
            raise(Signal::Int);
        }
        // When this signal is delivered, the hub has read the earlier ones.
        raise_heard(Signal::Usr1);
    });
}

#[test]
fn between_sources() {
    let _watchdog = support::watchdog();
    alone(|| {
        for _ in 0..10 {
            let source = signal(Signal::Term).unwrap();
            raise(Signal::Term);
            block_on(source);
            raise(Signal::Term);
        }
    });
}

/// A child process starts with the default action.
#[test]
fn in_child_process() {
    let _watchdog = support::watchdog();
    alone(|| {
        let _source = termination().unwrap();
        let mut child = Command::new("sleep").arg("36000").spawn().unwrap();
        kill_process(Pid::from_child(&child), Raw::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::Term.number()));
    });
}

/// A listener of another library and a source of this crate receive the same signal.
#[test]
fn other_listeners() {
    let _watchdog = support::watchdog();
    alone(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal as theirs};
            let mut before = theirs(SignalKind::terminate()).unwrap();
            let ours = signal(Signal::Term).unwrap();
            let mut after = theirs(SignalKind::terminate()).unwrap();
            raise(Signal::Term);
            assert_eq!(ours.await, Reason::signal(Signal::Term));
            before.recv().await.unwrap();
            after.recv().await.unwrap();
        });
    });
}
