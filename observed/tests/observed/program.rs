//! The program of this package.

use std::process::Command;

use private_harness::watchdog;

#[test]
fn prints_spans_and_metrics() {
    let _watchdog = watchdog();
    let output = Command::new(env!("CARGO_BIN_EXE_cancelable-observed")).output().unwrap();
    let [spans, metrics] =
        [output.stderr, output.stdout].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{spans}");

    let closed: Vec<_> = spans.lines().filter(|line| line.contains(": close ")).collect();
    let expected = [
        ["operation.name=\"fetch\"", "operation.outcome=\"completed\""],
        ["operation.name=\"fetch\"", "operation.reason_kind=\"timeout\""],
        ["operation.name=\"import\"", "operation.outcome=\"completed\""],
    ];
    assert_eq!(closed.len(), expected.len(), "{spans}");
    for (line, fields) in closed.iter().zip(expected) {
        assert!(fields.iter().all(|field| line.contains(field)), "{line}");
    }
    assert!(spans.contains("cancel requested reason=timed out after 5ms"), "{spans}");

    for sample in [
        "cancelable_operations_started_total{operation=\"fetch\"} 2",
        "cancelable_operations_running{operation=\"fetch\"} 0",
        "cancelable_operations_ended_total{operation=\"fetch\",outcome=\"completed\",reason=\"none\"} 1",
        "cancelable_operations_ended_total{operation=\"fetch\",outcome=\"cancelled\",reason=\"timeout\"} 1",
        "cancelable_operation_duration_seconds_count{operation=\"import\",outcome=\"completed\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample}\n{metrics}");
    }
}
