//! Guarantee 14: the number of threads and file descriptors does not depend on how much is pending.
//!
//! The test counts the threads and descriptors of the whole process, so it runs alone in its process.

#![cfg(all(target_os = "linux", feature = "time", feature = "signal"))]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use support::Wakes;

const MANY: usize = 10_000;

/// Returns how many threads and file descriptors the process has.
fn held() -> (usize, usize) {
    let entries = |path| fs::read_dir(path).unwrap().count();
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

type Race = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// Makes races under each kind of source and polls them once, so that all are registered.
fn races(count: usize, root: &CancellationToken) -> Vec<Race> {
    let wakes = Wakes::new();
    let mut races: Vec<Race> = Vec::new();
    for i in 0..count as u64 {
        // From a minute to half a day: many lengths, and many slots.
        let limit = Duration::from_millis(60_000 + i * 4_321);
        let token = root.child_token();
        let signal = if i % 2 == 0 { signal(Signal::Usr1) } else { termination() }.unwrap();
        let check = condition(|| false).every(limit);
        races.push(Box::pin(pending().cancelable(timeout(limit))));
        races.push(Box::pin(pending().cancelable(deadline(Instant::now() + limit))));
        let run = pending().cancelable(token.clone()).named("run").finally(|_| async {});
        races.push(Box::pin(run));
        races.push(Box::pin(pending().cancelable(token.clone())));
        races.push(Box::pin(pending().cancelable(check)));
        races.push(Box::pin(pending().cancelable(any_of((timeout(limit), token, signal)))));
    }
    for race in &mut races {
        assert!(wakes.poll(race.as_mut()).is_pending());
    }
    assert_eq!(wakes.count(), 0);
    races
}

#[test]
fn g14_threads_and_descriptors_stay_few() {
    let _watchdog = support::watchdog();
    let root = CancellationToken::new();
    let (threads, descriptors) = held();

    let one = races(1, &root);
    // Two races, so that there are two kinds of signals: each kind may have a descriptor of its own.
    let other = races(2, &root);
    let (threads_of_one, descriptors_of_one) = held();
    assert!(threads_of_one <= threads + 1, "the reactor's: {threads_of_one} after {threads}");
    assert!(
        descriptors_of_one <= descriptors + 16,
        "those of the reactor and the signals: {descriptors_of_one} after {descriptors}"
    );

    let many = races(MANY, &root);
    assert_eq!(held(), (threads_of_one, descriptors_of_one), "with {MANY} of each pending");

    // The races are alive: the token cancels its waiters, and time limits still fire.
    root.cancel();
    let limit = Duration::from_millis(5);
    assert_eq!(support::block_on(timeout(limit)), Reason::timeout(limit));
    assert_eq!(held(), (threads_of_one, descriptors_of_one), "when some have fired");

    drop((one, other, many));
    let again = races(1, &CancellationToken::new());
    assert_eq!(held(), (threads_of_one, descriptors_of_one), "when they have been dropped");
    drop(again);
}
