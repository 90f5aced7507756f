//! Helpers for the tests of the registry.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use cancelable::operation::{OperationId, Snapshot};
use cancelable::prelude::*;

use crate::support::poll_once;

pub(crate) type Run = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;

/// Starts an operation that never ends by itself, by polling it once.
pub(crate) fn running(registry: &Registry, name: &'static str) -> (Operation, Run) {
    let run = pending::<()>().cancelable(never()).named(name).registered_in(registry);
    started(run)
}

/// Polls an operation once, and asserts that it is pending.
pub(crate) fn started<F, S, E>(run: Cancelable<F, S, E>) -> (Operation, Run)
where
    Cancelable<F, S, E>: Future<Output = Result<(), Cancelled>> + Send + 'static,
    F: Future<Output = ()>,
    S: Future<Output = Reason>,
    E: cancelable::operation::Ending<()>,
{
    let operation = run.operation();
    let mut run: Run = Box::pin(run);
    assert!(poll_once(run.as_mut()).is_pending());
    (operation, run)
}

/// Is pending `polls` times, then ready.
pub(crate) async fn pending_polls(mut polls: usize) {
    poll_fn(|_| {
        let left = polls;
        polls = polls.saturating_sub(1);
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

pub(crate) fn ids(snapshots: &[Snapshot]) -> Vec<OperationId> {
    snapshots.iter().map(|snapshot| snapshot.id).collect()
}
