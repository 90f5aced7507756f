//! `Recorder`.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, EventKind, Recorder};

use super::{HOUR, ms, panic_of};
use crate::support::{self, poll_once};

/// Reports progress after 5 ms, and takes 10 ms.
async fn copy(operation: Operation) {
    timeout(ms(5)).await;
    operation.report_progress(Progress::steps(1, 2).with_message("half"));
    timeout(ms(5)).await;
}

#[test]
fn completes() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    time.advance(HOUR);
    let events = Recorder::new();
    let run = events.watch(scope(never(), copy).named("copy"));
    let operation = run.operation();
    time.advance(ms(1));
    time.block_on(run).unwrap();
    events.assert(["started", "progress half: 1 of 2", "completed"]);
    events.assert_timed([
        (ms(0), "started"),
        (ms(5), "progress half: 1 of 2"),
        (ms(10), "completed"),
    ]);
    let list = events.events();
    assert!(list.iter().all(|event| event.operation == operation.id()));
    assert!(list.iter().all(|event| event.name.as_deref() == Some("copy")));
    assert_eq!(list[0].kind, EventKind::Started);
    assert_eq!((list[2].at, &list[2].kind), (ms(10), &EventKind::Completed));
}

#[test]
fn cancelled() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let events = Recorder::new();
    assert!(time.block_on(events.watch(scope(timeout(ms(7)), copy))).is_err());
    events.assert(["started", "progress half: 1 of 2", "cancelled: timed out after 7ms"]);
    let all = events.take();
    assert_eq!(all[2].kind, EventKind::Cancelled(Reason::timeout(ms(7))));

    for (reason, line) in [
        (Reason::Manual { message: None }, "cancelled"),
        (Reason::manual("stop"), "cancelled: stop"),
        (Reason::Disconnected, "cancelled: the other side disconnected"),
    ] {
        let events = Recorder::new();
        let run = events.watch(pending::<()>().cancelable(never()));
        run.operation().cancel_with(reason);
        assert!(time.block_on(run).is_err());
        events.assert(["started", line]);
    }
}

#[test]
fn fails() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let fails = async { Err::<(), _>(io::Error::other("no disk")) };
    assert!(testing::run(events.watch(fails.try_cancelable(never()))).is_err());
    events.assert(["started", "failed: no disk"]);
    events.take();
    let panics = events.watch(async { panic!("no disk") }.cancelable(never()));
    assert!(catch_unwind(AssertUnwindSafe(|| testing::run(panics))).is_err());
    assert_eq!(events.lines().last().unwrap(), "#2: failed: panicked: no disk");
}

#[test]
fn dropped() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let mut run = Box::pin(events.watch(pending::<()>().cancelable(never())));
    assert!(poll_once(run.as_mut()).is_pending());
    drop(run);
    events.assert(["started", "cancelled: dropped before it was done"]);
    // An operation that never started has no events.
    let events = Recorder::new();
    drop(events.watch(pending::<()>().cancelable(never())));
    events.assert([""; 0]);
}

#[test]
fn names_and_numbers() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let nothing = || async {}.cancelable(never());
    let first = events.watch(nothing());
    let second = events.watch(nothing().named("b"));
    let third = events.watch(nothing());
    for run in [third, first, second] {
        testing::run(run).unwrap();
    }
    events.assert([
        "#3: started",
        "#3: completed",
        "#1: started",
        "#1: completed",
        "b: started",
        "b: completed",
    ]);
}

#[test]
fn attached_late() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let run = async { futures::pending!() }.cancelable(never());
    let operation = run.operation();
    let mut run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    events.attach(&operation);
    operation.report_progress("half");
    assert!(poll_once(run.as_mut()).is_ready());
    events.assert(["progress half", "completed"]);

    let after = Recorder::new();
    after.attach(&operation);
    operation.report_progress("too late");
    after.assert(["completed"]);
    events.assert(["progress half", "completed"]);
}

#[test]
fn clone_and_take() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    events.clone().attach(&operation);
    operation.report_progress("a");
    assert_eq!(events.clone().take().len(), 1);
    assert!(events.events().is_empty());
    operation.report_progress("b");
    events.assert(["progress b"]);
}

#[test]
fn other_threads() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let events = Recorder::default();
    let unpolled = async {}.cancelable(never());
    let operation = unpolled.operation();
    events.attach(&operation);
    thread::spawn(move || operation.report_progress("there")).join().unwrap();
    events.assert(["progress there"]);
    drop(time);
}

#[test]
fn keeps_no_operation() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let held = std::sync::Arc::new(());
    let hold = held.clone();
    let run = events.watch(async {}.cancelable(never()).on_start(move |_| drop(hold)));
    drop(run);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}

#[test]
fn message_is_a_diff() {
    let _watchdog = support::watchdog();
    let time = testing::pause();
    let events = Recorder::new();
    assert!(time.block_on(events.watch(scope(timeout(ms(7)), copy))).is_err());
    let expected = ["started", "progress 50%", "cancelled: timed out after 7ms", "completed"];
    let said = panic_of(|| events.assert(expected));
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "the recorded events differ (- expected, + recorded):",
            "    started                        at 0ns",
            "  - progress 50%",
            "  + progress half: 1 of 2          at 5ms",
            "    cancelled: timed out after 7ms at 7ms",
            "  - completed",
        ]
    );
    let early = [(ms(0), "started"), (ms(4), "progress half: 1 of 2")];
    let said = panic_of(|| events.assert_timed(early));
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[1..],
        [
            "    0ns started",
            "  - 4ms progress half: 1 of 2",
            "  + 5ms progress half: 1 of 2",
            "  + 7ms cancelled: timed out after 7ms",
        ]
    );
    // Missing lines, extra lines and another order all fail.
    assert!(!panic_of(|| events.assert(["started"])).is_empty());
    assert!(!panic_of(|| events.assert([""; 0])).is_empty());
    let turned = ["progress half: 1 of 2", "started", "cancelled: timed out after 7ms"];
    assert!(!panic_of(|| events.assert(turned)).is_empty());
    let nothing: [(Duration, &str); 0] = [];
    assert!(!panic_of(|| events.assert_timed(nothing)).is_empty());
}

/// Printing a reason may run user code, because the reason may hold an error. That code may use the recorder.
#[test]
fn reentrant_display() {
    struct Asks(Recorder);
    impl std::fmt::Debug for Asks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Asks: {self}")
        }
    }
    impl std::fmt::Display for Asks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "number {}", self.0.events().len())
        }
    }
    impl std::error::Error for Asks {}
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let reason = Reason::error(Asks(events.clone()));
    let run = events.watch(pending::<()>().cancelable(async { reason }));
    assert!(testing::run(run).is_err());
    events.assert(["started", "cancelled: cancelled by an error: number 2"]);
    assert!(format!("{events:?}").contains("Asks: number 2"));
    assert_eq!(events.take().len(), 2);
}

#[test]
fn watched_twice() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let run = events.watch(async {}.cancelable(never()).named("a"));
    events.attach(&run.operation());
    testing::run(run).unwrap();
    events.assert(["started", "completed"]);
}

/// The cost is linear in the number of operations.
#[test]
fn many_operations() {
    let _watchdog = support::watchdog();
    let events = Recorder::new();
    let many = 50_000;
    for _ in 0..many {
        testing::run(events.watch(async {}.cancelable(never()))).unwrap();
    }
    let lines = events.lines();
    assert_eq!(lines.len(), 2 * many);
    assert_eq!(lines[2 * many - 1], format!("#{many}: completed"));
    // One line differs, and one is missing.
    let mut expected = lines.clone();
    expected[many + 9] = "another".to_owned();
    expected.remove(many);
    let said = panic_of(|| events.assert(&expected));
    let marked: Vec<_> = (said.lines().map(str::trim))
        .filter(|line| line.starts_with(['-', '+']))
        .map(|line| line.split(" at ").next().unwrap().trim_end())
        .collect();
    let [first, last] = [many, many + 9].map(|place| format!("+ {}", lines[place]));
    assert_eq!(marked, [first.as_str(), "- another", last.as_str()]);
}
