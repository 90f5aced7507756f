//! `second_signal_exits`: the first signal cancels, the second ends the process.

use std::hint::spin_loop;
use std::thread;

use cancelable::prelude::*;

use crate::alone::{FOREVER, alone, dies_of, dies_of_one_of, raise, raise_heard};
use crate::support::{self, block_on};

/// Sends a signal from another thread after a while.
fn raise_from_another_thread(signal: Signal) {
    thread::spawn(move || raise(signal));
}

#[test]
fn first_cancels_second_kills() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let source = termination().unwrap().second_signal_exits();
        raise(Signal::Int);
        assert_eq!(block_on(source), Reason::signal(Signal::Int));
        raise(Signal::Int);
        thread::sleep(FOREVER);
    });
}

#[test]
fn int_then_term() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let source = termination().unwrap().second_signal_exits();
        raise(Signal::Int);
        assert_eq!(block_on(source), Reason::signal(Signal::Int));
        raise(Signal::Term);
        thread::sleep(FOREVER);
    });
}

#[test]
fn term_then_int() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let source = termination().unwrap().second_signal_exits();
        raise(Signal::Term);
        assert_eq!(block_on(source), Reason::signal(Signal::Term));
        raise(Signal::Int);
        thread::sleep(FOREVER);
    });
}

#[test]
fn first_does_not_kill() {
    let _watchdog = support::watchdog();
    alone(|| {
        let source = termination().unwrap().second_signal_exits();
        raise(Signal::Int);
        assert_eq!(block_on(source), Reason::signal(Signal::Int));
        // Signals of other kinds do not count.
        raise_heard(Signal::Usr1);
        raise_heard(Signal::Hup);
    });
}

/// The main thread runs in a busy loop and never polls again. The second signal ends the process without an executor.
#[test]
fn in_a_busy_loop() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let source = termination().unwrap().second_signal_exits();
        raise(Signal::Int);
        block_on(source);
        raise_from_another_thread(Signal::Int);
        loop {
            spin_loop();
        }
    });
}

/// The thread that drives the reactor is blocked.
#[test]
fn reactor_thread_blocked() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        smol::block_on(async {
            let source = termination().unwrap().second_signal_exits();
            raise_from_another_thread(Signal::Int);
            let worked = std::future::pending::<()>().cancelable(source).await;
            assert!(worked.unwrap_err().is_signal());
            raise_from_another_thread(Signal::Int);
            thread::sleep(FOREVER);
        });
    });
}

/// The work never yields. The first signal cannot cancel it, but the second one ends the process.
#[test]
fn work_never_yields() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let source = termination().unwrap().second_signal_exits();
        let work = async {
            raise_heard(Signal::Term);
            raise(Signal::Term);
            thread::sleep(FOREVER);
        };
        let _ = smol::block_on(work.cancelable(source));
    });
}

#[test]
fn tokio_workers_blocked() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).build().unwrap();
        let source = termination().unwrap().second_signal_exits();
        runtime.block_on(async {
            raise(Signal::Int);
            tokio::spawn(source).await.unwrap();
            tokio::spawn(async { thread::sleep(FOREVER) });
            raise(Signal::Int);
            thread::sleep(FOREVER);
        });
    });
}

#[test]
fn source_dropped() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let source = termination().unwrap().second_signal_exits();
        raise_heard(Signal::Term);
        drop(source);
        raise(Signal::Int);
        thread::sleep(FOREVER);
    });
}

#[test]
fn no_source_left() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        drop(termination().unwrap().second_signal_exits());
        raise_heard(Signal::Term);
        raise(Signal::Int);
        thread::sleep(FOREVER);
    });
}

/// Two signals count as two, even if no source was polled in between. The system may deliver them in
/// either order.
#[test]
fn two_in_a_row() {
    let _watchdog = support::watchdog();
    dies_of_one_of(&[Signal::Int, Signal::Term], || {
        let _source = termination().unwrap().second_signal_exits();
        raise(Signal::Int);
        raise(Signal::Term);
        thread::sleep(FOREVER);
    });
}

#[test]
fn counts_from_call() {
    let _watchdog = support::watchdog();
    alone(|| {
        for _ in 0..5 {
            raise_heard(Signal::Int);
        }
        let source = ctrl_c().unwrap().second_signal_exits();
        raise_heard(Signal::Int);
        assert_eq!(block_on(source), Reason::signal(Signal::Int));
    });
}

#[test]
fn called_again() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        for _ in 0..5 {
            let source = termination().unwrap().second_signal_exits();
            raise_heard(Signal::Int);
            assert_eq!(block_on(source), Reason::signal(Signal::Int));
        }
        raise(Signal::Term);
        thread::sleep(FOREVER);
    });
}

#[test]
fn not_called() {
    let _watchdog = support::watchdog();
    alone(|| {
        for sent in [Signal::Int, Signal::Term].repeat(5) {
            let source = termination().unwrap();
            raise(sent);
            assert_eq!(block_on(source), Reason::signal(sent));
        }
    });
}

#[test]
fn other_signal() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Usr1, || {
        let _source = signal(Signal::Usr1).unwrap().second_signal_exits();
        for _ in 0..5 {
            raise_heard(Signal::Int);
        }
        raise_heard(Signal::Usr1);
        for _ in 0..5 {
            raise_heard(Signal::Int);
        }
        raise(Signal::Usr1);
        thread::sleep(FOREVER);
    });
}

#[test]
fn second_set() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Hup, || {
        let _one = ctrl_c().unwrap().second_signal_exits();
        let _two = signal(Signal::Hup).unwrap().second_signal_exits();
        raise_heard(Signal::Int);
        raise(Signal::Hup);
        thread::sleep(FOREVER);
    });
}

#[test]
fn user_signal() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Usr2, || {
        let _source = signal(Signal::Usr2).unwrap().second_signal_exits();
        raise_heard(Signal::Usr2);
        raise(Signal::Usr2);
        thread::sleep(FOREVER);
    });
}
