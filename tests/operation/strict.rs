//! `strict`: a value that comes after the cancellation is replaced by the error.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{self, Gate, Log, Wakes, kept, lost, poll_once};

/// A value that notes when it is dropped.
#[derive(Debug)]
struct Noted<'a>(&'a Log);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.note("value dropped");
    }
}

#[test]
fn g02_strict_replaces_a_value_in_the_last_poll() {
    let _watchdog = support::watchdog();
    for by_handle in [false, true] {
        let (token, gate, log, wakes) =
            (CancellationToken::new(), Gate::new(), Log::new(), Wakes::new());
        let passed = gate.clone();
        let work = async {
            passed.pass().await;
            Noted(&log)
        };
        let run = work.cancelable(&token).strict();
        let operation = run.operation();
        log.watch(&operation);
        let mut run = pin!(run);
        assert!(wakes.poll(run.as_mut()).is_pending());
        gate.open();
        assert!(if by_handle { operation.cancel_with("stop") } else { token.cancel_with("stop") });
        let Poll::Ready(Err(cancelled)) = wakes.poll(run.as_mut()) else { panic!("it is over") };
        assert_eq!(cancelled.reason(), &Reason::manual("stop"));
        assert!(!cancelled.was_forced());
        assert_eq!(operation.status(), Status::Cancelled);
        assert_eq!(log.take(), ["value dropped", "hook: cancelled: stop"]);
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g02_strict_keeps_a_value_in_time() {
    let _watchdog = support::watchdog();
    for polls_before in [0, 1] {
        let (token, gate) = (CancellationToken::new(), Gate::new());
        let run = gate.pass().cancelable(&token).strict();
        let operation = run.operation();
        let mut run = pin!(run);
        for _ in 0..polls_before {
            assert!(poll_once(run.as_mut()).is_pending());
        }
        gate.open();
        assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(())));
        assert_eq!(operation.status(), Status::Completed);
        assert!(!operation.cancel());
    }
}

/// The work cancels the race in the poll in which it returns.
#[test]
fn g02_strict_work_that_cancels_itself() {
    let _watchdog = support::watchdog();
    for polls_before in [0, 1] {
        for by_handle in [false, true] {
            let token = CancellationToken::new();
            let work = async {
                for _ in 0..polls_before {
                    futures::pending!();
                }
                match by_handle {
                    true => Operation::current().unwrap().cancel_with("stop"),
                    false => token.cancel_with("stop"),
                }
            };
            let mut run = pin!(work.cancelable(&token).strict());
            for _ in 0..polls_before {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
        }
    }
}

/// The source fires in the extra poll that it gets once the work has returned. It is not polled again after that.
#[test]
fn g06_strict_look_at_a_custom_source() {
    let _watchdog = support::watchdog();
    let (fires, polls) = (Cell::new(false), Cell::new(0));
    let source = poll_fn(|_| {
        polls.set(polls.get() + 1);
        if fires.get() { Poll::Ready(Reason::Disconnected) } else { Poll::Pending }
    });
    let work = async {
        futures::pending!();
        fires.set(true);
    };
    let mut run = pin!(work.cancelable(source).strict());
    assert!(poll_once(run.as_mut()).is_pending());
    let before = polls.get();
    assert_eq!(lost(poll_once(run)), Reason::Disconnected);
    assert_eq!(polls.get(), before + 2);
}

#[test]
fn g12_strict_look_at_a_source_that_panics() {
    let _watchdog = support::watchdog();
    let panics = Cell::new(false);
    let source = poll_fn(|_| -> Poll<Reason> {
        assert!(!panics.get(), "the source panics");
        Poll::Pending
    });
    let work = async {
        futures::pending!();
        panics.set(true);
        7
    };
    let mut run = pin!(work.cancelable(source).strict());
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(poll_once(run), Poll::Ready(Ok(7)));
}

#[test]
fn error_of_fallible_work_stays() {
    let _watchdog = support::watchdog();
    for fails in [false, true] {
        let (token, gate) = (CancellationToken::new(), Gate::new());
        let passed = gate.clone();
        let work = async move {
            passed.pass().await;
            if fails { Err(io::Error::other("no disk")) } else { Ok(7) }
        };
        let run = work.try_cancelable(&token).strict();
        let operation = run.operation();
        let mut run = pin!(run);
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        token.cancel_with("stop");
        let Poll::Ready(Err(error)) = poll_once(run) else { panic!("it is over") };
        let text = if fails { "no disk" } else { "cancelled: stop" };
        assert_eq!(error.to_string(), text);
        assert_eq!(operation.status(), Status::Cancelled);
        assert_eq!(operation.error().as_deref(), fails.then_some("no disk"));
    }
}

/// `cancelable` does not look into a `Result`.
#[test]
fn any_value_of_a_cancelable() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let work = async {
        token.cancel_with("stop");
        Err::<(), _>("no disk")
    };
    assert_eq!(lost(poll_once(pin!(work.cancelable(&token).strict()))), Reason::manual("stop"));
}

#[test]
fn panic_stays() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let work = async {
        token.cancel();
        panic!("broken");
    };
    let run = work.cancelable(&token).strict();
    let operation = run.operation();
    let mut run = Box::pin(run);
    let polled = std::panic::AssertUnwindSafe(|| poll_once(run.as_mut()).is_ready());
    assert!(std::panic::catch_unwind(polled).is_err());
    assert_eq!(operation.status(), Status::Failed);
}

/// If the destructor of a late value panics, the panic comes only after the operation has ended.
#[test]
fn g13_late_value_that_panics() {
    let _watchdog = support::watchdog();
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("the value panics");
        }
    }
    let token = CancellationToken::new();
    let work = async {
        token.cancel();
        Panics
    };
    let cleaned = Cell::new(false);
    let run = work.cancelable(&token).strict().finally(|_| async { cleaned.set(true) });
    let operation = run.operation();
    let mut run = Box::pin(run);
    let polled = std::panic::AssertUnwindSafe(|| poll_once(run.as_mut()).is_ready());
    assert!(std::panic::catch_unwind(polled).is_err());
    assert!(cleaned.get());
    assert_eq!(operation.status(), Status::Failed);
}

#[test]
fn g10_value_beside_an_awaited_section() {
    let _watchdog = support::watchdog();
    let (section, gate) = (Gate::new(), Gate::new());
    let work = async {
        futures::future::select(pin!(shield(section.pass())), pin!(gate.pass())).await;
    };
    let run = work.cancelable(never()).strict();
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
}

#[test]
fn clean_up_sees_the_error() {
    let _watchdog = support::watchdog();
    let (token, log) = (CancellationToken::new(), Log::new());
    let work = async { token.cancel_with("stop") };
    let run = work.cancelable(&token).strict().finally(|outcome| {
        log.note(format_args!("{outcome:?}"));
        async {}
    });
    assert_eq!(lost(poll_once(pin!(run))), Reason::manual("stop"));
    assert_eq!(log.take().len(), 1);
}

#[test]
fn g16_cancelled_while_it_joins() {
    let _watchdog = support::watchdog();
    let wakes = Wakes::new();
    let run = async { 7 }.cancelable(never()).strict().joins_children();
    let operation = run.operation();
    let child = pending::<()>().cancelable(never()).child_of(&operation);
    let (mut child, mut run) = (Box::pin(child), pin!(run));
    assert!(poll_once(child.as_mut()).is_pending());
    assert!(wakes.poll(run.as_mut()).is_pending());
    operation.cancel();
    assert!(wakes.poll(run.as_mut()).is_pending());
    assert!(poll_once(child.as_mut()).is_ready());
    assert_eq!(wakes.poll(run.as_mut()), Poll::Ready(Ok(7)), "the value came before");
    assert_eq!(kept(&wakes), 0);
}

/// For the work around it, the `Err` of a strict child is a value. But that work is about to be dropped, so the code after
/// the child must not run.
#[test]
fn g11_code_after_a_strict_child_does_not_run() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = scope(never(), async |_: Operation| {
        let child = gate.pass().cancelable(never()).strict();
        log.note(format_args!("{:?}", child.await));
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    operation.cancel_with("stop");
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert!(log.take().is_empty());
}

#[cfg(feature = "time")]
mod with_time {
    use std::time::Duration;

    use super::*;
    use crate::support::Clock;

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn value_in_grace() {
        let _watchdog = support::watchdog();
        for by_canceller in [false, true] {
            let log = Log::new();
            let run = scope(never(), async |operation: Operation| {
                operation.cancelled().await;
                futures::pending!();
                log.note("wound down");
                7
            });
            let run = run.strict().grace(LONG);
            let operation = run.operation();
            let mut run = pin!(run);
            assert!(poll_once(run.as_mut()).is_pending());
            match by_canceller {
                true => operation.cancel_with_grace("stop", LONG),
                false => operation.cancel_with("stop"),
            };
            assert!(poll_once(run.as_mut()).is_pending());
            let Poll::Ready(Err(cancelled)) = poll_once(run) else { panic!("it is over") };
            assert_eq!(cancelled.reason(), &Reason::manual("stop"));
            assert!(!cancelled.was_forced(), "it has ended by itself");
            assert_eq!(log.take(), ["wound down"]);
            assert_eq!(operation.status(), Status::Cancelled);
        }
    }

    /// The poll in which the work returns takes longer than the limit.
    #[test]
    fn g02_strict_limit_passes_in_the_poll() {
        let _watchdog = support::watchdog();
        for (polls_before, strict) in [(0, false), (0, true), (1, false), (1, true)] {
            let clock = Clock::start();
            let work = async {
                for _ in 0..polls_before {
                    futures::pending!();
                }
                clock.pass(SHORT);
                7
            };
            let run = work.cancelable(timeout(SHORT));
            let mut run = pin!(if strict { run.strict() } else { run.named("lenient") });
            for _ in 0..polls_before {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            let polled = poll_once(run);
            if strict {
                assert_eq!(lost(polled), Reason::timeout(SHORT));
            } else {
                assert_eq!(polled, Poll::Ready(Ok(7)));
            }
        }
    }

    #[test]
    fn stalled_in_the_poll() {
        let _watchdog = support::watchdog();
        let clock = Clock::start();
        let work = async {
            futures::pending!();
            clock.pass(SHORT);
        };
        let mut run = pin!(work.cancelable(never()).strict().stalled_after(SHORT));
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(lost(poll_once(run)).kind(), ReasonKind::Timeout);
    }
}
