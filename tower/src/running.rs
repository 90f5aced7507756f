//! `Running`: a request that has not ended, and what happens when it is dropped.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use cancelable::{Operation, Reason, Text};
use futures_core::Stream;
use http::StatusCode;
use http::request::Parts;

use crate::answer::Protocol;
use crate::config::Config;
use crate::exchange::{Fault, Piece};

/// The operation of a request, as a stream of the parts of its answer. The types of the service are erased.
type Pieces<D> = Pin<Box<dyn Stream<Item = Result<Piece<D>, Fault>> + Send>>;

/// A request that has not ended. If it is dropped before its end, its operation is cancelled.
pub(crate) struct Running<D: 'static> {
    /// `None` once the operation has ended.
    pieces: Option<Pieces<D>>,
    operation: Operation,
    pub(crate) config: Arc<Config>,
    pub(crate) protocol: Protocol,
    /// Whether this is a `HEAD` request, so the response has no body.
    pub(crate) head_only: bool,
    /// The head of the request, if the answer to a cancelled request needs it.
    pub(crate) request: Option<Box<Parts>>,
}

impl<D> Running<D> {
    pub(crate) fn new(
        pieces: Pieces<D>,
        operation: Operation,
        config: Arc<Config>,
        protocol: Protocol,
        head_only: bool,
        request: Option<Box<Parts>>,
    ) -> Self {
        Running { pieces: Some(pieces), operation, config, protocol, head_only, request }
    }

    /// Polls for the next part of the answer. Returns `None` after the last part.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece<D>, Fault>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let polled = ready!(pieces.as_mut().poll_next(cx));
        if let Some(Ok(Piece::Head(head))) = &polled {
            self.operation.set_metadata("status", status_text(head.parts.status));
        }
        let over = match &polled {
            // The server does not ask for more after the last part, so this poll lets the operation end.
            Some(Ok(piece)) => piece.is_last() && pieces.as_mut().poll_next(cx).is_ready(),
            Some(Err(_)) | None => true,
        };
        if over {
            self.pieces = None;
        }
        Poll::Ready(polled)
    }
}

/// Returns a status as text, without an allocation if it is a frequent one.
fn status_text(status: StatusCode) -> Text {
    match status {
        StatusCode::OK => "200".into(),
        StatusCode::CREATED => "201".into(),
        StatusCode::NO_CONTENT => "204".into(),
        StatusCode::NOT_MODIFIED => "304".into(),
        StatusCode::BAD_REQUEST => "400".into(),
        StatusCode::NOT_FOUND => "404".into(),
        status => status.as_str().to_owned().into(),
    }
}

impl<D> Drop for Running<D> {
    fn drop(&mut self) {
        let Some(pieces) = self.pieces.take() else { return };
        if self.config.outermost {
            self.operation.set_metadata("status", "499");
            self.operation.cancel_with(Reason::Disconnected);
        } else {
            self.operation.cancel_with(Reason::Dropped);
        }
        if let Some(spawner) = &self.config.spawner {
            let spawn = AssertUnwindSafe(|| spawner(Box::pin(Rest(pieces))));
            // A panic would end a connection that other requests share. The panic hook has already printed the panic. The
            // panic's payload is leaked, because its destructor may panic, too.
            catch_unwind(spawn).unwrap_or_else(std::mem::forget);
        }
    }
}

impl<D> fmt::Debug for Running<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("operation", &self.operation.id()).finish_non_exhaustive()
    }
}

/// The rest of a request whose future was dropped: its shielded sections.
struct Rest<D: 'static>(Pieces<D>);

impl<D> Future for Rest<D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The operation is cancelled, so the stream ends as soon as no shield holds it.
        while let Some(Ok(_)) = ready!(self.0.as_mut().poll_next(cx)) {}
        Poll::Ready(())
    }
}
