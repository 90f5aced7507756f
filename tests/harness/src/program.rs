//! `Running`: a program in a process of its own, with a watchdog over the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::watchdog::{Watchdog, watchdog};

/// How long a program may take, and how long it may print nothing. Shorter than the limit of the watchdog.
pub const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

/// A running program. It is killed if it takes too long, and if the test fails.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    _watchdog: Watchdog,
}

/// How a program has ended.
#[derive(Debug)]
pub struct End {
    /// The lines of its standard output that were not read before.
    pub stdout: Vec<String>,
    /// The rest of its standard error.
    pub stderr: String,
    /// Its exit code. `None` if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub killed_by: Option<i32>,
}

impl Running {
    /// Starts the program at this path, such as an [`example`](crate::example).
    ///
    /// # Panics
    ///
    /// Panics if it does not start.
    #[must_use]
    pub fn start(path: &Path, arguments: &[&OsStr]) -> Self {
        let watchdog = watchdog();
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdout, stderr, _watchdog: watchdog }
    }

    /// Returns the next line on its standard output.
    ///
    /// # Panics
    ///
    /// Panics if there is none within [`PROGRAM_LIMIT`].
    #[must_use]
    pub fn line(&self) -> String {
        self.stdout.recv_timeout(PROGRAM_LIMIT).expect("no further line")
    }

    /// Waits for a line with `part` on its standard error.
    ///
    /// # Panics
    ///
    /// Panics if there is none within [`PROGRAM_LIMIT`].
    pub fn wait_for_message(&self, part: &str) {
        while !self.stderr.recv_timeout(PROGRAM_LIMIT).expect("no such message").contains(part) {}
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Returns whether it has not ended.
    ///
    /// # Panics
    ///
    /// Panics if the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// Panics if that takes longer than [`PROGRAM_LIMIT`].
    #[must_use]
    pub fn end(mut self) -> End {
        let give_up = Instant::now() + PROGRAM_LIMIT;
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
