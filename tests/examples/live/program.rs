//! An example in a process of its own, with a watchdog over the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{self, Watchdog};

/// How long a process may take, and how long it may print nothing.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// Returns the directory of the examples, built once. Cargo puts them beside the directory of the
/// tests.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile_dir = test.parent().and_then(|deps| deps.parent()).unwrap();
        let profile = match profile_dir.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            name => name,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--all-features", "--profile", profile]);
        cargo.args(["--example", "crawler", "--example", "pipeline", "--example", "monitor"]);
        cargo.args(["--example", "build_driver"]);
        cargo.arg("--target-dir").arg(profile_dir.parent().unwrap());
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success(), "the examples do not build");
        profile_dir.join("examples")
    })
}

/// The running program. It is killed if it takes too long, and if the test fails.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    _watchdog: Watchdog,
}

pub(crate) struct End {
    /// The output that was not read before.
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// The number of the signal that ended it.
    pub(crate) killed_by: Option<i32>,
}

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&OsStr]) -> Self {
        let path = built().join(name);
        // Building may take longer than a test.
        let watchdog = support::watchdog();
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdout, stderr, _watchdog: watchdog }
    }

    /// Returns the next line on its standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).expect("no further line")
    }

    /// Waits for a line on its standard error.
    pub(crate) fn wait_for_message(&self, part: &str) {
        while !self.stderr.recv_timeout(LIMIT).expect("no such message").contains(part) {}
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> End {
        let give_up = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < give_up, "it does not end");
            thread::sleep(Duration::from_millis(2));
        };
        let stderr: Vec<String> = self.stderr.iter().collect();
        End {
            stdout: self.stdout.iter().collect(),
            stderr: stderr.join("\n"),
            code: status.code(),
            killed_by: status.signal(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the lines of a pipe as they arrive. The channel is closed at its end.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut all = BufReader::new(pipe).lines().map_while(Result::ok);
        all.try_for_each(|line| sender.send(line))
    });
    lines
}
