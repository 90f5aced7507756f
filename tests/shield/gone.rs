//! Sections that are dropped, or that panic: the race no longer waits for them.

use std::future::pending;
use std::panic::{AssertUnwindSafe, panic_any};

use cancelable::prelude::*;
use futures::FutureExt;

use crate::both;
use crate::support::{self, Gate, Log, panic_of, poll_once};

#[test]
fn dropped_section_is_not_awaited() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, log, token) = (Gate::new(), Log::new(), CancellationToken::new());
        let [plain, operation] = both(&token, || async {
            futures::select_biased! {
                () = gate.pass().fuse() => log.note("left"),
                () = shield(pending::<()>()) => unreachable!(),
            }
            pending::<()>().await;
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["left"]);
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready());
    }
}

#[test]
fn dropping_a_section_lets_the_cancellation_through() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, token) = (Gate::new(), CancellationToken::new());
        let [plain, operation] = both(&token, || async {
            futures::select_biased! {
                () = gate.pass().fuse() => {}
                () = shield(pending::<()>()) => unreachable!(),
            }
            pending::<()>().await;
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        assert!(poll_once(run.as_mut()).is_ready());
    }
}

#[test]
fn panic_ends_the_protection() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let token = CancellationToken::new();
        let [plain, operation] = both(&token, || async {
            let section = shield(async {
                futures::pending!();
                panic_any("on fire")
            });
            let caught: Result<(), _> = AssertUnwindSafe(section).catch_unwind().await;
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"on fire"));
            pending::<()>().await;
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready());
    }
    let run = shield(async { panic_any("on fire") }).cancelable(never());
    assert_eq!(panic_of(|| support::block_on(run).is_ok()), "on fire");
}

#[test]
fn panicked_section_is_not_awaited() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let token = CancellationToken::new();
        let [plain, operation] = both(&token, || async {
            let mut section = Box::pin(shield(async { panic_any("on fire") }));
            let caught: Result<(), _> = AssertUnwindSafe(section.as_mut()).catch_unwind().await;
            assert!(caught.is_err());
            pending::<()>().await;
            drop(section);
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready());
    }
}

#[test]
fn dropping_the_race_drops_the_section() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let tally = support::Tally::new();
    for mut run in both(&token, || async {
        shield(tally.ready_at(0)).await;
    }) {
        let drops = tally.drops();
        assert!(poll_once(run.as_mut()).is_pending());
        drop(run);
        assert_eq!(tally.drops(), drops + 1, "it guards against this crate, not against a drop");
    }
}
