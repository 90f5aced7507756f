//! The feature `serde`: snapshots as JSON.

use cancelable::prelude::*;
use cancelable::{Cancelled, ReasonKind, Text};
use serde_json::{json, to_value};

use crate::support;

#[test]
fn snapshot_has_every_field() {
    let _watchdog = support::watchdog();
    let parent_run = async {}.cancelable(never()).named("ingest");
    let parent = parent_run.operation();
    let run = async {}.cancelable(never()).named("fetch").metadata("url", "/a").child_of(&parent);
    let operation = run.operation();
    operation.report_progress(Progress::steps(1, 4).with_message("waiting").with("host", "b"));
    operation.cancel_with("stop");
    assert_eq!(
        to_value(operation.snapshot()).unwrap(),
        json!({
            "id": operation.id().as_u64(),
            "name": "fetch",
            "status": "pending",
            "reason": { "kind": "manual", "text": "cancelled: stop" },
            "error": null,
            "parent_id": parent.id().as_u64(),
            "parent_name": "ingest",
            "metadata": { "url": "/a" },
            "progress": {
                "message": "waiting",
                "fraction": 0.25,
                "done": 1,
                "total": 4,
                "details": { "host": "b" },
            },
            "started": false,
            "elapsed": 0.0,
            "remaining": null,
        })
    );
}

#[test]
fn parts() {
    let _watchdog = support::watchdog();
    assert_eq!(to_value(ReasonKind::Parent).unwrap(), json!("parent"));
    assert_eq!(to_value(Signal::Term).unwrap(), json!("SIGTERM"));
    assert_eq!(to_value(Status::Cancelling).unwrap(), json!("cancelling"));
    assert_eq!(to_value(Text::from("a\"b")).unwrap(), json!("a\"b"));
    let cancelled = to_value(Cancelled::new(Reason::signal(Signal::Int))).unwrap();
    let text = Reason::signal(Signal::Int).to_string();
    assert_eq!(
        cancelled,
        json!({ "reason": { "kind": "signal", "text": text }, "forced": false, "operation": null })
    );
    let progress = to_value(Progress::at(0.5)).unwrap();
    assert_eq!((&progress["fraction"], &progress["done"]), (&json!(0.5), &json!(null)));
}
