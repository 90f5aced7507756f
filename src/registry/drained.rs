//! `Drained`: waits until a closed registry is empty.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::wait::{Latch, Waiter};

/// Future of [`Registry::drained`](super::Registry::drained).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Drained {
    waiter: Waiter<Arc<Latch<()>>>,
}

impl Drained {
    pub(super) fn new(latch: &Arc<Latch<()>>) -> Self {
        Drained { waiter: Waiter::new(latch.clone()) }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll("Drained", cx, |()| ())
    }
}

impl FusedFuture for Drained {
    fn is_terminated(&self) -> bool {
        self.waiter.is_done()
    }
}
