//! The example `crawler`: reads all pages, or stops at the first page that is missing, or at Ctrl-C.

use std::ffi::OsStr;
use std::fs;

use private_harness::Running;
use rustix::process::Signal;

use super::start_example;

fn start(arguments: &[&str]) -> Running {
    start_example("crawler", &arguments.iter().map(OsStr::new).collect::<Vec<_>>())
}

#[test]
fn reads_every_page_once() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..20 {
        let next = number + 1;
        let name = if number == 0 { "index".to_owned() } else { number.to_string() };
        let links = if number < 19 {
            format!("<a href=\"{next}.html\">next</a> <a href=\"index.html\">home</a>")
        } else {
            String::new()
        };
        fs::write(dir.path().join(format!("{name}.html")), links).unwrap();
    }
    let end = start(&["--delay", "1ms", dir.path().to_str().unwrap()]).end();
    assert_eq!(end.stdout.len(), 21, "{:?}", end.stdout);
    assert_eq!(
        (end.stdout[0].as_str(), end.stdout[20].as_str()),
        ("index.html: 2 links", "20 pages were read")
    );
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

#[test]
fn first_missing_page_stops_the_others() {
    let end = start(&[]).end();
    let stopped = "a task of the group failed: missing.html: 404 Not Found";
    assert!(end.stdout.iter().any(|line| line.ends_with(stopped)), "{:?}", end.stdout);
    assert_eq!(end.code, Some(1), "{}", end.stderr);
}

#[test]
fn missing_page_is_collected() {
    let end = start(&["--keep-going"]).end();
    assert!(end.stdout.iter().any(|line| line == "missing.html: 404 Not Found"));
    assert_eq!(end.stdout.last().unwrap(), "4 pages were read");
    assert_eq!(end.code, Some(1), "{}", end.stderr);
}

#[test]
fn interrupted() {
    let running = start(&["--delay", "36000000ms"]);
    running.wait_for_message("crawling");
    running.signal(Signal::INT);
    let end = running.end();
    assert_eq!(end.stdout, ["stopped: received SIGINT (2)", "0 pages were read"]);
    assert!(end.stderr.ends_with("crawler: received SIGINT (2)"), "{}", end.stderr);
    assert_eq!(end.killed_by, Some(Signal::INT.as_raw()));
}
