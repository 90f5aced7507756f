//! `Dashboard`, without a server.
#![cfg(feature = "dashboard")]

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::prelude::*;
use cancelable_tower::{Dashboard, DashboardBody, OperationLayer, Table};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::{Service, ServiceBuilder, ServiceExt};

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(path).body(()).unwrap()
}

async fn ask(dashboard: &Dashboard, request: Request<()>) -> Response<DashboardBody> {
    dashboard.clone().oneshot(request).await.unwrap()
}

async fn json(response: Response<DashboardBody>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn unknown_pages_and_methods() {
    smol::block_on(async {
        let dashboard = Dashboard::new(&Registry::new());
        for (method, path, status) in [
            (Method::GET, "/", 200),
            (Method::HEAD, "/", 200),
            (Method::POST, "/", 405),
            (Method::GET, "/stats", 200),
            (Method::GET, "/operations", 200),
            (Method::GET, "/operations/7/cancel", 405),
            (Method::GET, "/operations/7", 404),
            (Method::GET, "/other", 404),
        ] {
            let response = ask(&dashboard, request(method.clone(), path)).await;
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        let response = ask(&dashboard, request(Method::GET, "/operations/7/cancel")).await;
        assert_eq!(response.headers()["allow"], "POST");
        let page = ask(&dashboard, request(Method::GET, "/")).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    });
}

#[test]
fn cancels_only_with_permission() {
    smol::block_on(async {
        let registry = Registry::new();
        let work = pending::<()>().cancelable(never()).named("work").registered_in(&registry);
        let path = format!("/operations/{}/cancel", work.operation().id());
        let reader = Dashboard::new(&registry);
        assert_eq!(ask(&reader, request(Method::POST, &path)).await.status(), 403);
        assert_eq!(work.operation().status(), Status::Pending);

        let admin = reader.allow_cancel(|head| head.uri.query() == Some("admin"));
        assert_eq!(ask(&admin, request(Method::POST, &path)).await.status(), 403);
        let path = format!("{path}?admin");
        for site in ["cross-site", "same-site"] {
            let mut foreign = request(Method::POST, &path);
            foreign.headers_mut().insert("sec-fetch-site", HeaderValue::from_static(site));
            assert_eq!(ask(&admin, foreign).await.status(), 403, "{site}");
        }
        for origin in ["http://evil.example", "null", "http://ops.internal:81"] {
            let mut foreign = request(Method::POST, &path);
            foreign.headers_mut().insert("host", HeaderValue::from_static("ops.internal"));
            foreign.headers_mut().insert("origin", HeaderValue::from_static(origin));
            assert_eq!(ask(&admin, foreign).await.status(), 403, "{origin}");
        }
        assert_eq!(
            ask(&admin, request(Method::POST, "/operations/x/cancel?admin")).await.status(),
            400
        );
        assert_eq!(
            ask(&admin, request(Method::POST, "/operations/0/cancel?admin")).await.status(),
            404
        );
        let mut own = request(Method::POST, &path);
        own.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        own.headers_mut().insert("host", HeaderValue::from_static("ops.internal"));
        own.headers_mut().insert("origin", HeaderValue::from_static("https://ops.internal"));
        let response = ask(&admin, own).await;
        assert_eq!(response.status(), 200);
        assert_eq!(json(response).await["cancelled"], true);
        assert_eq!(ask(&admin, request(Method::POST, &path)).await.status(), 409);
        assert_eq!(work.await, Err(Cancelled::new("cancelled by hand")));
        assert_eq!(ask(&admin, request(Method::POST, &path)).await.status(), 404);
    });
}

#[test]
fn tables_are_escaped_pages() {
    smol::block_on(async {
        let rows = Arc::new(AtomicUsize::new(0));
        let count = rows.clone();
        let dashboard = Dashboard::new(&Registry::new())
            .table("Empty", || Table::new(["Host"]))
            .table("<Fleet>", move || {
                let rows = count.fetch_add(1, Ordering::SeqCst).to_string();
                Table::new(["Host", "Rows"])
                    .row(["a & b".to_owned(), rows, "left out".to_owned()])
                    .row(["alone".to_owned()])
            });
        for path in ["/tables/2", "/tables/-1", "/tables/", "/tables/x"] {
            assert_eq!(ask(&dashboard, request(Method::GET, path)).await.status(), 404, "{path}");
        }
        assert_eq!(ask(&dashboard, request(Method::POST, "/tables/0")).await.status(), 405);
        for round in 0..2 {
            let response = ask(&dashboard, request(Method::GET, "/tables/1")).await;
            assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
            assert!(response.headers().contains_key("content-security-policy"));
            let page = response.into_body().collect().await.unwrap().to_bytes();
            let page = std::str::from_utf8(&page).unwrap();
            assert!(page.contains("<h1 id=\"name\">&lt;Fleet&gt;</h1>"), "{page}");
            let row = format!("<tr><td>a &amp; b</td><td class=\"number\">{round}</td></tr>");
            assert!(page.contains(&row), "{page}");
            assert!(page.contains("<tr><td>alone</td><td></td></tr>"), "{page}");
            assert!(page.contains("prefers-color-scheme"), "the style of the main page");
        }
        let empty = ask(&dashboard, request(Method::GET, "/tables/0")).await;
        let page = empty.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&page).unwrap().contains("No rows"));
        let events = ask(&dashboard, request(Method::GET, "/events")).await;
        let hello = events.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
        let hello = std::str::from_utf8(&hello).unwrap();
        assert!(hello.contains(r#""tables":["Empty","<Fleet>"]"#), "{hello}");
    });
}

#[test]
fn head_requests_get_no_data() {
    smol::block_on(async {
        let dashboard = Dashboard::new(&Registry::new());
        let page = ask(&dashboard, request(Method::GET, "/")).await.into_body();
        let size = page.size_hint().exact();
        assert!(size.is_some());
        for (path, size) in [("/", size), ("/events", None)] {
            let mut body = ask(&dashboard, request(Method::HEAD, path)).await.into_body();
            assert_eq!(body.size_hint().exact(), size, "{path}");
            assert!(body.frame().await.is_none(), "{path}");
        }
    });
}

#[test]
fn names_in_queries_are_decoded() {
    smol::block_on(async {
        let registry = Registry::new();
        let name = "GET /größe 100% +1";
        let _work = async {}.cancelable(never()).named(name).registered_in(&registry);
        let dashboard = Dashboard::new(&registry);
        for (query, found) in [
            ("GET+%2Fgr%C3%B6%c3%9fe", 1),
            ("100%+%2B1", 1),
            ("100%25", 1),
            ("%ff", 0),
            ("%", 1),
            ("%C3", 0),
        ] {
            let path = format!("/operations?name={query}");
            let list = json(ask(&dashboard, request(Method::GET, &path)).await).await;
            assert_eq!(list.as_array().unwrap().len(), found, "{query}");
        }
    });
}

#[test]
fn finds_by_name() {
    smol::block_on(async {
        let registry = Registry::new();
        let _one = async {}.cancelable(never()).named("one").registered_in(&registry);
        let _two = async {}.cancelable(never()).named("two").registered_in(&registry);
        let dashboard = Dashboard::new(&registry);
        let found =
            json(ask(&dashboard, request(Method::GET, "/operations?x=y&name=tw")).await).await;
        assert_eq!(found.as_array().unwrap().len(), 1);
        assert_eq!(found[0]["name"], "two");
    });
}

/// Returns the next events of a body, with their data.
async fn next<B>(body: &mut B) -> Vec<(String, String)>
where
    B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug> + Unpin,
{
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(data.to_vec()).unwrap();
    let events = text.trim_start().split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), data.to_owned())
    });
    events.collect()
}

#[test]
fn tells_what_happens() {
    cancelable::testing::run(async {
        let registry = Registry::new();
        let work = async {}.cancelable(never()).named("before").registered_in(&registry);
        work.await.unwrap();
        let parent = pending::<()>().cancelable(never()).named("parent").registered_in(&registry);
        let mut parent = pin!(parent);
        assert!(futures::poll!(&mut parent).is_pending());

        let layer = OperationLayer::new().daemon_in(&registry).outermost();
        let mut service = ServiceBuilder::new().layer(layer).service(Dashboard::new(&registry));
        let response = service.call(request(Method::GET, "/events")).await.unwrap();
        let mut body = response.into_body();
        let first = next(&mut body).await;
        let names: Vec<&str> = first.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["hello", "operations", "stats", "phases"]);
        let hello: Value = serde_json::from_str(&first[0].1).unwrap();
        assert_eq!(hello["may_cancel"], false);
        assert_eq!(hello["ended"][0]["record"]["snapshot"]["name"], "before");
        let listed: Value = serde_json::from_str(&first[1].1).unwrap();
        assert_eq!(listed[0]["name"], "parent");
        assert_eq!(listed[1]["id"], hello["operation"], "the stream knows its own operation");

        let below = pending::<()>().cancelable(never()).child_of(&parent.operation());
        let mut below = pin!(below.named("below").registered_in(&registry));
        assert!(futures::poll!(&mut below).is_pending());
        let changes = next(&mut body).await;
        let started: Value = serde_json::from_str(&changes[1].1).unwrap();
        assert_eq!(started["event"], "started");
        assert_eq!(started["snapshot"]["parent_name"], "parent");

        registry.close();
        registry.cancel_all(cancelable::registry::Filter::all(), "stop");
        let mut last = next(&mut body).await;
        while last.last().unwrap().0 != "cancelled" {
            last = next(&mut body).await;
        }
        assert_eq!(last.last().unwrap().1, "manual", "strangers do not learn the text");
    });
}
