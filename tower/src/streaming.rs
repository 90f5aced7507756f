//! `Streaming`: the body of a response, and when a server stops asking for its frames.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::BoxError;

/// The size and the end of a body, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct BodyState {
    pub(crate) hint: SizeHint,
    /// Whether the body says that it has ended.
    pub(crate) ended: bool,
    /// Whether nothing more is pulled from the body, so the operation is over.
    pub(crate) last: bool,
}

impl BodyState {
    /// Returns the state of a body that has ended.
    pub(crate) fn over() -> Self {
        BodyState { hint: SizeHint::with_exact(0), ended: true, last: true }
    }
}

/// A frame that takes few bytes, because it is moved several times on its way from the service to the server. A `Frame` is
/// larger, because it has room for trailers.
pub(crate) enum Part<D> {
    Data(D),
    /// Trailers.
    Other(Box<Frame<D>>),
}

impl<D> From<Frame<D>> for Part<D> {
    fn from(frame: Frame<D>) -> Self {
        frame.into_data().map_or_else(|frame| Part::Other(Box::new(frame)), Part::Data)
    }
}

impl<D> From<Part<D>> for Frame<D> {
    fn from(part: Part<D>) -> Self {
        match part {
            Part::Data(data) => Frame::data(data),
            Part::Other(frame) => *frame,
        }
    }
}

/// A part of a body, and the state of the body after it.
pub(crate) struct Pulled<D> {
    pub(crate) part: Part<D>,
    /// The trailers, if the part is the last data and the trailers were ready at once.
    pub(crate) trailers: Option<Box<HeaderMap>>,
    pub(crate) state: BodyState,
}

/// What follows the bytes of a body of known length.
enum Rest {
    /// Something that the server will poll for.
    More,
    Trailers(Box<HeaderMap>),
    Nothing,
}

/// The body of a response whose head has been sent.
#[pin_project]
pub(crate) struct Streaming<B: Body> {
    #[pin]
    body: B,
    /// How many bytes are still to come, if that is known.
    left: Option<u64>,
    /// Whether the server polls the body to its end, as it does in HTTP/2. In HTTP/1, the server drops a body of known
    /// length after the last byte.
    polled_to_end: bool,
    /// A result that was polled from the body in advance. The next poll returns it.
    peeked: Option<Option<Result<Frame<B::Data>, BoxError>>>,
}

impl<B: Body<Error: Into<BoxError>>> Streaming<B> {
    pub(crate) fn new(body: B, left: Option<u64>, polled_to_end: bool) -> Self {
        Streaming { body, left, polled_to_end, peeked: None }
    }

    /// Pulls what can be sent together with the head: the first frame of a body of known length, because most such bodies
    /// have only one frame. A body of unknown length is left alone: it may be slow, and the head must not wait for it.
    ///
    /// Returns the state of the body before that frame.
    pub(crate) fn pull_first(
        mut self: Pin<&mut Self>,
        state: BodyState,
        cx: &mut Context<'_>,
    ) -> (BodyState, Option<Pulled<B::Data>>) {
        match self.left {
            None => (state, None),
            Some(0) => match self.look_for_trailers(cx) {
                Rest::More => (state, None),
                Rest::Nothing => (BodyState::over(), None),
                Rest::Trailers(trailers) => {
                    let part = Frame::trailers(*trailers).into();
                    (state, Some(Pulled { part, trailers: None, state: BodyState::over() }))
                }
            },
            Some(_) => match self.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(pulled))) => (state, Some(pulled)),
                Poll::Ready(other) => {
                    let other = other.map(|other| other.map(|pulled| pulled.part.into()));
                    *self.project().peeked = Some(other);
                    (state, None)
                }
                Poll::Pending => (state, None),
            },
        }
    }

    /// Polls for the next frame.
    pub(crate) fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Pulled<B::Data>, BoxError>>> {
        let this = self.as_mut().project();
        let polled = match this.peeked.take() {
            Some(peeked) => peeked,
            None => ready!(this.body.poll_frame(cx)).map(|frame| frame.map_err(Into::into)),
        };
        let frame = match polled {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        if let (Some(left), Some(data)) = (this.left.as_mut(), frame.data_ref()) {
            *left = left.saturating_sub(data.remaining() as u64);
        }
        let rest = if frame.is_trailers() || self.body.is_end_stream() {
            Rest::Nothing
        } else if self.left == Some(0) {
            self.as_mut().look_for_trailers(cx)
        } else {
            Rest::More
        };
        let mut state = BodyState::over();
        let mut trailers = None;
        match rest {
            Rest::Nothing => {}
            Rest::Trailers(found) => {
                state.ended = false;
                trailers = Some(found);
            }
            Rest::More => {
                state = BodyState { hint: self.body.size_hint(), ended: false, last: false };
            }
        }
        Poll::Ready(Some(Ok(Pulled { part: frame.into(), trailers, state })))
    }

    /// Polls for trailers after the last byte of a body of known length.
    fn look_for_trailers(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Rest {
        let this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Ready(None) => Rest::Nothing,
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                frame.into_trailers().map_or(Rest::Nothing, |found| Rest::Trailers(Box::new(found)))
            }
            Poll::Ready(Some(Err(error))) => {
                *this.peeked = Some(Some(Err(error.into())));
                Rest::More
            }
            _ if !*this.polled_to_end => Rest::Nothing,
            Poll::Pending => Rest::More,
            Poll::Ready(other) => {
                *this.peeked = Some(other.map(|frame| frame.map_err(Into::into)));
                Rest::More
            }
        }
    }
}
