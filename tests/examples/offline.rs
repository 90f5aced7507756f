//! Runs every example to its end, and compares its output with what its documentation promises.
//!
//! The documentation of an example has a `text` block with the promised output. The test compares the two line by line.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{self, Watchdog};

/// How long an example may run. Shorter than the limit of the watchdog.
const LIMIT: Duration = Duration::from_secs(40);

/// How long building the examples may take.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// Each example with the features that it needs, and its exit code.
macro_rules! examples {
    ($($name:ident: [$($feature:literal),*], exits $code:literal;)*) => {
        /// The examples that the features of this build allow.
        const BUILDABLE: &[&str] = &[$(
            #[cfg(all($(feature = $feature),*))]
            stringify!($name),
        )*];

        /// The examples that have a test here.
        const TESTED: &[&str] = &[$(stringify!($name),)*];

        $(
            #[test]
            #[cfg(all($(feature = $feature),*))]
            fn $name() {
                let end = Example::start(stringify!($name), &[]).end();
                assert_eq!(end.stdout, promised(stringify!($name)), "{}", end.stderr);
                assert_eq!(end.code, Some($code), "{}", end.stderr);
            }
        )*
    };
}

examples! {
    all_of: ["time"], exits 0;
    any_of: ["time"], exits 0;
    attribute: ["time", "macros"], exits 0;
    because: [], exits 0;
    blocking_pool: ["blocking"], exits 0;
    blocking_thread: [], exits 0;
    callbacks: [], exits 0;
    command_line: ["time", "signal"], exits 124;
    condition: ["time"], exits 0;
    custom_source: [], exits 0;
    errors: ["time"], exits 0;
    grace: ["time"], exits 0;
    hooks: [], exits 0;
    idle_clients: ["time", "io"], exits 0;
    nested: ["time"], exits 0;
    operations_tree: [], exits 0;
    progress_bar: [], exits 0;
    registry: ["time", "signal"], exits 1;
    retry: ["time"], exits 0;
    retry_backon: [], exits 0;
    runtimes: ["time"], exits 0;
    save_on_ctrl_c: ["time", "signal"], exits 124;
    signals: ["time", "signal"], exits 0;
    stream: ["time"], exits 0;
    timeout: ["time"], exits 0;
    token_from_task: [], exits 0;
    token_from_thread: [], exits 0;
}

/// The examples that have tests of their own, in `checksum.rs` and `live`.
const TESTED_ELSEWHERE: &[&str] = &["build_driver", "checksum", "crawler", "monitor", "pipeline"];

#[test]
fn all_are_tested() {
    let _watchdog = support::watchdog();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(source_directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !TESTED_ELSEWHERE.contains(&name.as_str()) {
            found.insert(name);
        }
    }
    assert_eq!(found, TESTED.iter().map(|name| name.to_string()).collect());
}

#[test]
fn all_say_what_they_print() {
    let _watchdog = support::watchdog();
    for name in TESTED {
        assert!(!promised(name).is_empty(), "{name} promises nothing");
    }
}

/// The examples whose output depends on a signal.
#[cfg(all(unix, feature = "time", feature = "signal"))]
mod signalled {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};

    /// Longer than a test takes: an example that misses its signal ends later, and in another way.
    const LONG: &str = "20000";

    fn send(signal: Signal, example: &Example) {
        kill_process(Pid::from_child(&example.running.child), signal).unwrap();
    }

    fn tells(signal: Signal, line: &str) {
        let mut example = Example::start("signals", &[LONG]);
        assert_eq!(example.running.next_line(), Some("waiting for a signal"));
        send(signal, &example);
        let end = example.end();
        assert_eq!(end.stdout, ["waiting for a signal", line], "{}", end.stderr);
        assert_eq!(end.killed_by, Some(signal.as_raw()), "{}", end.stderr);
    }

    #[test]
    fn signals_interrupt() {
        tells(Signal::INT, "received SIGINT (2)");
    }

    #[test]
    fn signals_termination() {
        tells(Signal::TERM, "received SIGTERM (15)");
    }

    #[test]
    fn signals_hangup() {
        tells(Signal::HUP, "received SIGHUP (1)");
    }

    fn cleans_up_and_dies(signal: Signal, says: &str) {
        let mut example = Example::start("command_line", &[LONG, "1"]);
        assert_eq!(example.running.next_line(), Some("working"));
        send(signal, &example);
        let end = example.end();
        assert_eq!(end.stdout, ["working", "cleaning up", "clean"], "{}", end.stderr);
        assert_eq!(end.stderr.trim_end(), format!("command_line: {says}"));
        assert_eq!(end.killed_by, Some(signal.as_raw()));
    }

    #[test]
    fn command_line_interrupt() {
        cleans_up_and_dies(Signal::INT, "received SIGINT (2)");
    }

    #[test]
    fn command_line_termination() {
        cleans_up_and_dies(Signal::TERM, "received SIGTERM (15)");
    }

    #[test]
    fn save_on_ctrl_c_finishes_saving() {
        let mut example = Example::start("save_on_ctrl_c", &[LONG, "1500"]);
        assert_eq!(example.running.next_line(), Some("locked"));
        assert_eq!(example.running.next_line(), Some("saving 1"));
        send(Signal::INT, &example);
        let end = example.end();
        let mut says = promised("save_on_ctrl_c");
        says[4] = "stopped: received SIGINT (2)".to_owned();
        assert_eq!(end.stdout, says, "{}", end.stderr);
        assert_eq!(end.killed_by, Some(Signal::INT.as_raw()), "{}", end.stderr);
    }

    #[test]
    fn command_line_second_signal() {
        let mut example = Example::start("command_line", &[LONG, LONG]);
        assert_eq!(example.running.next_line(), Some("working"));
        send(Signal::INT, &example);
        assert_eq!(example.running.next_line(), Some("cleaning up"));
        send(Signal::TERM, &example);
        let end = example.end();
        assert_eq!(end.stdout, ["working", "cleaning up"], "{}", end.stderr);
        assert_eq!(end.killed_by, Some(Signal::TERM.as_raw()), "{}", end.stderr);
    }
}

#[test]
#[cfg(all(feature = "time", feature = "signal"))]
fn command_line_timeout() {
    let end = Example::start("command_line", &["10", "1"]).end();
    assert_eq!(end.stderr.trim_end(), "command_line: timed out after 10ms");
    assert_eq!(end.code, Some(124));
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Returns the lines of the `text` block in the documentation of an example.
fn promised(name: &str) -> Vec<String> {
    let source = fs::read_to_string(source_directory().join(format!("{name}.rs"))).unwrap();
    let documentation = source.lines().map_while(|line| line.strip_prefix("//!"));
    documentation
        .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned())
        .skip_while(|line| line != "```text")
        .skip(1)
        .take_while(|line| line != "```")
        .collect()
}

/// Returns the directory of the built examples. Calls cargo once to bring them up to date: `cargo
/// test` has built them, `cargo test --test examples` has not.
fn built_directory() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The test is `<target>/<profile>/deps/examples-<hash>`.
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let target = profile.parent().unwrap();
        let name = profile.file_name().and_then(|name| name.to_str()).unwrap();

        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]);
        cargo.args(["--profile", if name == "debug" { "dev" } else { name }]);
        cargo.arg("--target-dir").arg(target);
        // The same features as this build, so that nothing is built twice.
        cargo.arg("--no-default-features").args(["--features", &features().join(",")]);
        cargo.args(BUILDABLE.iter().flat_map(|name| ["--example", name]));
        let end = Running::start("the build of the examples", cargo, BUILD_LIMIT).end();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        profile.join("examples")
    })
}

fn features() -> Vec<&'static str> {
    let on = [
        ("default", cfg!(feature = "default")),
        ("time", cfg!(feature = "time")),
        ("signal", cfg!(feature = "signal")),
        ("macros", cfg!(feature = "macros")),
        ("blocking", cfg!(feature = "blocking")),
        ("io", cfg!(feature = "io")),
    ];
    on.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

/// A running example, with a watchdog over the test.
struct Example {
    running: Running,
    _watchdog: Watchdog,
}

impl Example {
    /// Builds the example first if necessary. The build may take longer than a test, so the watchdog starts after it.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let path = built_directory().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let watchdog = support::watchdog();
        let mut command = Command::new(path);
        command.args(arguments);
        Example { running: Running::start(name, command, LIMIT), _watchdog: watchdog }
    }

    fn end(self) -> End {
        self.running.end()
    }
}

/// A process that is killed if it takes too long, and when its test ends.
struct Running {
    name: String,
    child: Child,
    give_up: Instant,
    stdout: Vec<String>,
    /// The lines of its standard output. The channel is closed at the end of the output.
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

/// How a process ended.
struct End {
    stdout: Vec<String>,
    stderr: String,
    /// `None` if a signal ended it.
    code: Option<i32>,
    /// The number of the signal that ended it.
    #[cfg(all(unix, feature = "time", feature = "signal"))]
    killed_by: Option<i32>,
}

impl Running {
    fn start(name: &str, mut command: Command, limit: Duration) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let read = stderr.read_to_string(&mut text);
            read.map_or_else(|error| error.to_string(), |_| text)
        });
        Running {
            name: name.to_owned(),
            child,
            give_up: Instant::now() + limit,
            stdout: Vec::new(),
            lines,
            stderr: Some(stderr),
        }
    }

    /// Returns the next line of output, or `None` at its end.
    fn next_line(&mut self) -> Option<&str> {
        let left = self.give_up.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => self.stdout.push(line),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => self.fail_late(),
        }
        self.stdout.last().map(String::as_str)
    }

    /// Waits until it ends.
    fn end(mut self) -> End {
        while self.next_line().is_some() {}
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= self.give_up {
                self.fail_late();
            }
            thread::sleep(Duration::from_millis(1));
        };
        let stderr = self.stderr.take().unwrap().join().unwrap();
        End {
            stdout: std::mem::take(&mut self.stdout),
            stderr,
            code: status.code(),
            #[cfg(all(unix, feature = "time", feature = "signal"))]
            killed_by: std::os::unix::process::ExitStatusExt::signal(&status),
        }
    }

    /// The process is killed when the panic drops this.
    fn fail_late(&self) -> ! {
        panic!("{} did not end in time; it printed {:#?}", self.name, self.stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
