//! The example `build_driver`: steps in shells, which are stopped when one fails.

use std::ffi::OsStr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use private_harness::{End, Running};
use rustix::process::Signal;

use super::start_example;

/// A step that creates the file `begun`, ends when it is asked to, and prints that it was asked.
const POLITE: &str = "trap 'echo cleaned; exit 4' TERM; : > begun; while :; do sleep 0.01; done";

/// A step that does not end when it is asked to. Neither does the process that the step starts.
const STUBBORN: &str = "trap '' TERM; echo hello; : > begun; sleep 600";

/// A step that fails once the other step has begun.
const FAILS: &str = "until [ -e begun ]; do sleep 0.01; done; exit 3";

/// Starts the driver with steps that run in a directory.
fn start(dir: &Path, options: &[&str], steps: &[&str]) -> Running {
    let steps: Vec<_> = steps.iter().map(|step| format!("cd {}; {step}", dir.display())).collect();
    let steps = steps.iter().map(OsStr::new);
    start_example("build_driver", &options.iter().map(OsStr::new).chain(steps).collect::<Vec<_>>())
}

fn wait_for(path: &Path) {
    while !path.exists() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns how the steps ended. The driver prints this for each step, in a line before the output of the step.
fn endings(end: &End) -> Vec<&str> {
    let endings = end.stdout.iter().filter_map(|line| line.split_once(": cd "));
    endings.map(|(how, _)| how).collect()
}

#[test]
fn prints_the_output_of_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let end = start(dir.path(), &["--jobs", "1"], &["echo 1", "echo 2; echo oh >&2"]).end();
    assert_eq!(endings(&end), ["ok", "ok"]);
    assert_eq!((end.stdout[1].as_str(), end.stdout[3].as_str()), ("1", "2"));
    assert_eq!((end.stderr.as_str(), end.code), ("oh", Some(0)));
}

#[test]
fn first_failure_stops_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let end = start(dir.path(), &["--grace", "30s"], &[POLITE, FAILS, "echo never"]).end();
    assert_eq!(endings(&end), ["exit status: 3", "stopped (exit status: 4)"], "{}", end.stderr);
    assert_eq!(end.stdout[2], "cleaned");
    assert!(end.stderr.ends_with("exit status: 3"), "{}", end.stderr);
    assert_eq!(end.code, Some(1));
}

#[test]
fn interrupt_stops_all_and_kills_the_stubborn() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), &["--grace", "100ms"], &[STUBBORN]);
    wait_for(&dir.path().join("begun"));
    running.signal(Signal::INT);
    let end = running.end();
    assert_eq!(endings(&end), ["killed (signal: 9 (SIGKILL))"], "{}", end.stderr);
    assert_eq!(end.stdout[1], "hello");
    assert_eq!(end.killed_by, Some(Signal::INT.as_raw()), "{}", end.stderr);
}

#[test]
fn limit_of_the_build() {
    let dir = tempfile::tempdir().unwrap();
    let end = start(dir.path(), &["--limit", "1s"], &["exec sleep 600"]).end();
    assert_eq!(endings(&end), ["stopped (signal: 15 (SIGTERM))"], "{}", end.stderr);
    assert_eq!(end.code, Some(124));
}
