//! `ResponseFuture` and `ResponseBody`: the response to a request that runs as an operation.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::Cancelled;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;
use crate::answer::Protocol;
use crate::exchange::{Fault, Head, Piece};
use crate::running::Running;
use crate::streaming::{BodyState, Part, Pulled};

/// The future of an [`OperationService`](crate::OperationService): the response to one request.
///
/// # Cancel safety
///
/// Dropping the future cancels the operation of the request.
///
/// # Errors
///
/// The error of the service. A cancellation is not an error: the client gets an
/// [answer](crate::OperationLayer::answer).
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ResponseFuture<B: Body<Data: 'static>, E> {
    /// `None` once the future is ready.
    running: Option<Running<B::Data>>,
    _error: PhantomData<fn() -> E>,
}

impl<B: Body<Data: 'static>, E> ResponseFuture<B, E> {
    pub(crate) fn new(running: Running<B::Data>) -> Self {
        ResponseFuture { running: Some(running), _error: PhantomData }
    }
}

impl<B, E> Future for ResponseFuture<B, E>
where
    B: Body<Data: From<String> + 'static>,
    E: 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.running else {
            panic!("a response future was polled after completion");
        };
        let piece = ready!(running.poll(cx));
        let Some(mut running) = self.running.take() else { unreachable!("it was polled") };
        match piece {
            Some(Ok(Piece::Head(head))) => {
                let is_last = head.is_last();
                let Head { parts, state, first } = *head;
                if running.protocol != Protocol::Grpc {
                    running.protocol = Protocol::of(&parts.headers);
                }
                let running = (!is_last).then_some(running);
                let body = ResponseBody { running, first, trailers: None, state };
                Poll::Ready(Ok(Response::from_parts(parts, body)))
            }
            Some(Err(Fault::Cancelled(cancelled))) => Poll::Ready(Ok(answer(&running, &cancelled))),
            Some(Err(Fault::Service(error, _))) => match error.downcast() {
                Ok(error) => Poll::Ready(Err(*error)),
                Err(_) => unreachable!("the error is the one of the service"),
            },
            Some(Ok(Piece::Frame(..)) | Err(Fault::Body(_))) | None => {
                unreachable!("an exchange begins with its head")
            }
        }
    }
}

/// Makes the response to a cancelled request.
fn answer<B>(running: &Running<B::Data>, cancelled: &Cancelled) -> Response<ResponseBody<B>>
where
    B: Body<Data: From<String> + 'static>,
{
    let config = &running.config;
    let request = running.request.as_deref();
    let response =
        config.answers.response(cancelled, request, running.protocol, config.registry.as_ref());
    response.map(|text| {
        // If the client asked for the head only, the server announces this length.
        let state = BodyState {
            hint: SizeHint::with_exact(text.len() as u64),
            ended: text.is_empty(),
            last: true,
        };
        let has_data = !text.is_empty() && !running.head_only;
        let first = has_data.then(|| Pulled {
            part: Part::Data(B::Data::from(text)),
            trailers: None,
            state: BodyState::over(),
        });
        ResponseBody { running: None, first, trailers: None, state }
    })
}

impl<B: Body<Data: 'static>, E> fmt::Debug for ResponseFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.running).finish()
    }
}

/// The body of a response. The operation of its request lasts until the last frame.
///
/// # Cancel safety
///
/// Dropping the body before its end cancels the operation of the request.
///
/// # Errors
///
/// The error of the inner body, or [`Cancelled`] if the operation is cancelled. A gRPC response and a stream of
/// server-sent events end without an error: see [`OperationLayer`](crate::OperationLayer).
pub struct ResponseBody<B: Body<Data: 'static>> {
    /// `None` once the operation is over.
    running: Option<Running<B::Data>>,
    /// The first part, if it was pulled together with the head.
    first: Option<Pulled<B::Data>>,
    /// The trailers, if they were pulled together with the last data.
    trailers: Option<Box<HeaderMap>>,
    state: BodyState,
}

// No field has to stay in place: the stream of a running request is boxed.
impl<B: Body<Data: 'static>> Unpin for ResponseBody<B> {}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data: From<String> + 'static>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(trailers) = self.trailers.take() {
            self.state = BodyState::over();
            return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
        }
        let item = match (self.first.take(), &mut self.running) {
            (Some(first), _) => Some(Ok(first)),
            (None, None) => None,
            (None, Some(running)) => match ready!(running.poll(cx)) {
                Some(Ok(Piece::Frame(pulled))) => Some(Ok(pulled)),
                Some(Err(Fault::Cancelled(cancelled))) => Some(last_frame(running, cancelled)),
                Some(Err(Fault::Body(error))) => Some(Err(error)),
                Some(Ok(Piece::Head(..)) | Err(Fault::Service(..))) => {
                    unreachable!("an exchange has one head, and no fault of the service after it")
                }
                None => None,
            },
        };
        match item {
            Some(Ok(pulled)) => {
                self.trailers = pulled.trailers;
                self.state = pulled.state;
                Poll::Ready(Some(Ok(pulled.part.into())))
            }
            end => {
                self.state = BodyState::over();
                self.running = None;
                Poll::Ready(end.map(|end| end.map(|pulled| pulled.part.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.state.hint
    }
}

/// Returns the last frame of a response whose operation was cancelled after the head had been sent.
fn last_frame<D: From<String>>(
    running: &Running<D>,
    cancelled: Cancelled,
) -> Result<Pulled<D>, BoxError> {
    let (answers, registry) = (&running.config.answers, running.config.registry.as_ref());
    let part = match running.protocol {
        Protocol::Grpc => Frame::trailers(answers.trailers(&cancelled, registry)).into(),
        Protocol::EventStream => Part::Data(D::from(answers.event(&cancelled))),
        Protocol::Http => return Err(cancelled.into()),
    };
    Ok(Pulled { part, trailers: None, state: BodyState::over() })
}

impl<B: Body<Data: 'static>> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("state", &self.state).finish_non_exhaustive()
    }
}
