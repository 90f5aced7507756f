//! `OperationLayer`.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use cancelable::testing::pause;
use cancelable_tower::{Inbound, OperationLayer};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Frames, Step, record, request, request_with, run, silent, text, with_body};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn lasts_to_the_end_of_the_body() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service = with_body(layer, || Frames::new([Step::Data("a"), Step::Data("b")]));
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(registry.list()[0].name.as_deref(), Some("GET /work"));
        assert_eq!(text(response).await, "ab");
        assert_eq!(record(&registry), (Status::Completed, None, Some("200".to_owned())));
    });
}

#[test]
fn named_by_the_head() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new()
            .registered_in(&registry)
            .named_by(|head| head.uri.host().unwrap_or_default().to_owned());
        let response = with_body(layer, Frames::default).oneshot(request()).await.unwrap();
        assert_eq!(registry.list()[0].name.as_deref(), Some("host.test"));
        drop(response);
    });
}

#[test]
fn metadata_of_the_head() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new()
            .registered_in(&registry)
            .metadata("method", |head| Some(head.method.as_str().to_owned()))
            .metadata("query", |head| head.uri.query().map(str::to_owned));
        let response = with_body(layer, Frames::default).oneshot(request()).await.unwrap();
        let metadata = &registry.list()[0].metadata;
        assert_eq!(metadata["method"], "GET");
        assert!(!metadata.contains_key("query"), "the request has none");
        drop(response);
    });
}

#[test]
fn daemons_are_cancelled_last() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new();
        let call = |layer| silent(layer).oneshot(request());
        let mut daemon = pin!(call(layer.clone().daemon_in(&registry)));
        let mut other = pin!(call(layer.daemon_in(&registry).registered_in(&registry)));
        let shutdown = registry.shutdown(SECOND);
        let cancelled = |index: usize| registry.list()[index].status == Status::Cancelling;
        let mut shutdown = pin!(shutdown);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(daemon.as_mut().poll(&mut cx).is_pending());
        assert!(other.as_mut().poll(&mut cx).is_pending());
        assert!(shutdown.as_mut().poll(&mut cx).is_pending());
        timeout(SECOND + SECOND).await;
        assert!(shutdown.as_mut().poll(&mut cx).is_pending());
        assert!(cancelled(1));
        assert_eq!(other.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(shutdown.as_mut().poll(&mut cx).is_pending());
        assert_eq!(daemon.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(shutdown.await.is_clean());
        let names = registry.history(HistoryQuery::default());
        assert!(
            names[0].snapshot.id > names[1].snapshot.id,
            "the daemon came first and ended last"
        );
    });
}

#[test]
fn ends_with_the_announced_length() {
    // A server does not ask for the end of a body whose length it knows.
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service =
            with_body(layer, || Frames::new([Step::Data("abc"), Step::Hang]).of_length(3));
        let response = service.oneshot(request()).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(record(&registry).0, Status::Completed);
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn one_frame_is_pulled_with_the_head() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service =
            with_body(layer, || Frames::new([Step::Data("abc"), Step::Hang]).of_length(3));
        let mut body = service.oneshot(request()).await.unwrap().into_body();
        assert_eq!(record(&registry).0, Status::Completed);
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(body.is_end_stream() && body.frame().await.is_none());
    });
}

#[test]
fn more_frames_follow_the_head() {
    run(async {
        for steps in ["two", "late", "broken"] {
            let registry = Registry::new();
            let layer = OperationLayer::new().registered_in(&registry);
            let service = with_body(layer, move || {
                let first = match steps {
                    "two" => Step::Data("abc"),
                    "late" => Step::Wait,
                    _ => Step::Fail("no disk"),
                };
                Frames::new([first, Step::Data("def")]).of_length(6)
            });
            let response = service.oneshot(request()).await.unwrap();
            assert_eq!(registry.list()[0].metadata["status"], "200");
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            match steps {
                "two" => assert_eq!(body.unwrap(), "abcdef"),
                "late" => assert_eq!(body.unwrap(), "def"),
                _ => assert_eq!(body.unwrap_err().to_string(), "no disk"),
            }
            let status = if steps == "broken" { Status::Failed } else { Status::Completed };
            assert_eq!(record(&registry).0, status, "{steps}");
        }
    });
}

#[test]
fn a_head_request_ends_with_the_head() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service = with_body(layer, || Frames::new([Step::Data("abc")]).of_length(3));
        let mut request = request();
        *request.method_mut() = Method::HEAD;
        let response = service.oneshot(request).await.unwrap();
        // The server announces the length, so the body must not claim to be empty.
        assert_eq!(response.body().size_hint().exact(), Some(3));
        assert!(!response.body().is_end_stream());
        assert_eq!(record(&registry).0, Status::Completed);
    });
}

#[test]
fn timed_out_before_the_head() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry).limit(SECOND);
        let response = silent(layer).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(!response.headers().contains_key("retry-after"));
        assert_eq!(text(response).await, "Gateway Timeout\n");
        assert_eq!(record(&registry), (Status::Cancelled, Some(Reason::timeout(SECOND)), None));
    });
}

#[test]
fn cancelled_before_the_head() {
    run(async {
        let stop = CancellationToken::new();
        stop.cancel_with("secret");
        let token = stop.clone();
        let layer = OperationLayer::new().source(move |_| token.clone());
        let response = silent(layer.clone()).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(text(response).await, "Service Unavailable\n");
        let response = silent(layer.explain()).oneshot(request()).await.unwrap();
        assert_eq!(text(response).await, "cancelled: secret\n");
    });
}

#[test]
fn custom_answer() {
    run(async {
        let layer = OperationLayer::new().limit(SECOND).answer(|cancelled, head| {
            assert!(cancelled.is_timeout());
            Response::builder().status(418).body(head.uri.path().to_owned()).unwrap()
        });
        let response = silent(layer).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 418);
        assert_eq!(text(response).await, "/work");
    });
}

#[test]
fn closed_registry_refuses() {
    run(async {
        let registry = Registry::new();
        registry.close();
        let layer = OperationLayer::new().registered_in(&registry);
        let response = silent(layer.clone()).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let call = request_with(&[("content-type", "application/grpc")]);
        let response = silent(layer).oneshot(call).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "14");
    });
}

#[test]
fn grpc_answers() {
    run(async {
        let call = || request_with(&[("content-type", "application/grpc")]);
        let layer = OperationLayer::new().limit(SECOND);
        let response = silent(layer).oneshot(call()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "4");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(response.body().is_end_stream(), "trailers only");

        let token = CancellationToken::new();
        token.cancel();
        let layer = OperationLayer::new().source(move |_| token.clone());
        let response = silent(layer).oneshot(call()).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "1");
    });
}

#[test]
fn cancelled_in_the_body() {
    run(async {
        let layer = || OperationLayer::new().limit(SECOND);
        let response = |content: &'static str| Response::builder().header("content-type", content);
        let body = || Frames::new([Step::Data("a"), Step::Hang]);
        let answer = |content| {
            let service = service_fn(move |_: Request<Frames>| async move {
                Ok::<_, Infallible>(response(content).body(body()).unwrap())
            });
            ServiceBuilder::new().layer(layer()).service(service).oneshot(request())
        };

        let error = answer("text/plain").await.unwrap().into_body().collect().await.unwrap_err();
        assert!(error.downcast_ref::<Cancelled>().unwrap().is_timeout());

        let collected = answer("application/grpc").await.unwrap().into_body().collect().await;
        let collected = collected.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "4");
        assert_eq!(collected.to_bytes(), "a");

        let events = answer("text/event-stream").await.unwrap();
        assert_eq!(text(events).await, "a\n\nevent: cancelled\ndata: timeout\n\n");

        // A compressed stream cannot go on in plain text.
        let service = service_fn(move |_: Request<Frames>| async move {
            let response = response("text/event-stream").header("content-encoding", "gzip");
            Ok::<_, Infallible>(response.body(body()).unwrap())
        });
        let service = ServiceBuilder::new().layer(layer()).service(service);
        let compressed = service.oneshot(request()).await.unwrap().into_body();
        let error = compressed.collect().await.unwrap_err();
        assert!(error.downcast_ref::<Cancelled>().unwrap().is_timeout());
    });
}

#[test]
fn errors_pass_unchanged() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service =
            ServiceBuilder::new().layer(layer).service(service_fn(|_: Request<Frames>| async {
                Err::<Response<Frames>, _>(io::Error::new(io::ErrorKind::NotFound, "no such user"))
            }));
        let error = service.oneshot(request()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(record(&registry).0, Status::Failed);
        let records = registry.history(HistoryQuery::default());
        assert_eq!(records[0].snapshot.error.as_deref(), Some("no such user"));
    });
}

#[test]
fn a_broken_body_fails() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let service = with_body(layer, || Frames::new([Step::Data("a"), Step::Fail("no disk")]));
        let response = service.oneshot(request()).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_eq!(error.to_string(), "no disk");
        assert_eq!(record(&registry).0, Status::Failed);
    });
}

#[test]
fn trailers_end_the_operation() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let body = || {
            let trailers = HeaderMap::from_iter([(
                HeaderName::from_static("grpc-status"),
                "0".parse().unwrap(),
            )]);
            Frames::new([Step::Data("a"), Step::Trailers(trailers), Step::Hang])
        };
        let response = with_body(layer, body).oneshot(request()).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert_eq!(record(&registry).0, Status::Completed);
    });
}

#[test]
fn dropped() {
    run(async {
        for outermost in [false, true] {
            for with_head in [false, true] {
                let registry = Registry::new();
                let mut layer = OperationLayer::new().registered_in(&registry);
                if outermost {
                    layer = layer.outermost();
                }
                if with_head {
                    let body = || Frames::new([Step::Data("a"), Step::Hang]);
                    drop(with_body(layer, body).oneshot(request()).await.unwrap());
                } else {
                    let mut call = pin!(silent(layer).oneshot(request()));
                    assert!(
                        call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
                    );
                    call.set(silent(OperationLayer::new()).oneshot(request()));
                }
                let (status, reason, code) = record(&registry);
                assert_eq!(status, Status::Cancelled);
                let expected = if outermost { Reason::Disconnected } else { Reason::Dropped };
                assert_eq!(reason, Some(expected), "outermost {outermost}, head {with_head}");
                let sent = with_head.then(|| "200".to_owned());
                assert_eq!(code, if outermost { Some("499".to_owned()) } else { sent });
            }
        }
    });
}

#[test]
fn shielded_sections_outlive_the_client() {
    let time = pause();
    let rest = Arc::new(Mutex::new(None));
    let taken = rest.clone();
    let layer =
        OperationLayer::new().outermost().spawner(move |task| *taken.lock().unwrap() = Some(task));
    let saved = Arc::new(AtomicUsize::new(0));
    let counter = saved.clone();
    let service =
        ServiceBuilder::new().layer(layer).service(service_fn(move |_: Request<Frames>| {
            let counter = counter.clone();
            async move {
                shield(async {
                    timeout(SECOND).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                })
                .await;
                counter.fetch_add(100, Ordering::Relaxed);
                Ok::<_, Infallible>(Response::new(Frames::default()))
            }
        }));
    let mut call = Box::pin(service.oneshot(request()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(call);
    let rest = rest.lock().unwrap().take().expect("the rest was handed over");
    time.block_on(rest);
    assert_eq!(saved.load(Ordering::Relaxed), 1, "the section ended, and nothing after it ran");
}

#[test]
fn a_panicking_spawner_harms_no_server() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new()
            .registered_in(&registry)
            .spawner(|_| panic!("this panic is part of the test"));
        let mut call = Box::pin(silent(layer).oneshot(request()));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(call);
        assert_eq!(record(&registry).1, Some(Reason::Dropped));
    });
}

#[test]
fn cancelled_with_its_parent() {
    run(async {
        let parent = pending::<()>().cancelable(never()).named("server");
        let layer = OperationLayer::new().child_of(&parent.operation());
        parent.operation().cancel_with("going down");
        let response = silent(layer).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn limits_that_come_in() {
    let limit = |inbound: &Inbound, values: &[&str]| {
        let headers = values.iter().map(|value| ("grpc-timeout", *value)).collect::<Vec<_>>();
        inbound.limit(request_with(&headers).headers())
    };
    let ms = Duration::from_millis;
    let inbound = Inbound::grpc();
    assert_eq!(limit(&inbound, &[]), None);
    assert_eq!(limit(&inbound, &["250m"]), Some(ms(250)));
    assert_eq!(limit(&inbound, &["3S", "250m", "1H"]), Some(ms(250)), "the shortest counts");
    assert_eq!(limit(&inbound, &["garbage", "250m"]), Some(ms(250)));
    assert_eq!(limit(&inbound, &["garbage"]), None);
    assert_eq!(inbound.malformed(), 2);
    let inbound = inbound.cap(ms(200));
    assert_eq!(limit(&inbound, &["250m"]), Some(ms(200)));
    assert_eq!(limit(&inbound, &[]), Some(ms(200)));
    let inbound = inbound.reserve(ms(60)).minimum(ms(40));
    assert_eq!(limit(&inbound, &["150m"]), Some(ms(90)));
    assert_eq!(limit(&inbound, &["100m"]), Some(ms(40)));
    assert_eq!(limit(&inbound, &["99m"]), Some(Duration::ZERO), "less than the minimum");
    assert_eq!(limit(&inbound, &["10m"]), Some(Duration::ZERO), "less than the reserve");
    assert_eq!(inbound.malformed(), 2, "clones share the count");
}

#[test]
fn a_request_without_time_is_refused() {
    run(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let layer = OperationLayer::new().limit(60 * SECOND).inbound(Inbound::connect());
        let service =
            ServiceBuilder::new().layer(layer).service(service_fn(move |_: Request<Frames>| {
                counter.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, Infallible>(Response::new(Frames::default())) }
            }));
        let late = request_with(&[("connect-timeout-ms", "0")]);
        let response = service.clone().oneshot(late).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(calls.load(Ordering::Relaxed), 0, "the service was not called");

        let longest = request_with(&[("connect-timeout-ms", "9999999999")]);
        assert_eq!(service.oneshot(longest).await.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn a_request_brings_its_limit() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new()
            .registered_in(&registry)
            .limit(60 * SECOND)
            .inbound(Inbound::grpc());
        let call = request_with(&[("grpc-timeout", "5m")]);
        let response = silent(layer).oneshot(call).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let limit = Duration::from_millis(5);
        assert_eq!(record(&registry).1, Some(Reason::timeout(limit)));
    });
}
