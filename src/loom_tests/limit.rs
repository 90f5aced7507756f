//! Models of limits that are moved while a task begins to wait. Their ends are in the past, so no slot is involved.

use std::time::Instant;

use loom::thread;

use super::{block_on, bounded_model, model};
use crate::reason::ReasonKind;
use crate::source::Limit;

fn disarmed() -> Limit {
    let limit = Limit::after(std::time::Duration::MAX);
    limit.disarm();
    limit
}

/// A task that begins to wait while the limit is armed sees the new end, or is woken.
#[test]
fn armed_meanwhile() {
    model(|| {
        let limit = disarmed();
        let remote = limit.clone();
        let mover = thread::spawn(move || remote.set(Instant::now()));
        assert_eq!(block_on(limit.reached()).kind(), ReasonKind::Timeout);
        assert!(mover.join().unwrap());
    });
}

/// The task that fires the limit wakes the other task, which is waiting or begins to wait.
#[test]
fn fired_by_one_of_two() {
    bounded_model(|| {
        let limit = disarmed();
        let remote = limit.clone();
        let other = thread::spawn(move || block_on(remote.reached()));
        assert!(limit.set(Instant::now()));
        let reason = block_on(limit.reached());
        assert_eq!(other.join().unwrap(), reason);
        assert!(!limit.reset());
    });
}

/// Two threads change the limit. The later change counts, whichever that is, and a task waits for the end.
#[test]
fn armed_and_disarmed() {
    bounded_model(|| {
        let limit = disarmed();
        let (first, second) = (limit.clone(), limit.clone());
        let disarmer = thread::spawn(move || first.disarm());
        let mover = thread::spawn(move || second.set(Instant::now()));
        disarmer.join().unwrap();
        mover.join().unwrap();
        if limit.remaining().is_none() {
            assert!(limit.set(Instant::now()));
        }
        assert_eq!(block_on(limit.reached()).kind(), ReasonKind::Timeout);
    });
}
