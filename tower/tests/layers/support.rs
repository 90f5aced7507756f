//! Services and bodies for the tests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cancelable::prelude::*;
use cancelable::registry::HistoryQuery;
use cancelable_tower::{OperationLayer, ResponseBody};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use private_harness::watchdog;
use tower::{Service, ServiceBuilder, service_fn};

/// Runs a test on the virtual clock. A test that hangs ends the process.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let _watchdog = watchdog();
    cancelable::testing::run(test)
}

/// A request to `/work` without a body.
pub(crate) fn request() -> Request<Frames> {
    request_with(&[])
}

pub(crate) fn request_with(headers: &[(&'static str, &str)]) -> Request<Frames> {
    let mut request = Request::get("http://host.test/work").body(Frames::default()).expect("valid");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("valid"));
    }
    request
}

/// A service that answers at once with this body.
pub(crate) fn with_body<F: Fn() -> Frames + Clone + Send + 'static>(
    layer: OperationLayer,
    body: F,
) -> impl Service<
    Request<Frames>,
    Response = Response<ResponseBody<Frames>>,
    Error = Infallible,
    Future: Future<Output = Result<Response<ResponseBody<Frames>>, Infallible>>,
> {
    ServiceBuilder::new().layer(layer).service(service_fn(move |_: Request<Frames>| {
        let body = body.clone();
        async move { Ok(Response::new(body())) }
    }))
}

/// A service that never answers.
pub(crate) fn silent(
    layer: OperationLayer,
) -> impl Service<Request<Frames>, Response = Response<ResponseBody<Frames>>, Error = Infallible> {
    ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(|_: Request<Frames>| pending::<Result<Response<Frames>, Infallible>>()))
}

pub(crate) async fn text(response: Response<ResponseBody<Frames>>) -> String {
    let bytes = response.into_body().collect().await.expect("the body is whole").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

/// Returns how the only operation of the registry has ended.
pub(crate) fn record(registry: &Registry) -> (Status, Option<Reason>, Option<String>) {
    assert!(registry.is_empty(), "nothing runs any more");
    let records = registry.history(HistoryQuery::default());
    assert_eq!(records.len(), 1);
    let snapshot = &records[0].snapshot;
    let status = snapshot.metadata.get("status").map(ToString::to_string);
    (snapshot.status, snapshot.reason.clone(), status)
}

/// What a body does when it is polled.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(&'static str),
    Trailers(HeaderMap),
    Fail(&'static str),
    /// Yields no frame in this poll, and wakes the task.
    Wait,
    /// Never yields a frame again.
    Hang,
}

/// A body that takes its steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    steps: VecDeque<Step>,
    length: Option<u64>,
}

impl Frames {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Frames { steps: steps.into_iter().collect(), length: None }
    }

    pub(crate) fn of_length(self, length: u64) -> Self {
        Frames { length: Some(length), ..self }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(text)) => {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
            }
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fail(text)) => Poll::Ready(Some(Err(std::io::Error::other(text)))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                // A limit or a cancellation wakes the task.
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
