//! The example `monitor` with its output on a pipe: a table for each change.

use std::ffi::OsStr;

use private_harness::Running;
use rustix::process::Signal;

use super::start_example;

fn start(step: &str) -> Running {
    start_example("monitor", &[OsStr::new(step)])
}

/// Returns the printed tables, without their first lines.
fn tables(lines: &[String]) -> Vec<Vec<String>> {
    let tables = lines.split(|line| line.is_empty()).filter(|table| !table.is_empty());
    let rows = |table: &[String]| {
        assert!(table[0].ends_with("operation           status      progress"), "{}", table[0]);
        table[1..].to_vec()
    };
    tables.map(rows).collect()
}

/// Returns the columns: the indented operation, and everything after it.
fn column(row: &str) -> (&str, Vec<&str>) {
    (row[7..27].trim_end(), row[27..].split_whitespace().collect())
}

#[test]
fn shows_each_change() {
    let end = start("60").end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.stderr, "");
    let tables = tables(&end.stdout);
    assert!(tables.windows(2).all(|two| two[0] != two[1]), "a table without a change");
    assert!(!end.stdout.iter().any(|line| line.contains('\x1b')), "drawn on a pipe");

    let all =
        |done: &'static str, of: &'static str| vec!["completed", "##########", done, "of", of];
    let last: Vec<_> = tables.last().unwrap().iter().map(|row| column(row)).collect();
    assert_eq!(last[0], ("backup", all("3", "3")));
    assert_eq!(last[1], ("  scan", all("8", "8")));
    assert_eq!(last[2], ("  copy photos", all("24", "24")));
    assert_eq!(last[3], ("  copy music", all("16", "16")));
    assert_eq!(last[4].0, "  copy mail");
    assert_eq!(last[4].1.join(" "), "cancelled ## 3 of 12, timed out after 600ms");
    assert_eq!(last[5], ("  write index", all("6", "6")));
    assert_eq!(last.len(), 6);

    // Earlier tables showed the operations while they were running.
    let shown = |name: &str, status: &str| {
        let rows = tables.iter().flatten().map(|row| column(row));
        rows.filter(|row| row.0 == name && row.1[0] == status).count()
    };
    assert!(shown("  scan", "running") >= 2);
    assert!(shown("  copy mail", "running") >= 1);
    assert!(shown("backup", "running") >= 5);
}

/// Each step takes longer than the test.
#[test]
fn interrupt_prints_a_report() {
    let running = start("100000");
    let scans = |line: String| line.contains("scan") && line.ends_with("running");
    while !scans(running.line()) {}
    running.signal(Signal::INT);
    let end = running.end();
    assert!(
        end.stderr.starts_with("received SIGINT (2)\nshutdown: all 2 operations stopped in "),
        "{}",
        end.stderr
    );
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let rows = tables(&end.stdout).pop().unwrap();
    assert_eq!(column(&rows[0]).1.join(" "), "cancelled , received SIGINT (2)");
    assert_eq!(column(&rows[1]).1[0], "cancelled");
}
