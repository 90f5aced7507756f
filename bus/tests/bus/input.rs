//! Values that the bus does not accept.

use std::time::Duration;

use cancelable::{Reason, ReasonKind};
use cancelable_bus::{
    Bus, Error, Invalid, Key, Memory, RemoteReason, Request, RunId, Scope, Ticket,
};

use crate::world::{SECOND, World, key};

fn text(result: Result<impl Sized, Invalid>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn names() {
    assert_eq!(text(Key::new("")), "invalid key: it is empty");
    assert_eq!(text(Scope::new("a\0b")), "invalid scope: it contains a control character");
    assert_eq!(text(Key::new("a\n")), "invalid key: it contains a control character");
    assert_eq!(text(Key::new("é".repeat(101))), "invalid key: 202 bytes, at most 200 are allowed");
    assert!(Key::new("é".repeat(100)).is_ok());
}

#[test]
fn reasons() {
    let check = |reason: RemoteReason| Request::run(RunId::new(), reason).check();
    let long = "x".repeat(1001);
    assert_eq!(text(check(long.into())), "invalid message: 1001 bytes, at most 1000 are allowed");
    assert!(check("two\nlines\tare fine".into()).is_ok());
    assert_eq!(text(check("a\0b".into())), "invalid message: it contains a control character");
    let requester = RemoteReason::from("stop").by("x".repeat(201));
    assert_eq!(text(check(requester)), "invalid requester: 201 bytes, at most 200 are allowed");
}

#[test]
fn lifetimes() {
    let check = |lifetime| Request::block(key("k"), lifetime, "stop").check();
    assert_eq!(text(check(Duration::ZERO)), "invalid lifetime: 0ns, at least 1ms is needed");
    assert!(text(check(Duration::MAX)).ends_with("s, at most 31622400s is allowed"));
    assert!(check(Duration::from_millis(1)).is_ok());
}

#[test]
fn settings() {
    let build = || Bus::builder(Memory::new());
    let error = text(build().poll_every(Duration::ZERO).build());
    assert_eq!(error, "invalid poll interval: 0ns, at least 10ms is needed");
    let error = text(build().call_limit(SECOND * 3601).build());
    assert_eq!(error, "invalid call limit: 3601s, at most 3600s is allowed");
    let error = text(build().lease(SECOND * 7).build());
    assert_eq!(error, "invalid lease: 7s, at least 8s is needed");
    let error = text(build().retention(SECOND).build());
    assert_eq!(error, "invalid retention: 1s, at least 15s is needed");
    let error = text(build().host("x".repeat(201)).build());
    assert_eq!(error, "invalid host: 201 bytes, at most 200 are allowed");
}

#[test]
fn invalid_request_is_not_sent() {
    let mut world = World::new();
    let (worker, requester) = (world.host(), world.host());
    let work = world.work(&worker, key("k"));
    let sent = world.run(requester.bus.cancel(work.run.id(), "x".repeat(1001)));
    assert!(matches!(sent, Err(Error::Invalid(_))), "{sent:?}");
    world.pass(SECOND * 5);
    assert!(!work.operation.is_cancelled());
}

#[test]
fn reasons_cross_as_data() {
    let crossed = |reason: Reason| {
        let sent = RemoteReason::from(reason);
        let kind = sent.kind().as_str();
        let requester = sent.requester().map(|requester| requester.to_owned().into());
        let received = RemoteReason::from_parts(kind, sent.message().to_owned(), requester);
        assert_eq!(received, sent);
        received.to_reason()
    };
    for same in [Reason::manual("stop"), Reason::Manual { message: None }, Reason::Disconnected] {
        assert_eq!(crossed(same.clone()), same);
    }
    let limit = Reason::timeout_named("index", SECOND);
    assert_eq!(crossed(Reason::parent(limit)), Reason::manual("timed out after 1s (index)"));
    let error = crossed(Reason::error(std::io::Error::other("no disk")));
    assert_eq!(error.to_string(), "cancelled by an error: no disk");
    let remote = error.downcast_ref::<RemoteReason>().unwrap();
    assert_eq!(remote.kind(), ReasonKind::Error);
    // A reason that came from another process can be passed on.
    assert_eq!(&RemoteReason::from(error.clone()), remote);
    assert_eq!(RemoteReason::from_parts("new", "x", None).kind(), ReasonKind::Manual);
    let unnamed = RemoteReason::from("").by("alice");
    assert_eq!(unnamed.to_reason(), Reason::manual("(by alice)"));
}

#[test]
fn tickets() {
    let plain = Ticket::new();
    assert_eq!(plain.to_string().parse(), Ok(plain.clone()));
    let full = plain.with_key(key("a;b")).until(cancelable_bus::StoreTime::from_micros(-5));
    assert_eq!(full.to_string().parse(), Ok(full.clone()));
    let run = full.run();
    for bad in ["", "x;;", &format!("{run};x;"), &format!("{run};5"), &format!("{run};;a\nb")] {
        assert!(bad.parse::<Ticket>().is_err(), "{bad}");
    }
}
