//! Child processes raced against a source. All of them are short shell scripts.

#![cfg(all(unix, feature = "process"))]

#[path = "../support/mod.rs"]
mod support;

mod drops;
mod executors;
mod group;
mod operations;
mod output;
mod running;
mod stop;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cancelable::process::{Command, CommandError, Stopped};
use rustix::process::{Pid, Signal as Number, kill_process, test_kill_process};
use tempfile::TempDir;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// A directory in which scripts leave files, to show how far they have come.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    /// Returns a command that runs a script here. The script may call `note NAME TEXT`, which creates a file.
    fn sh(&self, script: &str) -> Command {
        Command::new("/bin/sh").arg("-c").arg(Place::script(script)).current_dir(self.0.path())
    }

    /// Returns the script with the function `note` in front of it.
    fn script(script: &str) -> String {
        let note = r#"note() { echo "$2" > "$1.new"; mv "$1.new" "$1"; }"#;
        format!("{note}\n{script}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Waits until a script has created the file.
    async fn until(&self, name: &str) {
        until(|| self.has(name)).await;
    }

    /// Returns the process whose ID is in the file.
    fn process(&self, name: &str) -> Process {
        let text = fs::read_to_string(self.path(name)).unwrap();
        Process(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }
}

/// Waits until the condition holds. The watchdog ends a test in which it never does.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        smol::Timer::after(Duration::from_millis(2)).await;
    }
}

/// A process that may have ended.
#[derive(Clone, Copy)]
struct Process(Pid);

impl Process {
    /// Returns whether no process has the ID, not even a zombie.
    fn is_gone(self) -> bool {
        test_kill_process(self.0).is_err()
    }

    /// Returns whether the process has ended. It may still be a zombie.
    fn has_ended(self) -> bool {
        let ps = std::process::Command::new("ps")
            .args(["-o", "stat=", "-p", &self.0.as_raw_nonzero().to_string()])
            .output()
            .unwrap();
        let state = String::from_utf8(ps.stdout).unwrap();
        state.trim().is_empty() || state.trim().starts_with('Z')
    }

    fn kill(self) {
        let _ = kill_process(self.0, Number::KILL);
    }
}

/// Returns the error of a child that was cancelled.
#[track_caller]
fn stopped<T>(outcome: Result<T, CommandError>) -> Stopped {
    match outcome {
        Err(CommandError::Cancelled(stopped)) => stopped,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not cancelled"),
    }
}

/// Returns how a stopped child ended, in words.
#[track_caller]
fn status(stopped: &Stopped) -> String {
    stopped.status.expect("it has ended").to_string()
}
