//! The key `strict`.

use cancelable::prelude::*;

use crate::support::{self, Gate, block_on};

#[cancelable(token = stop, strict)]
async fn answer(stop: &CancellationToken, fails: bool) -> Result<u32, Cancelled> {
    stop.cancel_with("stop");
    if fails { Err(Cancelled::new("failed")) } else { Ok(42) }
}

#[test]
fn value_is_replaced() {
    let _watchdog = support::watchdog();
    let cancelled = block_on(answer(&CancellationToken::new(), false)).unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::manual("stop"));
    assert!(!cancelled.was_forced());
}

#[test]
fn error_stays() {
    let _watchdog = support::watchdog();
    let cancelled = block_on(answer(&CancellationToken::new(), true)).unwrap_err();
    assert_eq!(cancelled.reason(), &Reason::manual("failed"));
}

#[test]
fn value_in_time_stays() {
    #[cancelable(strict, name = "in time")]
    async fn run(gate: &Gate) -> Result<u32, Cancelled> {
        gate.pass().await;
        Ok(7)
    }

    let _watchdog = support::watchdog();
    let gate = Gate::new();
    gate.open();
    assert_eq!(block_on(run(&gate)), Ok(7));
}

/// The error type needs neither `Display` nor `Debug`.
#[test]
fn error_without_display() {
    struct Bare(Option<Cancelled>);

    impl From<Cancelled> for Bare {
        fn from(cancelled: Cancelled) -> Self {
            Bare(Some(cancelled))
        }
    }

    #[cancelable(token = stop, strict)]
    async fn run(stop: &CancellationToken, fails: bool) -> Result<(), Bare> {
        stop.cancel_with("stop");
        if fails { Err(Bare(None)) } else { Ok(()) }
    }

    let _watchdog = support::watchdog();
    let late = block_on(run(&CancellationToken::new(), false)).err().and_then(|bare| bare.0);
    assert_eq!(late.map(Cancelled::into_reason), Some(Reason::manual("stop")));
    let failed = block_on(run(&CancellationToken::new(), true)).err();
    assert!(failed.is_some_and(|bare| bare.0.is_none()));
}
