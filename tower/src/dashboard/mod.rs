//! `Dashboard`: a service with a page that shows the operations of a registry live.

mod body;
mod messages;
mod table;

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cancelable::operation::OperationId;
use cancelable::registry::Filter;
use cancelable::{Registry, Text};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tower_service::Service;

pub use body::DashboardBody;
use messages::Messages;
use table::NamedTable;
pub use table::Table;

const PAGE: &str = include_str!("page.html");

/// The page contains its script and its style, and connects only to its own server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Decides whether a request may cancel an operation.
type Permission = dyn Fn(&Parts) -> bool + Send + Sync;

/// Serves a page that shows the operations of a registry: a tree of the running ones, a timeline of the last minute, and how
/// many completed, failed, or were cancelled for each kind of reason.
///
/// The service works in any router. Mount it at a path, and let the router strip that path, as `nest_service` of axum does.
///
/// | request | answer |
/// |---|---|
/// | `GET /` | the page |
/// | `GET /operations`, `?name=work` | the running operations, as JSON |
/// | `GET /stats` | statistics, as JSON |
/// | `GET /events` | changes, as server-sent events |
/// | `GET /tables/0` | a page with the first [table](Self::table) that was added |
/// | `POST /operations/7/cancel` | 200 if this request cancelled the operation, 409 if it was already cancelled, 404 if it is not running |
///
/// Once the registry is closed, the stream of events ends after the last operation. Put an
/// [`OperationLayer`](crate::OperationLayer) with [`daemon_in`](crate::OperationLayer::daemon_in) around the dashboard. The
/// stream is then an operation, too, and a shutdown cancels it after all others.
///
/// # Permissions
///
/// Names and metadata of operations may be confidential. Put the dashboard behind a login, like everything else that
/// shows the inside of a service. No request may cancel an operation unless [`allow_cancel`](Self::allow_cancel)
/// accepts it.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use cancelable::Registry;
/// use cancelable_tower::{Dashboard, OperationLayer};
/// use tower::ServiceBuilder;
///
/// let registry = Registry::global();
/// let dashboard = ServiceBuilder::new()
///     .layer(OperationLayer::new().daemon_in(registry).outermost())
///     .service(Dashboard::new(registry));
/// let app: Router = Router::new().nest_service("/dashboard", dashboard);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Dashboard {
    registry: Registry,
    may_cancel: Option<Arc<Permission>>,
    tables: Vec<NamedTable>,
}

impl Dashboard {
    /// Creates a dashboard of `registry` that does not cancel operations.
    ///
    /// ```
    /// let dashboard = cancelable_tower::Dashboard::new(cancelable::Registry::global());
    /// # let _ = dashboard;
    /// ```
    pub fn new(registry: &Registry) -> Self {
        Dashboard { registry: registry.clone(), may_cancel: None, tables: Vec::new() }
    }

    /// Lets requests cancel operations if `allow` accepts them, such as requests with the session of an administrator.
    /// The page shows its buttons only to clients whose requests `allow` accepts.
    ///
    /// Requests that a browser sends for a page of another site are refused before `allow` is called. To detect them, the
    /// dashboard compares the headers `Origin` and `Host`, so a proxy in front must not change `Host`.
    ///
    /// ```
    /// use cancelable_tower::Dashboard;
    /// use http::Request;
    /// use tower::ServiceExt;
    ///
    /// # smol::block_on(async {
    /// let dashboard = Dashboard::new(cancelable::Registry::global())
    ///     .allow_cancel(|head| head.headers.get("x-user").is_some_and(|user| user == "admin"));
    ///
    /// let request = Request::post("/operations/7/cancel").body(()).unwrap();
    /// assert_eq!(dashboard.clone().oneshot(request).await.unwrap().status(), 403);
    /// let request = Request::post("/operations/7/cancel").header("x-user", "admin").body(()).unwrap();
    /// assert_eq!(dashboard.oneshot(request).await.unwrap().status(), 404);
    /// # });
    /// ```
    pub fn allow_cancel(mut self, allow: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.may_cancel = Some(Arc::new(allow));
        self
    }

    /// Adds a page with a table of your own, and a link to that page. An open page reloads each second, and `make` is called
    /// for each load. `make` must not block: let it return data that another task has prepared.
    ///
    /// ```
    /// use cancelable_tower::{Dashboard, Table};
    /// use http::Request;
    /// use tower::ServiceExt;
    ///
    /// # smol::block_on(async {
    /// let dashboard = Dashboard::new(cancelable::Registry::global())
    ///     .table("Queues", || Table::new(["Queue", "Jobs"]).row(["mail", "7"]));
    /// let request = Request::get("/tables/0").body(()).unwrap();
    /// assert_eq!(dashboard.oneshot(request).await.unwrap().status(), 200);
    /// # });
    /// ```
    #[must_use]
    pub fn table(
        mut self,
        name: impl Into<Text>,
        make: impl Fn() -> Table + Send + Sync + 'static,
    ) -> Self {
        self.tables.push(NamedTable::new(name.into(), make));
        self
    }

    /// Returns the table whose page has this path.
    fn table_at(&self, path: &str) -> Option<&NamedTable> {
        self.tables.get(path.strip_prefix("tables/")?.parse::<usize>().ok()?)
    }

    fn answer(&self, head: &Parts) -> Response<DashboardBody> {
        let path = head.uri.path().trim_matches('/');
        let id_to_cancel =
            path.strip_prefix("operations/").and_then(|rest| rest.strip_suffix("/cancel"));
        let method = if id_to_cancel.is_some() { Method::POST } else { Method::GET };
        let table = self.table_at(path);
        let known = id_to_cancel.is_some()
            || table.is_some()
            || matches!(path, "" | "operations" | "stats" | "events");
        if !known {
            return json(StatusCode::NOT_FOUND, &json!({ "error": "no such page" }));
        }
        if head.method != method && !(method == Method::GET && head.method == Method::HEAD) {
            let mut response = json(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({ "error": format!("the method is {method}") }),
            );
            if let Ok(method) = HeaderValue::from_str(method.as_str()) {
                response.headers_mut().insert(ALLOW, method);
            }
            return response;
        }
        if let Some(id) = id_to_cancel {
            return self.cancel(head, id);
        }
        if let Some(table) = table {
            return html(Bytes::from(table.page()));
        }
        match path {
            "operations" => {
                let name = query(head, "name");
                let filter = name.map_or_else(Filter::all, |part| Filter::all().name(part));
                json(StatusCode::OK, &self.registry.find(filter))
            }
            "stats" => json(StatusCode::OK, &self.registry.stats()),
            "events" => {
                let messages = self.messages(head);
                respond(StatusCode::OK, "text/event-stream", DashboardBody::stream(messages))
            }
            _ => html(Bytes::from_static(PAGE.as_bytes())),
        }
    }

    fn messages(&self, head: &Parts) -> Messages {
        let tables = self.tables.iter().map(|table| table.name.clone()).collect();
        Messages::new(self.registry.clone(), self.may_cancel(head), tables)
    }

    fn may_cancel(&self, head: &Parts) -> bool {
        !is_foreign(head) && self.may_cancel.as_ref().is_some_and(|allow| allow(head))
    }

    fn cancel(&self, head: &Parts, id: &str) -> Response<DashboardBody> {
        if !self.may_cancel(head) {
            return json(
                StatusCode::FORBIDDEN,
                &json!({ "error": "you may not cancel operations" }),
            );
        }
        let Ok(id) = id.parse() else {
            return json(StatusCode::BAD_REQUEST, &json!({ "error": "the id is no number" }));
        };
        let (status, cancelled) = match self.registry.get(OperationId::from_u64(id)) {
            None => (StatusCode::NOT_FOUND, false),
            Some(found) if self.registry.cancel(found.id(), "cancelled by hand") => {
                (StatusCode::OK, true)
            }
            Some(_) => (StatusCode::CONFLICT, false),
        };
        json(status, &json!({ "id": id, "cancelled": cancelled }))
    }
}

/// Returns whether a page of another site sent the request. Browsers send `Origin` with every `POST` request. They send
/// `Sec-Fetch-Site` only to addresses that are secure or local, so that header alone is not enough.
fn is_foreign(head: &Parts) -> bool {
    let site = head.headers.get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site == "cross-site" || site == "same-site") {
        return true;
    }
    let Some(origin) = head.headers.get(ORIGIN) else { return false };
    let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str().as_bytes()));
    let origin = origin.as_bytes();
    let own =
        ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme.as_bytes()));
    own.is_none() || own != host
}

/// Returns the value of a parameter in the query.
fn query(head: &Parts, name: &str) -> Option<String> {
    let mut pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

/// Decodes a value as forms encode it: `+` is a space, and `%XX` a byte. Any other `%` stands for itself.
fn decoded(value: &str) -> String {
    let value = value.replace('+', " ");
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<DashboardBody> {
    match serde_json::to_vec(value) {
        Ok(text) => respond(status, "application/json", DashboardBody::whole(text.into())),
        // Serializing these types does not fail.
        Err(error) => {
            let text = error.to_string().into();
            respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", DashboardBody::whole(text))
        }
    }
}

fn html(page: Bytes) -> Response<DashboardBody> {
    let page = DashboardBody::whole(page);
    let mut page = respond(StatusCode::OK, "text/html; charset=utf-8", page);
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    page
}

fn respond(status: StatusCode, kind: &'static str, body: DashboardBody) -> Response<DashboardBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl<B> Service<Request<B>> for Dashboard {
    type Response = Response<DashboardBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, _body) = request.into_parts();
        let response = self.answer(&head);
        ready(Ok(match head.method {
            Method::HEAD => response.map(DashboardBody::without_data),
            _ => response,
        }))
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard")
            .field("registry", &self.registry)
            .field("may_cancel", &self.may_cancel.is_some())
            .finish()
    }
}
