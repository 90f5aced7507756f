//! `Exchange`: one request, as a stream of the pieces of its answer. The operation of the request races this stream.

use std::any::Any;
use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::Cancelled;
use futures_core::Stream;
use http::{HeaderMap, Response, StatusCode, Version, header, response};
use http_body::Body;
use pin_project::pin_project;

use crate::BoxError;
use crate::streaming::{BodyState, Pulled, Streaming};

/// A piece of an answer.
pub(crate) enum Piece<D> {
    /// Boxed, because it is large and is moved several times on its way from the service to the server.
    Head(Box<Head<D>>),
    /// Data or trailers.
    Frame(Pulled<D>),
}

/// The head of an answer, and the first part of the body if that part was ready at once.
pub(crate) struct Head<D> {
    pub(crate) parts: response::Parts,
    pub(crate) state: BodyState,
    pub(crate) first: Option<Pulled<D>>,
}

impl<D> Head<D> {
    /// Returns whether the server asks for no more pieces after this one.
    pub(crate) fn is_last(&self) -> bool {
        self.first.as_ref().map_or(&self.state, |first| &first.state).last
    }
}

impl<D> Piece<D> {
    /// Returns whether the server asks for no more pieces after this one. The operation is then over.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Piece::Head(head) => head.is_last(),
            Piece::Frame(pulled) => pulled.state.last,
        }
    }
}

/// The reason why an answer has no further pieces.
pub(crate) enum Fault {
    /// The error of the service, and its text. [`ResponseFuture`](crate::ResponseFuture) knows the type of the error.
    Service(Box<dyn Any + Send>, String),
    Body(BoxError),
    Cancelled(Cancelled),
}

impl From<Cancelled> for Fault {
    fn from(cancelled: Cancelled) -> Self {
        Fault::Cancelled(cancelled)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Service(_, text) => text.fmt(f),
            Fault::Body(error) => error.fmt(f),
            Fault::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

/// One request: the call of the service, its future, then the body of its response.
#[pin_project]
pub(crate) struct Exchange<C, F, B: Body> {
    /// Whether this is a `HEAD` request, so the response has no body.
    head_only: bool,
    version: Version,
    #[pin]
    stage: Stage<C, F, B>,
}

#[pin_project(project = StageProjection)]
enum Stage<C, F, B: Body> {
    /// The service has not been called yet. The first poll calls it, inside the operation. If the request is refused, this
    /// stream is never polled, and the service is not called. `None` if the call has panicked.
    Waiting(Option<C>),
    Calling(#[pin] F),
    Streaming(#[pin] Streaming<B>),
    Ended,
}

impl<C, F, B: Body> Exchange<C, F, B> {
    /// Creates the exchange of a request of this HTTP version. `call` calls the service.
    pub(crate) fn new(head_only: bool, version: Version, call: C) -> Self {
        Exchange { head_only, version, stage: Stage::Waiting(Some(call)) }
    }
}

impl<C, F, B, E> Stream for Exchange<C, F, B>
where
    C: FnOnce() -> F,
    F: Future<Output = Result<Response<B>, E>>,
    E: Display + Send + 'static,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Item = Result<Piece<B::Data>, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if let StageProjection::Waiting(call) = this.stage.as_mut().project() {
            let called = call.take().map_or(Stage::Ended, |call| Stage::Calling(call()));
            this.stage.set(called);
        }
        let item = match this.stage.as_mut().project() {
            StageProjection::Waiting(_) | StageProjection::Ended => None,
            StageProjection::Calling(future) => match ready!(future.poll(cx)) {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let (hint, ended) = (body.size_hint(), body.is_end_stream());
                    let last = ended || *this.head_only || is_bodyless(parts.status);
                    let mut state = BodyState { hint, ended, last };
                    let mut first = None;
                    if !last {
                        let left = state.hint.exact().or_else(|| content_length(&parts.headers));
                        let streaming =
                            Streaming::new(body, left, *this.version > Version::HTTP_11);
                        this.stage.set(Stage::Streaming(streaming));
                        if let StageProjection::Streaming(streaming) = this.stage.as_mut().project()
                        {
                            (state, first) = streaming.pull_first(state, cx);
                        }
                    }
                    Some(Ok(Piece::Head(Box::new(Head { parts, state, first }))))
                }
                Err(error) => {
                    let text = error.to_string();
                    Some(Err(Fault::Service(Box::new(error), text)))
                }
            },
            StageProjection::Streaming(body) => ready!(body.poll_frame(cx))
                .map(|frame| frame.map(Piece::Frame).map_err(Fault::Body)),
        };
        if !matches!(&item, Some(Ok(piece)) if !piece.is_last()) {
            this.stage.set(Stage::Ended);
        }
        Poll::Ready(item)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns whether a response with this status has no body, so that a server does not poll it.
fn is_bodyless(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
