//! The key `signal`. Each test uses its own signals, because a signal reaches every source in the process.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::pin;

use cancelable::prelude::*;
use rustix::process::{self, Signal as Raised};

use crate::support::{self, Wakes, block_on, poll_once};

fn raise(signal: Raised) {
    process::kill_process(process::getpid(), signal).unwrap();
}

/// Polls once, raises the signal, and returns the reason.
fn ended_by(run: impl Future<Output = Result<(), Cancelled>>, signal: Raised) -> Reason {
    let (mut run, wakes) = (pin!(run), Wakes::new());
    assert!(wakes.poll(run.as_mut()).is_pending());
    raise(signal);
    wakes.wait(1);
    block_on(run).unwrap_err().into_reason()
}

#[test]
fn signal_from_text() {
    #[cancelable(signal = "SIGUSR1")]
    async fn run() -> Result<(), Cancelled> {
        pending().await
    }

    let _watchdog = support::watchdog();
    assert_eq!(ended_by(run(), Raised::USR1), Reason::signal(Signal::Usr1));
}

#[test]
fn signal_from_expression() {
    #[cancelable(signal = signal)]
    async fn run(signal: Signal) -> Result<(), Cancelled> {
        pending().await
    }

    let _watchdog = support::watchdog();
    assert_eq!(ended_by(run(Signal::Usr2), Raised::USR2), Reason::signal(Signal::Usr2));
}

#[test]
fn signal_from_list() {
    #[cancelable(signal = ["SIGWINCH", "urg", Signal::Cont])]
    async fn run() -> Result<(), Cancelled> {
        pending().await
    }

    let _watchdog = support::watchdog();
    assert_eq!(ended_by(run(), Raised::WINCH), Reason::signal(Signal::Winch));
    assert_eq!(ended_by(run(), Raised::URG), Reason::signal(Signal::Urg));
    assert_eq!(ended_by(run(), Raised::CONT), Reason::signal(Signal::Cont));
}

#[test]
fn signal_repeated() {
    #[cancelable(signal = "SIGHUP", signal = "SIGCHLD")]
    async fn run() -> Result<(), Cancelled> {
        pending().await
    }

    let _watchdog = support::watchdog();
    assert_eq!(ended_by(run(), Raised::HUP), Reason::signal(Signal::Hup));
    assert_eq!(ended_by(run(), Raised::CHILD), Reason::signal(Signal::Child));
}

#[test]
fn registration_fails() {
    #[derive(Debug)]
    struct Failed(Cancelled);
    impl From<Cancelled> for Failed {
        fn from(cancelled: Cancelled) -> Self {
            Failed(cancelled)
        }
    }

    #[cancelable(signal = signal, source = { made.set(made.get() + 1); never() })]
    async fn run(signal: Signal, made: &Cell<u32>, runs: &Cell<u32>) -> Result<Signal, Failed> {
        runs.set(runs.get() + 1);
        Ok(signal)
    }

    let _watchdog = support::watchdog();
    let (made, runs) = (Cell::new(0), Cell::new(0));
    let Failed(cancelled) = block_on(run(Signal::Kill, &made, &runs)).unwrap_err();
    assert!(cancelled.is_error());
    let error = cancelled.reason().downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    // Neither later values nor the body were evaluated.
    assert_eq!((made.get(), runs.get()), (0, 0));

    assert_eq!(block_on(run(Signal::Alarm, &made, &runs)).unwrap(), Signal::Alarm);
    assert_eq!((made.get(), runs.get()), (1, 1));
}

#[test]
fn registered_at_first_poll() {
    #[cancelable(signal = { *asked += 1; Signal::Tstp })]
    async fn run(asked: &mut u32) -> Result<(), Cancelled> {
        Ok(())
    }

    let _watchdog = support::watchdog();
    let mut asked = 0;
    drop(run(&mut asked));
    assert_eq!(asked, 0);
    assert!(poll_once(pin!(run(&mut asked))).is_ready());
    assert_eq!(asked, 1);
}
