//! The example `checksum` in a process of its own, with real files, time limits and signals.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support;

/// How long a process may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A pause longer than any test.
const FOREVER: &str = "10h";

/// Returns the path of the program, built once. Cargo puts examples beside the directory of the
/// tests.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile_dir = test.parent().and_then(Path::parent).unwrap();
        let profile = match profile_dir.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            name => name,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "checksum", "--all-features"]);
        cargo.args(["--profile", profile]).arg("--target-dir").arg(profile_dir.parent().unwrap());
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success(), "the example does not build");
        profile_dir.join("examples/checksum")
    })
}

/// The running program. It is killed if it takes too long, and if the test fails.
struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

struct Ended {
    code: Option<i32>,
    killed_by: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Running {
    fn start(dir: &Path, args: &[&str]) -> Running {
        let mut command = Command::new(program());
        command.args(args).arg(dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Waits for a line on stderr that contains `part`.
    fn wait_for_message(&self, part: &str) {
        loop {
            let line = self.stderr.recv_timeout(LIMIT).expect("the message does not come");
            if String::from_utf8_lossy(&line).contains(part) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process ends. Returns the output that has not been read yet.
    fn end(mut self) -> Ended {
        let give_up = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < give_up, "the program does not end");
            thread::sleep(Duration::from_millis(2));
        };
        Ended {
            code: status.code(),
            killed_by: status.signal(),
            stdout: self.stdout.iter().flatten().collect(),
            stderr: String::from_utf8(self.stderr.iter().flatten().collect()).unwrap(),
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

/// Sends each line that arrives, with its line ending.
fn lines(from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            let read = from.read_until(b'\n', &mut line).unwrap();
            if read == 0 || sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Returns a stdout that is never read.
fn nothing() -> Receiver<Vec<u8>> {
    channel().1
}

fn run(dir: &Path, args: &[&str]) -> Ended {
    Running::start(dir, args).end()
}

fn line(content: &[u8], name: &str) -> String {
    format!("{:x}  {name}\n", Sha256::digest(content))
}

/// Creates empty files, which are finished at once, and one file with content, as the third. If `--slow` is [`FOREVER`], the
/// program pauses after the first chunk of that file, so only the lines of the first two files are printed.
fn two_files_and_a_slow_one() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "").unwrap();
    fs::write(dir.path().join("b"), "").unwrap();
    fs::write(dir.path().join("c"), "content").unwrap();
    fs::write(dir.path().join("d"), "").unwrap();
    let partial = line(b"", "a") + &line(b"", "b");
    (dir, partial)
}

/// Creates files with names so long that their lines do not fit into a pipe that is not read.
fn more_than_a_pipe_holds() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in 0..2000 {
        fs::write(dir.path().join(format!("{file:0>100}")), "").unwrap();
    }
    dir
}

#[test]
fn prints_like_sha256sum() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let big: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(2_500_000).collect();
    let mut expected = Vec::new();
    // Ordered by the bytes of the names: `.` is before `/`, and `/` before letters.
    let files: [(&[u8], &[u8]); 6] = [
        (b"Z", b"upper case first"),
        (b"dir.txt", b"before what is in the directory"),
        (b"dir/big", &big),
        (b"dir/inner/empty", b""),
        (b"dirt", b"after what is in the directory"),
        (b"latin-\xe9", b"not UTF-8"),
    ];
    for (name, content) in files {
        let path = dir.path().join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        expected.extend_from_slice(format!("{:x}  ", Sha256::digest(content)).as_bytes());
        expected.extend_from_slice(name);
        expected.push(b'\n');
    }
    let ended = run(dir.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&expected));
    assert_eq!(ended.stdout, expected);
    assert_eq!(ended.stderr, "checksum: 6 files, 2.4 MiB\n");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn empty_directory() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &[]);
    assert_eq!(ended.stdout, b"");
    assert_eq!(ended.stderr, "checksum: 0 files, 0.0 MiB\n");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn links_and_special_files_are_skipped() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("file"), "content").unwrap();
    symlink(&real, real.join("loop")).unwrap();
    symlink(real.join("file"), real.join("link")).unwrap();
    symlink("nowhere", real.join("broken")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(real.join("socket")).unwrap();
    // The directory to start from may itself be a link.
    let start = dir.path().join("start");
    symlink(&real, &start).unwrap();
    let ended = run(&start, &[]);
    assert_eq!(ended.stdout, line(b"content", "file").as_bytes());
    assert_eq!(ended.code, Some(0));
}

/// Paths may be longer than the system accepts in one piece. A file at such a path cannot be read,
/// whatever its permissions.
#[cfg(target_os = "linux")]
#[test]
fn ignored_files_are_skipped_in_a_repository() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    for name in [".git", "target", "sub/target"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join(".gitignore"), "target/\n*.log\n").unwrap();
    for name in [".git/head", ".hidden", "a", "a.log", "target/t", "sub/b", "sub/target/t"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let names = |args: &[&str]| -> Vec<String> {
        let ended = run(dir.path(), args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines = String::from_utf8(ended.stdout).unwrap();
        lines.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
    };
    assert_eq!(names(&[]), [".gitignore", ".hidden", "a", "sub/b"]);
    assert_eq!(names(&["--all"]).len(), 8);
    // Elsewhere, `.gitignore` means nothing.
    fs::remove_dir_all(dir.path().join(".git")).unwrap();
    assert_eq!(names(&[]).len(), 7);
}

#[test]
fn unreadable_files_are_counted() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let long: PathBuf = (0..10).map(|_| "x".repeat(250)).collect();
    let (upper, lower) = (dir.path().join("deep"), dir.path().join("more"));
    fs::create_dir_all(upper.join(&long)).unwrap();
    fs::create_dir_all(lower.join(&long)).unwrap();
    fs::rename(lower, upper.join(&long).join("more")).unwrap();
    fs::write(dir.path().join("a"), "content").unwrap();
    fs::write(dir.path().join("z"), "content").unwrap();

    let ended = run(dir.path(), &[]);
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap(),
        line(b"content", "a") + &line(b"content", "z")
    );
    assert!(ended.stderr.contains("checksum: 2 files, 0.0 MiB\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("checksum: 1 could not be read\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("xxx: "), "{}", ended.stderr);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn timeout_leaves_the_finished_lines() {
    let _watchdog = support::watchdog();
    let (dir, partial) = two_files_and_a_slow_one();
    let running = Running::start(dir.path(), &["--timeout", "2s", "--slow", FOREVER]);
    let ended = running.end();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), partial);
    let expected = "checksum: stopped after 2 of 4 files and 0.0 MiB of 0.0 MiB found so far\n\
        checksum: partial result: 2 finished lines on stdout\n\
        checksum: timed out after 2s\n";
    assert_eq!(ended.stderr, expected);
    assert_eq!(ended.code, Some(124));
}

#[test]
fn timeout_of_zero() {
    let _watchdog = support::watchdog();
    let (dir, _) = two_files_and_a_slow_one();
    let ended = run(dir.path(), &["--timeout=0s"]);
    assert_eq!(ended.stdout, b"");
    assert!(ended.stderr.contains("stopped after 0 of 0 files"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(124));
}

#[test]
fn unused_timeout() {
    let _watchdog = support::watchdog();
    let (dir, _) = two_files_and_a_slow_one();
    let ended = run(dir.path(), &["--timeout", FOREVER, "--max-mib", "1"]);
    assert_eq!(ended.stdout.iter().filter(|byte| **byte == b'\n').count(), 4);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn max_mib_leaves_the_finished_lines() {
    let _watchdog = support::watchdog();
    let (dir, partial) = two_files_and_a_slow_one();
    let ended = run(dir.path(), &["--max-mib", "0", "--slow", FOREVER]);
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), partial);
    assert!(ended.stderr.contains("\nchecksum: condition `max-mib` met after "));
    assert!(ended.stderr.contains("stopped after 2 of 4 files"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(125));
}

/// Sends this signal once the lines of the files before the slow file have been printed.
fn stopped_by(signal: Signal, reason: &str) {
    let (dir, partial) = two_files_and_a_slow_one();
    let running = Running::start(dir.path(), &["--slow", FOREVER]);
    let first = [(); 2].map(|()| running.stdout.recv_timeout(LIMIT).unwrap()).concat();
    assert_eq!(String::from_utf8(first).unwrap(), partial);
    running.signal(signal);
    let ended = running.end();
    assert_eq!(ended.stdout, b"");
    let last = format!("partial result: 2 finished lines on stdout\nchecksum: {reason}\n");
    assert!(ended.stderr.ends_with(&last), "{}", ended.stderr);
    assert_eq!(ended.killed_by, Some(signal.as_raw()));
}

#[test]
fn sigint_stops_it() {
    let _watchdog = support::watchdog();
    stopped_by(Signal::INT, "received SIGINT (2)");
}

#[test]
fn sigterm_stops_it() {
    let _watchdog = support::watchdog();
    stopped_by(Signal::TERM, "received SIGTERM (15)");
}

/// Sends a second signal after the first has cancelled the work and the code after the work blocks the only thread.
fn second_signal(signal: Signal) {
    let (dir, _) = two_files_and_a_slow_one();
    let running = Running::start(dir.path(), &["--slow", FOREVER, "--linger", FOREVER]);
    for _ in 0..2 {
        running.stdout.recv_timeout(LIMIT).unwrap();
    }
    running.signal(Signal::INT);
    running.wait_for_message("partial result");
    running.signal(signal);
    let ended = running.end();
    assert_eq!(ended.killed_by, Some(signal.as_raw()));
    assert_eq!(ended.stderr, "");
}

#[test]
fn second_sigint_ends_it() {
    let _watchdog = support::watchdog();
    second_signal(Signal::INT);
}

#[test]
fn sigterm_after_sigint_ends_it() {
    let _watchdog = support::watchdog();
    second_signal(Signal::TERM);
}

/// If the other end of the pipe does not read, it blocks the output, but nothing else.
#[test]
fn stops_with_a_stuck_reader() {
    let _watchdog = support::watchdog();
    let dir = more_than_a_pipe_holds();
    let mut command = Command::new(program());
    command.args(["--timeout", "1s"]).arg(dir.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (_stdout, stderr) = (child.stdout.take(), lines(child.stderr.take().unwrap()));
    let ended = Running { child, stdout: nothing(), stderr }.end();
    assert!(ended.stderr.ends_with("checksum: timed out after 1s\n"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(124));
}

#[test]
fn closed_pipe_ends_it() {
    let _watchdog = support::watchdog();
    let dir = more_than_a_pipe_holds();
    let mut command = Command::new(program());
    command.arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let stderr = lines(child.stderr.take().unwrap());
    let ended = Running { child, stdout: nothing(), stderr }.end();
    assert!(ended.stderr.contains("checksum: stdout: "), "{}", ended.stderr);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn wrong_usage() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let absent = dir.path().join("absent");
    let cases: [(&Path, &[&str], &str); 6] = [
        (&absent, &[], "absent: No such file"),
        (&file, &[], "file: not a directory"),
        (dir.path(), &["--timeout", "soon"], "invalid value 'soon' for '--timeout <DURATION>'"),
        (dir.path(), &["--max-mib", "many"], "invalid value 'many' for '--max-mib <N>'"),
        (dir.path(), &["--fast"], "unexpected argument '--fast' found"),
        (dir.path(), &["other"], "unexpected argument"),
    ];
    for (start, args, message) in cases {
        let ended = run(start, args);
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, b"");
        assert_eq!(ended.code, Some(2), "{args:?}");
    }
}

#[test]
fn help() {
    let _watchdog = support::watchdog();
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &["--help"]);
    let help = String::from_utf8(ended.stdout).unwrap();
    for word in ["--timeout", "--max-mib", "--slow", "--linger", "124", "125", "128+n", "130"] {
        assert!(help.contains(word), "nothing about {word}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 88));
    assert_eq!(ended.code, Some(0));
}
