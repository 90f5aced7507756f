//! A service whose requests are operations: they can be listed, watched and cancelled while they run,
//! and shutdown reports any that did not stop.
//!
//! `cargo run --example service --features serde -- [ADDRESS]` listens on `127.0.0.1:8080` unless
//! another address is given; port 0 picks a free one. It prints its address. Open that in a browser,
//! or send:
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a page that shows the running operations live |
//! | `GET /work?ms=500` | after that many milliseconds, the time it took |
//! | `GET /operations`, `?name=work` | the running operations, as JSON |
//! | `POST /operations/7/cancel` | 200 if this cancelled it, 409 if it was cancelled before, 404 if it is not running |
//! | `GET /stats` | statistics, as JSON |
//! | `GET /events` | changes, as server-sent events |
//!
//! A client that goes away cancels its request. `SIGTERM` and Ctrl-C shut the service down: it accepts
//! no new requests, lets the running ones finish for two seconds, cancels the others, answers them, and
//! prints a report. A second signal cancels them at once. The exit code is 0 if all of them stopped.
//!
//! Anyone who can reach this service can cancel its operations. Put a real service behind a login.

mod live;
mod requests;

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
use clap::Parser;
use tokio::net::TcpListener;

const DETAILS: &str = "\
Requests:
  GET /                        a page that shows the running operations
  GET /work?ms=500             answers after that many milliseconds
  GET /operations?name=work    the running operations, as JSON
  POST /operations/7/cancel    cancels one of them
  GET /stats                   statistics, as JSON
  GET /events                  changes, as server-sent events

SIGINT (Ctrl-C) and SIGTERM shut it down: requests have two seconds to finish. A
second signal cancels them at once. It exits with 0 if all of them stopped.";

/// Lists its requests, cancels them on demand, and lets them finish at shutdown
#[derive(Debug, Parser)]
#[command(after_help = DETAILS)]
struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(default_value = "127.0.0.1:8080")]
    address: String,
}

/// How long requests may take to finish after the first signal. A real service gives them more.
const FINISH: Duration = Duration::from_secs(2);

/// How long the last answers may take to reach their clients.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

fn routes() -> Router {
    Router::new()
        .route("/work", get(requests::work))
        .route("/operations", get(requests::list))
        .route("/operations/{id}/cancel", post(requests::cancel))
        .route("/stats", get(requests::stats))
        // The routes above are operations while their handlers run.
        .layer(from_fn(requests::as_operation))
        // This one outlives its handler: its stream is the operation.
        .route("/events", get(live::events))
        .route("/", get(async || Html(include_str!("dashboard.html"))))
}

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.address).await?;

    let registry = Registry::global();
    let plan =
        ShutdownPlan::new().finish(FINISH).on_request(|reason| eprintln!("stopping: {reason}"));
    // Registers the signals before the address is printed, so that none is lost.
    let stop = registry.shutdown_on_termination(plan)?;
    println!("listening on http://{}", listener.local_addr()?);

    tokio::spawn(live::sample().cancelable(registry.closing()).into_future());
    let app = routes().into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        registry.closing().await;
    });
    let server = tokio::spawn(server.into_future());

    // The server runs in its task meanwhile: it accepts no connections once the registry is closed.
    let end = stop.await;
    // The last answers may still be on their way.
    let _ = server.cancelable(timeout(LAST_ANSWERS)).await;

    eprintln!("{end}");
    Ok(end.exit_code())
}
