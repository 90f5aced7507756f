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
    /// Status and headers, with the frame of a body that has only one. Otherwise frames follow, unless the body has
    /// ended.
    Head(Parts, BodyState, Option<Frame<D>>),
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
pub(crate) enum Exchange<F, B: Body> {
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
        /// A frame, an error or the end that was there together with the head.
        pulled: Option<Option<Result<Frame<B::Data>, BoxError>>>,
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
                let mut state = BodyState { hint, ended, last: bodyless || ended };
                let mut only = None;
                if state.last {
                    self.set(Exchange::Ended);
                } else {
                    self.set(Exchange::Streaming { body, left, pulled: None });
                    // Most bodies of a known length are one frame. It is pulled here, so that the operation is polled
                    // no further. Bodies of unknown length may be slow, and their head must not wait for them.
                    if left.is_some() {
                        only = self.as_mut().pull_only_frame(cx);
                        state.last = only.is_some();
                    }
                }
                Poll::Ready(Some(Ok(Piece::Head(parts, state, only))))
            }
            ExchangeProjection::Streaming { mut body, left, pulled } => {
                let frame = match pulled.take() {
                    Some(pulled) => pulled,
                    None => {
                        ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into))
                    }
                };
                let frame = match frame {
                    Some(Ok(frame)) => frame,
                    Some(Err(error)) => {
                        self.set(Exchange::Ended);
                        return Poll::Ready(Some(Err(Fault::Body(error))));
                    }
                    None => {
                        self.set(Exchange::Ended);
                        return Poll::Ready(None);
                    }
                };
                let (hint, ended) = (body.size_hint(), body.is_end_stream());
                let last = note_frame(&frame, left) || ended;
                if last {
                    self.set(Exchange::Ended);
                }
                Poll::Ready(Some(Ok(Piece::Frame(frame, BodyState { hint, ended, last }))))
            }
            ExchangeProjection::Ended => Poll::Ready(None),
        }
    }
}

impl<F, B: Body<Error: Into<BoxError>>> Exchange<F, B> {
    /// Pulls the next frame, and returns it if the body has ended with it. Otherwise it is kept for the next poll.
    fn pull_only_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Frame<B::Data>> {
        let projected = self.as_mut().project();
        let ExchangeProjection::Streaming { mut body, left, pulled } = projected else {
            return None;
        };
        let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { return None };
        match frame {
            Some(Ok(frame)) if note_frame(&frame, &mut left.clone()) || body.is_end_stream() => {
                self.set(Exchange::Ended);
                Some(frame)
            }
            frame => {
                *pulled = Some(frame.map(|frame| frame.map_err(Into::into)));
                None
            }
        }
    }
}

/// Counts a frame, and returns whether it is the last that a server asks for: it wants no more bytes than it has
/// announced, and nothing after trailers.
fn note_frame<D: Buf>(frame: &Frame<D>, left: &mut Option<u64>) -> bool {
    if let (Some(left), Some(data)) = (left.as_mut(), frame.data_ref()) {
        *left = left.saturating_sub(data.remaining() as u64);
    }
    frame.is_trailers() || *left == Some(0)
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
