//! `FinallyOrSpawn`: clean-up that a spawner takes over if its operation is dropped.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use super::{Ending, ErrorOf, clean_up_after_earlier, passed_to_earlier, sealed};
use crate::error::Cancelled;
use crate::reason::Reason;
use crate::spawner::{Spawner, hand_over};
use crate::sync::Mutex;
use crate::text::Text;

/// Clean-up added by [`finally_or_spawn`](crate::Cancelable::finally_or_spawn). Runs after the clean-up
/// that was added earlier.
#[pin_project(PinnedDrop)]
pub struct FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    #[pin]
    earlier: E,
    /// The outcome of the race is stored here while clean-up is pending.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    /// Never contended. The lock is only here to make this type `Sync`.
    running: Mutex<Option<Pin<Box<Fut>>>>,
    /// `None` once there is nothing left to hand over.
    spawner: Option<P>,
    started: bool,
}

impl<T, E, C, Fut, P> FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    pub(crate) fn new(earlier: E, clean_up: C, spawner: P) -> Self {
        FinallyOrSpawn {
            earlier,
            outcome: None,
            clean_up: Some(clean_up),
            running: Mutex::default(),
            spawner: Some(spawner),
            started: false,
        }
    }

    /// Records whether the operation has started already.
    pub(crate) fn started(mut self, started: bool) -> Self {
        self.started = started;
        self
    }
}

impl<T, E, C, Fut, P> sealed::Ending<T> for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    clean_up_after_earlier!(T, joins: E::JOINS);
    passed_to_earlier!(T);

    fn note_started(self: Pin<&mut Self>) {
        let this = self.project();
        *this.started = true;
        this.earlier.note_started();
    }

    fn owes_clean_up(&self) -> bool {
        self.earlier.owes_clean_up()
    }

    fn hand_over(self: Pin<&mut Self>) {
        let this = self.project();
        this.earlier.hand_over();
        let Some(spawner) = this.spawner.take().filter(|_| *this.started) else { return };
        let (running, clean_up) = (this.running.lock().take(), this.clean_up.take());
        match (running, clean_up) {
            (Some(running), _) => hand_over(spawner, || running),
            (None, Some(clean_up)) => {
                hand_over(spawner, || Box::pin(clean_up(&Err(Reason::Dropped.into()))));
            }
            (None, None) => {}
        }
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        let this = self.project();
        ready!(this.earlier.poll_clean_up(outcome, cx));
        let mut running = this.running.lock().take();
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            running = Some(Box::pin(clean_up(outcome)));
        }
        // `clean_up` and `running` were taken out before they were called or polled. So if one of them panics, nothing is
        // left to hand over.
        if let Some(mut running) = running {
            if running.as_mut().poll(cx).is_pending() {
                *this.running.lock() = Some(running);
                *this.outcome = outcome.take();
                return Poll::Pending;
            }
        }
        *this.spawner = None;
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<T, E, C, Fut, P> PinnedDrop for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    fn drop(self: Pin<&mut Self>) {
        sealed::Ending::hand_over(self);
    }
}

impl<T, E, C, Fut, P> fmt::Debug for FinallyOrSpawn<T, E, C, Fut, P>
where
    E: Ending<T>,
    C: FnOnce(&Result<T, Cancelled>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
    P: Spawner,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinallyOrSpawn")
    }
}
