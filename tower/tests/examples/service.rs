//! The example `service`, over plain connections.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use private_harness::{PROGRAM_LIMIT, Running, example};
use rustix::process::Signal;
use serde_json::json;

use super::http::{Messages, answer, ask, send};

/// A job longer than any test.
pub(crate) const LONG_WORK: &str = "/work?ms=200000";

/// Starts the service on a free port. Returns its address too.
pub(crate) fn service() -> (Running, String) {
    let running = Running::start(&example("service"), &[OsStr::new("127.0.0.1:0")]);
    let line = running.line();
    let address = line.strip_prefix("listening on http://").expect(&line).to_owned();
    (running, address)
}

/// Returns the ids of the running jobs, once there are `count`.
pub(crate) fn wait_for_work(address: &str, count: usize) -> Vec<u64> {
    let give_up = Instant::now() + PROGRAM_LIMIT;
    loop {
        let (code, found) = ask(address, "GET", "/operations?name=WORK");
        assert_eq!(code, 200);
        let found = found.as_array().unwrap();
        if found.len() == count && found.iter().all(|work| work["status"] == "running") {
            return found.iter().map(|work| work["id"].as_u64().unwrap()).collect();
        }
        assert!(Instant::now() < give_up, "not {count} at work: {found:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn lists_its_requests() {
    let (_running, address) = service();
    assert_eq!(ask(&address, "GET", "/work?ms=20"), (200, json!({ "worked_ms": 20 })));
    assert_eq!(ask(&address, "GET", "/work?ms=long").0, 400);

    let work = send(&address, "GET", LONG_WORK);
    let id = wait_for_work(&address, 1)[0];
    let (code, all) = ask(&address, "GET", "/operations");
    assert_eq!((code, all.as_array().unwrap().len()), (200, 2), "{all}");
    assert_eq!(all[1]["name"], "GET /operations", "the request that asks runs too");
    let listed = &all[0];
    assert_eq!(listed["id"], id);
    assert_eq!(listed["name"], "GET /work");
    assert_eq!(listed["status"], "running");
    assert_eq!(listed["metadata"]["query"], "ms=200000");
    assert_eq!(listed["metadata"]["client"], work.local_addr().unwrap().to_string());
    assert!(listed["progress"]["fraction"].is_f64(), "{listed}");

    let (code, stats) = ask(&address, "GET", "/stats");
    assert_eq!(code, 200);
    assert_eq!((&stats["running"], &stats["cancelled"]), (&json!(2), &json!(0)), "{stats}");
    assert!(stats["completed"].as_u64() >= Some(4), "{stats}");
}

#[test]
fn cancels_by_id() {
    let (_running, address) = service();
    let work = send(&address, "GET", LONG_WORK);
    let other = send(&address, "GET", LONG_WORK);
    let ids = wait_for_work(&address, 2);
    let of_first = ask(&address, "GET", "/operations?name=work").1[0]["metadata"]["client"].clone();
    let first_is_work = of_first == work.local_addr().unwrap().to_string();
    let (work, other) = if first_is_work { (work, other) } else { (other, work) };

    let path = format!("/operations/{}/cancel", ids[0]);
    assert_eq!(ask(&address, "POST", &path), (200, json!({ "id": ids[0], "cancelled": true })));
    let (code, body) = answer(work);
    assert_eq!((code, body), (503, "cancelled: cancelled by hand\n".to_owned()));

    assert_eq!(ask(&address, "POST", &path), (404, json!({ "id": ids[0], "cancelled": false })));
    assert_eq!(ask(&address, "GET", &path).0, 405);
    assert_eq!(ask(&address, "POST", &format!("/operations/{}/cancel", u64::MAX)).0, 404);
    assert_eq!(answer(send(&address, "POST", "/operations/first/cancel")).0, 400);
    assert_eq!(wait_for_work(&address, 1), [ids[1]], "the other one goes on");
    drop(other);
}

#[test]
fn disconnect_cancels_the_request() {
    let (_running, address) = service();
    let mut messages = Messages::of(&address);
    let work = send(&address, "GET", LONG_WORK);
    let id = wait_for_work(&address, 1)[0];
    work.shutdown(Shutdown::Both).unwrap();
    let ended = messages.change(id, "ended");
    assert_eq!(ended["record"]["snapshot"]["status"], "cancelled");
    assert_eq!(ended["record"]["snapshot"]["reason"]["kind"], "disconnected");
    assert_eq!(ended["record"]["snapshot"]["metadata"]["status"], "499");
    assert_eq!(ask(&address, "GET", "/stats").1["cancelled_by"], json!({ "disconnected": 1 }));
}

#[test]
fn sends_events() {
    let (_running, address) = service();
    let mut messages = Messages::of(&address);
    let (name, hello) = messages.next().unwrap();
    assert_eq!(name, "hello");
    assert_eq!(hello["may_cancel"], true);
    assert!(hello["ended"].is_array());
    let (name, operations) = messages.next().unwrap();
    assert_eq!(name, "operations");
    assert_eq!(operations[0]["name"], "GET /events");
    assert_eq!(operations[0]["id"], hello["operation"], "the stream knows its own operation");

    let _work = send(&address, "GET", LONG_WORK);
    let id = wait_for_work(&address, 1)[0];
    assert_eq!(messages.change(id, "registered")["snapshot"]["name"], "GET /work");
    assert_eq!(messages.change(id, "started")["snapshot"]["name"], "GET /work");
    assert!(messages.change(id, "progress")["progress"]["fraction"].is_f64());
    let stats = loop {
        let (name, data) = messages.next().unwrap();
        if name == "stats" {
            break data;
        }
    };
    assert!(stats["running"].as_u64() >= Some(2), "{stats}");
    ask(&address, "POST", &format!("/operations/{id}/cancel"));
    assert_eq!(messages.change(id, "cancelling")["reason"]["kind"], "manual");
    assert_eq!(messages.change(id, "ended")["record"]["snapshot"]["status"], "cancelled");
}

#[test]
fn termination_answers_and_reports() {
    let (running, address) = service();
    let mut messages = Messages::of(&address);
    let work = send(&address, "GET", LONG_WORK);
    let short = send(&address, "GET", "/work?ms=900");
    wait_for_work(&address, 2);
    running.signal(Signal::TERM);

    assert_eq!(answer(short), (200, r#"{"worked_ms":900}"#.to_owned()));
    let (code, body) = answer(work);
    assert_eq!(code, 503);
    assert!(body.contains("received SIGTERM (15)"), "{body}");
    let last = std::iter::from_fn(|| messages.next()).last().unwrap();
    assert_eq!(last, ("cancelled".to_owned(), json!("received SIGTERM (15)")));

    let end = running.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let says: Vec<&str> = end.stderr.lines().collect();
    assert_eq!(says[..2], ["stopping: received SIGTERM (15)", "received SIGTERM (15)"]);
    assert!(says[2].starts_with("shutdown: all 3 operations stopped in "), "{}", end.stderr);
    assert!(says[2].ends_with("(2 cancelled, 1 completed)"), "{}", end.stderr);
}

/// Requests are counted by name, and only the names that are literals are labels.
#[test]
fn serves_metrics() {
    let (_running, address) = service();
    assert_eq!(ask(&address, "GET", "/work?ms=20").0, 200);
    assert_eq!(ask(&address, "POST", "/work").0, 405);
    let work = send(&address, "GET", LONG_WORK);
    let id = wait_for_work(&address, 1)[0];
    assert_eq!(ask(&address, "POST", &format!("/operations/{id}/cancel")).0, 200);
    assert_eq!(answer(work).0, 503);

    let (code, text) = answer(send(&address, "GET", "/metrics"));
    assert_eq!(code, 200);
    let running = r#"cancelable_operations_running{operation="GET /work"} 0"#;
    let started = r#"cancelable_operations_started_total{operation="GET /work"} 2"#;
    let ended = |labels: &str, count| {
        format!("cancelable_operations_ended_total{{operation={labels}}} {count}")
    };
    let completed = ended(r#""GET /work",outcome="completed",reason="none""#, 1);
    let cancelled = ended(r#""GET /work",outcome="cancelled",reason="manual""#, 1);
    let other = ended(r#""other methods of /work",outcome="completed",reason="none""#, 1);
    for line in [running, started, &completed, &cancelled, &other] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let operations = text.split("operation=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let operations: BTreeSet<_> = operations.collect();
    // The requests of the dashboard have names that are made at run time.
    assert_eq!(operations, BTreeSet::from(["GET /work", "other", "other methods of /work"]));
}

#[test]
fn interrupt_when_idle() {
    let (running, address) = service();
    let (code, page) = answer(send(&address, "GET", "/"));
    assert_eq!(code, 200);
    assert!(page.contains("new EventSource("));
    assert!(!page.contains("https://"), "the page needs nothing from elsewhere");
    running.signal(Signal::INT);
    let end = running.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.ends_with("shutdown: nothing was running"), "{}", end.stderr);
}
