//! Requesters: how long they wait, and how many calls they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable_bus::memory::{Call, Fault};
use cancelable_bus::{Bus, Delivery, Error, RequestId, RunId};
use futures::future::join_all;

use crate::world::{CALL, POLL, SECOND, World, key};

#[test]
fn receipt_wakes_the_requester() {
    let mut world = World::new();
    let connection = world.store.connection().with_faults(|call| match call {
        Call::Hint => Fault::Late(SECOND),
        _ => Fault::None,
    });
    let worker = world.host_on(connection);
    let requester = world.host();
    let work = world.work(&worker, key("k"));
    let request = world.run(requester.bus.cancel(work.run.id(), "stop")).unwrap();
    let start = world.time.now();
    let delivery = world.run(requester.bus.delivery(request, SECOND * 30)).unwrap();
    assert_eq!(delivery, Delivery::Delivered { first: true });
    assert_eq!(world.time.now() - start, SECOND);
}

#[test]
fn missing_run_is_waited_for_until_the_limit() {
    let mut world = World::new();
    let requester = world.host();
    let request = world.run(requester.bus.cancel(RunId::new(), "stop")).unwrap();
    let start = world.time.now();
    let delivery = world.run(requester.bus.delivery(request, SECOND * 30)).unwrap();
    assert_eq!(delivery, Delivery::Unknown);
    assert_eq!(world.time.now() - start, SECOND * 30);
}

#[test]
fn unknown_request() {
    let mut world = World::new();
    let requester = world.host();
    let id = RequestId::new();
    let asked = world.run(requester.bus.delivery(id, SECOND)).unwrap_err();
    assert_eq!(asked.to_string(), format!("the store has no request {id}"));
}

#[test]
fn many_requesters_share_the_calls() {
    let mut world = World::new();
    let worker = world.host();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let connection = world.store.connection().with_faults(move |call| {
        counter.fetch_add(usize::from(call == Call::Targets), Ordering::SeqCst);
        Fault::None
    });
    let requester = world.host_on(connection);
    let works: Vec<_> = (0..100).map(|_| world.work(&worker, key("k"))).collect();
    let stopped = world.stop(worker.driver);
    let ask = async |bus: &Bus<_>, run| {
        let request = bus.cancel(run, "stop").await?;
        bus.delivery(request, SECOND * 5).await
    };
    let asked = join_all(works.iter().map(|work| ask(&requester.bus, work.run.id())));
    stopped(&mut world);
    for delivery in world.run(asked) {
        assert_eq!(delivery.unwrap(), Delivery::Delivered { first: true });
    }
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls <= 10, "{calls}");
}

#[test]
fn driver_is_not_polled() {
    let mut world = World::new();
    let (bus, driver) = Bus::builder(world.store.connection()).build().unwrap();
    let error = world.run(bus.cancel(RunId::new(), "stop")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no connection to the store: is the driver of the bus being polled?"
    );
    assert_eq!(world.time.elapsed(), CALL);
    drop(driver);
    let error = world.run(bus.cancel(RunId::new(), "stop")).unwrap_err();
    assert_eq!(error.to_string(), "the bus has stopped");
}

#[test]
fn store_cannot_be_reached() {
    let mut world = World::new();
    let connection = world.store.connection().with_faults(|_| Fault::Before);
    let requester = world.host_on(connection);
    let error = world.run(requester.bus.cancel(RunId::new(), "stop")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no connection to the store: the store cannot be reached: Connect failed"
    );
    // The driver resolves in both cases.
    world.run(requester.bus.close());
    assert!(world.has_ended(requester.driver));
}

#[test]
fn requester_that_leaves_is_forgotten() {
    let mut world = World::new();
    let requester = world.host();
    let request = world.run(requester.bus.cancel(RunId::new(), "stop")).unwrap();
    let bus = requester.bus.clone();
    let waits = world.spawn(async move {
        _ = bus.delivery(request, Duration::MAX).await;
    });
    world.pass(POLL * 3);
    world.kill(waits);
    world.pass(POLL * 3);
    assert_eq!(world.run(requester.bus.delivery(request, SECOND)).unwrap(), Delivery::Unknown);
}

#[test]
fn driver_that_stops_ends_the_waits() {
    let mut world = World::new();
    let requester = world.host();
    let request = world.run(requester.bus.cancel(RunId::new(), "stop")).unwrap();
    let bus = requester.bus.clone();
    let waits = world.spawn(async move {
        let asked = bus.delivery(request, Duration::MAX).await;
        assert!(matches!(asked, Err(Error::Stopped)), "{asked:?}");
    });
    world.pass(POLL);
    assert!(!world.has_ended(waits));
    world.kill(requester.driver);
    world.settle();
    assert!(world.has_ended(waits));
}
