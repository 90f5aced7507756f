//! `Run`: a registered run. Its hooks report the end of the run to the bus.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cancelable::{CancelableExt, CancellationToken, Operation, Reason, Status, timeout};

use super::shared::Shared;
use crate::engine::Engine;
use crate::id::RunId;

/// A run that was registered. Made by [`Bus::register`](super::Bus::register).
///
/// Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) id: RunId,
    pub(super) begun: CancellationToken,
    pub(super) limit: Duration,
}

impl Run {
    /// Returns the identifier, by which other processes cancel the run.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Waits until the run has begun, and then returns `true`. A run has begun when its row is in the store, and the
    /// requests that were made for it earlier have been delivered.
    ///
    /// Await this before the first poll of the work. Then a run that was cancelled before it began does no work, and
    /// every later request reaches the run.
    ///
    /// Returns `false` if that takes longer than the [call limit](super::BusBuilder::call_limit), for example because the
    /// store cannot be reached. The run then begins later, once the store can be reached. Also returns `false` if the
    /// operation has ended, or if another run has the same [identifier](super::Bus::register).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// use cancelable_bus::{Bus, Memory, Request, Ticket};
    ///
    /// # cancelable::testing::run(async {
    /// let (bus, driver) = Bus::builder(Memory::new()).build()?;
    /// let work = async {
    ///     let ticket = Ticket::new();
    ///     bus.send(&Request::run(ticket.run(), "not needed")).await?;
    ///
    ///     let work = async { unreachable!("it is cancelled before it begins") }.cancelable(never());
    ///     assert!(bus.register(&work.operation(), ticket).begun().await);
    ///     let cancelled: Result<(), Cancelled> = work.await;
    ///     assert_eq!(cancelled.unwrap_err().to_string(), "cancelled: not needed");
    ///     bus.close().await;
    ///     Ok::<(), cancelable_bus::Error>(())
    /// };
    /// futures::join!(work, driver).0
    /// # }).unwrap();
    /// ```
    pub async fn begun(&self) -> bool {
        let begun = self.begun.cancelled().cancelable(timeout(self.limit)).await;
        begun == Ok(Reason::Manual { message: None })
    }
}

/// Notes how an operation ended. The hooks for the three kinds of end share this value. The hook that is called sets the
/// status. When the last hook is dropped, so is this value, and it notifies the bus. If an operation is dropped before it
/// starts, no hook is called, and the status stays `CANCELLED`.
struct End<E: Engine> {
    shared: Weak<Shared<E>>,
    run: RunId,
    status: AtomicU8,
}

const CANCELLED: u8 = 0;
const COMPLETED: u8 = 1;
const FAILED: u8 = 2;

impl<E: Engine> Drop for End<E> {
    fn drop(&mut self) {
        let status = match *self.status.get_mut() {
            COMPLETED => Status::Completed,
            FAILED => Status::Failed,
            _ => Status::Cancelled,
        };
        if let Some(shared) = self.shared.upgrade() {
            shared.end(self.run, status);
        }
    }
}

/// Notifies the bus when the operation ends.
pub(super) fn watch_end<E: Engine>(shared: &Arc<Shared<E>>, run: RunId, operation: &Operation) {
    let end = End { shared: Arc::downgrade(shared), run, status: AtomicU8::new(CANCELLED) };
    let end = Arc::new(end);
    let on_end = |status| {
        let end = end.clone();
        move || end.status.store(status, Ordering::Relaxed)
    };
    let (completed, cancelled, failed) = (on_end(COMPLETED), on_end(CANCELLED), on_end(FAILED));
    operation.on_complete(move |_| completed());
    operation.on_cancel(move |_, _| cancelled());
    operation.on_error(move |_, _| failed());
}
