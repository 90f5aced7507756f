//! `ResponseFuture` and `ResponseBody`: a response that ends with the operation of its request.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::Cancelled;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;
use crate::answer::Protocol;
use crate::exchange::{BodyState, Fault, Piece};
use crate::running::Running;

/// The future of an [`OperationService`](crate::OperationService): the response to one request.
///
/// # Cancel safety
///
/// Dropping it cancels the operation of the request.
///
/// # Errors
///
/// The error of the service. A cancellation is not an error but an [answer](crate::OperationLayer::answer).
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ResponseFuture<B: Body<Data: 'static>, E> {
    /// `None` once the response is there.
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
            Some(Ok(Piece::Head(head, state, only))) => {
                let kind = if state.last {
                    Kind::Last(only)
                } else {
                    if running.protocol != Protocol::Grpc {
                        running.protocol = Protocol::of(&head.headers);
                    }
                    Kind::Running(running)
                };
                Poll::Ready(Ok(Response::from_parts(head, ResponseBody { kind, state })))
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
        let (hint, ended) = (SizeHint::with_exact(text.len() as u64), text.is_empty());
        let data = (!ended).then(|| Frame::data(B::Data::from(text)));
        ResponseBody { kind: Kind::Last(data), state: BodyState { hint, ended, last: true } }
    })
}

impl<B: Body<Data: 'static>, E> fmt::Debug for ResponseFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.running).finish()
    }
}

/// The body of a response. Its request is an operation until the last frame.
///
/// # Cancel safety
///
/// Dropping it before its end cancels the operation of the request.
///
/// # Errors
///
/// The error of the inner body, or [`Cancelled`] if the operation is cancelled. A gRPC response and a stream of
/// server-sent events end without an error: see [`OperationLayer`](crate::OperationLayer).
pub struct ResponseBody<B: Body<Data: 'static>> {
    kind: Kind<B::Data>,
    state: BodyState,
}

enum Kind<D: 'static> {
    Running(Running<D>),
    /// One more frame, and then the end.
    Last(Option<Frame<D>>),
}

// Nothing in it is pinned in place: a running request is boxed.
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
        let running = match &mut self.kind {
            Kind::Running(running) => running,
            Kind::Last(frame) => {
                let frame = frame.take();
                self.state = BodyState::over();
                return Poll::Ready(frame.map(Ok));
            }
        };
        let last = match ready!(running.poll(cx)) {
            Some(Ok(Piece::Frame(frame, state))) => {
                self.state = state;
                return Poll::Ready(Some(Ok(frame)));
            }
            Some(Err(Fault::Cancelled(cancelled))) => last_frame(running, cancelled),
            Some(Err(Fault::Body(error))) => Err(error),
            Some(Ok(Piece::Head(..)) | Err(Fault::Service(..))) => {
                unreachable!("an exchange has one head, and no fault of the service after it")
            }
            None => {
                self.state.ended = true;
                return Poll::Ready(None);
            }
        };
        self.state = BodyState::over();
        self.kind = Kind::Last(None);
        Poll::Ready(Some(last))
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
) -> Result<Frame<D>, BoxError> {
    let (answers, registry) = (&running.config.answers, running.config.registry.as_ref());
    match running.protocol {
        Protocol::Grpc => Ok(Frame::trailers(answers.trailers(&cancelled, registry))),
        Protocol::EventStream => Ok(Frame::data(D::from(answers.event(&cancelled)))),
        Protocol::Http => Err(cancelled.into()),
    }
}

impl<B: Body<Data: 'static>> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("state", &self.state).finish_non_exhaustive()
    }
}
