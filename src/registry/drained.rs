//! `drained`: waits until nobody is left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::Registry;
use crate::wait::{Latch, Waiter};

impl Registry {
    /// Waits until the intake is [closed](Self::close) and everyone has left. It stops nobody, and
    /// has no limit: for that there is [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the waiting, and nothing else.
    ///
    /// # Panics
    ///
    /// When polled after completion.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable::registry::Filter;
    ///
    /// # smol::block_on(async {
    /// let registry = Registry::new();
    /// let work = std::future::pending::<()>().cancelable(never()).registered_in(&registry);
    /// let task = smol::spawn(work);
    /// registry.close();
    /// registry.cancel_all(Filter::all(), "closing");
    /// registry.drained().await;
    /// assert!(registry.is_empty());
    /// # drop(task);
    /// # });
    /// ```
    pub fn drained(&self) -> Drained {
        Drained { waiting: Waiter::new(self.shared().members.emptied().clone()) }
    }
}

/// Future of [`Registry::drained`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Drained {
    waiting: Waiter<Arc<Latch<()>>>,
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.poll("Drained", cx, |()| ())
    }
}

impl FusedFuture for Drained {
    fn is_terminated(&self) -> bool {
        self.waiting.is_done()
    }
}
