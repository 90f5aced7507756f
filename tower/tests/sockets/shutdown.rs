//! A graceful shutdown with a request that finishes, a stream of events, and a connection that was upgraded.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use cancelable::prelude::*;
use cancelable::registry::ShutdownPlan;
use cancelable_tower::OperationLayer;
use futures::{StreamExt, stream};
use http::{Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{run, until};

fn app(registry: &Registry, go: &CancellationToken) -> Router {
    let go = go.clone();
    Router::new()
        .route(
            "/short",
            get(async move || {
                go.cancelled().await;
                "done"
            }),
        )
        .route(
            "/events",
            get(async || {
                let first =
                    stream::once(async { Ok::<_, axum::Error>(Event::default().data("first")) });
                Sse::new(first.chain(stream::pending()))
            }),
        )
        .route("/socket", get(socket))
        .with_state(registry.clone())
        .layer(OperationLayer::new().registered_in(registry).outermost())
}

/// Echoes what comes over the connection. It is an operation of its own, since the request ends with the upgrade.
async fn socket(State(registry): State<Registry>, request: Request) -> Response<axum::body::Body> {
    let echo = async {
        let mut socket = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut byte = [0];
        while socket.read_exact(&mut byte).await.is_ok() {
            socket.write_all(&byte).await.unwrap();
        }
    };
    tokio::spawn(echo.cancelable(never()).named("socket").registered_in(&registry).into_future());
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo");
    response.body(axum::body::Body::empty()).unwrap()
}

/// Sends a request over a connection of its own.
async fn send(address: SocketAddr, path: &str, headers: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Reads until the text contains `part`.
async fn read_until(socket: &mut TcpStream, part: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(part) {
        assert_ne!(socket.read_buf(&mut text).await.unwrap(), 0, "{text:?}");
    }
    String::from_utf8(text).unwrap()
}

/// Checks a server: `serve` ends once it has shut down.
async fn shuts_down<F>(serve: impl FnOnce(TcpListener, Router, Registry) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let registry = Registry::new();
    let go = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, app(&registry, &go), registry.clone()));

    let mut events = send(address, "/events", "").await;
    read_until(&mut events, "data: first\n\n").await;
    let upgrade = "connection: upgrade\r\nupgrade: echo\r\n";
    let mut upgraded = send(address, "/socket", upgrade).await;
    read_until(&mut upgraded, "\r\n\r\n").await;
    upgraded.write_all(b"x").await.unwrap();
    assert_eq!(upgraded.read_u8().await.unwrap(), b'x');
    let mut short = send(address, "/short", "").await;
    until(|| registry.len() == 3).await;

    let stop = CancellationToken::new();
    let plan = ShutdownPlan::new().finish(Duration::from_millis(300));
    let shutdown = tokio::spawn(registry.shutdown_when(stop.clone(), plan));
    stop.cancel_with("deployment");
    registry.closing().await;
    // Requests that run may finish.
    go.cancel();
    let answer = read_until(&mut short, "done").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // The others are cancelled.
    let last = read_until(&mut events, "event: cancelled\ndata: ").await;
    assert!(!last.contains("first"), "{last}");
    let mut rest = Vec::new();
    assert_eq!(upgraded.read_to_end(&mut rest).await.unwrap_or(0), 0);
    let end = shutdown.await.unwrap();
    assert!(end.report.is_clean(), "{end}");
    assert_eq!(end.exit_code(), std::process::ExitCode::SUCCESS);
    drop((events, short));
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the server accepts no more");
}

#[test]
fn axum_server() {
    run(shuts_down(|listener, app, registry: Registry| async move {
        let server = axum::serve(listener, app);
        server.with_graceful_shutdown(async move { _ = registry.closing().await }).await.unwrap();
    }));
}

#[test]
fn hyper_server() {
    run(shuts_down(|listener: TcpListener, app: Router, registry: Registry| async move {
        let connections = GracefulShutdown::new();
        while let Ok(accepted) = listener.accept().cancelable(registry.closing()).await {
            let (socket, _) = accepted.unwrap();
            let service = TowerToHyperService::new(app.clone());
            let builder = auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
            let connection = connections.watch(connection.into_owned());
            // An error means that the client has left.
            tokio::spawn(async { _ = connection.await });
        }
        drop(listener);
        connections.shutdown().await;
    }));
}
