//! The key `stalled_after`.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;

use crate::support::{self, Clock, lost, poll_once};

const LIMIT: Duration = Duration::from_secs(10);

#[cancelable(stalled_after = "10s")]
async fn copy(blocks: u64, operation: Operation) -> Result<(), Cancelled> {
    for block in 0..blocks {
        futures::pending!();
        operation.report_progress(Progress::steps(block, blocks));
    }
    pending().await
}

#[test]
fn reports_put_it_off() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut run = pin!(copy(3));
    assert!(poll_once(run.as_mut()).is_pending());
    for _ in 0..3 {
        clock.pass(LIMIT / 2);
        assert!(poll_once(run.as_mut()).is_pending());
    }
    clock.pass(LIMIT);
    assert_eq!(lost(poll_once(run)), Reason::timeout_named("no progress", LIMIT));
}

#[test]
fn length_of_an_argument() {
    #[cancelable(timeout = "1h", stalled_after = limit, strict)]
    async fn run(limit: Duration) -> Result<(), Cancelled> {
        let _ = limit;
        pending().await
    }

    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut run = pin!(run(LIMIT));
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(LIMIT);
    let Poll::Ready(Err(cancelled)) = poll_once(run) else { panic!("it has stalled") };
    assert_eq!(cancelled.to_string(), "`run` cancelled: timed out after 10s (no progress)");
}
