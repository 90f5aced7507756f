//! The whole bus against a server and a network that fail.

use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::{Bus, Delivery, Key, Request, RequestId, Scope, Ticket};
use cancelable_postgres::Postgres;
use private_postgres::Server;
use smol::Timer;

use crate::support::{Loopback, Proxy, client, client_at, engine, fresh_scope, server, watchdog};

type TestBus = Bus<Postgres<Loopback>>;

const SECOND: Duration = Duration::from_secs(1);

/// Starts a bus of a process that reaches the server at a port.
fn bus(server: &Server, port: u16, scope: &Scope) -> (TestBus, smol::Task<()>) {
    bus_at(&server.url(), port, scope)
}

/// Starts a bus of a process that reaches a database at a port.
fn bus_at(url: &str, port: u16, scope: &Scope) -> (TestBus, smol::Task<()>) {
    let settings = Bus::builder(engine(url, port)).scope(scope.clone());
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

/// Sends a request until the store has it: on a busy machine, a call may take longer than its limit.
async fn ask(requester: &TestBus, request: Request) -> RequestId {
    while requester.send(&request).await.is_err() {
        Timer::after(SECOND / 100).await;
    }
    request.id()
}

/// Waits for the answer to a request, for as long as the bus has no connection, too.
async fn answer(requester: &TestBus, request: RequestId) -> Delivery {
    loop {
        if let Ok(delivery) = requester.delivery(request, SECOND * 30).await {
            return delivery;
        }
        Timer::after(SECOND / 100).await;
    }
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
        let (requester, _requester) = bus(&server, server.port(), &scope);
        let tickets: Vec<_> = (0..1000).map(|_| Ticket::new()).collect();
        let runs = tickets.iter().map(|ticket| register(&worker, ticket.clone()));
        let runs = futures::future::join_all(runs).await;

        let sent = tickets.iter().enumerate().map(|(index, ticket)| {
            let (requester, request) = (requester.clone(), Request::run(ticket.run(), "stop"));
            smol::spawn(async move {
                Timer::after(Duration::from_micros(index as u64 * 500)).await;
                let mut failures = 0;
                while requester.send(&request).await.is_err() {
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
            let delivery = answer(&requester, id).await;
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
        let (requester, _requester) = bus(server(), proxy.port, &scope);
        let key = Key::new("k").expect("a key");
        let run = register(&worker, key.clone()).await;
        let request = ask(&requester, Request::key(key.clone(), "stop")).await;
        let delivery = answer(&requester, request).await;
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
        let (requester, _requester) = bus(server(), server().port(), &scope);
        let ticket = Ticket::new();
        let run = register(&worker, ticket.clone()).await;
        assert!(worker.health().connected);
        proxy.swallow(true);
        let leased = std::future::pending::<()>().cancelable(worker.lease(SECOND * 2));
        assert!(leased.await.expect_err("the lease fires").is_timeout());
        assert!(!worker.health().connected && !run.is_finished());

        // After the lease of the process, requesters learn that the delivery is unknown.
        let request = ask(&requester, Request::run(ticket.run(), "stop")).await;
        let delivery = answer(&requester, request).await;
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
        let request = ask(&worker, Request::key(key.clone(), "stop")).await;
        let delivery = answer(&worker, request).await;
        assert_eq!(delivery, Delivery::Unknown);
        let next = register(&worker, key).await;
        Timer::after(SECOND / 2).await;
        assert!(!next.is_finished());
    });
}

/// (g) Each notification arrives twice. Each run is cancelled once, and there is one receipt.
#[test]
fn doubled_notifications_deliver_once() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let (scope, proxy) = (fresh_scope(), Proxy::of(server().port()));
        proxy.double_notifications();
        let (worker, _worker) = bus(server(), proxy.port, &scope);
        let (requester, _requester) = bus(server(), proxy.port, &scope);
        let key = Key::new("k").expect("a key");
        for reason in ["first", "second"] {
            // The doubled notification of the run before must not reach this one.
            let run = register(&worker, key.clone()).await;
            Timer::after(SECOND / 2).await;
            assert!(!run.is_finished());
            let request = ask(&requester, Request::key(key.clone(), reason)).await;
            let deliveries = requester.deliveries(request, SECOND * 30).await.expect("deliveries");
            let deliveries: Vec<_> = deliveries.into_iter().map(|(_, delivery)| delivery).collect();
            assert_eq!(deliveries, [Delivery::Delivered { first: true }]);
            assert_eq!(run.await, Reason::manual(reason));
        }
        assert_ne!(proxy.notifications(), 0);
    });
}

/// Makes the clock of a database one that can be moved: names are looked up in the schema `moved` first.
const MOVED_CLOCK: &str = "
CREATE SCHEMA moved;
CREATE TABLE moved.clock (by interval NOT NULL);
INSERT INTO moved.clock VALUES ('0');
CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + by FROM moved.clock';
ALTER DATABASE moved SET search_path = moved, pg_catalog;
";

/// (g) The clock of the server jumps forward by a day, and back by three. No run is cancelled, and requests arrive. The bus
/// does not read the clocks of the processes at all.
#[test]
fn a_clock_that_jumps_cancels_nothing() {
    let _watchdog = watchdog();
    smol::block_on(async {
        client(server()).await.batch_execute("CREATE DATABASE moved").await.expect("a database");
        let url = server().url_of("moved");
        engine(&url, server().port()).migrate().await.expect("a migration");
        let client = client_at(&url, server().port()).await;
        client.batch_execute(MOVED_CLOCK).await.expect("a clock");
        let scope = fresh_scope();
        let (worker, _worker) = bus_at(&url, server().port(), &scope);
        let (requester, _requester) = bus_at(&url, server().port(), &scope);
        let key = Key::new("k").expect("a key");
        let stays = register(&worker, key.clone()).await;
        for jump in ["1 day", "-2 days"] {
            let ticket = Ticket::new();
            let run = register(&worker, ticket.clone()).await;
            let before = worker.now().expect("the time of the store");
            let sql = format!("UPDATE moved.clock SET by = '{jump}'");
            client.batch_execute(&sql).await.expect("an update");
            // Until the next poll, the leases seem to be over.
            Timer::after(SECOND).await;
            let after = worker.now().expect("the time of the store");
            assert!(after.since(before) > SECOND * 3600 || before.since(after) > SECOND * 3600);
            assert!(worker.health().connected && !run.is_finished() && !stays.is_finished());
            let request = ask(&requester, Request::run(ticket.run(), jump)).await;
            let delivery = answer(&requester, request).await;
            assert_eq!(delivery, Delivery::Delivered { first: true });
            assert_eq!(run.await, Reason::manual(jump));
        }
        let request = ask(&requester, Request::key(key, "stop")).await;
        let deliveries = requester.deliveries(request, SECOND * 30).await.expect("deliveries");
        assert_eq!(deliveries.len(), 1);
        assert_eq!(stays.await, Reason::manual("stop"));
    });
}
