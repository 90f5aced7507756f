//! Signals, in real processes: each test runs in its own process.

#![cfg(all(unix, feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod command_line;
mod default_action;
mod executors;
mod exit_like;
mod ladder;
mod many;
mod races;
mod refused;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::source::SignalSource;
use futures::future::FusedFuture;

use alone::{alone, raise, raise_heard};
use support::{Tally, Wakes, block_on, poll_once};

#[test]
fn fires() {
    let _watchdog = support::watchdog();
    alone(|| {
        let source = signal(Signal::Usr1).unwrap();
        raise(Signal::Usr1);
        assert_eq!(block_on(source), Reason::signal(Signal::Usr1));
    });
}

#[test]
fn constructors() {
    let _watchdog = support::watchdog();
    alone(|| {
        let hears = |source: SignalSource, sent: Signal| {
            raise(sent);
            assert_eq!(block_on(source), Reason::signal(sent));
        };
        hears(signal(Signal::Hup).unwrap(), Signal::Hup);
        hears(signals([Signal::Usr1, Signal::Usr2]).unwrap(), Signal::Usr1);
        hears(signals(vec![Signal::Usr1, Signal::Usr2]).unwrap(), Signal::Usr2);
        hears(ctrl_c().unwrap(), Signal::Int);
        hears(termination().unwrap(), Signal::Int);
        hears(termination().unwrap(), Signal::Term);
    });
}

#[test]
fn other_signal() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let mut hangup = signal(Signal::Hup).unwrap();
        let mut users = signals([Signal::Usr1, Signal::Usr2]).unwrap();
        assert!(wakes.poll(Pin::new(&mut hangup)).is_pending());
        assert!(wakes.poll(Pin::new(&mut users)).is_pending());
        raise_heard(Signal::Int);
        raise_heard(Signal::Term);
        assert_eq!(wakes.count(), 0);
        assert!(wakes.poll(Pin::new(&mut hangup)).is_pending());
        assert!(wakes.poll(Pin::new(&mut users)).is_pending());
    });
}

/// Every signal that can be caught, with its number and its name.
#[test]
fn reason() {
    let _watchdog = support::watchdog();
    alone(|| {
        let caught = (1..65).filter_map(|number| Signal::try_from(number).ok()).filter(|signal| {
            use Signal::{Bus, Fpe, Ill, Kill, Segv, Stop};
            !matches!(signal, Kill | Stop | Ill | Fpe | Segv | Bus)
        });
        let mut count = 0;
        for sent in caught {
            let source = signal(sent).unwrap();
            raise(sent);
            let reason = block_on(source);
            assert_eq!(reason, Reason::Signal { signal: sent });
            assert_eq!(reason.kind(), ReasonKind::Signal);
            let text = format!("received {} ({})", sent.name(), sent.number());
            assert_eq!(reason.to_string(), text);
            count += 1;
        }
        assert!(count >= 23, "only {count} signals");
    });
}

#[test]
fn numbers() {
    let _watchdog = support::watchdog();
    alone(|| {
        raise_heard(Signal::Term);
        assert_eq!(Signal::Int.number(), 2);
        assert_eq!(Signal::Term.number(), 15);
        assert_eq!(Signal::Usr1.number(), rustix::process::Signal::USR1.as_raw());
        assert_eq!(Signal::Winch.number(), rustix::process::Signal::WINCH.as_raw());
        assert_eq!(Signal::Sys.number(), rustix::process::Signal::SYS.as_raw());
    });
}

#[test]
fn fires_once() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let mut source = signal(Signal::Usr1).unwrap();
        assert!(wakes.poll(Pin::new(&mut source)).is_pending());
        raise_heard(Signal::Usr1);
        assert!(wakes.poll(Pin::new(&mut source)).is_ready());
        raise_heard(Signal::Usr1);
        raise_heard(Signal::Usr1);
        assert_eq!(wakes.count(), 1);
    });
}

/// The signal comes after construction and before the first poll.
#[test]
fn already_fired() {
    let _watchdog = support::watchdog();
    alone(|| {
        let source = signal(Signal::Usr1).unwrap();
        let witness = signal(Signal::Usr1).unwrap();
        raise_heard(Signal::Usr1);
        let work = Tally::new();
        let raced = poll_once(pin!(work.ready_at(1).cancelable(source)));
        assert_eq!(raced, Poll::Ready(Err(Cancelled::new(Reason::signal(Signal::Usr1)))));
        assert_eq!((work.polls(), work.drops()), (0, 1));
        assert_eq!(poll_once(pin!(witness)), Poll::Ready(Reason::signal(Signal::Usr1)));
    });
}

#[test]
fn pending_registers_waker() {
    let _watchdog = support::watchdog();
    alone(|| {
        let (first, second) = (Wakes::new(), Wakes::new());
        let mut source = signal(Signal::Usr1).unwrap();
        assert!(first.poll(Pin::new(&mut source)).is_pending());
        assert!(second.poll(Pin::new(&mut source)).is_pending());
        raise(Signal::Usr1);
        second.wait(1);
        assert_eq!(first.count(), 0, "the waker that was replaced is woken");
        assert!(second.poll(Pin::new(&mut source)).is_ready());
    });
}

#[test]
fn wakes_exactly_once() {
    let _watchdog = support::watchdog();
    alone(|| {
        let wakes = Wakes::new();
        let mut source = signal(Signal::Usr1).unwrap();
        for _ in 0..100 {
            assert!(wakes.poll(Pin::new(&mut source)).is_pending());
        }
        assert_eq!(wakes.count(), 0);
        raise_heard(Signal::Usr1);
        raise_heard(Signal::Usr1);
        assert_eq!(wakes.count(), 1);
    });
}

#[test]
fn drop_deregisters() {
    let _watchdog = support::watchdog();
    alone(|| {
        let (gone, stays) = (Wakes::new(), Wakes::new());
        let mut dropped = signal(Signal::Usr1).unwrap();
        let mut source = signal(Signal::Usr1).unwrap();
        assert!(gone.poll(Pin::new(&mut dropped)).is_pending());
        assert!(stays.poll(Pin::new(&mut source)).is_pending());
        assert_eq!(Arc::strong_count(&gone), 2);
        drop(dropped);
        assert_eq!(Arc::strong_count(&gone), 1, "its waker is still somewhere");
        raise_heard(Signal::Usr1);
        assert_eq!((gone.count(), stays.count()), (0, 1));
    });
}

#[test]
fn tie() {
    let _watchdog = support::watchdog();
    alone(|| {
        // The source that is listed first wins.
        let token = CancellationToken::new();
        let (one, two) = (signal(Signal::Usr1).unwrap(), signal(Signal::Usr1).unwrap());
        raise_heard(Signal::Usr1);
        token.cancel_with("stop");
        assert_eq!(block_on(any_of((one, &token))), Reason::signal(Signal::Usr1));
        assert_eq!(block_on(any_of((&token, two))), Reason::manual("stop"));

        // Work that is ready in the poll that sees the signal keeps its value.
        let work = Tally::new();
        let mut race = pin!(work.ready_at(2).cancelable(signal(Signal::Usr1).unwrap()));
        assert!(poll_once(race.as_mut()).is_pending());
        raise_heard(Signal::Usr1);
        assert_eq!(poll_once(race.as_mut()), Poll::Ready(Ok(2)));
    });
}

#[test]
fn drops_work_once() {
    let _watchdog = support::watchdog();
    alone(|| {
        let work = Tally::new();
        let mut race = Box::pin(work.ready_at(0).cancelable(signal(Signal::Usr1).unwrap()));
        assert!(poll_once(race.as_mut()).is_pending());
        assert_eq!(work.drops(), 0);
        raise_heard(Signal::Usr1);
        assert!(poll_once(race.as_mut()).is_ready());
        assert_eq!(work.drops(), 1);
        drop(race);
        // One poll before the signal, and the last poll.
        assert_eq!((work.polls(), work.drops()), (2, 1));
    });
}

#[test]
fn fused() {
    let _watchdog = support::watchdog();
    alone(|| {
        let mut source = signal(Signal::Usr1).unwrap();
        assert!(!source.is_terminated());
        raise_heard(Signal::Usr1);
        assert!(!source.is_terminated());
        assert!(poll_once(Pin::new(&mut source)).is_ready());
        assert!(source.is_terminated());
        let again = catch_unwind(AssertUnwindSafe(|| poll_once(Pin::new(&mut source))));
        let message = again.unwrap_err();
        let message = message.downcast_ref::<String>().unwrap();
        assert!(message.contains("`SignalSource` polled after completion"), "{message}");
    });
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    alone(|| {
        let mut source = termination().unwrap();
        assert_eq!(format!("{source:?}"), "SignalSource { set: {Int, Term}, waiting: Idle }");
        assert!(poll_once(Pin::new(&mut source)).is_pending());
        assert_eq!(format!("{source:?}"), "SignalSource { set: {Int, Term}, waiting: Waiting }");
        raise_heard(Signal::Int);
        assert!(poll_once(Pin::new(&mut source)).is_ready());
        assert_eq!(format!("{source:?}"), "SignalSource { set: {Int, Term}, waiting: Done }");
    });
}

#[test]
fn send_and_sync() {
    fn may<T: Send + Sync + Unpin + 'static>() {}
    let _watchdog = support::watchdog();
    may::<SignalSource>();
}

#[test]
fn under_any_of_and_all_of() {
    let _watchdog = support::watchdog();
    alone(|| {
        let far = Duration::from_secs(3600);
        let stop = any_of((timeout(far), termination().unwrap(), condition(|| false)));
        raise(Signal::Term);
        let cancelled = block_on(std::future::pending::<()>().cancelable(stop)).unwrap_err();
        assert_eq!(cancelled.reason(), &Reason::signal(Signal::Term));

        // The timeout wins, and the later signal finds no source.
        let near = Duration::from_millis(5);
        assert_eq!(block_on(ctrl_c().unwrap() | timeout(near)), Reason::timeout(near));
        raise_heard(Signal::Int);

        // Both signals must have arrived, in any order.
        let mut both = pin!(all_of((signal(Signal::Usr1).unwrap(), signal(Signal::Usr2).unwrap())));
        raise_heard(Signal::Usr2);
        assert!(poll_once(both.as_mut()).is_pending());
        raise(Signal::Usr1);
        let reasons = [Signal::Usr1, Signal::Usr2].map(Reason::signal);
        assert_eq!(block_on(both).leaves(), reasons);
    });
}
