//! Runs requests as operations, and answers requests about operations.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cancelable::operation::{OperationId, Snapshot};
use cancelable::prelude::*;
use cancelable::registry::{Filter, Stats};
use serde_json::{Value, json};

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(300);

/// How often slow work reports progress.
const STEP: Duration = Duration::from_millis(100);

/// The query of a `/work` request.
type Asked = Query<HashMap<String, String>>;

/// Runs a request as an operation of the registry. If the client goes away, the server drops this
/// future, which cancels the operation.
pub(crate) async fn as_operation(
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let name = format!("{} {}", request.method(), request.uri().path());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let answered = next
        .run(request)
        .cancelable(timeout(LIMIT))
        .named(name)
        .metadata("client", client.to_string())
        .metadata("query", query)
        .registered()
        .await;
    answered.unwrap_or_else(|cancelled| {
        // No answer has been sent yet, so the client of a cancelled request still learns why.
        let code = match cancelled.reason().root() {
            Reason::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (code, Json(json!({ "error": cancelled.to_string() }))).into_response()
    })
}

/// Work that takes as long as requested. Cancelling drops it, like any future.
pub(crate) async fn work(Query(asked): Asked) -> Result<Json<Value>, StatusCode> {
    let asked = asked.get("ms").map_or(Ok(1000), |ms| ms.parse::<u64>());
    let length = Duration::from_millis(asked.map_err(|_| StatusCode::BAD_REQUEST)?);
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
    Ok(Json(json!({ "worked_ms": length.as_millis() as u64 })))
}

/// Lists the running operations, including this request.
pub(crate) async fn list(Query(asked): Asked) -> Json<Vec<Snapshot>> {
    let filter = match asked.get("name") {
        Some(part) => Filter::all().name(part),
        None => Filter::all(),
    };
    Json(Registry::global().find(filter))
}

pub(crate) async fn stats() -> Json<Stats> {
    Json(Registry::global().stats())
}

/// Cancels an operation by id.
pub(crate) async fn cancel(Path(id): Path<u64>) -> (StatusCode, Json<Value>) {
    let registry = Registry::global();
    let (code, cancelled) = match registry.get(OperationId::from_u64(id)) {
        None => (StatusCode::NOT_FOUND, false),
        Some(found) if registry.cancel(found.id(), "cancelled by hand") => (StatusCode::OK, true),
        Some(_) => (StatusCode::CONFLICT, false),
    };
    (code, Json(json!({ "id": id, "cancelled": cancelled })))
}
