//! Many requests at once. Some are answered, some time out, and the clients of some leave.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use cancelable::prelude::*;
use cancelable_tower::{Inbound, OperationLayer};
use futures::future::join_all;
use http::{HeaderName, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{ended, run, serve};

const CONNECTIONS: usize = 100;
const REQUESTS: usize = 10_000;

/// A third is answered, a third times out, and the clients of the last third leave.
#[test]
fn nothing_is_left() {
    run(async {
        let registry = Registry::with_history_limit(REQUESTS);
        let go = CancellationToken::new();
        let answers = go.clone();
        let limit = HeaderName::from_static("x-request-timeout-ms");
        let layer = OperationLayer::new()
            .registered_in(&registry)
            .inbound(Inbound::millis(limit.clone()))
            .outermost();
        let app = Router::new()
            .route(
                "/",
                get(async move || {
                    answers.cancelled().await;
                    "done"
                }),
            )
            .layer(layer);
        let address = serve(app).await;
        let leave = CancellationToken::new();
        let outcomes = Arc::new(std::sync::Mutex::new([0; 3]));

        let mut tasks = Vec::new();
        for connection in 0..CONNECTIONS {
            let socket = TcpStream::connect(address).await.unwrap();
            let (sender, driver) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
                TokioExecutor::new(),
                TokioIo::new(socket),
            )
            .await
            .unwrap();
            tokio::spawn(driver);
            for number in (connection..REQUESTS).step_by(CONNECTIONS) {
                let (mut sender, leave, limit) = (sender.clone(), leave.clone(), limit.clone());
                let outcomes = outcomes.clone();
                tasks.push(tokio::spawn(async move {
                    let mut request = Request::get(format!("http://{address}/"));
                    if number % 3 == 1 {
                        request = request.header(limit, "1");
                    }
                    let request = request.body(Empty::new()).unwrap();
                    let call = async {
                        let response = sender.send_request(request).await.unwrap();
                        let status = response.status();
                        response.into_body().collect().await.unwrap();
                        status
                    };
                    if number % 3 == 2 {
                        call.cancelable(&leave).await.unwrap_err();
                        outcomes.lock().unwrap()[2] += 1;
                    } else {
                        let status = call.await;
                        assert_eq!(status, if number % 3 == 1 { 504 } else { 200 });
                        outcomes.lock().unwrap()[number % 3] += 1;
                    }
                }));
            }
        }
        // All that time out have done so when only the others are left.
        let rest = REQUESTS - REQUESTS / 3;
        crate::support::until(|| {
            registry.len() == rest && outcomes.lock().unwrap()[1] == REQUESTS / 3
        })
        .await;
        leave.cancel();
        crate::support::until(|| registry.len() == REQUESTS / 3 + 1).await;
        go.cancel();
        for task in join_all(tasks).await {
            task.unwrap();
        }
        assert_eq!(*outcomes.lock().unwrap(), [REQUESTS / 3 + 1, REQUESTS / 3, REQUESTS / 3]);

        let ended = ended(&registry).await;
        let count = |reason: Option<Reason>| ended.iter().filter(|(_, r)| *r == reason).count();
        assert_eq!(count(None), REQUESTS / 3 + 1);
        assert_eq!(count(Some(Reason::timeout(Duration::from_millis(1)))), REQUESTS / 3);
        assert_eq!(count(Some(Reason::Disconnected)), REQUESTS / 3);
    });
}
