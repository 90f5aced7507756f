//! `PropagateLayer`.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::Wakes;
use cancelable_tower::{Outbound, PropagateError, PropagateLayer};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Frames, Step, request, request_with, run};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Response<cancelable_tower::PropagateBody<Frames>>, PropagateError<Infallible>>;

/// A client, and the `grpc-timeout` headers that its server has received.
struct Client {
    seen: Arc<Mutex<Vec<Option<String>>>>,
    layer: PropagateLayer,
}

impl Client {
    fn new(layer: PropagateLayer) -> Self {
        Client { seen: Arc::default(), layer }
    }

    fn call(&self, request: Request<Frames>) -> impl Future<Output = Answer> + use<> {
        let seen = self.seen.clone();
        let server = service_fn(move |request: Request<Frames>| {
            let told = request.headers().get("grpc-timeout");
            let told = told.map(|value| value.to_str().expect("it is text").to_owned());
            seen.lock().unwrap().push(told);
            async { Ok(Response::new(Frames::new([Step::Data("a")]))) }
        });
        ServiceBuilder::new().layer(self.layer.clone()).service(server).oneshot(request)
    }

    fn take_seen(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn grpc() -> PropagateLayer {
    PropagateLayer::new(Outbound::grpc())
}

#[test]
fn tells_what_remains() {
    run(async {
        let client = Client::new(grpc());
        let work = async {
            client.call(request()).await.unwrap();
            timeout(SECOND / 4).await;
            client.call(request()).await.unwrap();
        };
        work.cancelable(timeout(SECOND)).named("caller").await.unwrap();
        let seen = client.take_seen();
        assert_eq!(seen[0].as_deref(), Some("1000000u"));
        let left = seen[1].as_ref().unwrap().strip_suffix('u').unwrap().parse::<u64>().unwrap();
        // The inner timeout is at most a millisecond late.
        assert!((749_000..=750_000).contains(&left), "{left}");
    });
}

#[test]
fn only_shortens() {
    run(async {
        let client = Client::new(grpc());
        let work = async {
            client.call(request_with(&[("grpc-timeout", "5m")])).await.unwrap();
            client.call(request_with(&[("grpc-timeout", "5H")])).await.unwrap();
            client.call(request_with(&[("grpc-timeout", "soon")])).await.unwrap();
        };
        work.cancelable(timeout(SECOND)).named("caller").await.unwrap();
        let seen = client.take_seen();
        assert_eq!(seen[0].as_deref(), Some("5m"));
        assert_eq!(seen[1].as_deref(), Some("1000000u"));
        assert_eq!(seen[2].as_deref(), Some("1000000u"));
    });
}

#[test]
fn one_header_is_left() {
    run(async {
        let client = Client::new(grpc());
        let several = request_with(&[("grpc-timeout", "9H"), ("grpc-timeout", "5m")]);
        let none_left = request_with(&[("grpc-timeout", "0m")]);
        let work = async {
            client.call(several).await.unwrap();
            client.call(none_left).await.unwrap_err();
        };
        work.cancelable(timeout(SECOND)).named("caller").await.unwrap();
        let seen = client.take_seen();
        assert_eq!(seen, [Some("5000000n".to_owned())], "nothing was sent for the second");
    });
}

#[test]
fn untouched_without_a_limit() {
    run(async {
        let client = Client::new(grpc());
        client.call(request_with(&[("grpc-timeout", "5m")])).await.unwrap();
        client.call(request()).await.unwrap();
        let work = async { client.call(request()).await.unwrap() };
        work.cancelable(never()).named("caller").await.unwrap();
        assert_eq!(client.take_seen(), [Some("5m".to_owned()), None, None]);
    });
}

#[test]
fn nothing_left_is_an_error() {
    run(async {
        let client = Client::new(PropagateLayer::new(Outbound::grpc().reserve(SECOND)));
        let work = async { client.call(request()).await };
        let answer = work.cancelable(timeout(SECOND)).named("caller").await.unwrap();
        assert!(matches!(answer, Err(PropagateError::NoTimeLeft)));
        assert_eq!(client.take_seen(), [], "nothing was sent");
    });
}

#[test]
fn nothing_is_sent_after_a_cancellation() {
    run(async {
        let client = Client::new(grpc());
        let work = async {
            Operation::current().unwrap().cancel_with("stop");
            client.call(request()).await
        };
        let answer = work.cancelable(never()).grace(SECOND).await.unwrap();
        let Err(PropagateError::Cancelled(cancelled)) = answer else { panic!("it is cancelled") };
        assert_eq!(cancelled, Cancelled::new("stop"));
        assert_eq!(client.take_seen(), []);
    });
}

#[test]
fn only_some_hosts_are_told() {
    run(async {
        let gets_header = async |request, only: &str| {
            let client = Client::new(grpc().only_to([only]));
            let call = async { client.call(request).await.unwrap() };
            call.cancelable(timeout(SECOND)).named("caller").await.unwrap();
            client.take_seen()[0].is_some()
        };
        assert!(gets_header(request(), "HOST.test").await);
        assert!(!gets_header(request(), "other.test").await);
        assert!(!gets_header(request(), "test").await);

        let only_in_header = |host| {
            let mut request = request_with(&[("host", host)]);
            *request.uri_mut() = Uri::from_static("/");
            request
        };
        assert!(gets_header(only_in_header("host.test:80"), "host.test").await);
        assert!(gets_header(only_in_header("host.test"), "host.test").await);
        assert!(gets_header(only_in_header("[::1]:80"), "[::1]").await);
        assert!(gets_header(only_in_header("[::1]"), "[::1]").await);
        assert!(!gets_header(only_in_header("no host"), "no host").await);
    });
}

#[test]
fn ends_with_the_operation_elsewhere() {
    let mut service =
        ServiceBuilder::new().layer(grpc()).service(service_fn(|_: Request<Frames>| {
            pending::<Result<Response<Frames>, Infallible>>()
        }));
    let mut operation = Box::pin(pending::<()>().cancelable(never()).named("caller"));
    let handle = operation.operation();
    let wakes = Wakes::new();
    assert!(wakes.poll(operation.as_mut()).is_pending());
    let mut call = None;
    let make = handle.in_scope(async { call = Some(service.call(request())) });
    smol::block_on(make);
    let mut call = Box::pin(call.unwrap());
    let elsewhere = Wakes::new();
    assert!(elsewhere.poll(call.as_mut()).is_pending());
    handle.cancel_with("stop");
    assert_eq!(elsewhere.count(), 1);
    let polled = elsewhere.poll(call.as_mut());
    let Poll::Ready(Err(PropagateError::Cancelled(cancelled))) = polled else {
        panic!("it is cancelled");
    };
    assert_eq!(cancelled, Cancelled::new("stop"));
}

#[test]
fn bodies_end_with_the_operation() {
    for detached in [false, true] {
        let layer = if detached { grpc().detach() } else { grpc() };
        let mut service =
            ServiceBuilder::new().layer(layer).service(service_fn(|_: Request<Frames>| async {
                Ok::<_, Infallible>(Response::new(Frames::new([Step::Data("a"), Step::Hang])))
            }));
        let mut operation = Box::pin(pending::<()>().cancelable(never()).named("caller"));
        let handle = operation.operation();
        assert!(Wakes::new().poll(operation.as_mut()).is_pending());
        let response = smol::block_on(handle.in_scope(async { service.call(request()).await }));
        let mut body = response.unwrap().into_body();
        assert!(smol::block_on(body.frame()).unwrap().unwrap().is_data());
        let wakes = Wakes::new();
        assert!(wakes.poll(pin!(body.frame())).is_pending());
        handle.cancel_with("stop");
        assert_eq!(wakes.count(), usize::from(!detached));
        match wakes.poll(pin!(body.frame())) {
            Poll::Ready(Some(Err(error))) => {
                assert!(!detached);
                assert_eq!(error.downcast_ref(), Some(&Cancelled::new("stop")));
                assert!(body.is_end_stream());
            }
            Poll::Ready(frame) => panic!("{frame:?}"),
            Poll::Pending => assert!(detached),
        }
    }
}

#[test]
fn bodies_that_are_always_ready_end_too() {
    let body = || Frames::new([Step::Data("a"), Step::Data("b"), Step::Data("c")]);
    let mut service = ServiceBuilder::new().layer(grpc()).service(service_fn(
        move |_: Request<Frames>| async move { Ok::<_, Infallible>(Response::new(body())) },
    ));
    let caller = async {}.cancelable(never());
    let handle = caller.operation();
    let response = smol::block_on(handle.in_scope(async { service.call(request()).await }));
    let mut body = response.unwrap().into_body();
    assert!(smol::block_on(body.frame()).unwrap().unwrap().is_data());
    handle.cancel_with("stop");
    let error = smol::block_on(body.frame()).unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Cancelled::new("stop")));
    assert!(body.is_end_stream());
}
