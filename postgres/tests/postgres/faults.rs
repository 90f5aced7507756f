//! The whole bus against a server and a network that fail.

use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::{Bus, Delivery, Key, Request, Scope, Ticket};
use cancelable_postgres::Postgres;
use private_postgres::Server;
use smol::Timer;

use crate::support::{Loopback, Proxy, engine, fresh_scope, server, watchdog};

type TestBus = Bus<Postgres<Loopback>>;

const SECOND: Duration = Duration::from_secs(1);

/// Starts a bus of a process that reaches the server at a port.
fn bus(server: &Server, port: u16, scope: &Scope) -> (TestBus, smol::Task<()>) {
    let settings = Bus::builder(engine(&server.url(), port)).scope(scope.clone());
    let settings = settings.poll_every(SECOND / 5).call_limit(SECOND).lease(SECOND * 3);
    let (bus, driver) = settings.build().expect("valid settings");
    (bus, smol::spawn(driver))
}

/// Registers work that never ends by itself, and returns what cancelled it.
async fn register(bus: &TestBus, ticket: impl Into<Ticket>) -> smol::Task<Reason> {
    let work = std::future::pending::<()>().cancelable(never());
    let run = bus.register(&work.operation(), ticket);
    while !run.begun().await {}
    smol::spawn(async { work.await.expect_err("it never ends").into_reason() })
}

/// (b) The server crashes in the middle of 1,000 requests. Each is sent until it is `Ok`, under the same identifier, and
/// each arrives.
#[test]
fn a_crash_loses_no_request() {
    let _watchdog = watchdog();
    let mut server = Server::start().expect("a server");
    smol::block_on(async {
        engine(&server.url(), server.port()).migrate().await.expect("a migration");
        let scope = fresh_scope();
        let (worker, _worker) = bus(&server, server.port(), &scope);
        let (asker, _asker) = bus(&server, server.port(), &scope);
        let tickets: Vec<_> = (0..1000).map(|_| Ticket::new()).collect();
        let runs = tickets.iter().map(|ticket| register(&worker, ticket.clone()));
        let runs = futures::future::join_all(runs).await;

        let sent = tickets.iter().enumerate().map(|(index, ticket)| {
            let (asker, request) = (asker.clone(), Request::run(ticket.run(), "stop"));
            smol::spawn(async move {
                Timer::after(Duration::from_micros(index as u64 * 500)).await;
                let mut failures = 0;
                while asker.send(&request).await.is_err() {
                    failures += 1;
                    Timer::after(SECOND / 100).await;
                }
                (request.id(), failures)
            })
        });
        let sent: Vec<_> = sent.collect();
        Timer::after(SECOND / 4).await;
        server.crash().expect("a crash");
        server.restart().expect("a restart");
        let mut failures = 0;
        for request in sent {
            let (id, failed) = request.await;
            failures += failed;
            let delivery = asker.delivery(id, SECOND * 30).await.expect("a delivery");
            assert_eq!(delivery, Delivery::Delivered { first: true });
        }
        assert_ne!(failures, 0, "the crash hit no request");
        for run in runs {
            assert_eq!(run.await, Reason::manual("stop"));
        }
    });
}

/// (c) Every notification is lost, so the poll delivers.
#[test]
fn the_poll_delivers_without_notifications() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let (scope, proxy) = (fresh_scope(), Proxy::of(server().port()));
        proxy.drop_notifications();
        let (worker, _worker) = bus(server(), proxy.port, &scope);
        let (asker, _asker) = bus(server(), proxy.port, &scope);
        let key = Key::new("k").expect("a key");
        let run = register(&worker, key.clone()).await;
        let request = asker.cancel_key(key.clone(), "stop").await.expect("a request");
        let delivery = asker.delivery(request, SECOND * 30).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Delivered { first: true });
        assert_eq!(run.await, Reason::manual("stop"));
        assert_ne!(proxy.notifications(), 0);
        // The same key, started again, is not touched.
        let again = register(&worker, key).await;
        Timer::after(SECOND / 2).await;
        assert!(!again.is_finished());
    });
}

/// (d) Packets vanish and nothing closes. The work continues, `health` reports it, the lease fires, and the
/// process comes back.
#[test]
fn swallowed_packets_are_noticed() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let (scope, proxy) = (fresh_scope(), Proxy::of(server().port()));
        let (worker, _worker) = bus(server(), proxy.port, &scope);
        let (asker, _asker) = bus(server(), server().port(), &scope);
        let ticket = Ticket::new();
        let run = register(&worker, ticket.clone()).await;
        assert!(worker.health().connected);
        proxy.swallow(true);
        let leased = std::future::pending::<()>().cancelable(worker.lease(SECOND * 2));
        assert!(leased.await.expect_err("the lease fires").is_timeout());
        assert!(!worker.health().connected && !run.is_finished());

        // After the lease of the process, askers learn that the delivery is unknown.
        let request = asker.cancel(ticket.run(), "stop").await.expect("a request");
        let delivery = asker.delivery(request, SECOND * 30).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Unknown);
        proxy.swallow(false);
        assert_eq!(run.await, Reason::manual("stop"));
    });
}

/// (f) A process vanishes. Its run is unknown after the lease, and the next run of the same key is not touched.
#[test]
fn a_vanished_process_is_unknown() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let scope = fresh_scope();
        let (lost, driver) = bus(server(), server().port(), &scope);
        let (worker, _worker) = bus(server(), server().port(), &scope);
        let key = Key::new("k").expect("a key");
        let _run = register(&lost, key.clone()).await;
        drop(driver);
        let request = worker.cancel_key(key.clone(), "stop").await.expect("a request");
        let delivery = worker.delivery(request, SECOND * 30).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Unknown);
        let next = register(&worker, key).await;
        Timer::after(SECOND / 2).await;
        assert!(!next.is_finished());
    });
}
