//! The feature `serde`: the types that a registry returns, as JSON.

use std::time::{Duration, Instant};

use cancelable::prelude::*;
use cancelable::registry::{Event, Filter, Phase};
use futures::StreamExt;
use serde_json::{Value, json, to_value};

use crate::helpers::{running, started};
use crate::support;

/// Takes all events that have arrived, as JSON.
fn told(registry_events: &mut cancelable::registry::Events) -> Vec<Value> {
    let mut told = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(registry_events.next()) {
        told.push(to_value(event).unwrap());
    }
    told
}

#[test]
fn events() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(16);
    let (operation, run) = running(&registry, "fetch");
    let registered = to_value(&told(&mut events)[0]).unwrap();
    assert_eq!(registered["event"], json!("registered"));
    assert_eq!(registered["snapshot"]["status"], json!("pending"));
    operation.report_progress("half");
    operation.cancel_with("stop");
    assert!(support::block_on(run).is_err());
    registry.close();
    let late = async {}.cancelable(never()).registered_in(&registry);
    let (id, late) = (operation.id().as_u64(), late.operation().id().as_u64());
    let record = to_value(registry.history(Filter::all()).remove(0)).unwrap();
    let progress = to_value(Progress::from("half")).unwrap();
    let reason = json!({ "kind": "manual", "text": "cancelled: stop" });
    assert_eq!(
        told(&mut events),
        [
            json!({ "event": "progress", "id": id, "name": "fetch", "progress": progress }),
            json!({ "event": "cancelling", "id": id, "name": "fetch", "reason": reason }),
            json!({ "event": "ended", "record": record }),
            json!({ "event": "closed" }),
            json!({ "event": "refused", "id": late, "name": null }),
        ]
    );
    let mut one = registry.events(1);
    drop(async {}.cancelable(never()).registered_in(&registry));
    drop(async {}.cancelable(never()).registered_in(&registry));
    assert_eq!(told(&mut one)[0], json!({ "event": "missed", "count": 1 }));
}

#[test]
fn started_event() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let mut events = registry.events(16);
    let (operation, _run) = running(&registry, "fetch");
    let id = operation.id().as_u64();
    let expected = json!({ "event": "started", "id": id, "name": "fetch" });
    assert_eq!(told(&mut events)[1], expected);
}

#[test]
fn record() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (operation, run) = running(&registry, "fetch");
    drop(run);
    let mut record = registry.history(Filter::all()).remove(0);
    let snapshot = to_value(operation.snapshot()).unwrap();
    assert_eq!(to_value(&record).unwrap(), json!({ "snapshot": snapshot, "stopping": null }));
    record.stopping = Some(Duration::from_millis(1500));
    record.ended_at = Instant::now();
    assert_eq!(to_value(&record).unwrap()["stopping"], json!(1.5));
}

#[test]
fn stats() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "stays");
    drop(running(&registry, "goes"));
    let mut stats = registry.stats();
    stats.average_duration = Some(Duration::from_millis(250));
    stats.longest_duration = Some(Duration::from_secs(1));
    let mut stats = to_value(stats).unwrap();
    let durations = stats.as_object_mut().unwrap().remove("durations").unwrap();
    assert_eq!(durations["cancelled"]["count"], json!(1));
    assert_eq!(durations["cancelled"]["p99"], durations["cancelled"]["max"]);
    let none = json!({
        "count": 0, "average": null, "min": null, "max": null,
        "p50": null, "p90": null, "p99": null,
    });
    assert_eq!(durations["completed"], none);
    assert_eq!(
        stats,
        json!({
            "pending": 0,
            "running": 1,
            "cancelling": 0,
            "completed": 0,
            "failed": 0,
            "cancelled": 1,
            "never_started": 0,
            "refused": 0,
            "cancelled_by": { "dropped": 1 },
            "average_duration": 0.25,
            "longest_duration": 1.0,
            "average_stopping": null,
            "longest_stopping": null,
            "stopping_durations": none,
        })
    );
}

#[test]
fn inspection() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let flush = shield(std::future::pending::<()>()).named("flush").cancelable(never());
    let (operation, _run) = started(flush.registered_in(&registry));
    let mut found = registry.inspect(Filter::all()).remove(0);
    found.last_poll = Some(Duration::from_millis(500));
    found.longest_poll = Duration::from_millis(125);
    let snapshot = to_value(&found.snapshot).unwrap();
    assert_eq!(snapshot["id"], json!(operation.id().as_u64()));
    assert_eq!(
        to_value(&found).unwrap(),
        json!({
            "snapshot": snapshot,
            "phase": "in shield \"flush\"",
            "stopping": null,
            "last_poll": 0.5,
            "in_poll": null,
            "longest_poll": 0.125,
        })
    );
    assert_eq!(to_value(Phase::Running).unwrap(), json!("running"));
    assert_eq!(to_value(Event::Closed).unwrap(), json!({ "event": "closed" }));
}

#[cfg(feature = "time")]
#[test]
fn report() {
    let _watchdog = support::watchdog();
    let registry = Registry::new();
    let (_, _run) = running(&registry, "stays");
    let unpolled = async {}.cancelable(never()).registered_in(&registry);
    let shutdown = registry.shutdown(Duration::ZERO).grace(Duration::from_millis(1));
    let mut shutdown = Box::pin(shutdown);
    assert!(support::poll_once(shutdown.as_mut()).is_pending());
    drop(unpolled);
    let mut report = support::block_on(shutdown);
    report.took = Duration::from_millis(750);
    let stopped = to_value(&report.stopped[0]).unwrap();
    let remaining = to_value(&report.remaining[0]).unwrap();
    assert_eq!(
        to_value(&report).unwrap(),
        json!({
            "took": 0.75,
            "forced": true,
            "cut_short": 0,
            "stopped": [stopped],
            "remaining": [remaining],
            "phases": [],
        })
    );
}

#[cfg(feature = "time")]
#[test]
fn phases() {
    use cancelable::registry::{Shutdown, ShutdownPlan};

    let _watchdog = support::watchdog();
    let phases = Shutdown::phases().then("intake", &Registry::new(), Duration::from_secs(5));
    let stop = async { Reason::manual("stop") };
    let end = support::block_on(phases.shutdown_when(stop, ShutdownPlan::new()));
    let mut phase = end.report.phases[0].clone();
    phase.took = Duration::from_millis(250);
    assert_eq!(
        to_value(&phase).unwrap(),
        json!({
            "name": "intake",
            "finish": 5.0,
            "took": 0.25,
            "forced": false,
            "stopped": 0,
            "remaining": 0,
        })
    );
}
