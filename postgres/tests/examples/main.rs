//! Runs the example with 10,000 operations in four processes. Exactly the 5,000 chosen operations are cancelled.

use std::process::Command;

use private_harness::example;

#[test]
fn fleet() {
    // The calls of the example have time limits of their own.
    let output = Command::new(example("fleet")).output().expect("the example was built");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // The example checks each operation itself.
    assert!(output.status.success(), "{printed}{errors}");
    for line in ["delivered: 5000", "receipts: 5000", "cancelled: 5000, untouched: 5000"] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    // Half of the operations of each worker are left then.
    for worker in 0..4 {
        let start = format!("on the page: worker {worker} | ");
        let row = printed.lines().find(|line| line.starts_with(&start));
        assert!(row.is_some_and(|row| row.ends_with(" | lasts | 1250 | 0")), "{printed}");
    }
}
