//! `Running`: a request that has not ended, and what happens when it is dropped.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use cancelable::{CancelableStreamExt, Operation, Reason, Text};
use futures_core::Stream;
use http::StatusCode;
use http::request::Parts;

use crate::answer::Protocol;
use crate::config::{Config, Start};
use crate::exchange::{Fault, Piece};

/// The pieces of an answer, as a boxed stream. The box erases all types except that of the data.
type Pieces<D> = Pin<Box<dyn Stream<Item = Result<Piece<D>, Fault>> + Send>>;

/// A request that has not ended. If it is dropped before its end, its operation is cancelled.
pub(crate) struct Running<D: 'static> {
    /// The operation of the request. `None` once the operation has ended.
    pieces: Option<Pieces<D>>,
    operation: Operation,
    pub(crate) config: Arc<Config>,
    pub(crate) protocol: Protocol,
    /// Whether this is a `HEAD` request, so the response has no body.
    pub(crate) head_only: bool,
    /// The head of the request, if the answer to a cancelled request needs it.
    pub(crate) request: Option<Box<Parts>>,
}

impl<D: Send> Running<D> {
    /// Makes an exchange an operation. The caller has boxed the exchange. So all services whose bodies have the same type of
    /// data share the code of the operation, and the builder methods move fewer bytes.
    pub(crate) fn new(
        exchange: Pieces<D>,
        start: Start,
        config: Arc<Config>,
        protocol: Protocol,
        head_only: bool,
        request: Option<Box<Parts>>,
    ) -> Self {
        let mut pieces = exchange.try_cancelable_stream(start.source).named(start.name);
        for (key, value) in start.metadata {
            pieces = pieces.metadata(key, value);
        }
        if let Some(parent) = &config.parent {
            pieces = pieces.child_of(parent);
        }
        if let Some(grace) = config.grace {
            pieces = pieces.grace(grace);
        }
        if let Some(registry) = &config.registry {
            pieces = match config.daemon {
                true => pieces.daemon_in(registry),
                false => pieces.registered_in(registry),
            };
        }
        let operation = pieces.operation();
        let pieces: Option<Pieces<D>> = Some(Box::pin(pieces));
        Running { pieces, operation, config, protocol, head_only, request }
    }
}

impl<D> Running<D> {
    /// Polls for the next piece of the answer. Returns `None` after the last piece.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece<D>, Fault>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let polled = ready!(pieces.as_mut().poll_next(cx));
        if let Some(Ok(Piece::Head(head))) = &polled {
            self.operation.set_metadata("status", status_text(head.parts.status));
        }
        let over = match &polled {
            // The server does not ask for more after the last piece, so this poll lets the operation end.
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
