//! A service whose requests are operations: they can be listed, followed, and cancelled while they
//! run, and it ends only after it has told who was still running.
//!
//! `cargo run --example service --features serde -- [ADDRESS]`; without an address it is
//! `127.0.0.1:8080`. Port 0 takes a free one. It prints where it listens. Then open that in a browser,
//! or:
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a page that shows live what runs |
//! | `GET /work?ms=500` | after so many milliseconds, how long it took |
//! | `GET /operations`, `?name=work` | who is running, as JSON |
//! | `POST /operations/7/cancel` | whether that was cancelled: 200, or 409 where it was before, or 404 |
//! | `GET /stats` | numbers, as JSON |
//! | `GET /events` | what happens, as server-sent events |
//!
//! A client that goes away cancels its request. `SIGTERM` and Ctrl-C end the service: it takes no new
//! requests, cancels those that run, answers them, and prints the report. The exit code is 0 where all
//! of them stopped.
//!
//! Whoever reaches it may cancel what runs. A service for others puts that behind a login.

mod live;
mod requests;

use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Html;
use axum::routing::{get, post};
use cancelable::prelude::*;
use cancelable::registry::ShutdownPlan;
use tokio::net::TcpListener;

/// How long requests have to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long the last answers have to reach their clients.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

fn routes() -> Router {
    Router::new()
        .route("/work", get(requests::work))
        .route("/operations", get(requests::list))
        .route("/operations/{id}/cancel", post(requests::cancel))
        .route("/stats", get(requests::stats))
        // What is above is an operation for as long as its handler runs.
        .layer(from_fn(requests::as_operation))
        // This one goes on after its handler: its stream is the operation.
        .route("/events", get(live::events))
        .route("/", get(async || Html(include_str!("dashboard.html"))))
}

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;

    let plan =
        ShutdownPlan::new().grace(GRACE).on_request(|reason| eprintln!("stopping: {reason}"));
    // Before anyone is told where it listens: a signal that comes from here on is not lost.
    let stop = Registry::global().shutdown_on_termination(plan)?;
    println!("listening on http://{}", listener.local_addr()?);

    let closing = CancellationToken::new();
    let closed = closing.clone().cancelled_owned();
    let app = routes().into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        closed.await;
    });
    let server = tokio::spawn(server.into_future());

    // The server goes on meanwhile: what comes now is refused by the registry, and told so.
    let end = stop.await;
    closing.cancel();
    // Connections that no longer do anything keep nobody waiting.
    let _ = server.cancelable(timeout(LAST_ANSWERS)).await;

    eprintln!("{end}");
    Ok(end.exit_code())
}
