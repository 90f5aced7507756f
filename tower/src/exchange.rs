//! `Exchange`: one request, as a stream of the parts of its answer. It is what the operation of a request races.

use std::any::Any;
use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use cancelable::Cancelled;
use futures_core::Stream;
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::BoxError;

/// A part of an answer.
pub(crate) enum Piece<D> {
    /// Status and headers. Frames follow, unless the body has ended.
    Head(Parts, BodyState),
    /// Data or trailers.
    Frame(Frame<D>, BodyState),
}

/// The size and the end of a body, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct BodyState {
    pub(crate) hint: SizeHint,
    /// What the body says of its end.
    pub(crate) ended: bool,
    /// The server asks for no more frames, so the operation is over.
    pub(crate) last: bool,
}

impl BodyState {
    /// The state of a body that has ended.
    pub(crate) fn over() -> Self {
        BodyState { hint: SizeHint::with_exact(0), ended: true, last: true }
    }
}

/// Why an answer has no further parts.
pub(crate) enum Fault {
    /// The error of the service, and its text. [`ResponseFuture`](crate::ResponseFuture) knows its type.
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

/// One request: the future of the service, then the body of its response.
#[pin_project(project = ExchangeProjection)]
pub(crate) enum Exchange<F, B> {
    /// The service has not been called, because the request came without any time left.
    Refused,
    Calling {
        #[pin]
        future: F,
        method: Method,
    },
    Streaming {
        #[pin]
        body: B,
        /// How many bytes are still to come, if that is known.
        left: Option<u64>,
    },
    Ended,
}

impl<F, B, E> Stream for Exchange<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Display + Send + 'static,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Item = Result<Piece<B::Data>, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.as_mut().project() {
            // The limit of such a request is zero, so the operation is cancelled before it polls this.
            ExchangeProjection::Refused => Poll::Pending,
            ExchangeProjection::Calling { future, method } => {
                let response = match ready!(future.poll(cx)) {
                    Ok(response) => response,
                    Err(error) => {
                        self.set(Exchange::Ended);
                        let text = error.to_string();
                        return Poll::Ready(Some(Err(Fault::Service(Box::new(error), text))));
                    }
                };
                let (parts, body) = response.into_parts();
                let hint = body.size_hint();
                let left = hint.exact().or_else(|| content_length(&parts.headers));
                let bodyless = *method == Method::HEAD || is_bodyless(parts.status);
                let ended = body.is_end_stream();
                let last = bodyless || ended;
                self.set(if last { Exchange::Ended } else { Exchange::Streaming { body, left } });
                Poll::Ready(Some(Ok(Piece::Head(parts, BodyState { hint, ended, last }))))
            }
            ExchangeProjection::Streaming { mut body, left } => {
                let frame = match ready!(body.as_mut().poll_frame(cx)) {
                    Some(Ok(frame)) => frame,
                    Some(Err(error)) => {
                        self.set(Exchange::Ended);
                        return Poll::Ready(Some(Err(Fault::Body(error.into()))));
                    }
                    None => {
                        self.set(Exchange::Ended);
                        return Poll::Ready(None);
                    }
                };
                if let (Some(left), Some(data)) = (left.as_mut(), frame.data_ref()) {
                    *left = left.saturating_sub(data.remaining() as u64);
                }
                let (hint, ended) = (body.size_hint(), body.is_end_stream());
                // A server asks for no more bytes than it has announced, and for nothing after trailers.
                let last = ended || frame.is_trailers() || *left == Some(0);
                if last {
                    self.set(Exchange::Ended);
                }
                Poll::Ready(Some(Ok(Piece::Frame(frame, BodyState { hint, ended, last }))))
            }
            ExchangeProjection::Ended => Poll::Ready(None),
        }
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
