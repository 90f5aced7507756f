//! A gRPC server under the layer, and a client that passes its deadline on: the other side of
//! `tower/interop/peer.py`, which is written with Python's `grpcio`.
//!
//! `tower/interop/run` installs `grpcio` and runs both.
//!
//! * `grpc_peer serve` prints its address, serves the health service, where the name in the request is the
//!   time it takes in milliseconds, and prints how the first operation ended.
//! * `grpc_peer call ADDRESS` calls a server with a budget of 300 ms and prints the answer.

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use cancelable_tower::{Inbound, OperationLayer, Outbound, PropagateLayer};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer;

/// So that our answer comes before the client's own limit.
const RESERVE: Duration = Duration::from_millis(50);

struct Slow;

#[tonic::async_trait]
impl Health for Slow {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let millis = request.into_inner().service.parse().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    type WatchStream = futures::stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only checks"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match (env::args().nth(1).as_deref(), env::args().nth(2)) {
        (Some("serve"), None) => serve().await,
        (Some("call"), Some(address)) => call(address).await,
        _ => Err("usage: grpc_peer serve | call ADDRESS".into()),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let layer = OperationLayer::new()
        .registered_in(&registry)
        .inbound(Inbound::grpc().reserve(RESERVE))
        .outermost();
    let app = Router::new().route_service("/{*rest}", HealthServer::new(Slow)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Some(record) = registry.history(HistoryQuery::default()).first() {
            let snapshot = &record.snapshot;
            let reason = snapshot.reason.as_ref().map(|reason| format!(": {reason}"));
            println!("{}{}", snapshot.status, reason.unwrap_or_default());
            // The answer has still to be sent.
            tokio::time::sleep(Duration::from_millis(200)).await;
            return Ok(());
        }
    }
}

async fn call(address: String) -> Result<(), Box<dyn Error>> {
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let channel = PropagateLayer::new(Outbound::grpc()).layer(channel);
    let mut client = HealthClient::new(channel);
    let call = client.check(HealthCheckRequest::default());
    let answer = call.cancelable(timeout(Duration::from_millis(300))).named("call").await??;
    println!("the server had {} ms left", answer.into_inner().status);
    Ok(())
}
