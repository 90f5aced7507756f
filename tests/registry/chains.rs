//! Long chains of operations: which of the operations a shutdown cancels, and how long that takes.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use cancelable::prelude::*;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::helpers::{Run, pending_polls, started};
use crate::support::{self, poll_once};

const LONG: Duration = Duration::from_secs(600);

/// Makes a chain in a shield. Each operation is below the next one, which is made later. The last operation is outside of
/// the shield.
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
fn chain_in_a_shield() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (chain, _runs) = chain(&registry, 50);
    assert!(poll_once(pin!(registry.shutdown(Duration::ZERO).grace(LONG))).is_pending());
    let (outer, protected) = chain.split_last().unwrap();
    assert!(outer.is_cancelled());
    assert!(!protected.iter().any(Operation::is_cancelled));
}

#[test]
fn linear_time() {
    let _watchdog = support::watchdog();
    let ratio = || {
        let registry = Registry::new();
        let mut made = None;
        let making = support::computing(|| made = Some(chain(&registry, 3_000)));
        let shutdown = support::computing(|| {
            assert!(poll_once(pin!(registry.shutdown(Duration::ZERO).grace(LONG))).is_pending());
        });
        shutdown.as_secs_f64() / making.as_secs_f64()
    };
    let least = (0..3).map(|_| ratio()).fold(f64::INFINITY, f64::min);
    // Making the chain takes linear time, and longer. In quadratic time, the shutdown would take more than a
    // hundred times as long.
    assert!(least < 20.0, "{least} times as long as making the chain");
}

/// Registers an operation, wraps it with `around`, and runs the result inside a second registered operation. Returns whether
/// a shutdown cancels the outer operation, and whether it cancels the inner one.
fn asked<F>(around: impl FnOnce(BoxFuture<'static, ()>) -> F) -> (bool, bool)
where
    F: Future<Output = ()> + Send + 'static,
{
    let registry = Registry::new();
    let inner = pending::<()>().cancelable(never()).registered_in(&registry);
    let operation = inner.operation();
    let work = around(Box::pin(inner.map(|_| ())));
    let (outer, _run) = started(work.cancelable(never()).registered_in(&registry));
    assert!(poll_once(pin!(registry.shutdown(Duration::ZERO).grace(LONG))).is_pending());
    (outer.is_cancelled(), operation.is_cancelled())
}

#[test]
fn unregistered_ancestors_count() {
    let _watchdog = support::watchdog();
    let named = |work: BoxFuture<'static, ()>| -> BoxFuture<'static, ()> {
        Box::pin(work.cancelable(never()).named("in between").map(|_| ()))
    };
    let shielded = |work| -> BoxFuture<'static, ()> { Box::pin(shield(work).into_future()) };
    assert_eq!(asked(named), (true, true));
    assert_eq!(asked(move |work| shielded(named(work))), (true, false));
    assert_eq!(asked(move |work| named(shielded(work))), (true, false));
    assert_eq!(asked(move |work| shielded(named(shielded(work)))), (true, false));
}
