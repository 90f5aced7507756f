//! `FinallyOrSpawn`: clean-up that somebody takes over if its run is dropped.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use super::{Ending, ErrorOf, sealed};
use crate::panic::contain;
use crate::sync::Mutex;
use crate::{Cancelled, Reason};

/// Clean-up that may be taken over.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What takes over clean-up whose run was dropped. Every
/// `FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>)` is one.
pub trait Spawner: FnOnce(Task) {}

impl<P: FnOnce(Task)> Spawner for P {}

/// Clean-up of [`finally_or_spawn`](crate::Cancelable::finally_or_spawn), after what was given
/// earlier.
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
    /// While it is running.
    outcome: Option<Result<T, Cancelled>>,
    clean_up: Option<C>,
    /// The lock is never contended: it makes this `Sync`.
    running: Mutex<Option<Task>>,
    /// `Some` while there is something to take over.
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

    /// Says whether the run has started already.
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
    const CLEANS_UP: bool = true;

    fn set_error_of(&self, error_of: ErrorOf<T>) {
        self.earlier.set_error_of(error_of);
    }

    fn error_of(&self) -> Option<ErrorOf<T>> {
        self.earlier.error_of()
    }

    fn start(self: Pin<&mut Self>) {
        let this = self.project();
        *this.started = true;
        this.earlier.start();
    }

    fn keep(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *self.project().outcome = outcome.take();
    }

    fn give_back(self: Pin<&mut Self>, outcome: &mut Option<Result<T, Cancelled>>) {
        *outcome = self.project().outcome.take();
    }

    fn owes(&self) -> bool {
        self.earlier.owes()
    }

    fn hand_on(self: Pin<&mut Self>) {
        let this = self.project();
        this.earlier.hand_on();
        let Some(spawner) = this.spawner.take().filter(|_| *this.started) else { return };
        let left = (this.running.lock().take(), this.clean_up.take());
        // Its panic has been printed, and there is nobody else to tell.
        let _ = contain(|| match left {
            (Some(running), _) => spawner(running),
            (None, Some(clean_up)) => spawner(Box::pin(clean_up(&Err(Reason::Dropped.into())))),
            (None, None) => {}
        });
    }

    fn poll_end(
        self: Pin<&mut Self>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let this = self.project();
        if let Some(kept) = this.outcome.take() {
            *outcome = Some(kept);
        }
        ready!(this.earlier.poll_end(outcome, cx));
        let mut running = this.running.lock().take();
        if let (Some(clean_up), Some(outcome)) = (this.clean_up.take(), &*outcome) {
            running = Some(Box::pin(clean_up(outcome)));
        }
        // Where it panics it is gone: nothing of it is left to take over.
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
        sealed::Ending::hand_on(self);
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
