//! `Cancelable`: a future raced against a source.

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod attribute;
mod builder;
mod call;
mod ending;
mod ext;
mod extra;
mod fallible;
mod observed;
mod race;
mod rare;
mod scope;

use std::any::{Any, type_name};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;
use pin_project::pin_project;

#[cfg(feature = "blocking")]
pub use call::{BlockingCall, QueuedCall};
pub use call::{Call, WrappedCall};
pub use ending::{Ending, Fallible, Finally, FinallyOrSpawn, Spawner};
pub use ext::CancelableExt;
pub use fallible::TryCancelable;
pub use scope::{scope, try_scope};

use crate::frame::is_dropping;
use crate::panic::contain;
use crate::poll_context;
use crate::wait::{polled_after_completion, probe};
use crate::{Cancelled, Reason};
pub(crate) use builder::builder_methods;
pub(crate) use ending::error_of_result;
pub(crate) use extra::Extra;
pub(crate) use race::collect_shields;
use race::{Race, is_operation};
pub(crate) use rare::Rare;

/// A future raced against a source. Made by [`cancelable`](CancelableExt::cancelable), which tells
/// who wins.
///
/// Its methods ask for more: a name, hooks, clean-up. Asking for any of them makes the run an
/// [`Operation`](crate::Operation). With none of them it allocates nothing
/// but the error, where it is cancelled for a reason that says more than its kind.
///
/// # Implementation
///
/// At the first poll it asks the source, without registering with it, then polls the future. Only
/// if that is pending does the source register. Later polls ask the source, then the future. A
/// source of this crate that is pending and polled with the same waker again takes no lock.
///
/// # Cancel safety
///
/// Dropping it drops the future, then the source. If it has been polled and is an operation, that is
/// a cancellation for the reason [`Reason::Dropped`].
///
/// # Panics
///
/// When polled after completion. A panic of the future or of a source of yours goes through.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Cancelable<F, S, E = ()> {
    // Dropped in this order: the work is gone before a drop is recorded.
    /// `None` once the race is over, so that it is dropped in place, before the outcome is told.
    #[pin]
    work: Option<F>,
    /// `None` once the race is over.
    #[pin]
    source: Option<S>,
    /// What runs afterwards.
    #[pin]
    ending: E,
    phase: Phase,
    /// What only some runs need: shields to wait for, an operation.
    extra: Rare,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Not polled yet.
    Fresh,
    /// The first look is behind us.
    Racing,
    /// The source has fired, and something keeps the work.
    Kept,
    /// The work is gone, and what runs afterwards is running.
    Ending,
    /// A race around this one waits, and drops it: the caller is not to go on.
    Stopped,
    Done,
}

impl<F: Future, S: Future<Output = Reason>> Cancelable<F, S> {
    /// Races `work` against `source`. The same as [`cancelable`](CancelableExt::cancelable).
    ///
    /// ```
    /// use cancelable::prelude::*;
    /// # smol::block_on(async {
    /// assert_eq!(Cancelable::new(async { 7 }, never()).await, Ok(7));
    /// # });
    /// ```
    pub fn new(work: F, source: impl IntoFuture<Output = Reason, IntoFuture = S>) -> Self {
        Cancelable::with_ending(work, source, ())
    }
}

impl<F: Future, S: Future<Output = Reason>, E> Cancelable<F, S, E> {
    fn with_ending(
        work: F,
        source: impl IntoFuture<Output = Reason, IntoFuture = S>,
        ending: E,
    ) -> Self {
        Cancelable {
            work: Some(work),
            source: Some(source.into_future()),
            ending,
            phase: Phase::Fresh,
            extra: Rare::default(),
        }
    }
}

impl<F, S, E> Future for Cancelable<F, S, E>
where
    F: Future,
    S: Future<Output = Reason>,
    E: Ending<F::Output>,
{
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let extra = this.extra.get_mut();
        if *this.phase != Phase::Racing {
            return self.poll_first(cx);
        }
        if is_operation(extra) {
            return self.poll_apart(&mut None, cx);
        }
        // A run of which nothing is asked, in any poll but its first: this part is kept short.
        let (Some(work), Some(source)) = (this.work.as_pin_mut(), this.source.as_pin_mut()) else {
            unreachable!("the race goes on")
        };
        if let Poll::Ready(reason) = source.poll(cx) {
            return self.poll_apart(&mut Some(reason), cx);
        }
        let before = poll_context::registrations();
        let polled = work.poll(cx);
        if poll_context::registrations() != before {
            collect_shields(extra, before, 0);
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(value) => {
                self.end_race(Phase::Done);
                Poll::Ready(Ok(value))
            }
        }
    }
}

impl<F, S, E> Cancelable<F, S, E>
where
    F: Future,
    S: Future<Output = Reason>,
    E: Ending<F::Output>,
{
    /// Drops the work, and then the source.
    fn end_race(self: Pin<&mut Self>, phase: Phase) {
        let mut this = self.project();
        *this.phase = phase;
        this.work.set(None);
        this.source.set(None);
    }

    /// If the work returned an error, asks the source once more, without registering. The work may
    /// have seen in this very poll that the source fired, as by `token.check()?`, and then the
    /// operation has a cause.
    fn note_cause_of_error(self: Pin<&mut Self>, outcome: &Option<Result<F::Output, Cancelled>>) {
        let this = self.project();
        let (Some(error_of), Some(Ok(value))) = (this.ending.error_of(), outcome) else { return };
        let mut failed = false;
        error_of(value, &mut |_| failed = true);
        let (true, Some(source), Some(extra)) =
            (failed, this.source.as_pin_mut(), this.extra.get_mut())
        else {
            return;
        };
        // A panic of the source must not take the place of the error.
        let polled = contain(|| source.poll(&mut Context::from_waker(probe())));
        if let (Ok(Poll::Ready(reason)), Some(operation)) = (polled, extra.operation()) {
            operation.cancel_with(reason);
        }
    }

    /// The drop of the work, or of the source, has panicked: guarantee 13.
    #[cold]
    fn destructor_panicked(self: Pin<&mut Self>, panic: Box<dyn Any + Send>) {
        let mut this = self.project();
        let _ = contain(|| this.source.set(None));
        if let Some(extra) = this.extra.get_mut() {
            extra.keep_panic(panic);
        }
    }

    /// The first poll, and those after the race. Here a run of which nothing is asked parts from the
    /// others.
    #[inline(never)]
    fn poll_first(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        if self.phase != Phase::Fresh {
            return self.poll_apart(&mut None, cx);
        }
        if poll_context::asked_since().is_some() {
            // It is within the source of an operation, and its limits are its own.
            return poll_context::ignore_limits(|| self.poll_apart(&mut None, cx));
        }
        let this = self.as_mut().project();
        let extra = this.extra.get_mut();
        if extra.is_some() {
            return self.poll_apart(&mut None, cx);
        }
        *this.phase = Phase::Racing;
        let (Some(work), Some(mut source)) = (this.work.as_pin_mut(), this.source.as_pin_mut())
        else {
            unreachable!("the race has not begun")
        };
        // Only asks. Whoever has fired by now wins, and the work is never polled.
        if let Poll::Ready(reason) = source.as_mut().poll(&mut Context::from_waker(probe())) {
            self.end_race(Phase::Done);
            return Poll::Ready(Err(reason.into()));
        }
        let before = poll_context::registrations();
        let polled = work.poll(cx);
        if poll_context::registrations() != before {
            collect_shields(extra, before, 0);
        }
        if let Poll::Ready(value) = polled {
            self.end_race(Phase::Done);
            return Poll::Ready(Ok(value));
        }
        // Now that there is something to wait for, the source registers. If it has fired in the
        // meantime, the work gets its last poll, as in any other call.
        match source.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(reason) => self.poll_apart(&mut Some(reason), cx),
        }
    }

    /// The last poll, and every poll of an operation. `fired` says that the source has just told its
    /// reason.
    // What is large, and mostly not there, is handed on by reference here and below: each time that
    // it is returned or moved it is copied, also where all that is said is that it is not there.
    #[inline(never)]
    fn poll_apart(
        mut self: Pin<&mut Self>,
        fired: &mut Option<Reason>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        let mut this = self.as_mut().project();
        let first = *this.phase == Phase::Fresh;
        let mut inside = None;
        if let Some(extra) = this.extra.get_mut() {
            // Mostly at the first poll; later, where more was asked of it only then.
            let starts = extra.is_unstarted() && this.work.is_some();
            if starts && E::CLEANS_UP && extra.expects_drop(cx) {
                // As a shield, it does not begin if a cancellation waits.
                return Poll::Pending;
            }
            if starts {
                this.ending.as_mut().note_started();
                extra.start(E::CLEANS_UP);
            }
            inside = extra.enter();
            if starts {
                extra.tell_start();
            }
        }
        let mut outcome = None;
        let polled = self.as_mut().poll_entered(first, fired, &mut outcome, cx);
        if let (Some(inside), Some(extra)) = (inside, self.project().extra.get_mut()) {
            extra.leave(inside);
        }
        ready!(polled);
        let Some(outcome) = outcome else { unreachable!("it is there when it is ready") };
        Poll::Ready(outcome)
    }

    /// The same, where the operation is the current one.
    #[inline]
    fn poll_entered(
        mut self: Pin<&mut Self>,
        first: bool,
        fired: &mut Option<Reason>,
        outcome: &mut Option<Result<F::Output, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.as_mut().project();
        if let Some(work) = this.work.as_mut().as_pin_mut() {
            *this.phase = Phase::Racing;
            let extra = this.extra.get_mut();
            let shielded = extra.as_deref_mut().is_some_and(Extra::is_shielded);
            let is_operation = is_operation(extra);
            let mut race = Race { work, source: this.source.as_mut(), extra, outcome };
            let ended = match fired.take() {
                Some(reason) => race.cancel(reason, cx),
                None if first => race.poll_first(cx),
                None => race.poll(cx),
            };
            if ended.is_pending() {
                if extra.as_deref().is_some_and(Extra::is_cancelling) {
                    *this.phase = Phase::Kept;
                }
                return Poll::Pending;
            }
            // Guarantee 10, at every level: a race around this one waited for the same shield, and
            // what follows it must not run.
            let stopped = match &*outcome {
                // The operation around it was cancelled, and this one with it.
                Some(Err(cancelled)) => {
                    (shielded || is_operation && cancelled.is_parent()) && is_dropping()
                }
                _ => false,
            };
            // The work first: nothing of it is left when anyone hears of the outcome.
            if is_operation {
                self.as_mut().note_cause_of_error(outcome);
                let dropped =
                    catch_unwind(AssertUnwindSafe(|| self.as_mut().end_race(Phase::Ending)));
                if let Err(panic) = dropped {
                    self.as_mut().destructor_panicked(panic);
                }
            } else {
                self.as_mut().end_race(if stopped { Phase::Stopped } else { Phase::Done });
            }
            this = self.as_mut().project();
            if let Some(extra) = this.extra.get_mut() {
                extra.race_is_over(stopped);
            }
            if *this.phase == Phase::Done {
                return Poll::Ready(());
            }
        }

        let extra = match (*this.phase, this.extra.get_mut()) {
            (Phase::Ending, Some(extra)) => extra,
            (Phase::Stopped, Some(extra)) => {
                if extra.expects_drop(cx) {
                    return Poll::Pending;
                }
                // The race around it has not dropped it: this was only lent to that.
                this.ending.restore_outcome(outcome);
                outcome.get_or_insert_with(|| Err(extra.why()));
                *this.phase = Phase::Done;
                return Poll::Ready(());
            }
            _ => polled_after_completion("Cancelable"),
        };
        ready!(extra.clean_up(this.ending.as_mut(), outcome, cx));
        *this.phase = Phase::Done;
        let Some(told) = &*outcome else { unreachable!("whoever kept it gives it back") };
        if extra.end(&*this.ending, told) && extra.expects_drop(cx) {
            *this.phase = Phase::Stopped;
            this.ending.store_outcome(outcome);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<F: Future, S: Future<Output = Reason>, E: Ending<F::Output>> FusedFuture
    for Cancelable<F, S, E>
{
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Done
    }
}

impl<F, S, E> fmt::Debug for Cancelable<F, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.phase {
            Phase::Fresh => "not polled",
            Phase::Racing | Phase::Kept => "pending",
            Phase::Ending => "cleaning up",
            Phase::Stopped => "stopped",
            Phase::Done => "done",
        };
        let operation = self.extra.operation();
        f.debug_struct("Cancelable")
            .field("work", &format_args!("{}", type_name::<F>()))
            .field("source", &format_args!("{}", type_name::<S>()))
            .field("state", &format_args!("{state}"))
            .field("operation", &operation)
            .finish()
    }
}
