//! `PropagateFuture` and `PropagateBody`: a client's call, which fails if the operation around it is cancelled.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::{Cancelable, CancelableExt, Cancelled, Operation, Reason, never};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::BoxError;

/// The reason why a request is not sent.
pub(crate) enum Refusal {
    Cancelled(Cancelled),
    NoTimeLeft,
}

/// A source that fires when an operation is cancelled. The source is `Sync`, because the bodies of `reqwest` must be `Sync`.
type End = Pin<Box<dyn Future<Output = Reason> + Send + Sync>>;

fn end_of(operation: &Operation) -> End {
    let operation = operation.clone();
    Box::pin(async move { operation.cancelled().await })
}

/// The future of a call through [`Propagate`](crate::Propagate).
///
/// # Cancel safety
///
/// It is as cancel safe as the future of the inner service.
///
/// # Errors
///
/// [`PropagateError`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct PropagateFuture<F> {
    #[pin]
    state: State<F>,
    /// If this operation is cancelled, the body of the response fails.
    operation: Option<Operation>,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Refused(Option<Refusal>),
    Calling(#[pin] Cancelable<F, End>),
}

impl<F: Future> PropagateFuture<F> {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        PropagateFuture { state: State::Refused(Some(refusal)), operation: None }
    }

    pub(crate) fn calling(future: F, operation: Option<Operation>) -> Self {
        let source = match &operation {
            Some(operation) => end_of(operation),
            None => Box::pin(never()),
        };
        PropagateFuture { state: State::Calling(future.cancelable(source)), operation }
    }
}

impl<F, R, E> Future for PropagateFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<PropagateBody<R>>, PropagateError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let called = match this.state.project() {
            StateProjection::Refused(refusal) => {
                return Poll::Ready(Err(match refusal.take() {
                    Some(Refusal::Cancelled(cancelled)) => PropagateError::Cancelled(cancelled),
                    Some(Refusal::NoTimeLeft) => PropagateError::NoTimeLeft,
                    None => panic!("a call was polled after completion"),
                }));
            }
            StateProjection::Calling(call) => ready!(call.poll(cx)),
        };
        let response =
            called.map_err(PropagateError::Cancelled)?.map_err(PropagateError::Service)?;
        let end = this.operation.take().map(|operation| end_of(&operation));
        Poll::Ready(Ok(response.map(|body| PropagateBody { body: Some(body), end })))
    }
}

impl<F> fmt::Debug for PropagateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagateFuture")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// A response body that fails if the operation of its request is cancelled. Before each frame, the body checks the
/// operation.
///
/// # Cancel safety
///
/// It is as cancel safe as the inner body.
///
/// # Errors
///
/// The error of the inner body, or [`Cancelled`] if the operation is cancelled before the body has ended.
#[pin_project]
pub struct PropagateBody<B> {
    /// `None` once the operation was cancelled.
    #[pin]
    body: Option<B>,
    /// Fires when the operation is cancelled.
    end: Option<End>,
}

impl<B: Body<Error: Into<BoxError>>> Body for PropagateBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // The body may be ready at every poll, so the operation is checked first.
        if let Some(Poll::Ready(reason)) = this.end.as_mut().map(|end| end.as_mut().poll(cx)) {
            *this.end = None;
            this.body.set(None);
            return Poll::Ready(Some(Err(Cancelled::new(reason).into())));
        }
        body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}

impl<B> fmt::Debug for PropagateBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = self.body.is_none();
        f.debug_struct("PropagateBody").field("cancelled", &cancelled).finish_non_exhaustive()
    }
}

/// The error of a call through [`Propagate`](crate::Propagate).
///
/// ```
/// use cancelable::Cancelled;
/// use cancelable_tower::PropagateError;
/// use std::io;
///
/// let error = PropagateError::<io::Error>::Cancelled(Cancelled::new("stop"));
/// assert_eq!(error.to_string(), "cancelled: stop");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PropagateError<E> {
    /// The inner service failed.
    Service(E),
    /// The operation of the request was cancelled.
    Cancelled(Cancelled),
    /// Once the [reserve](crate::Outbound::reserve) was subtracted, less time was left than the header can state, so the
    /// request was not sent.
    NoTimeLeft,
}

impl<E: fmt::Display> fmt::Display for PropagateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropagateError::Service(error) => error.fmt(f),
            PropagateError::Cancelled(cancelled) => cancelled.fmt(f),
            PropagateError::NoTimeLeft => f.write_str("not sent: the operation has no time left"),
        }
    }
}

impl<E: Error + 'static> Error for PropagateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PropagateError::Service(error) => error.source(),
            PropagateError::Cancelled(cancelled) => cancelled.source(),
            PropagateError::NoTimeLeft => None,
        }
    }
}
