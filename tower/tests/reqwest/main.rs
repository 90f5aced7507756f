//! `PropagateLayer` as a middleware of `reqwest`, against a real server.
#![cfg(feature = "reqwest-middleware")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use cancelable::prelude::*;
use cancelable_tower::{Outbound, PropagateError, PropagateLayer};
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName};
use private_harness::watchdog;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::net::TcpListener;

const TIME_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Runs a test on a runtime of one thread. A test that hangs ends the process.
fn run<F: Future>(test: F) -> F::Output {
    let _watchdog = watchdog();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

/// A server, and the time limits that its requests have brought, in milliseconds.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    async fn start() -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let notes = seen.clone();
        let note = from_fn(move |headers: HeaderMap, request, next: Next| {
            let left = headers.get(TIME_LEFT).map(|left| left.to_str().unwrap().parse().unwrap());
            notes.lock().unwrap().push(left);
            next.run(request)
        });
        let app = Router::new()
            .route("/quick", get(async || "done"))
            .route("/slow", get(async || std::future::pending::<()>().await))
            .route(
                "/endless",
                get(async || {
                    let first = stream::once(async { Ok::<_, axum::Error>(Bytes::from("first")) });
                    Body::from_stream(first.chain(stream::pending()))
                }),
            )
            .layer(note);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Server { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn take_seen(&self) -> Vec<Option<u64>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn client(layer: PropagateLayer) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::builder().no_proxy().build().unwrap()).with(layer).build()
}

fn layer() -> PropagateLayer {
    PropagateLayer::new(Outbound::millis(TIME_LEFT))
}

/// Returns the error of this type among an error and its sources.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| find(error.source()?))
}

#[test]
fn tells_what_remains() {
    run(async {
        let server = Server::start().await;
        let quick = async |layer| {
            let response = client(layer).get(server.url("/quick")).send().await.unwrap();
            assert_eq!(response.url().as_str(), server.url("/quick"));
            assert_eq!(response.text().await.unwrap(), "done");
        };
        let minute = Duration::from_secs(60);
        quick(layer()).await;
        assert_eq!(server.take_seen(), [None], "outside of operations");
        quick(layer()).cancelable(timeout(minute)).named("caller").await.unwrap();
        let [Some(left)] = server.take_seen()[..] else { panic!("one request with a limit") };
        assert!((1..=60_000).contains(&left), "{left}");
        let elsewhere = layer().only_to(["elsewhere.test"]);
        quick(elsewhere).cancelable(timeout(minute)).named("caller").await.unwrap();
        quick(layer()).cancelable(never()).named("caller").await.unwrap();
        assert_eq!(server.take_seen(), [None, None]);
    });
}

#[test]
fn nothing_left_is_an_error() {
    run(async {
        let server = Server::start().await;
        let layer =
            PropagateLayer::new(Outbound::millis(TIME_LEFT).reserve(Duration::from_secs(90)));
        let call = async { client(layer).get(server.url("/quick")).send().await.unwrap_err() };
        let error =
            call.cancelable(timeout(Duration::from_secs(60))).named("caller").await.unwrap();
        let reqwest_middleware::Error::Middleware(error) = &error else { panic!("{error}") };
        let error = error.downcast_ref::<PropagateError<std::convert::Infallible>>();
        assert!(matches!(error, Some(PropagateError::NoTimeLeft)), "{error:?}");
        assert_eq!(server.take_seen(), []);
    });
}

#[test]
fn calls_end_with_the_operation() {
    run(async {
        let server = Server::start().await;
        let caller = async {}.cancelable(never()).named("caller");
        let operation = caller.operation();
        // The call runs in a task of its own, so only the middleware can end it.
        let call = client(layer()).get(server.url("/slow")).send();
        let call = tokio::spawn(operation.in_scope(call));
        while server.seen.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        operation.cancel_with("not needed");
        let error = call.await.unwrap().unwrap_err();
        let reqwest_middleware::Error::Middleware(error) = &error else { panic!("{error}") };
        let cancelled = error.downcast_ref::<Cancelled>().expect("it was cancelled");
        assert_eq!(cancelled.reason().root(), &Reason::manual("not needed"));
    });
}

#[test]
fn bodies_end_with_the_operation() {
    run(async {
        let server = Server::start().await;
        let caller = async {}.cancelable(never()).named("caller");
        let operation = caller.operation();
        let call = client(layer()).get(server.url("/endless")).send();
        let mut response = operation.in_scope(call).await.unwrap();
        assert_eq!(response.chunk().await.unwrap(), Some(Bytes::from("first")));
        let rest = tokio::spawn(async move { response.chunk().await });
        tokio::task::yield_now().await;
        operation.cancel_with("not needed");
        let error = rest.await.unwrap().unwrap_err();
        let cancelled = find::<Cancelled>(&error).expect("a source is the cancellation");
        assert_eq!(cancelled.reason().root(), &Reason::manual("not needed"));
    });
}

#[test]
fn detached_calls_continue() {
    run(async {
        let server = Server::start().await;
        let caller = async {}.cancelable(never()).named("caller");
        let operation = caller.operation();
        let call = client(layer().detach()).get(server.url("/endless")).send();
        let mut response = operation.in_scope(call).await.unwrap();
        operation.cancel_with("not needed");
        assert_eq!(response.chunk().await.unwrap(), Some(Bytes::from("first")));
        // Nothing more is sent to the server for a cancelled operation.
        let call = client(layer().detach()).get(server.url("/quick")).send();
        assert!(operation.in_scope(call).await.is_err());
        assert_eq!(server.take_seen().len(), 1);
    });
}
