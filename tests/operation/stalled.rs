//! `stalled_after`: an operation that reports no progress for too long is cancelled.

use std::future::pending;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use futures::StreamExt;

use crate::support::{self, Clock, Tally, Wakes, block_on, poll_once};

const MS: Duration = Duration::from_millis(1);

fn stall(after: Duration) -> Reason {
    Reason::timeout_named("no progress", after)
}

#[test]
fn no_report_cancels() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let start = clock.now();
    let run = pending::<()>().cancelable(never()).stalled_after(MS * 20);
    let operation = run.operation();
    let error = clock.block_on(run).unwrap_err();
    clock.assert_passed(start, MS * 20);
    assert_eq!(error.reason(), &stall(MS * 20));
    assert_eq!(error.to_string(), "timed out after 20ms (no progress)");
    assert_eq!((operation.status(), operation.reason()), (Status::Cancelled, Some(stall(MS * 20))));
}

#[test]
fn g17_reports_keep_it_going() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(never()).stalled_after(MS * 100);
    let operation = run.operation();
    let (mut run, wakes) = (Box::pin(run), Wakes::new());
    assert!(wakes.poll(run.as_mut()).is_pending());
    for done in 0..5 {
        clock.pass(MS * 60);
        operation.report_progress(Progress::steps(done, 5));
        assert!(wakes.poll(run.as_mut()).is_pending());
    }
    assert_eq!(clock.block_on(run).unwrap_err().reason(), &stall(MS * 100));
}

/// The limit starts at the first poll, even if progress was reported before.
#[test]
fn clock_starts_at_the_first_poll() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(never()).stalled_after(MS * 40);
    run.operation().report_progress("queued");
    clock.pass(MS * 60);
    assert!(poll_once(pin!(run)).is_pending());
}

/// The time limit of the source applies as well.
#[test]
fn first_limit_wins() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let run = pending::<()>().cancelable(timeout(MS * 5)).stalled_after(MS * 500);
    assert_eq!(clock.block_on(run).unwrap_err().reason(), &Reason::timeout(MS * 5));
    let run = pending::<()>().cancelable(timeout(MS * 500)).stalled_after(MS * 5);
    assert_eq!(clock.block_on(run).unwrap_err().reason(), &stall(MS * 5));
}

#[test]
fn value_wins_a_tie() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let mut run = pin!(Tally::new().ready_at(2).cancelable(never()).stalled_after(MS * 5));
    assert!(poll_once(run.as_mut()).is_pending());
    clock.pass(MS * 10);
    assert!(matches!(poll_once(run), Poll::Ready(Ok(_))));
}

#[test]
fn last_limit_counts() {
    let _watchdog = support::watchdog();
    let run = pending::<()>().cancelable(never()).stalled_after(MS * 5).stalled_after(MS * 9);
    assert_eq!(Clock::start().block_on(run).unwrap_err().reason(), &stall(MS * 9));
}

#[test]
fn is_no_deadline() {
    let _watchdog = support::watchdog();
    let run = scope(never(), async |operation: Operation| operation.deadline());
    assert_eq!(block_on(run.stalled_after(MS * 60_000)), Ok(None));
}

#[test]
fn fallible_and_stream() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let work = pending::<Result<(), Cancelled>>().try_cancelable(never()).stalled_after(MS * 5);
    assert_eq!(clock.block_on(work).unwrap_err().reason(), &stall(MS * 5));
    let stream = futures::stream::pending::<()>().cancelable_stream(never()).stalled_after(MS * 5);
    let mut stream = pin!(stream);
    let error = clock.block_on(stream.next()).unwrap().unwrap_err();
    assert_eq!(error.reason(), &stall(MS * 5));
    assert_eq!(clock.block_on(stream.next()), None);
}

/// A grace period follows, in which the work may report and end by itself.
#[test]
fn grace_follows() {
    let _watchdog = support::watchdog();
    let run = scope(never(), async |operation: Operation| {
        operation.cancelled().await;
        operation.report_progress("winding down");
        7
    });
    assert_eq!(Clock::start().block_on(run.stalled_after(MS * 5).grace(MS * 5)), Ok(7));
}
