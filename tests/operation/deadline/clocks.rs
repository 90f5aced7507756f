//! When the time limits in the source of an operation start.

use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use cancelable::prelude::*;

use super::secs;
use crate::support::{self, Clock, poll_once};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn g05_starts_after_the_start_hooks() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let began = Cell::new(None);
    let work = async {
        began.set(Some(clock.now()));
        pending::<()>().await;
    };
    let run = work.cancelable(timeout(SHORT)).on_start(|_| Clock::pass_here(SHORT));
    assert!(clock.block_on(run).unwrap_err().is_timeout());
    clock.assert_passed(began.get().expect("it is not over before it began"), SHORT);
}

#[test]
fn g05_all_limits_start_together() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let polled = Cell::new(None);
    let source = async {
        polled.set(Some(clock.now()));
        clock.pass(Duration::from_millis(2));
        timeout(secs(1000)).await
    };
    let run = pending::<()>().cancelable(source);
    let operation = run.operation();
    assert!(poll_once(pin!(run)).is_pending());
    assert!(operation.deadline().unwrap() <= polled.get().unwrap() + secs(1000));
}

#[test]
fn g05_moment_passed_in_start_hooks_is_seen() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    let at = clock.now() + SHORT;
    let run = async { unreachable!("is never polled") }.cancelable(deadline(at));
    let run = run.on_start(|_| Clock::pass_here(SHORT));
    assert!(clock.block_on(run).is_err());
}

/// In its first poll, a race polls the source before and after the work. A source may poll its timeout only the second time.
#[test]
fn g05_clock_first_polled_later_starts_there() {
    let _watchdog = support::watchdog();
    let clock = Clock::start();
    for named in [false, true] {
        let (stop, asked) = (CancellationToken::new(), Cell::new(None));
        let source = async {
            stop.cancelled().await;
            asked.set(Some(clock.now()));
            timeout(SHORT).await
        };
        let work = async {
            clock.pass(SHORT);
            stop.cancel();
            pending::<()>().await;
        };
        let run = work.cancelable(source);
        let run = if named { run.named("run") } else { run };
        assert!(clock.block_on(run).unwrap_err().is_timeout());
        clock.assert_passed(asked.get().unwrap(), SHORT);
    }
}
