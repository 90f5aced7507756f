//! When `OperationLayer` calls the service inside it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable_tower::{Inbound, OperationLayer, Outbound, PropagateLayer};
use http::{Request, Response, StatusCode};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Frames, record, request, request_with, run};

const SECOND: Duration = Duration::from_secs(1);

/// A service that counts its calls, and reserves something in `poll_ready` until it is called or dropped.
#[derive(Default)]
struct Reserving {
    is_ready: bool,
    reserved: Arc<AtomicIsize>,
    calls: Arc<AtomicUsize>,
}

impl Reserving {
    fn release(&mut self) {
        if std::mem::take(&mut self.is_ready) {
            self.reserved.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Clone for Reserving {
    fn clone(&self) -> Self {
        let (reserved, calls) = (self.reserved.clone(), self.calls.clone());
        Reserving { is_ready: false, reserved, calls }
    }
}

impl Drop for Reserving {
    fn drop(&mut self) {
        self.release();
    }
}

impl Service<Request<Frames>> for Reserving {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Frames>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.reserved.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Frames>) -> Self::Future {
        assert!(self.is_ready, "`poll_ready` comes before `call`");
        self.release();
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::default()))
    }
}

#[test]
fn inside_the_operation() {
    run(async {
        let seen = Arc::new(AtomicUsize::new(0));
        let notes = seen.clone();
        let inner = service_fn(move |request: Request<Frames>| {
            let operation = Operation::current().expect("the service is called in the operation");
            assert_eq!(operation.name(), Some("GET /work"));
            assert_eq!(operation.remaining(), Some(SECOND));
            assert_eq!(request.headers()["grpc-timeout"], "1000000u");
            notes.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(Response::new(Frames::default())))
        });
        let service = ServiceBuilder::new()
            .layer(OperationLayer::new().limit(SECOND))
            .layer(PropagateLayer::new(Outbound::grpc()))
            .service(inner);
        service.oneshot(request()).await.unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn refused_requests_do_not_reach_the_service() {
    run(async {
        let registry = Registry::new();
        registry.close();
        let token = CancellationToken::new();
        token.cancel();
        let layer = OperationLayer::new();
        let refusing = [
            (layer.clone().registered_in(&registry), 503),
            (layer.clone().source(move |_| token.clone()), 503),
            (layer.clone().limit(Duration::ZERO), 504),
            (layer.inbound(Inbound::grpc()), 504),
        ];
        for (layer, status) in refusing {
            let inner = Reserving::default();
            let (reserved, calls) = (inner.reserved.clone(), inner.calls.clone());
            let mut service = ServiceBuilder::new().layer(layer).service(inner);
            let late = request_with(&[("grpc-timeout", "0n")]);
            let response = service.ready().await.unwrap().call(late).await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(calls.load(Ordering::Relaxed), 0);
            assert_eq!(reserved.load(Ordering::Relaxed), 0, "the reservation was given back");
        }
    });
}

#[test]
fn only_ready_services_are_called() {
    run(async {
        let inner = Reserving::default();
        let (reserved, calls) = (inner.reserved.clone(), inner.calls.clone());
        let mut service = ServiceBuilder::new().layer(OperationLayer::new()).service(inner);
        let first = service.ready().await.unwrap().call(request());
        let second = service.ready().await.unwrap().call(request());
        assert_eq!(reserved.load(Ordering::Relaxed), 2, "each waits with its own");
        assert_eq!(second.await.unwrap().status(), StatusCode::OK);
        assert_eq!(first.await.unwrap().status(), StatusCode::OK);
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(reserved.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn the_limit_begins_with_the_call() {
    run(async {
        for sources in [false, true] {
            let registry = Registry::new();
            let mut layer = OperationLayer::new().limit(SECOND).registered_in(&registry);
            if sources {
                layer = layer.source(|_| never());
            }
            let inner = Reserving::default();
            let calls = inner.calls.clone();
            let mut service = ServiceBuilder::new().layer(layer).service(inner);
            let call = service.ready().await.unwrap().call(request());
            timeout(2 * SECOND).await;
            assert_eq!(call.await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(calls.load(Ordering::Relaxed), 0);
            assert_eq!(record(&registry).1, Some(Reason::timeout(SECOND)));
        }
    });
}
