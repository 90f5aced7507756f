//! Shared by all tests: a server for the whole test program, and engines whose connection is driven.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

mod proxy;

use std::io;
use std::ops;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cancelable_bus::engine::{Engine, Process};
use cancelable_bus::{ProcessId, Scope};
use cancelable_postgres::tokio_postgres::{Client, NoTls};
use cancelable_postgres::{Connector, Postgres};
use private_postgres::Server;
use smol::net::TcpStream;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

pub use private_harness::watchdog;
pub use proxy::Proxy;

/// A lease that no test outlives.
pub const LEASE: Duration = Duration::from_secs(600);

/// Returns the server of this test program, with the tables. It ends with the program.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start().unwrap_or_else(|error| panic!("{error}"));
        smol::block_on(engine(&server.url(), server.port()).migrate()).expect("a migration");
        server
    })
}

/// Creates a database with the tables on the server of this test program, and returns its URL. A test that calls `forget` needs
/// its own database, because `forget` deletes old rows of every scope.
pub async fn database(name: &str) -> String {
    let sql = format!("CREATE DATABASE {name}");
    client(server()).await.batch_execute(&sql).await.expect("a database");
    let url = server().url_of(name);
    engine(&url, server().port()).migrate().await.expect("a migration");
    url
}

/// Opens streams to a port of this machine, without tokio.
#[derive(Clone, Debug)]
pub struct Loopback(pub u16);

impl Connector for Loopback {
    type Stream = Compat<TcpStream>;

    async fn open(&self) -> io::Result<Compat<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.0)).await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }
}

/// Returns an engine that connects to a port.
pub fn engine(url: &str, port: u16) -> Postgres<Loopback> {
    Postgres::new(url.parse().expect("a URL"), Loopback(port))
}

/// Returns a scope that no other test uses.
pub fn fresh_scope() -> Scope {
    Scope::new(ProcessId::new().to_string()).expect("a scope")
}

/// A process of the bus: an engine, and a task that drives its connection.
pub struct Member {
    pub engine: Arc<Postgres<Loopback>>,
    pub process: Process,
    _driver: smol::Task<std::convert::Infallible>,
}

impl Member {
    /// Creates one that is not connected.
    pub fn new(server: &Server, port: u16, scope: &Scope) -> Self {
        Member::at(&server.url(), port, scope)
    }

    /// Creates one for another database.
    pub fn at(url: &str, port: u16, scope: &Scope) -> Self {
        let engine = Arc::new(engine(url, port));
        let driven = engine.clone();
        Member {
            engine,
            process: Process::new(scope.clone(), "a host"),
            _driver: smol::spawn(async move { driven.drive().await }),
        }
    }

    /// Creates one that is connected to the shared server.
    pub async fn connected(scope: &Scope) -> Self {
        let member = Member::new(server(), server().port(), scope);
        member.engine.connect(&member.process, LEASE).await.expect("a connection");
        member
    }
}

impl ops::Deref for Member {
    type Target = Postgres<Loopback>;

    fn deref(&self) -> &Postgres<Loopback> {
        &self.engine
    }
}

/// Connects for statements of the test's own.
pub async fn client(server: &Server) -> Client {
    client_at(&server.url(), server.port()).await
}

/// Connects to another database.
pub async fn client_at(url: &str, port: u16) -> Client {
    let config: cancelable_postgres::tokio_postgres::Config = url.parse().expect("a URL");
    let stream = Loopback(port).open().await.expect("a stream");
    let (client, connection) = config.connect_raw(stream, NoTls).await.expect("a connection");
    smol::spawn(connection).detach();
    client
}
