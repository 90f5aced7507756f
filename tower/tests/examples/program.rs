//! An example in a process of its own. Waits for it have a time limit.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::example;

/// How long a process may take, and how long it may print nothing.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The running program. It is killed if the test fails.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

pub(crate) struct End {
    pub(crate) stderr: String,
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
}

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(example(name));
        command.args(arguments).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the example was built");
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Returns the next line on its standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).expect("no further line")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
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
        End { stderr: stderr.join("\n"), code: status.code() }
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
