//! Runs the examples, and looks at the dashboard in a real browser if there is one.

#[cfg(all(unix, feature = "dashboard"))]
mod dashboard;
#[cfg(all(unix, feature = "dashboard"))]
mod http;
#[cfg(all(unix, feature = "dashboard"))]
mod service;

use std::process::Command;

use private_harness::example;

#[test]
fn chain() {
    let expected = [
        "gateway: ",
        "users: ",
        "store: ",
        "record of store: cancelled: timed out after",
        "record of users: answered 504: the store said: deadline exceeded",
        "record of gateway: answered 504: users said: the store said: deadline exceeded",
    ];
    let mut printed = String::new();
    // A machine that is busy with other tests may miss the budget of 500 ms.
    for _ in 0..5 {
        let output = Command::new(example("chain")).output().expect("the example was built");
        printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() && expected.iter().all(|line| printed.contains(line)) {
            return;
        }
    }
    panic!("{printed}");
}
