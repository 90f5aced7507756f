//! `Lease`: a source that fires when the store has not answered for some time.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::source::WaitForLimit;
use cancelable::{Limit, Reason};

use crate::clock::started;

#[derive(Debug)]
pub(super) struct Lease {
    length: Duration,
    limit: Limit,
}

impl Lease {
    /// Starts a lease whose last renewal was `since` ago.
    pub(super) fn start(length: Duration, since: Duration) -> Self {
        Lease { length, limit: started(length.saturating_sub(since)) }
    }

    /// Renews the lease after the answer to a poll that was sent `since` ago. A lease that is over stays over.
    pub(super) fn renew(&self, since: Duration) {
        let left = self.left();
        let more = self.length.saturating_sub(since).saturating_sub(left);
        if !left.is_zero() && !more.is_zero() {
            self.limit.extend(more);
        }
    }

    /// Returns the time until the lease is over.
    pub(super) fn left(&self) -> Duration {
        self.limit.remaining().unwrap_or(Duration::MAX)
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }
}

/// A source that fires when the store has not answered for some time. Made by [`Bus::lease`](super::Bus::lease).
///
/// # Panics
///
/// Panics if polled after completion.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WaitForLease {
    lease: Arc<Lease>,
    reached: WaitForLimit,
}

impl WaitForLease {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        let reached = lease.limit.reached();
        WaitForLease { lease, reached }
    }
}

impl Future for WaitForLease {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let length = self.lease.length;
        let name = "the store was not heard";
        Pin::new(&mut self.reached).poll(cx).map(|_| Reason::timeout_named(name, length))
    }
}

impl fmt::Debug for WaitForLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForLease").field("lease", &self.lease).finish_non_exhaustive()
    }
}
