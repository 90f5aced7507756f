//! `Postgres`: the engine, with the configuration that the user provides.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use parking_lot::Mutex;
use tokio_postgres::{Client, Config, Connection, NoTls};

use crate::connector::{Connector, Tls};
use crate::error::Error;
use crate::link::Link;
use crate::session::Session;

/// The statements that create the tables, for use with a migration tool.
///
/// Running them again changes nothing.
///
/// ```
/// assert!(cancelable_postgres::MIGRATION.contains("CREATE TABLE IF NOT EXISTS cancelable.runs"));
/// ```
pub const MIGRATION: &str = include_str!("schema.sql");

/// The key of the lock that lets only one migration run at a time. The number has no meaning.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(4971023557)";

/// The shortest time between two polls that also look for targets that a crashed requester did not finish. Polls come more often
/// than that, because each hint causes one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The default application name, which `pg_stat_activity` shows.
const APPLICATION_NAME: &str = "cancelable";

/// Keeps the tables of a [`Bus`](cancelable_bus) in a PostgreSQL database.
///
/// The engine uses one connection for each process. The user opens the stream, and the driver of the bus polls the
/// connection. So the engine runs on any executor, and starts no task and no thread.
pub struct Postgres<C: Connector, T: Tls<C::Stream> = NoTls> {
    config: Config,
    connector: C,
    tls: T,
    pub(crate) link: Link<C::Stream, T::Stream>,
    session: Mutex<Option<Arc<Session>>>,
    /// When a poll last looked for targets that a crashed requester did not finish.
    looked: Mutex<Option<Instant>>,
}

impl<C: Connector> Postgres<C> {
    /// Creates an engine that connects without TLS.
    ///
    /// The engine takes the user, the password, the database, the options and the application name from the configuration.
    /// The connector opens the stream, so the host, the port and the time limits in the configuration have no effect. If the
    /// connector opens a TCP stream, let it set `TCP_NODELAY`.
    ///
    /// This function does not connect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable_postgres::Postgres;
    /// use tokio::net::TcpStream;
    ///
    /// let config = "postgres://worker:secret@db.internal/jobs".parse()?;
    /// let engine = Postgres::new(config, || async {
    ///     let stream = TcpStream::connect("db.internal:5432").await?;
    ///     stream.set_nodelay(true)?;
    ///     Ok(stream)
    /// });
    /// assert!(format!("{engine:?}").contains("jobs"));
    /// # Ok::<(), tokio_postgres::Error>(())
    /// ```
    pub fn new(config: Config, connector: C) -> Self {
        Postgres::with_tls(config, connector, NoTls)
    }
}

impl<C: Connector, T: Tls<C::Stream>> Postgres<C, T> {
    /// Creates an engine that connects with TLS. Set `sslmode=require` in the configuration to refuse a server that does not
    /// offer TLS. With the default, `prefer`, the engine connects to such a server without TLS.
    ///
    /// `tls` is called for each connection. It returns a TLS connector that knows the name in the certificate of the server.
    ///
    /// # Examples
    ///
    /// With rustls, and the crate `tokio-postgres-rustls`:
    ///
    /// ```
    /// use cancelable_postgres::Postgres;
    /// use cancelable_postgres::tokio_postgres::Config;
    /// use rustls::{ClientConfig, RootCertStore};
    /// use tokio::net::TcpStream;
    /// use tokio_postgres::tls::MakeTlsConnect;
    /// use tokio_postgres_rustls::MakeRustlsConnect;
    ///
    /// # let ring = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    /// # let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    /// # let trusted = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    /// let config: Config = "postgres://worker:secret@db.internal/jobs?sslmode=require".parse()?;
    /// let rustls = MakeRustlsConnect::new(trusted);
    /// let engine = Postgres::with_tls(
    ///     config,
    ///     || TcpStream::connect("db.internal:5432"),
    ///     move || {
    ///         let Ok(connector) =
    ///             MakeTlsConnect::<TcpStream>::make_tls_connect(&mut rustls.clone(), "db.internal");
    ///         connector
    ///     },
    /// );
    /// assert!(format!("{engine:?}").contains("jobs"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_tls(mut config: Config, connector: C, tls: T) -> Self {
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        let (link, session, looked) = (Link::new(), Mutex::default(), Mutex::default());
        Postgres { config, connector, tls, link, session, looked }
    }

    /// Creates the tables in the schema `cancelable`. If they exist already, nothing changes.
    ///
    /// This method uses a connection of its own, so you may call it before the bus is built or while the bus runs. The user
    /// of the database needs the right to create a schema. Several processes may call this at the same time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection. The server then creates either all of the tables or none.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, or refuses the migration.
    pub async fn migrate(&self) -> Result<(), Error> {
        let (client, connection) = self.open().await?;
        let text = format!("BEGIN; {MIGRATION_LOCK}; {MIGRATION} COMMIT;");
        let migration = std::pin::pin!(client.batch_execute(&text));
        match select(migration, connection).await {
            Either::Left((migrated, _)) => Ok(migrated?),
            // The connection ended first, so the migration has ended, too.
            Either::Right((_, migration)) => Ok(migration.await?),
        }
    }

    async fn open(&self) -> Result<(Client, Connection<C::Stream, T::Stream>), Error> {
        let stream = self.connector.open().await.map_err(Error::Stream)?;
        Ok(self.config.connect_raw(stream, self.tls.connector()).await?)
    }

    /// Connects again. Calls fail at once until the new session is installed.
    pub(crate) async fn connected(&self) -> Result<Arc<Session>, Error> {
        let old = self.session.lock().take();
        drop(old);
        let (client, connection) = self.open().await?;
        self.link.replace(connection);
        Ok(Arc::new(Session::new(client).await?))
    }

    /// Installs the session that calls use from now on.
    pub(crate) fn use_session(&self, session: &Arc<Session>) {
        let old = self.session.lock().replace(session.clone());
        drop(old);
    }

    /// Returns whether the next poll should look for targets that a crashed requester did not finish. If so, notes that it does.
    pub(crate) fn is_time_to_look(&self) -> bool {
        let mut looked = self.looked.lock();
        let is_time = looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_time {
            *looked = Some(Instant::now());
        }
        is_time
    }

    /// Returns the session.
    pub(crate) fn session(&self) -> Result<Arc<Session>, Error> {
        self.session.lock().clone().ok_or(Error::NotConnected)
    }
}

impl<C: Connector, T: Tls<C::Stream>> fmt::Debug for Postgres<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = self.session.lock().clone();
        f.debug_struct("Postgres")
            .field("config", &self.config)
            .field("connected", &session.is_some_and(|session| session.is_open()))
            .finish_non_exhaustive()
    }
}
