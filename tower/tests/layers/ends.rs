//! When the body of a response has ended.

use std::time::Duration;

use cancelable::prelude::*;
use cancelable_tower::OperationLayer;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{Frames, Step, record, request, run, silent, with_body};

const SECOND: Duration = Duration::from_secs(1);

fn trailers() -> Step {
    let name = HeaderName::from_static("grpc-status");
    Step::Trailers(HeaderMap::from_iter([(name, "0".parse().unwrap())]))
}

fn request_over(version: Version) -> Request<Frames> {
    let mut request = request();
    *request.version_mut() = version;
    request
}

#[test]
fn trailers_after_a_known_length() {
    run(async {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            for data in [&["abcd"][..], &["ab", "cd"], &[]] {
                let registry = Registry::new();
                let layer = OperationLayer::new().registered_in(&registry);
                let length = data.concat().len() as u64;
                let body = move || {
                    let steps = data.iter().map(|text| Step::Data(text)).chain([trailers()]);
                    Frames::new(steps).of_length(length)
                };
                let service = with_body(layer, body);
                let mut body = service.oneshot(request_over(version)).await.unwrap().into_body();
                assert_eq!(body.size_hint().exact(), Some(length));
                for text in data {
                    assert!(!body.is_end_stream());
                    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), text);
                }
                // The server of HTTP/1 may drop the body from here on.
                assert_eq!(record(&registry).0, Status::Completed);
                assert!(!body.is_end_stream());
                let last = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
                assert_eq!(last["grpc-status"], "0");
                assert!(body.is_end_stream() && body.frame().await.is_none());
            }
        }
    });
}

#[test]
fn late_trailers_after_a_known_length() {
    run(async {
        let registry = Registry::new();
        let layer = OperationLayer::new().registered_in(&registry);
        let body = || Frames::new([Step::Data("abcd"), Step::Wait, trailers()]).of_length(4);
        let service = with_body(layer, body);
        let body = service.oneshot(request_over(Version::HTTP_2)).await.unwrap().into_body();
        assert_eq!(registry.len(), 1, "the server polls for the trailers");
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), "abcd");
        assert_eq!(record(&registry).0, Status::Completed);
    });
}

#[test]
fn more_than_announced() {
    run(async {
        for second in [Step::Data("ef"), Step::Fail("no disk")] {
            let fails = matches!(second, Step::Fail(_));
            let frames = Frames::new([Step::Data("abcd"), second]).of_length(4);
            let service = with_body(OperationLayer::new(), move || frames.clone());
            let body = service.oneshot(request_over(Version::HTTP_2)).await.unwrap().into_body();
            match body.collect().await {
                Ok(body) => assert!(!fails && body.to_bytes() == "abcdef"),
                Err(error) => assert!(fails && error.to_string() == "no disk"),
            }
        }
    });
}

#[test]
fn a_length_of_zero() {
    // Such a body need not say that it has ended, and a server of HTTP/1 drops it unpolled.
    run(async {
        for (version, step, status) in [
            (Version::HTTP_11, None, Status::Completed),
            (Version::HTTP_11, Some(Step::Hang), Status::Completed),
            (Version::HTTP_2, None, Status::Completed),
            (Version::HTTP_2, Some(Step::Hang), Status::Cancelled),
        ] {
            let registry = Registry::new();
            let layer = OperationLayer::new().registered_in(&registry).outermost();
            let frames = Frames::new(step).of_length(0);
            let service = with_body(layer, move || frames.clone());
            let response = service.oneshot(request_over(version)).await.unwrap();
            assert_eq!(response.body().size_hint().exact(), Some(0));
            drop(response);
            assert_eq!(record(&registry).0, status, "{version:?}");
        }
    });
}

#[test]
fn answers_to_head_requests_have_no_data() {
    run(async {
        let mut request = request_over(Version::HTTP_2);
        *request.method_mut() = Method::HEAD;
        let layer = OperationLayer::new().limit(SECOND);
        let response = silent(layer).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let mut body = response.into_body();
        // The server announces the length.
        assert_eq!(body.size_hint().exact(), Some("Gateway Timeout\n".len() as u64));
        assert!(!body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
    });
}
