//! The futures of a token: ready once it is cancelled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::node::Node;
use crate::Reason;
use crate::wait::Waiting;

/// Future of [`CancellationToken::cancelled`](super::CancellationToken::cancelled) and of `&token`
/// as a source.
///
/// # Cancel safety
///
/// Dropping it leaves the list of those who wait.
///
/// # Panics
///
/// When polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WaitForCancellation<'a> {
    waiting: Waiting<&'a Node>,
}

impl<'a> WaitForCancellation<'a> {
    #[inline]
    pub(super) fn new(node: &'a Node) -> Self {
        WaitForCancellation { waiting: Waiting::new(node) }
    }
}

impl Future for WaitForCancellation<'_> {
    type Output = Reason;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.waiting.poll("WaitForCancellation", cx, Reason::clone)
    }
}

impl FusedFuture for WaitForCancellation<'_> {
    fn is_terminated(&self) -> bool {
        self.waiting.is_done()
    }
}

/// Future of [`CancellationToken::cancelled_owned`](super::CancellationToken::cancelled_owned) and
/// of `token` as a source. It keeps the token alive.
///
/// # Cancel safety
///
/// Dropping it leaves the list of those who wait.
///
/// # Panics
///
/// When polled after completion.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WaitForCancellationOwned {
    waiting: Waiting<Arc<Node>>,
}

impl WaitForCancellationOwned {
    #[inline]
    pub(super) fn new(node: Arc<Node>) -> Self {
        WaitForCancellationOwned { waiting: Waiting::new(node) }
    }
}

impl Future for WaitForCancellationOwned {
    type Output = Reason;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        self.waiting.poll("WaitForCancellationOwned", cx, Reason::clone)
    }
}

impl FusedFuture for WaitForCancellationOwned {
    fn is_terminated(&self) -> bool {
        self.waiting.is_done()
    }
}
