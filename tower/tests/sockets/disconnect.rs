//! Clients that leave, at each stage of a request.
//!
//! The server drops the handler within 300 ms, with one exception: over HTTP/1.1, it does not while the handler has
//! not read the whole body of the request. The body fails instead.

use std::convert::Infallible;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use cancelable_tower::OperationLayer;
use futures::{StreamExt, stream};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{ended, run, serve, until};

/// How soon a server notices that a client has left.
const SOON: Duration = Duration::from_millis(300);

/// Adds one when it is dropped.
struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Server {
    address: SocketAddr,
    registry: Registry,
    /// How many handlers and bodies have been dropped.
    gone: Arc<AtomicUsize>,
    /// The handler of `/later` reads the body of its request once this is cancelled.
    read: CancellationToken,
}

impl Server {
    async fn start() -> Self {
        let registry = Registry::new();
        let gone = Arc::new(AtomicUsize::new(0));
        let read = CancellationToken::new();
        let now = CancellationToken::new();
        now.cancel();
        let upload = |gone: &Arc<AtomicUsize>, begin: &CancellationToken| {
            let (gone, begin) = (gone.clone(), begin.clone());
            post(async move |body: Body| {
                let _gone = Gone(gone);
                begin.cancelled().await;
                match axum::body::to_bytes(body, usize::MAX).await {
                    Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
                    Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
                }
            })
        };
        let (in_hold, in_download) = (gone.clone(), gone.clone());
        let app = Router::new()
            .route("/upload", upload(&gone, &now))
            .route("/later", upload(&gone, &read))
            .route(
                "/hold",
                post(async move |_body: Body| {
                    let _gone = Gone(in_hold.clone());
                    std::future::pending::<()>().await;
                }),
            )
            .route(
                "/download",
                get(async move || {
                    let gone = Gone(in_download.clone());
                    let chunks = stream::unfold(gone, async |gone| {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        Some((Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024])), gone))
                    });
                    Body::from_stream(chunks)
                }),
            )
            .layer(OperationLayer::new().registered_in(&registry).outermost());
        Server { address: serve(app).await, registry, gone, read }
    }

    /// Waits until the handler or the body has been dropped, and returns how long that took.
    async fn drops(&self) -> Duration {
        until(|| self.gone.load(Ordering::SeqCst) == 1).await
    }
}

/// Lets a client leave, and checks that the server drops the handler soon. `begin` sends a request, and returns what
/// is dropped then, and what is kept.
fn is_noticed<C, K>(begin: impl AsyncFn(&Server) -> (C, K)) {
    run(async {
        // Nothing here waits for time to pass, so a second attempt is only for a busy machine.
        for _ in 0..20 {
            let server = Server::start().await;
            let (client, _kept) = begin(&server).await;
            until(|| server.registry.len() == 1).await;
            drop(client);
            let took = server.drops().await;
            let ended = ended(&server.registry).await;
            assert_eq!(ended, [(Status::Cancelled, Some(Reason::Disconnected))]);
            if took < SOON {
                return;
            }
        }
        panic!("the handler was never dropped within {SOON:?}");
    });
}

/// Sends the text of a request over HTTP/1.1.
async fn http1(server: &Server, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Checks a client that leaves when it has sent `sent` of a body of ten bytes, and the handler has read none of it.
async fn fails_when_it_is_read(sent: &str) {
    let server = Server::start().await;
    let head = "POST /later HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n";
    let socket = http1(&server, &format!("{head}{sent}")).await;
    until(|| server.registry.len() == 1).await;
    drop(socket);
    tokio::time::sleep(SOON).await;
    assert_eq!(server.registry.len(), 1, "the handler goes on");
    server.read.cancel();
    server.drops().await;
    assert_eq!(ended(&server.registry).await, [(Status::Completed, None)]);
    let records = server.registry.history(HistoryQuery::default());
    assert_eq!(records[0].snapshot.metadata["status"], "400");
}

#[test]
fn http1_before_the_body_is_sent() {
    run(fails_when_it_is_read(""));
}

#[test]
fn http1_before_the_body_is_read() {
    run(fails_when_it_is_read("five!"));
}

#[test]
fn http1_while_the_body_is_read() {
    run(async {
        let server = Server::start().await;
        let request = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfive!";
        let socket = http1(&server, request).await;
        until(|| server.registry.len() == 1).await;
        drop(socket);
        // The body fails, so the handler returns.
        server.drops().await;
        assert_eq!(ended(&server.registry).await, [(Status::Completed, None)]);
    });
}

#[test]
fn http1_while_the_handler_runs() {
    is_noticed(async |server: &Server| {
        let request = "POST /hold HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
        (http1(server, request).await, ())
    });
}

#[test]
fn http1_in_the_response() {
    is_noticed(async |server: &Server| {
        let mut socket = http1(server, "GET /download HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut bytes = [0; 2048];
        socket.read_exact(&mut bytes).await.unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
        (socket, ())
    });
}

#[test]
fn http1_whole_requests_complete() {
    run(async {
        let server = Server::start().await;
        let request = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nfive!";
        let mut socket = http1(&server, request).await;
        let mut answer = [0; 15];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        // The connection stays open; the operation ends all the same.
        assert_eq!(ended(&server.registry).await, [(Status::Completed, None)]);
        drop(socket);
    });
}

type RequestBody = BoxBody<Bytes, Infallible>;

/// A body that does not end. `sent` is sent of it.
fn unfinished(sent: &'static str) -> RequestBody {
    let sent = stream::once(async move { Ok(Frame::data(Bytes::from(sent))) });
    BodyExt::boxed(StreamBody::new(sent.chain(stream::pending())))
}

/// A connection over HTTP/2. It is closed when this is dropped, whatever else uses it.
struct Connection {
    sender: SendRequest<RequestBody>,
    socket: std::net::TcpStream,
}

impl Connection {
    async fn new(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap().into_std().unwrap();
        let socket = stream.try_clone().unwrap();
        let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
        let (sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(driver);
        Connection { sender, socket }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Some systems refuse this once the server has closed its side.
        _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Calls the handler that waits. The call ends when the set of tasks is dropped.
async fn hold(server: &Server, body: RequestBody) -> (JoinSet<()>, Connection) {
    let mut connection = Connection::new(server).await;
    let request = Request::post(format!("http://{}/hold", server.address)).body(body).unwrap();
    let response = connection.sender.send_request(request);
    let mut call = JoinSet::new();
    call.spawn(async { _ = response.await });
    (call, connection)
}

/// Begins a download.
async fn download(server: &Server) -> (http::Response<Incoming>, Connection) {
    let mut connection = Connection::new(server).await;
    let request = Request::get(format!("http://{}/download", server.address));
    let request = request.body(BodyExt::boxed(Empty::new())).unwrap();
    let response = connection.sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    (response, connection)
}

/// Dropping a call or a response resets its stream. The connection stays.
mod http2_reset {
    use super::*;

    #[test]
    fn before_the_body_is_sent() {
        is_noticed(async |server: &Server| hold(server, unfinished("")).await);
    }

    #[test]
    fn before_the_body_is_read() {
        is_noticed(async |server: &Server| hold(server, unfinished("five!")).await);
    }

    #[test]
    fn while_the_handler_runs() {
        is_noticed(async |server: &Server| hold(server, BodyExt::boxed(Empty::new())).await);
    }

    #[test]
    fn in_the_response() {
        is_noticed(async |server: &Server| download(server).await);
    }
}

/// Dropping the connection closes it.
mod http2_close {
    use super::*;

    #[test]
    fn before_the_body_is_sent() {
        is_noticed(async |server: &Server| swapped(hold(server, unfinished("")).await));
    }

    #[test]
    fn before_the_body_is_read() {
        is_noticed(async |server: &Server| swapped(hold(server, unfinished("five!")).await));
    }

    #[test]
    fn while_the_handler_runs() {
        is_noticed(async |server: &Server| {
            swapped(hold(server, BodyExt::boxed(Empty::new())).await)
        });
    }

    #[test]
    fn in_the_response() {
        is_noticed(async |server: &Server| swapped(download(server).await));
    }

    fn swapped<A, B>((first, second): (A, B)) -> (B, A) {
        (second, first)
    }
}
