//! A service whose requests are operations: they can be listed, watched and cancelled while they run,
//! and shutdown reports any that did not stop.
//!
//! `cargo run -p cancelable-tower --example service --features dashboard -- [ADDRESS]` listens on `127.0.0.1:8080` unless
//! another address is given; port 0 picks a free one. It prints its address. Open that in a browser,
//! or send `GET /work?ms=500` and the requests of a [`Dashboard`].
//!
//! A client that goes away cancels its request. `SIGTERM` and Ctrl-C shut the service down: it accepts
//! no new requests, lets the running ones finish for two seconds, cancels the others, answers them, and
//! prints a report. A second signal cancels them at once. The exit code is 0 if all of them stopped.
//!
//! Anyone who can reach this service can cancel its operations. Put a real service behind a login.

use std::collections::HashMap;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use cancelable::prelude::*;
use cancelable::registry::ShutdownPlan;
use cancelable_tower::{Dashboard, Inbound, OperationLayer};
use clap::Parser;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

const DETAILS: &str = "\
Requests:
  GET /                        a page that shows the running operations
  GET /work?ms=500             answers after that many milliseconds
  GET /operations?name=work    the running operations, as JSON
  POST /operations/7/cancel    cancels one of them
  GET /stats                   statistics, as JSON
  GET /events                  changes, as server-sent events
  GET /metrics                 metrics, as Prometheus scrapes them

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

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(300);

/// How long requests may take to finish after the first signal. A real service gives them more.
const FINISH: Duration = Duration::from_secs(2);

/// How long the last answers may take to reach their clients.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The upper ends of the buckets of histograms, in seconds.
const BUCKETS: [f64; 8] = [0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 300.0];

/// How often slow work reports progress.
const STEP: Duration = Duration::from_millis(100);

fn routes(registry: &Registry, metrics: PrometheusHandle) -> Router {
    // Clients of a real service learn the reason only if they may.
    let layer = OperationLayer::new()
        .metadata("query", |head| head.uri.query().map(str::to_owned))
        .metadata("client", |head| {
            head.extensions
                .get()
                .map(|ConnectInfo(client): &ConnectInfo<SocketAddr>| client.to_string())
        })
        .explain()
        .outermost();
    let requests = layer.clone().limit(LIMIT).inbound(Inbound::grpc()).registered_in(registry);
    let requests = requests.named_by(name);
    // These show the shutdown, so they are cancelled last.
    let dashboard = ServiceBuilder::new()
        .layer(layer.daemon_in(registry))
        .service(Dashboard::new(registry).allow_cancel(|_head| true));
    let routes = Router::new().route("/work", get(work)).layer(requests);
    let routes = routes.route("/metrics", get(move || ready(metrics.render())));
    routes.fallback_service(dashboard)
}

/// Names a request of `/work`. The names are literals, so they are labels of the metrics.
fn name(head: &Parts) -> &'static str {
    match head.method {
        Method::GET => "GET /work",
        _ => "other methods of /work",
    }
}

/// Work that takes as long as requested. Cancelling drops it, like any future.
async fn work(Query(asked): Query<HashMap<String, String>>) -> Result<Json<Value>, StatusCode> {
    let asked = asked.get("ms").map_or(Ok(1000), |ms| ms.parse());
    let ms = asked.map_err(|_| StatusCode::BAD_REQUEST)?;
    let length = Duration::from_millis(ms);
    let operation = Operation::current();
    let mut done = Duration::ZERO;
    while done < length {
        if let Some(operation) = &operation {
            operation.report_progress(Progress::at(done.as_secs_f64() / length.as_secs_f64()));
        }
        let step = STEP.min(length - done);
        tokio::time::sleep(step).await;
        done += step;
    }
    Ok(Json(json!({ "worked_ms": ms })))
}

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.address).await?;

    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(io::Error::other)?;
    let metrics = recorder.install_recorder().map_err(io::Error::other)?;
    cancelable::metrics::enable();

    let registry = Registry::global();
    let plan =
        ShutdownPlan::new().finish(FINISH).on_request(|reason| eprintln!("stopping: {reason}"));
    // Registers the signals before the address is printed, so that none is lost.
    let stop = registry.shutdown_on_termination(plan)?;
    println!("listening on http://{}", listener.local_addr()?);

    let app = routes(registry, metrics).into_make_service_with_connect_info::<SocketAddr>();
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
