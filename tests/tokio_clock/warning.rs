//! A limit of real time under a paused clock prints a warning. Each case runs in a process of its own.

use std::env;
use std::process::Command;

use cancelable::prelude::*;
use cancelable::testing;
use tokio::time::sleep;

use super::{HOUR, MINUTE, paused};
use crate::support;

const CASE: &str = "CANCELABLE_TEST_CASE";

/// Runs this test again, in a process of its own, and returns what it prints to stderr. In that process, runs `case`
/// and returns `None`.
fn printed(test: &str, case: impl Future) -> Option<String> {
    if env::var_os(CASE).is_some() {
        paused(case);
        return None;
    }
    let test = format!("warning::{test}");
    // Runs without `--nocapture`, as users run their tests.
    let output = Command::new(env::current_exe().unwrap())
        .args([&test, "--exact"])
        .env(CASE, "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn once_for_each_thread() {
    let _watchdog = support::watchdog();
    let slow = async {
        for _ in 0..3 {
            // The limit passes in real time, so the work wins, although it should have been cancelled.
            assert!(sleep(HOUR).cancelable(timeout(MINUTE)).await.is_ok());
        }
    };
    let Some(printed) = printed("once_for_each_thread", slow) else { return };
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 1, "{printed}");
    for part in ["warning::once_for_each_thread", "limit of 60s", "follow_tokio_clock()"] {
        assert!(lines[0].contains(part), "{printed}");
    }
}

#[test]
fn none_if_the_thread_follows() {
    let _watchdog = support::watchdog();
    let slow = async {
        let _clock = testing::follow_tokio_clock();
        assert!(sleep(HOUR).cancelable(timeout(MINUTE)).await.is_err());
    };
    let Some(printed) = printed("none_if_the_thread_follows", slow) else { return };
    assert_eq!(printed, "");
}

/// If the work is ready at once, the limit measures nothing, so there is no warning.
#[test]
fn none_if_the_limit_never_waits() {
    let _watchdog = support::watchdog();
    let quick = async { assert_eq!(async { 7 }.cancelable(timeout(MINUTE)).await, Ok(7)) };
    let Some(printed) = printed("none_if_the_limit_never_waits", quick) else { return };
    assert_eq!(printed, "");
}

#[test]
fn none_if_the_clock_moves() {
    let _watchdog = support::watchdog();
    let resumed = async {
        tokio::time::resume();
        assert!(tokio::task::yield_now().cancelable(timeout(MINUTE)).await.is_ok());
    };
    let Some(printed) = printed("none_if_the_clock_moves", resumed) else { return };
    assert_eq!(printed, "");
}
