//! Stock clients and servers of tonic on the other side.

use std::time::{Duration, Instant};

use axum::Router;
use cancelable::prelude::*;
use cancelable_tower::{Inbound, OperationLayer, Outbound, PropagateLayer};
use tonic::transport::Channel;
use tonic::{Code, Request, Response};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceBuilder;

use crate::support::{ended, run, serve, until};

/// How much earlier than the other side the side with a reserve ends a call. The machine may be busy, so it is long.
const RESERVE: Duration = Duration::from_millis(150);

type Answer<T> = Result<Response<T>, tonic::Status>;

/// A service that takes as long as the name in the request says, in milliseconds.
#[derive(Clone)]
struct Slow;

#[tonic::async_trait]
impl Health for Slow {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Answer<HealthCheckResponse> {
        let told = request.metadata().contains_key("grpc-timeout");
        let length = request.into_inner().service.parse().expect("it is a number");
        tokio::time::sleep(Duration::from_millis(length)).await;
        Ok(Response::new(HealthCheckResponse { status: i32::from(told) }))
    }

    type WatchStream =
        futures::stream::BoxStream<'static, Result<HealthCheckResponse, tonic::Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Answer<Self::WatchStream> {
        let first = futures::stream::once(async { Ok(HealthCheckResponse { status: 1 }) });
        Ok(Response::new(Box::pin(futures::StreamExt::chain(first, futures::stream::pending()))))
    }
}

fn check(millis: u64) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: millis.to_string() })
}

fn with_limits<T>(mut call: Request<T>, limits: &[&'static str]) -> Request<T> {
    for limit in limits {
        call.metadata_mut().append("grpc-timeout", limit.parse().unwrap());
    }
    call
}

/// The service under the layer, served without the time limits of tonic's own server.
async fn our_server(registry: &Registry) -> HealthClient<Channel> {
    let layer = OperationLayer::new()
        .registered_in(registry)
        .inbound(Inbound::grpc().reserve(RESERVE))
        .outermost();
    let app = Router::new().route_service("/{*rest}", HealthServer::new(Slow)).layer(layer);
    let address = serve(app).await;
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await;
    HealthClient::new(channel.unwrap())
}

#[test]
fn stock_client_and_our_server() {
    run(async {
        let registry = Registry::new();
        let mut client = our_server(&registry).await;
        let answer = client.check(check(0)).await.unwrap();
        assert_eq!(answer.into_inner().status, 0, "no limit was set");

        let mut call = check(60_000);
        call.set_timeout(Duration::from_millis(300));
        let began = Instant::now();
        let status = client.check(call).await.unwrap_err();
        // Tonic's own client would have said CANCELLED, after the full 300 ms.
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.message(), "deadline exceeded");
        assert!(began.elapsed() >= RESERVE);

        let ended = ended(&registry).await;
        assert_eq!(ended[0], (Status::Completed, None));
        let limit = Duration::from_millis(300) - RESERVE;
        assert_eq!(ended[1], (Status::Cancelled, Some(Reason::timeout(limit))));
    });
}

#[test]
fn odd_limits() {
    run(async {
        let registry = Registry::new();
        let mut client = our_server(&registry).await;
        for harmless in [&["99999999H"][..], &["soon"], &["soon", "later"]] {
            let answer = client.check(with_limits(check(0), harmless)).await;
            answer.unwrap_or_else(|status| panic!("{harmless:?}: {status}"));
        }
        // The client keeps to the first, the server to the shortest.
        let call = with_limits(check(60_000), &["1H", "soon", "200m"]);
        assert_eq!(client.check(call).await.unwrap_err().code(), Code::DeadlineExceeded);
        // Less than the reserve of the server.
        let call = with_limits(check(0), &["1H", "1n"]);
        assert_eq!(client.check(call).await.unwrap_err().code(), Code::DeadlineExceeded);
    });
}

#[test]
fn streams_end_with_a_status() {
    run(async {
        let registry = Registry::new();
        let mut client = our_server(&registry).await;
        let mut call = Request::new(HealthCheckRequest::default());
        call.set_timeout(Duration::from_millis(200));
        let mut messages = client.watch(call).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    });
}

#[test]
fn a_client_that_leaves() {
    run(async {
        let registry = Registry::new();
        let mut client = our_server(&registry).await;
        let call = client.check(check(60_000)).cancelable(async {
            until(|| registry.len() == 1).await;
            Reason::manual("enough")
        });
        call.await.unwrap_err();
        assert_eq!(ended(&registry).await, [(Status::Cancelled, Some(Reason::Disconnected))]);

        let mut messages = client.watch(check(0)).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        drop(messages);
        assert_eq!(ended(&registry).await[1], (Status::Cancelled, Some(Reason::Disconnected)));
    });
}

#[test]
fn shutdown_is_unavailable() {
    run(async {
        let registry = Registry::new();
        let mut client = our_server(&registry).await;
        registry.close();
        let status = client.check(check(0)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    });
}

#[test]
fn our_client_and_stock_server() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(HealthServer::new(Slow));
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let layer = PropagateLayer::new(Outbound::grpc().reserve(RESERVE));
        let mut client = HealthClient::new(ServiceBuilder::new().layer(layer).service(channel));

        let answer = client.check(check(0)).await.unwrap();
        assert_eq!(answer.into_inner().status, 0, "there is no operation");

        let limit = timeout(Duration::from_secs(5));
        let answer = client.check(check(0)).cancelable(limit).named("call").await.unwrap().unwrap();
        assert_eq!(answer.into_inner().status, 1, "the server was told the limit");

        // The server of tonic keeps to the limit by itself, before ours.
        let limit = timeout(Duration::from_millis(300));
        let call = client.check(check(60_000)).cancelable(limit).named("call").await;
        let status = call.expect("the server answers first").unwrap_err();
        assert_eq!(status.code(), Code::Cancelled);
        assert_eq!(status.message(), "Timeout expired");
    });
}
