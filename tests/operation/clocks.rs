//! When the clocks in the source of an operation start.

use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cancelable::prelude::*;

use crate::secs;
use crate::support::{self, poll_once};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn g05_the_clock_of_an_operation_starts_after_the_hooks_of_its_start() {
    let _watchdog = support::watchdog();
    let began = Cell::new(None);
    let work = async {
        began.set(Some(Instant::now()));
        pending::<()>().await;
    };
    let run = work.cancelable(timeout(SHORT)).on_start(|_| sleep(SHORT));
    assert!(support::block_on(run).unwrap_err().is_timeout());
    assert!(began.get().expect("it is not over before it began").elapsed() >= SHORT);
}

#[test]
fn g05_all_clocks_in_the_source_of_an_operation_start_with_it() {
    let _watchdog = support::watchdog();
    let polled = Cell::new(None);
    let source = async {
        polled.set(Some(Instant::now()));
        sleep(Duration::from_millis(2));
        timeout(secs(1000)).await
    };
    let run = pending::<()>().cancelable(source);
    let operation = run.operation();
    assert!(poll_once(pin!(run)).is_pending());
    assert!(operation.deadline().unwrap() <= polled.get().unwrap() + secs(1000));
}

#[test]
fn a_moment_that_passes_during_the_hooks_of_the_start_is_seen_before_the_work() {
    let _watchdog = support::watchdog();
    let at = Instant::now() + SHORT;
    let run = async { unreachable!("is never polled") }.cancelable(deadline(at));
    let run = run.on_start(move |_| sleep(at.saturating_duration_since(Instant::now())));
    assert!(support::block_on(run).is_err());
}

/// A source may get to its timeout only when it is looked at again, in the first poll, behind work
/// that took its time.
#[test]
fn a_clock_that_is_come_to_in_the_second_look_starts_there() {
    let _watchdog = support::watchdog();
    for named in [false, true] {
        let (stop, asked) = (CancellationToken::new(), Cell::new(None));
        let source = async {
            stop.cancelled().await;
            asked.set(Some(Instant::now()));
            timeout(SHORT).await
        };
        let work = async {
            sleep(SHORT);
            stop.cancel();
            pending::<()>().await;
        };
        let run = work.cancelable(source);
        let run = if named { run.named("run") } else { run };
        assert!(support::block_on(run).unwrap_err().is_timeout());
        assert!(asked.get().unwrap().elapsed() >= SHORT, "named: {named}");
    }
}
