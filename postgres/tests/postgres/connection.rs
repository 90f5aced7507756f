//! Connections that are lost, half open, or never made, and the migration.

use std::time::Duration;

use cancelable_bus::engine::{Engine, Enrolled, Process};
use cancelable_postgres::{Error, Postgres};
use futures::future::{Either, select};
use private_postgres::Server;

use crate::support::{
    LEASE, Loopback, Member, Proxy, client, engine, fresh_scope, server, watchdog,
};

#[test]
fn calls_fail_without_a_connection() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let member = Member::new(server(), 1, &fresh_scope());
        let polled = member.poll(member.process.id, LEASE).await;
        assert!(matches!(polled, Err(Error::NotConnected)), "{polled:?}");
        let connected = member.engine.connect(&member.process, LEASE).await;
        assert!(matches!(connected, Err(Error::Stream(_))), "{connected:?}");
    });
}

/// The connections of a server that crashes end. After its restart, the process connects again.
#[test]
fn a_crash_is_noticed() {
    let _watchdog = watchdog();
    let mut server = Server::start().expect("a server");
    smol::block_on(async {
        let member = Member::new(&server, server.port(), &fresh_scope());
        let enrol = async || member.engine.connect(&member.process, LEASE).await;
        let enrolled = enrol().await;
        let missing = enrolled.expect_err("no tables yet");
        assert!(missing.needs_migration());
        assert_eq!(
            missing.to_string(),
            "the tables of the bus are missing: call `Postgres::migrate`"
        );
        member.migrate().await.expect("a migration");
        assert_eq!(enrol().await.expect("an answer"), Enrolled::New);

        server.crash().expect("a crash");
        member.hint().await;
        assert!(member.poll(member.process.id, LEASE).await.is_err());
        assert!(enrol().await.is_err());
        server.restart().expect("a restart");
        // What was committed is still there.
        assert_eq!(enrol().await.expect("an answer"), Enrolled::Known);
        assert!(member.poll(member.process.id, LEASE).await.expect("an answer").is_some());
    });
}

/// The server never answers and never closes. The bus gives up the call after its own limit, and then connects again.
#[test]
fn a_half_open_connection_is_replaced() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let proxy = Proxy::of(server().port());
        let member = Member::new(server(), proxy.port, &fresh_scope());
        let enrol = async || member.engine.connect(&member.process, LEASE).await;
        enrol().await.expect("a connection");

        proxy.swallow(true);
        let poll = Box::pin(member.poll(member.process.id, LEASE));
        let limit = smol::Timer::after(Duration::from_millis(50));
        assert!(matches!(select(poll, limit).await, Either::Right(_)));
        proxy.swallow(false);
        assert_eq!(enrol().await.expect("an answer"), Enrolled::Known);
        assert_eq!(proxy.connections(), 2);
        assert!(member.poll(member.process.id, LEASE).await.expect("an answer").is_some());
    });
}

/// Several processes start at the same time, with an empty database.
#[test]
fn migrations_do_not_meet() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let client = client(server()).await;
        client.batch_execute("CREATE DATABASE empty").await.expect("a database");
        let url = server().url_of("empty");
        let engines = [(); 4].map(|()| engine(&url, server().port()));
        let migrations = engines.iter().map(Postgres::migrate);
        futures::future::try_join_all(migrations).await.expect("four migrations");
        let process = Process::new(fresh_scope(), "a host");
        let connected = std::pin::pin!(engines[0].connect(&process, LEASE));
        let driver = std::pin::pin!(engines[0].drive());
        match select(connected, driver).await {
            Either::Left((enrolled, _)) => {
                assert_eq!(enrolled.expect("an answer"), Enrolled::New);
            }
            Either::Right((never, _)) => match never {},
        }
    });
}

/// The engine works on tokio, with a tokio stream.
#[test]
fn runs_on_tokio() {
    let _watchdog = watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let port = server().port();
        let engine = Postgres::new(server().url().parse().expect("a URL"), move || async move {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await
        });
        let process = Process::new(fresh_scope(), "a host");
        tokio::select! {
            enrolled = engine.connect(&process, LEASE) => {
                assert_eq!(enrolled.expect("an answer"), Enrolled::New);
            }
            never = engine.drive() => match never {},
        }
    });
}

/// If the server refuses the password, the error says so and does not contain the password.
#[test]
fn a_wrong_password_is_refused() {
    let _watchdog = watchdog();
    smol::block_on(async {
        let url = server().url().replace("private", "guessed");
        let engine: Postgres<Loopback> = engine(&url, server().port());
        let error = engine.migrate().await.expect_err("a refusal").to_string();
        assert!(error.contains("password authentication failed"), "{error}");
        assert!(!format!("{engine:?}{error}").contains("guessed"));
    });
}
