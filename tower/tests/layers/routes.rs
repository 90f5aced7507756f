//! The names of requests in axum.

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use cancelable_tower::OperationLayer;
use http::Request;
use tower::ServiceExt;

use crate::support::run;

#[test]
fn named_by_the_route() {
    run(async {
        let registry = Registry::new();
        let api = Router::new().route("/users/{id}", get(async || "a user"));
        let app =
            Router::new().nest("/api", api).layer(OperationLayer::new().registered_in(&registry));
        for (path, name, status) in [
            ("/api/users/7", "GET /api/users/{id}", 200),
            ("/api/users/8?full", "GET /api/users/{id}", 200),
            ("/other/7", "GET /other/7", 404),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
            drop(response);
            let last = registry.history(HistoryQuery::all().last(1)).remove(0);
            assert_eq!(last.snapshot.name.as_deref(), Some(name));
        }
    });
}

#[test]
fn grpc_calls_are_named_by_their_method() {
    run(async {
        let registry = Registry::new();
        let app = Router::new()
            .route("/shop.Cart/{*method}", any(async || ""))
            .layer(OperationLayer::new().registered_in(&registry));
        let call = Request::post("/shop.Cart/Add").header("content-type", "application/grpc");
        app.oneshot(call.body(Body::empty()).unwrap()).await.unwrap();
        let last = registry.history(HistoryQuery::all().last(1)).remove(0);
        assert_eq!(last.snapshot.name.as_deref(), Some("POST /shop.Cart/Add"));
    });
}
