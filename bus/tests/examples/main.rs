//! Runs the example and compares what it prints.

use std::process::Command;

use private_harness::example;

#[test]
fn cancel_by_key() {
    // All waits of the example have a time limit.
    let output = Command::new(example("cancel_by_key")).output();
    let output = output.expect("the example was built");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let mut lines: Vec<_> = printed.lines().collect();
    // The jobs and the receipts come in any order.
    lines[..4].sort_unstable();
    let expected = [
        "`export` cancelled: the account is closed",
        "`report` cancelled: the account is closed",
        "delivered",
        "delivered",
        "the import of bob goes on: true",
        "`backup` cancelled: the account is blocked",
    ];
    assert_eq!(lines, expected);
}
