//! Three services in a chain, and one budget of time for all of them.
//!
//! `cargo run -p cancelable-tower --example chain`
//!
//! A client gives a call 500 ms. The gateway calls the service for users, which calls the store over gRPC, and the
//! store is slow. Each hop learns how much time is left from a header, keeps 20 ms of it for its own answer,
//! and passes the rest on. So the last hop times out first, and every answer arrives within the budget. Each hop notes in its
//! record why it has failed.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::get;
use cancelable::prelude::*;
use cancelable::registry::{HistoryQuery, Record};
use cancelable_tower::{BoxError, Inbound, OperationLayer, Outbound, Propagate, PropagateLayer};
use http::{HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::{Layer, ServiceExt};

const BUDGET: Duration = Duration::from_millis(500);

/// What each hop keeps of the time for its own answer.
const RESERVE: Duration = Duration::from_millis(20);

const TIME_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

type HttpClient = Propagate<Client<HttpConnector, Empty<Bytes>>>;
type StoreClient = HealthClient<Propagate<Channel>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = serve(Router::new().route_service("/{*rest}", HealthServer::new(Store)), "store");
    let store = store.await?;
    let channel = Channel::from_shared(format!("http://{store}"))?.connect_lazy();
    let channel = PropagateLayer::new(Outbound::grpc().reserve(RESERVE)).layer(channel);
    let users = Router::new().route("/", get(users)).with_state(HealthClient::new(channel));
    let users = serve(users, "users").await?;
    let gateway = Router::new().route("/", get(gateway)).with_state((http_client(), users));
    let gateway = serve(gateway, "gateway").await?;

    let began = Instant::now();
    let call = get_text(http_client(), gateway).cancelable(timeout(BUDGET)).named("client");
    let (status, text) = call.await?.map_err(|error| error.to_string())?;
    println!("client: {status} after {} ms: {text}", began.elapsed().as_millis());
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(began.elapsed() < BUDGET);

    Registry::global().close();
    Registry::global().drained().await;
    let records = Registry::global().history(HistoryQuery::default());
    records.iter().for_each(print);
    assert_eq!(records.len(), 3);
    Ok(())
}

/// Serves one hop, whose requests are operations of that name.
async fn serve(app: Router, name: &'static str) -> Result<SocketAddr, Box<dyn Error>> {
    let layer = OperationLayer::new()
        .named_by(move |_head| name)
        // The client of tonic keeps to its limit by itself. With a reserve, our answer comes first.
        .inbound(Inbound::grpc().reserve(RESERVE))
        .inbound(Inbound::millis(TIME_LEFT))
        .registered()
        .outermost();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app.layer(layer)).await });
    Ok(address)
}

/// Prints how much time the current operation has left.
fn print_time_left() {
    let operation = Operation::current().expect("each request is an operation");
    let left = operation.remaining().unwrap_or_default().as_millis();
    println!("{}: {left} ms left", operation.name().unwrap_or_default());
}

async fn gateway(State((client, users)): State<(HttpClient, SocketAddr)>) -> (StatusCode, String) {
    print_time_left();
    match get_text(client, users).await {
        Ok((StatusCode::OK, text)) => (StatusCode::OK, text),
        Ok((status, text)) => failed(status, format!("users said: {text}")),
        Err(error) => failed(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

async fn users(State(mut store): State<StoreClient>) -> (StatusCode, String) {
    print_time_left();
    match store.check(HealthCheckRequest::default()).await {
        Ok(_) => (StatusCode::OK, "all is well".to_owned()),
        Err(error) if error.code() == tonic::Code::DeadlineExceeded => {
            failed(StatusCode::GATEWAY_TIMEOUT, format!("the store said: {}", error.message()))
        }
        Err(error) => failed(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Answers that the next hop has failed, and notes it in the record of this request.
fn failed(status: StatusCode, why: String) -> (StatusCode, String) {
    let operation = Operation::current().expect("each request is an operation");
    operation.set_metadata("why", why.clone());
    (status, why)
}

/// Answers after ten seconds.
struct Store;

#[tonic::async_trait]
impl Health for Store {
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, tonic::Status> {
        print_time_left();
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok(tonic::Response::new(HealthCheckResponse::default()))
    }

    type WatchStream = futures::stream::Empty<Result<HealthCheckResponse, tonic::Status>>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("this example only checks"))
    }
}

/// Creates a client that passes on how much time is left.
fn http_client() -> HttpClient {
    let client = Client::builder(TokioExecutor::new()).build_http();
    PropagateLayer::new(Outbound::millis(TIME_LEFT).reserve(RESERVE)).layer(client)
}

async fn get_text(client: HttpClient, to: SocketAddr) -> Result<(StatusCode, String), BoxError> {
    let request = Request::get(format!("http://{to}/")).body(Empty::new())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    let bytes = Body::new(response.into_body()).collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

fn print(record: &Record) {
    let snapshot = &record.snapshot;
    let name = snapshot.name.as_deref().unwrap_or_default();
    let noted = |key| snapshot.metadata.get(key).map_or("nothing", |value| value);
    match &snapshot.reason {
        Some(reason) => println!("record of {name}: {}: {reason}", snapshot.status),
        None => println!("record of {name}: answered {}: {}", noted("status"), noted("why")),
    }
}
