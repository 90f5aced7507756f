//! `command_line`: the work of a program, and how the process ends.

use std::error::Error;
use std::fmt;
use std::future::{Ready, pending, poll_fn, ready};
use std::io;
use std::process::{ExitCode, Termination};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cancelable::command_line::{End, run};
use cancelable::prelude::*;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::alone::{FOREVER, alone, dies_of, exits_with, raise, raise_heard};
use crate::support::{self, Tally, block_on, poll_once};

/// A short time, for time limits that a test waits for.
const SOON: Duration = Duration::from_millis(5);

#[test]
fn first_signal_drops_the_work() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let work = Tally::new();
        let dropped = work.clone();
        let run = run(move |_| async move {
            raise(Signal::Int);
            work.ready_at(0).await;
        });
        let end = block_on(run);
        assert_eq!(dropped.drops(), 1);
        assert_eq!(end.cancelled().unwrap().reason(), &Reason::signal(Signal::Int));
        end.report();
    });
}

#[test]
fn signal_before_the_first_poll() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let run =
            run(|_| poll_fn(|_| -> Poll<()> { unreachable!("it is cancelled before it starts") }));
        raise_heard(Signal::Term);
        run.block_on().report();
    });
}

#[test]
fn second_signal_kills() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        let body = async |operation: Operation| {
            raise(Signal::Int);
            operation.cancelled().await;
            raise(Signal::Term);
            pending::<()>().await;
        };
        run(body).grace(FOREVER).block_on().report();
    });
}

#[test]
fn second_signal_kills_during_clean_up() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let end = run(async |_| {
            raise(Signal::Int);
            pending::<()>().await;
        });
        assert!(end.block_on().cancelled().is_some());
        raise(Signal::Int);
        thread::sleep(FOREVER);
    });
}

#[test]
fn success_in_the_grace_period() {
    let _watchdog = support::watchdog();
    alone(|| {
        let body = async |operation: Operation| {
            raise(Signal::Int);
            operation.cancelled().await;
            ExitCode::from(3)
        };
        let end = run(body).grace(FOREVER).block_on();
        assert!(end.error().is_none() && end.cancelled().is_none());
        assert_eq!(end.report(), ExitCode::from(3));
    });
}

/// The error of the work does not mention the signal, but the signal still ends the process.
#[test]
fn failure_in_the_grace_period() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Int, || {
        let body = async |operation: Operation| {
            raise(Signal::Int);
            operation.cancelled().await;
            Err::<(), _>("half of it is copied")
        };
        let end = run(body).grace(FOREVER).block_on();
        assert_eq!(end.error().unwrap().to_string(), "half of it is copied");
        end.report();
    });
}

#[test]
fn grace_period_is_over() {
    let _watchdog = support::watchdog();
    exits_with(124, || {
        let end = run(|_| pending::<()>()).timeout(SOON).grace(SOON).block_on();
        assert!(end.cancelled().unwrap().was_forced());
        end.report();
    });
}

#[test]
fn time_limit() {
    let _watchdog = support::watchdog();
    exits_with(124, || {
        run(|_| pending::<()>()).timeout(SOON).block_on().report();
    });
}

#[test]
fn no_time_limit() {
    let _watchdog = support::watchdog();
    alone(|| {
        let end = run(|_| ready(Ok::<_, io::Error>(()))).timeout(SOON).timeout(None).block_on();
        assert_eq!(end.report(), ExitCode::SUCCESS);
    });
}

#[test]
fn failure_without_a_cancellation() {
    let _watchdog = support::watchdog();
    alone(|| {
        let end = run(|_| ready(Err::<(), _>("no such file"))).block_on();
        assert!(end.cancelled().is_none());
        assert_eq!(end.report(), ExitCode::FAILURE);
    });
}

#[test]
fn cancelled_by_its_own_handle() {
    let _watchdog = support::watchdog();
    exits_with(1, || {
        let end = run(async |operation: Operation| {
            operation.cancel_with("no longer wanted");
            pending::<()>().await;
        });
        end.block_on().report();
    });
}

#[test]
fn on_executors() {
    let _watchdog = support::watchdog();
    alone(|| {
        let limited = || run(|_| pending::<()>()).timeout(SOON);
        let timed_out = |end: End| end.cancelled().unwrap().is_timeout();
        assert!(timed_out(block_on(limited())));
        assert!(timed_out(smol::block_on(limited())));
        assert!(timed_out(async_std::task::block_on(limited())));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(timed_out(runtime.block_on(limited())));
    });
}

/// No descriptor is left for the signals.
#[test]
fn signals_cannot_be_registered() {
    let _watchdog = support::watchdog();
    alone(|| {
        setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
        let mut run =
            Box::pin(run(|_| -> Ready<()> { unreachable!("the program does not start") }));
        let Poll::Ready(end) = poll_once(run.as_mut()) else { panic!("it is pending") };
        assert!(end.cancelled().is_none());
        assert!(end.error().unwrap().is::<io::Error>());
    });
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    alone(|| {
        let run = run(|_| pending::<()>()).timeout(SOON);
        assert_eq!(format!("{run:?}"), "Run { timeout: Some(5ms), grace: None, .. }");
    });
}

/// An error with a cause.
#[derive(Debug)]
struct Failed(Box<dyn Error + Send + Sync>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn failed_with(error: impl Into<Box<dyn Error + Send + Sync>>) -> Failed {
    Failed(error.into())
}

/// Returns the reason that decides how the program ends if it fails with this error.
fn deciding(error: impl Into<Box<dyn Error>>) -> Option<Reason> {
    End::from(Err::<(), _>(error)).cancelled().map(|cancelled| cancelled.reason().clone())
}

#[test]
fn cancellation_among_the_causes() {
    let _watchdog = support::watchdog();
    let term = || Cancelled::new(Reason::signal(Signal::Term));
    let found = Some(Reason::signal(Signal::Term));
    assert_eq!(deciding(term()), found);
    assert_eq!(deciding(io::Error::from(term())), found);
    assert_eq!(deciding(failed_with(term())), found);
    assert_eq!(deciding(failed_with(io::Error::other(failed_with(term())))), found);
    assert_eq!(deciding(Box::<dyn Error>::from(term())), found);
    assert_eq!(deciding(io::Error::other(io::Error::other(term()))), found);
    assert_eq!(deciding(failed_with("no such file")), None);
    assert_eq!(deciding("no such file"), None);
}

/// The outer `Cancelled` has an error as its reason, and that error comes from a time limit. The time limit decides.
#[test]
fn several_cancellations_among_the_causes() {
    let _watchdog = support::watchdog();
    let limit = Reason::timeout(SOON);
    let outer = Cancelled::new(Reason::error(failed_with(Cancelled::new(limit.clone()))));
    assert_eq!(deciding(outer), Some(limit));
    let outer = Cancelled::new(Reason::error(Cancelled::new("stop")));
    assert_eq!(deciding(outer.clone()), Some(outer.into_reason()));
}

/// The outcome of a race with fallible work holds the error of the race or, inside the value, the error of the work.
#[test]
fn result_in_a_result() {
    let _watchdog = support::watchdog();
    type Worked = Result<Result<(), io::Error>, Cancelled>;
    let inner: Worked = Ok(Err(io::Error::other("no such file")));
    assert_eq!(End::from(inner).error().unwrap().to_string(), "no such file");
    let outer: Worked = Err(Cancelled::new("stop"));
    assert_eq!(End::from(outer).cancelled(), Some(&Cancelled::new("stop")));
    let done: Worked = Ok(Ok(()));
    assert!(End::from(done).error().is_none());
}
