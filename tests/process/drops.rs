//! Commands that are dropped.

use cancelable::prelude::*;
use futures::poll;

use super::{LONG, Place, until};
use crate::support;

const STUBBORN: &str = "trap '' TERM; note ready $$; exec sleep 600";

#[test]
fn g20_dropped_child_leaves_no_process_and_no_zombie() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh(STUBBORN).cancelable(never());
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(poll!(run.as_mut()).is_pending());
        place.until("ready").await;
        drop(run);
        until(|| place.process("ready").is_gone()).await;
        assert_eq!(operation.reason(), Some(Reason::Dropped));
    });
}

#[test]
fn g20_dropped_in_the_grace_period() {
    let _watchdog = support::watchdog();
    smol::block_on(async {
        let place = Place::new();
        let run = place.sh(STUBBORN).cancelable(never()).grace(LONG);
        let operation = run.operation();
        let mut run = Box::pin(run);
        assert!(poll!(run.as_mut()).is_pending());
        place.until("ready").await;
        operation.cancel();
        assert!(poll!(run.as_mut()).is_pending());
        drop(run);
        until(|| place.process("ready").is_gone()).await;
    });
}

#[test]
fn never_polled_starts_nothing() {
    let place = Place::new();
    drop(place.sh("note ready $$").cancelable(never()));
    assert!(!place.has("ready"));
}
