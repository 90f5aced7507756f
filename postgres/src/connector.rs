//! `Connector` and `Tls`: how a connection to the server is opened. Both are closures of the user.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::NoTls;
use tokio_postgres::tls::{TlsConnect, TlsStream};

/// Opens streams to the server. Every function or closure without arguments that returns a future of an `io::Result` of a
/// stream is a connector.
///
/// Implement it for a type of your own if the type of the engine has to be named.
pub trait Connector: Send + Sync + 'static {
    /// The stream that it opens.
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

/// Makes a TLS connector for each connection. Every function or closure that returns a
/// [`TlsConnect`] is one, and so is [`NoTls`].
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
