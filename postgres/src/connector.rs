//! `Connector` and `Tls`: how a connection to the server is opened. The user passes both as closures.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::NoTls;
use tokio_postgres::tls::{TlsConnect, TlsStream};

/// Opens streams to the server. A function or closure is a connector if it takes no arguments and returns a future
/// whose output is an `io::Result` with a stream.
///
/// The type of a closure has no name, so neither has the type of an engine that contains one. If you have to name the type
/// of the engine, implement this trait for a type of your own.
pub trait Connector: Send + Sync + 'static {
    /// The stream that the connector opens.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a stream.
    fn open(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl<C, F, S> Connector for C
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<S>> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = S;

    fn open(&self) -> impl Future<Output = io::Result<S>> + Send {
        self()
    }
}

/// Makes a TLS connector for each connection. Every function or closure that returns a [`TlsConnect`] implements this
/// trait, and so does [`NoTls`].
pub trait Tls<S>: Send + Sync + 'static {
    /// The connector. It is used once.
    type Connect: TlsConnect<S, Stream = Self::Stream, Future: Send> + Send;
    /// The encrypted stream.
    type Stream: TlsStream + Unpin + Send + 'static;

    /// Makes a connector.
    fn connector(&self) -> Self::Connect;
}

impl<S, F, T> Tls<S> for F
where
    F: Fn() -> T + Send + Sync + 'static,
    T: TlsConnect<S, Stream: Send + 'static, Future: Send> + Send,
{
    type Connect = T;
    type Stream = T::Stream;

    fn connector(&self) -> T {
        self()
    }
}

impl<S> Tls<S> for NoTls {
    type Connect = NoTls;
    type Stream = <NoTls as TlsConnect<S>>::Stream;

    fn connector(&self) -> NoTls {
        NoTls
    }
}
