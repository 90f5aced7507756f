//! Models of limits that are moved while a task begins to wait. All ends are in the past, so the limits need no deadline
//! slot.

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

/// A task begins to wait for a disarmed limit while another thread sets the end of the limit. The task sees the new end, or
/// is woken.
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

/// Two tasks wait for a limit. The task that fires the limit wakes the other task, even if that task has only begun to wait.
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

/// One thread disarms a limit while another sets its end. The later change counts, and a task that waits afterwards sees the
/// end.
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
