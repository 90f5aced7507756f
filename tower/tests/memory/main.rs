//! What requests leave in memory: nothing.
//!
//! Everything runs on one thread, whose allocations are counted, and on the virtual clock: the reactor's thread would
//! otherwise free a part of what this one has allocated.
#![cfg(unix)]

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use cancelable::prelude::*;
use cancelable::reason::ReasonKind;
use cancelable_tower::{Inbound, OperationLayer};
use futures::future::join_all;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const REQUESTS: usize = 10_000;

const TIME_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Sends all requests at once. A third is answered, a third times out, and the clients of the last third leave.
async fn round(layer: OperationLayer) {
    let service = ServiceBuilder::new().layer(layer).service(service_fn(
        async |request: Request<Full<Bytes>>| {
            if request.uri().path() != "/quick" {
                pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
        },
    ));
    let call = async |number: usize| {
        let path = if number % 3 == 0 { "/quick" } else { "/slow" };
        let mut request = Request::get(path);
        if number % 3 == 1 {
            request = request.header(TIME_LEFT, "10");
        }
        let request = request.body(Full::default()).unwrap();
        let call = async {
            let response = service.clone().oneshot(request).await.unwrap();
            let status = response.status();
            response.into_body().collect().await.unwrap();
            status
        };
        let called = call.cancelable(timeout(Duration::from_secs(1))).await;
        match number % 3 {
            0 => assert_eq!(called.unwrap(), 200),
            1 => assert_eq!(called.unwrap(), 504),
            _ => assert!(called.is_err()),
        }
    };
    join_all((0..REQUESTS).map(call)).await;
}

#[test]
fn requests_leave_nothing() {
    let registry = Registry::with_history_limit(0);
    let layer = OperationLayer::new()
        .registered_in(&registry)
        .inbound(Inbound::millis(TIME_LEFT))
        .outermost();
    let run = || cancelable::testing::run(round(layer.clone()));

    // The first round fills pools, caches and tables.
    run();
    let counted = allocation_counter::measure(run);
    assert!(registry.is_empty());
    let stats = registry.stats();
    let third = 2 * (REQUESTS / 3) as u64;
    assert_eq!(stats.ended(), 2 * REQUESTS as u64);
    assert!(stats.completed >= third, "{stats:?}");
    assert!(stats.cancelled_by[&ReasonKind::Timeout] >= third, "{stats:?}");
    assert!(stats.cancelled_by[&ReasonKind::Disconnected] >= third, "{stats:?}");
    assert!(counted.count_total > REQUESTS as u64, "the requests ran on this thread");
    assert!(counted.bytes_current < 16 * 1024, "{} bytes are left", counted.bytes_current);
}
