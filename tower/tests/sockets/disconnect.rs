//! Clients that leave, at each stage of a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use cancelable::prelude::*;
use cancelable_tower::OperationLayer;
use futures::stream;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ended, run, serve, until};

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
}

impl Server {
    async fn start() -> Self {
        let registry = Registry::new();
        let gone = Arc::new(AtomicUsize::new(0));
        let (in_upload, in_work, in_download) = (gone.clone(), gone.clone(), gone.clone());
        let app = Router::new()
            .route(
                "/upload",
                post(async move |body: Body| {
                    let _gone = Gone(in_upload.clone());
                    match axum::body::to_bytes(body, usize::MAX).await {
                        Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
                        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
                    }
                }),
            )
            .route(
                "/work",
                get(async move || {
                    let _gone = Gone(in_work.clone());
                    std::future::pending::<()>().await;
                }),
            )
            .route(
                "/download",
                get(async move || {
                    let gone = Gone(in_download.clone());
                    let chunks = stream::unfold(gone, async |gone| {
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                        Some((Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024])), gone))
                    });
                    Body::from_stream(chunks)
                }),
            )
            .layer(OperationLayer::new().registered_in(&registry).outermost());
        Server { address: serve(app).await, registry, gone }
    }

    /// Waits until the request has been noticed as gone.
    async fn notices(&self) {
        until(|| self.gone.load(Ordering::SeqCst) == 1).await;
        let ended = ended(&self.registry).await;
        assert_eq!(ended, [(Status::Cancelled, Some(Reason::Disconnected))]);
    }

    async fn begins(&self) {
        until(|| !self.registry.is_empty()).await;
    }
}

/// Sends the text of a request over HTTP/1.1.
async fn send(server: &Server, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

#[test]
fn http1_before_the_body_is_read() {
    // The server does not drop the handler then. The handler gets an error from the body.
    run(async {
        let server = Server::start().await;
        let request = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfive!";
        let socket = send(&server, request).await;
        server.begins().await;
        drop(socket);
        until(|| server.gone.load(Ordering::SeqCst) == 1).await;
        let [(_, reason)] = &ended(&server.registry).await[..] else { panic!("one request") };
        assert!(matches!(reason, None | Some(Reason::Disconnected)), "{reason:?}");
    });
}

#[test]
fn http1_while_the_handler_runs() {
    run(async {
        let server = Server::start().await;
        let socket = send(&server, "GET /work HTTP/1.1\r\nhost: a\r\n\r\n").await;
        server.begins().await;
        drop(socket);
        server.notices().await;
    });
}

#[test]
fn http1_in_the_response() {
    run(async {
        let server = Server::start().await;
        let mut socket = send(&server, "GET /download HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut bytes = [0; 2048];
        socket.read_exact(&mut bytes).await.unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
        drop(socket);
        server.notices().await;
    });
}

#[test]
fn http1_whole_requests_complete() {
    run(async {
        let server = Server::start().await;
        let request = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nfive!";
        let mut socket = send(&server, request).await;
        let mut answer = [0; 15];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        // The connection stays open; the operation ends all the same.
        assert_eq!(ended(&server.registry).await, [(Status::Completed, None)]);
        drop(socket);
    });
}

/// Begins a request over HTTP/2 and returns the future of its response, beside the connection.
async fn begin_http2(
    server: &Server,
    path: &str,
) -> impl Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>> + use<> {
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(socket),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{path}", server.address);
    let response = sender.send_request(Request::get(uri).body(Empty::new()).unwrap());
    async move {
        let _sender = sender;
        response.await
    }
}

#[test]
fn http2_while_the_handler_runs() {
    run(async {
        let server = Server::start().await;
        let response = tokio::spawn(begin_http2(&server, "/work").await);
        server.begins().await;
        // Dropping the future resets the stream; the connection stays.
        response.abort();
        server.notices().await;
    });
}

#[test]
fn http2_in_the_response() {
    run(async {
        let server = Server::start().await;
        let response = begin_http2(&server, "/download").await.await.unwrap();
        assert_eq!(response.status(), 200);
        drop(response);
        server.notices().await;
    });
}
