//! The example `pipeline`: counts files, to the end or until it is stopped.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use private_harness::{End, Running};
use rustix::process::Signal;

use super::start_example;

/// A pause longer than any test.
const FOREVER: &str = "36000s";

fn start(dir: &Path, options: &[&str]) -> Running {
    let options = options.iter().map(OsStr::new);
    start_example("pipeline", &[dir.as_os_str()].into_iter().chain(options).collect::<Vec<_>>())
}

/// Counts files, lines and bytes below a directory without the code of the example.
fn counted(dir: &Path) -> (usize, usize, usize) {
    let mut sum = (0, 0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let (files, lines, bytes) = if path.is_dir() {
            counted(&path)
        } else {
            let text = fs::read_to_string(&path).unwrap();
            (1, text.matches('\n').count(), text.len())
        };
        sum = (sum.0 + files, sum.1 + lines, sum.2 + bytes);
    }
    sum
}

fn complete(end: &End, dir: &Path) {
    let (files, lines, bytes) = counted(dir);
    let total = format!("completed: {files} of {files} files, {lines} lines, {bytes} bytes");
    assert_eq!(end.stdout[0], total, "{}", end.stderr);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

#[test]
fn counts_the_package() {
    let end = start_example("pipeline", &[]).end();
    complete(&end, &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(end.stderr.starts_with("found 8 files\nfound 16 files\n"), "{}", end.stderr);
    assert_eq!(end.stdout.len(), 2);
    assert!(end.stdout[1].starts_with("last: wait/"), "{}", end.stdout[1]);
}

/// Makes twenty files of three lines and six bytes each, in two directories.
fn twenty_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for below in ["a", "b"] {
        fs::create_dir(dir.path().join(below)).unwrap();
        for file in 0..10 {
            fs::write(dir.path().join(below).join(format!("{file}")), "1\n2\n3\n").unwrap();
        }
    }
    dir
}

#[test]
fn counts_known_files() {
    let dir = twenty_files();
    let end = start(dir.path(), &["--limit", "30s"]).end();
    complete(&end, dir.path());
    assert_eq!(
        end.stdout,
        ["completed: 20 of 20 files, 60 lines, 120 bytes", "last: b/7, b/8, b/9"]
    );
}

/// The pause after the first chunk is longer than the limit, so only that chunk is counted.
#[test]
fn timeout_keeps_the_counts() {
    let dir = twenty_files();
    let end = start(dir.path(), &["--limit", "3s", "--pause", "6s"]).end();
    let total = "cancelled (timed out after 3s): 8 of 8 files, 24 lines, 48 bytes";
    assert_eq!(end.stdout, [total, "last: a/5, a/6, a/7"], "{}", end.stderr);
    assert_eq!(end.code, Some(124));
}

#[test]
fn timeout_of_zero_counts_nothing() {
    let dir = twenty_files();
    let end = start(dir.path(), &["--limit", "0ms"]).end();
    let total = "cancelled (timed out after 0ns): 0 of 0 files, 0 lines, 0 bytes";
    assert_eq!(end.stdout, [total], "{}", end.stderr);
    assert_eq!(end.code, Some(124));
}

#[test]
fn interrupt_keeps_the_counts() {
    let dir = twenty_files();
    let running = start(dir.path(), &["--pause", "4s"]);
    running.wait_for_message("found 16 files");
    running.signal(Signal::INT);
    let end = running.end();
    let total = "cancelled (received SIGINT (2)): 16 of 16 files, 48 lines, 96 bytes";
    assert_eq!(end.stdout, [total, "last: b/3, b/4, b/5"], "{}", end.stderr);
    assert_eq!(end.killed_by, Some(Signal::INT.as_raw()));
}

#[test]
fn second_interrupt_ends_it() {
    let dir = twenty_files();
    let mut running = start(dir.path(), &["--pause", FOREVER]);
    running.wait_for_message("found 8 files");
    // Two signals that come too close together count as one.
    while running.is_running() {
        running.signal(Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let end = running.end();
    assert_eq!(
        (end.stdout.len(), end.killed_by),
        (0, Some(Signal::INT.as_raw())),
        "{}",
        end.stderr
    );
}

#[test]
fn unreadable_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let end = start(&dir.path().join("absent"), &[]).end();
    assert!(end.stderr.contains("absent: No such file"), "{}", end.stderr);
    assert_eq!(end.stdout, ["completed: 0 of 0 files, 0 lines, 0 bytes"]);
    assert_eq!(end.code, Some(1));
}

#[test]
fn wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--limit", "soon"], "\"soon\" has no number before `soon`"),
        (&["--limit"], "a duration is missing"),
        (&["--fast"], "--fast is unknown"),
        (&["other"], "more than one directory"),
    ];
    for (options, says) in cases {
        let end = start(dir.path(), options).end();
        assert_eq!(end.stderr, format!("pipeline: {says}"));
        assert_eq!((end.stdout.len(), end.code), (0, Some(1)));
    }
}
