//! Connections with TLS, through rustls.

use std::sync::Arc;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_bus::{Bus, Delivery, Ticket};
use cancelable_postgres::tokio_postgres::Config;
use cancelable_postgres::{Connector, Error, Postgres, Tls};
use private_postgres::Server;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::support::{Loopback, server, watchdog};

/// For the name `localhost`.
const CERTIFICATE: &[u8] = include_bytes!("../support/tls/server.crt");
const KEY: &[u8] = include_bytes!("../support/tls/server.key");

/// Starts a server that refuses connections without TLS.
fn server_with_tls() -> Server {
    let mut server = Server::start().expect("a server");
    let files: [(&str, &[u8]); 4] = [
        ("server.crt", CERTIFICATE),
        ("server.key", KEY),
        ("postgresql.auto.conf", b"ssl = on\n"),
        ("pg_hba.conf", b"hostssl all all 127.0.0.1/32 scram-sha-256\n"),
    ];
    for (name, content) in files {
        server.write(name, content).expect("a file");
    }
    server.crash().expect("a crash");
    server.restart().expect("a restart");
    server
}

/// Returns an engine that requires TLS, trusts the certificate, and expects the server to have this name.
fn engine(server: &Server, name: &'static str) -> Postgres<Loopback, impl Tls<Stream>> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(CERTIFICATE).expect("PEM")).expect("a certificate");
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let client = client.with_safe_default_protocol_versions().expect("versions");
    let client = client.with_root_certificates(trusted).with_no_client_auth();
    let rustls = MakeRustlsConnect::new(client);
    let config: Config = format!("{}?sslmode=require", server.url()).parse().expect("a URL");
    Postgres::with_tls(config, Loopback(server.port()), move || {
        let Ok(tls) = MakeTlsConnect::<Stream>::make_tls_connect(&mut rustls.clone(), name);
        tls
    })
}

type Stream = <Loopback as Connector>::Stream;

#[test]
fn requests_arrive_over_tls() {
    let _watchdog = watchdog();
    let server = server_with_tls();
    smol::block_on(async {
        let plain = crate::support::engine(&server.url(), server.port());
        assert!(matches!(plain.migrate().await, Err(Error::Postgres(_))), "it needs TLS");

        let engine = engine(&server, "localhost");
        engine.migrate().await.expect("a migration");
        let (bus, driver) = Bus::builder(engine).build().expect("valid settings");
        let _driver = smol::spawn(driver);
        let work = std::future::pending::<()>().cancelable(never());
        let ticket = Ticket::new();
        let run = bus.register(&work.operation(), ticket.clone());
        while !run.begun().await {}
        let work = smol::spawn(work);
        let request = bus.cancel(ticket.run(), "stop").await.expect("a request");
        let delivery = bus.delivery(request, Duration::from_secs(30)).await.expect("a delivery");
        assert_eq!(delivery, Delivery::Delivered { first: true });
        assert_eq!(work.await.expect_err("it never ends").into_reason(), Reason::manual("stop"));
    });
}

#[test]
fn wrong_names_and_servers_without_tls_are_refused() {
    let _watchdog = watchdog();
    let with_tls = server_with_tls();
    smol::block_on(async {
        let refused = engine(&with_tls, "example.org").migrate().await;
        let refused = refused.expect_err("the certificate is for another name");
        assert!(format!("{refused:?}").contains("NotValidForName"), "{refused:?}");
        let refused = engine(server(), "localhost").migrate().await;
        let refused = refused.expect_err("the server has no certificate");
        assert!(format!("{refused:?}").contains("does not support TLS"), "{refused:?}");
    });
}
