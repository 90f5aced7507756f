//! Helpers that run each test in its own process, because signals and their handlers affect the whole process.

use std::any::type_name_of_val;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::prelude::*;
use rustix::process::{Signal as Raw, getpid, kill_process};

use crate::support::block_on;

/// Environment variable with the name of the test that the process should run.
const ALONE: &str = "CANCELABLE_TEST_ALONE";

/// Exit code of a body that has run to its end. Neither these tests nor the test harness use this code for anything else.
const PASSED: i32 = 77;

/// Maximum duration of a process.
const LIMIT: Duration = Duration::from_secs(40);

/// Longer than [`LIMIT`], for waits that a signal must end.
pub(crate) const FOREVER: Duration = Duration::from_secs(36_000);

/// Runs `body` in its own process, which must run to the end.
pub(crate) fn alone<F: FnOnce()>(body: F) {
    let status = run(body);
    assert_eq!(status.code(), Some(PASSED), "{status}");
}

/// Runs `body` in its own process, which must exit with this code before its end.
pub(crate) fn exits_with<F: FnOnce()>(code: i32, body: F) {
    let status = run(body);
    assert_eq!(status.code(), Some(code), "{status}");
}

/// Runs `body` in its own process, which must be killed by this signal.
pub(crate) fn dies_of<F: FnOnce()>(signal: Signal, body: F) {
    dies_of_one_of(&[signal], body);
}

/// Runs `body` in its own process, which must be killed by one of these signals.
pub(crate) fn dies_of_one_of<F: FnOnce()>(signals: &[Signal], body: F) {
    let status = run(body);
    let killed = |signal: &Signal| status.signal() == Some(signal.number());
    assert!(signals.iter().any(killed), "{status}");
}

/// Starts this program again, to run only the calling test.
fn run<F: FnOnce()>(body: F) -> ExitStatus {
    // `program::module::test::{{closure}}`
    let name = type_name_of_val(&body).split_once("::").unwrap().1;
    let name = name.strip_suffix("::{{closure}}").unwrap();
    if env::var_os(ALONE).is_some_and(|alone| alone == name) {
        body();
        exit(PASSED);
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(ALONE, name).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > give_up {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name} hangs: no end after {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends this process a signal.
pub(crate) fn raise(signal: Signal) {
    let raw = Raw::from_named_raw(signal.number()).unwrap();
    kill_process(getpid(), raw).unwrap();
}

/// Sends this process a signal and waits until all sources that listen to it have fired, whatever set of signals they listen
/// to.
///
/// Each set of signals fires separately, so if one source has fired, others may not have. But the hub reads a second signal
/// only after it has delivered the first. So this function sends a second signal, of a kind that no test uses, and waits for
/// a source of that signal.
pub(crate) fn raise_heard(sent: Signal) {
    const MARK: Signal = Signal::Winch;
    let told = signal(sent).unwrap();
    raise(sent);
    assert_eq!(block_on(told), Reason::signal(sent));
    let mark = signal(MARK).unwrap();
    raise(MARK);
    block_on(mark);
}
