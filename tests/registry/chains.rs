//! Long chains of operations: who is asked by a shutdown, and what that costs.

use std::pin::pin;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::helpers::{Run, pending_polls, started};
use crate::support::{self, poll_once};

const LONG: Duration = Duration::from_secs(600);

/// A chain in a shield: each is below the next, which was made later. The last is around the shield.
fn chain(registry: &Registry, length: usize) -> (Vec<Operation>, Vec<Run>) {
    let make = || pending_polls(usize::MAX).cancelable(never()).registered_in(registry);
    let made: Vec<_> = (0..length).map(|_| make()).collect();
    let mut chain: Vec<_> = made.iter().map(|run| run.operation()).collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut left = made.into_iter();
    for above in &chain[1..] {
        runs.push(Box::pin(left.next().unwrap().child_of(above)));
    }
    let top = left.next().unwrap();
    let protects = shield(async { top.await.unwrap() });
    let (outer, run) = started(protects.into_future().cancelable(never()).registered_in(registry));
    chain.push(outer);
    runs.push(run);
    (chain, runs)
}

#[test]
fn a_chain_in_a_shield_is_let_alone_whoever_was_made_first() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (chain, _runs) = chain(&registry, 50);
    assert!(poll_once(pin!(registry.shutdown(LONG))).is_pending());
    let (outer, protected) = chain.split_last().unwrap();
    assert!(outer.is_cancelled());
    assert!(!protected.iter().any(Operation::is_cancelled));
}

#[test]
fn asking_takes_time_in_proportion() {
    let _watchdog = support::watchdog();
    let time = |length| {
        let registry = Registry::new();
        let (_chain, _runs) = chain(&registry, length);
        let started = Instant::now();
        assert!(poll_once(pin!(registry.shutdown(LONG))).is_pending());
        started.elapsed()
    };
    let least = |length| (0..3).map(|_| time(length)).min().unwrap();
    let (short, long) = (least(200), least(3_200));
    // Sixteen times as long. In proportion to the square it would be 256 times.
    assert!(long < short * 80, "{long:?}, {short:?}");
}
