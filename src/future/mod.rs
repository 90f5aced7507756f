//! `Cancelable`: a future raced against a source.
//!
//! * [`race`]: the order of polls, and the tie rule.
//! * [`run`]: shields, cause and operation of a race. [`operation_run`]: what only operations have.
//! * `extra_limits`: time limits that are not in the source.
//! * [`ending`]: what runs after the work.
//! * [`ext`], [`scope`], [`try_cancelable`]: how races are made. [`builder`]: the methods that turn a race into an
//!   operation. `builder_methods`: the macro that writes those that streams have too.
//! * [`call`]: `wrap` and `run_blocking`.
//! * [`attribute`]: what the attribute expands to.

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod attribute;
mod builder;
mod builder_methods;
mod call;
mod ending;
mod ext;
#[cfg(feature = "time")]
mod extra_limits;
mod operation_run;
mod race;
mod run;
mod scope;
mod try_cancelable;

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;
use pin_project::pin_project;

#[cfg(feature = "blocking")]
pub use call::{BlockingCall, QueuedCall};
pub use call::{Call, WrappedCall};
pub use ending::{Ending, Fallible, Finally, FinallyOrSpawn, JoinsChildren};
pub use ext::CancelableExt;
pub use scope::{scope, try_scope};
pub use try_cancelable::TryCancelable;

use crate::error::Cancelled;
use crate::operation::{InPoll, Operation};
use crate::poll_context::{ignore_limits, operation_start};
use crate::reason::Reason;
use crate::source::Source;
use crate::wait::polled_after_completion;
pub(crate) use builder_methods::builder_methods;
pub(crate) use ending::{ErrorOf, clean_up_after_earlier, error_of_result, sealed};
use race::{PlainRace, Polled, Race, SlowRace, is_operation};
pub(crate) use race::{collect_shields, contain_drop, is_stopped};
pub(crate) use run::{LazyRunState, RunState, error_of_unstarted};

/// A future raced against a source. Made by [`cancelable`](CancelableExt::cancelable), which states the tie rule.
///
/// Give it a name, hooks, progress or clean-up with the methods below, and it becomes an
/// [`Operation`](crate::Operation). A race that is not an operation allocates nothing except its error, and that only
/// if the reason carries data.
///
/// # Implementation
///
/// The first poll asks the source whether it has fired, and then polls the future. The source registers the waker only
/// if the future is pending. Each later poll polls the source, then the future. If a source of this crate is pending
/// and is polled with the same waker again, it takes no lock.
///
/// # Cancel safety
///
/// Dropping it drops the future, then the source. If it is an operation and has been polled, the drop is a
/// cancellation for the reason [`Reason::Dropped`].
///
/// # Panics
///
/// Panics if polled after completion. A panic of the future or of your source propagates.
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Cancelable<F, S, E = ()> {
    // Dropped in this order: the work is gone before a drop is recorded.
    /// `None` once the race is over: it is dropped in place before the outcome is returned.
    #[pin]
    work: Option<F>,
    /// `None` once the race is over and the children have been joined.
    #[pin]
    source: Option<S>,
    /// What runs after the work.
    #[pin]
    ending: E,
    phase: Phase,
    state: LazyRunState,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Not polled yet.
    Fresh,
    /// Polled, and the source has not fired.
    Racing,
    /// The source has fired, and a shield or a grace period keeps the work.
    Kept,
    /// The work is gone. Children are running, or clean-up is.
    Ending,
    /// A race around this one is about to drop it, so the caller must not continue.
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
    pub fn new(work: F, source: impl Source<Future = S>) -> Self {
        Cancelable::with_ending(work, source, ())
    }
}

impl<F: Future, S: Future<Output = Reason>, E> Cancelable<F, S, E> {
    fn with_ending(work: F, source: impl Source<Future = S>, ending: E) -> Self {
        Cancelable {
            work: Some(work),
            source: Some(source.into_source()),
            ending,
            phase: Phase::Fresh,
            state: LazyRunState::default(),
        }
    }
}

impl<F: Future, S: Future<Output = Reason>, E> Cancelable<F, S, E> {
    /// Creates the race of an operation that exists already.
    pub(crate) fn of_operation(
        work: F,
        source: impl Source<Future = S>,
        ending: E,
        operation: Operation,
    ) -> Self {
        let mut run = Cancelable::with_ending(work, source, ending);
        run.run_state().set_operation(operation);
        run
    }
}

impl<F, S, E> Future for Cancelable<F, S, E>
where
    F: Future,
    S: Future<Output = Reason>,
    E: Ending<F::Output>,
{
    type Output = Result<F::Output, Cancelled>;

    // The fast path: a plain race, in any poll but its first. It is small enough to be inlined into the caller.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let state = this.state.get_mut();
        if *this.phase != Phase::Racing {
            return self.poll_first(cx);
        }
        if is_operation(state) {
            return self.poll_slow(&mut None, cx);
        }
        let (Some(work), Some(source)) = (this.work.as_pin_mut(), this.source.as_pin_mut()) else {
            unreachable!("the race is not over")
        };
        let polled = PlainRace { work, source, state }.poll(cx);
        self.finish_plain(polled, cx)
    }
}

impl<F, S, E> Cancelable<F, S, E>
where
    F: Future,
    S: Future<Output = Reason>,
    E: Ending<F::Output>,
{
    /// Handles the first poll of a plain race, and passes other polls on to `poll_slow`.
    #[inline(never)]
    fn poll_first(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        if self.phase != Phase::Fresh {
            return self.poll_slow(&mut None, cx);
        }
        if operation_start().is_some() {
            // This race is polled inside the source of an operation. Its limits are not that operation's
            // deadline.
            return ignore_limits(|| self.poll_slow(&mut None, cx));
        }
        let this = self.as_mut().project();
        let state = this.state.get_mut();
        if state.is_some() {
            return self.poll_slow(&mut None, cx);
        }
        *this.phase = Phase::Racing;
        let (Some(work), Some(source)) = (this.work.as_pin_mut(), this.source.as_pin_mut()) else {
            unreachable!("the race has not begun")
        };
        let polled = PlainRace { work, source, state }.poll_first(cx);
        self.finish_plain(polled, cx)
    }

    #[inline(always)]
    fn finish_plain(
        self: Pin<&mut Self>,
        polled: Polled<F::Output>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        match polled {
            Polled::Pending => Poll::Pending,
            Polled::Value(value) => {
                self.end_race(Phase::Done);
                Poll::Ready(Ok(value))
            }
            Polled::FiredFirst(reason) => {
                self.end_race(Phase::Done);
                Poll::Ready(Err(reason.into()))
            }
            Polled::Fired(reason) => self.poll_slow(&mut Some(reason), cx),
        }
    }

    /// Handles every poll of an operation, the last poll of any race, and polls after the race. `fired` is the
    /// reason if the source has fired in this call.
    #[inline(never)]
    fn poll_slow(
        mut self: Pin<&mut Self>,
        fired: &mut Option<Reason>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        let mut this = self.as_mut().project();
        let first = *this.phase == Phase::Fresh;
        let mut inside = InPoll::new();
        if let Some(state) = this.state.get_mut() {
            // An operation usually starts at the first poll. If the race became an operation later, it starts now.
            let starts = state.is_unstarted() && this.work.is_some();
            if starts && E::CLEANS_UP && state.expects_drop(cx) {
                // If a cancellation is waiting, clean-up does not begin, like a shield.
                return Poll::Pending;
            }
            let starting = starts.then_some(this.ending.as_mut());
            state.enter_poll(&mut inside, starting, E::CLEANS_UP, cx.waker());
        }
        let mut outcome = None;
        let polled = self.as_mut().poll_as_current(first, fired, &mut outcome, cx);
        if let Some(state) = self.project().state.get_mut() {
            state.leave_poll(inside);
        }
        ready!(polled);
        let Some(outcome) = outcome else { unreachable!("a poll that is ready has an outcome") };
        Poll::Ready(outcome)
    }

    /// Polls the race, then the clean-up, while the operation is the current one.
    #[inline]
    fn poll_as_current(
        mut self: Pin<&mut Self>,
        first: bool,
        fired: &mut Option<Reason>,
        outcome: &mut Option<Result<F::Output, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.as_mut().project();
        if let Some(work) = this.work.as_mut().as_pin_mut() {
            *this.phase = Phase::Racing;
            let state = this.state.get_mut();
            let shielded = state.as_deref_mut().is_some_and(RunState::is_shielded);
            let is_operation = is_operation(state);
            let mut race = SlowRace { work, source: this.source.as_mut(), state, outcome };
            if race.poll_outcome(first, fired, cx).is_pending() {
                if state.as_deref().is_some_and(RunState::is_cancelling) {
                    *this.phase = Phase::Kept;
                }
                return Poll::Pending;
            }
            if is_operation {
                self.as_mut().replace_late_value(outcome);
            }
            let stopped =
                outcome.as_ref().is_some_and(|ended| is_stopped(ended, shielded, is_operation));
            // Guarantee 3: the work is gone before hooks, clean-up and the caller see the outcome.
            if is_operation {
                let this = self.as_mut().project();
                let (state, mut work, mut source) = (this.state.get_mut(), this.work, this.source);
                if let (Some(state), Some(Ok(value))) = (&mut *state, &*outcome) {
                    if this.ending.has_failed(value) {
                        state.note_cause_of_error(source.as_mut());
                    }
                }
                *this.phase = Phase::Ending;
                contain_drop(state, || work.set(None));
                if !E::JOINS {
                    contain_drop(state, || source.set(None));
                }
            } else {
                self.as_mut().end_race(if stopped { Phase::Stopped } else { Phase::Done });
            }
            this = self.as_mut().project();
            if let Some(state) = this.state.get_mut() {
                state.end_race(stopped, E::CLEANS_UP, E::JOINS);
            }
            if *this.phase == Phase::Done {
                return Poll::Ready(());
            }
        }

        let state = match (*this.phase, this.state.get_mut()) {
            (Phase::Ending, Some(state)) => state,
            (Phase::Stopped, Some(state)) => {
                if state.expects_drop(cx) {
                    return Poll::Pending;
                }
                // The race around this one had only borrowed it, and did not drop it.
                this.ending.restore_outcome(outcome);
                outcome.get_or_insert_with(|| Err(state.error()));
                *this.phase = Phase::Done;
                return Poll::Ready(());
            }
            _ => polled_after_completion("Cancelable"),
        };
        if E::JOINS {
            this.ending.as_mut().restore_outcome(outcome);
            if let Some(ended) = &*outcome {
                state.poll_while_joining(this.ending.as_mut(), ended, cx);
            }
            if state.poll_join(this.source, cx).is_pending() {
                this.ending.store_outcome(outcome);
                return Poll::Pending;
            }
        }
        ready!(state.poll_clean_up(this.ending.as_mut(), outcome, cx));
        *this.phase = Phase::Done;
        let Some(ended) = &*outcome else { unreachable!("clean-up gives the outcome back") };
        if state.end(&*this.ending, ended) && state.expects_drop(cx) {
            *this.phase = Phase::Stopped;
            this.ending.store_outcome(outcome);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Replaces the value of a strict operation by the error if the source fired before the value came. An error that
    /// fallible work returned stays.
    #[inline]
    fn replace_late_value(
        self: Pin<&mut Self>,
        outcome: &mut Option<Result<F::Output, Cancelled>>,
    ) {
        let this = self.project();
        let (Some(state), Some(Ok(value))) = (this.state.get_mut(), &*outcome) else { return };
        if !state.is_strict() || this.ending.failure().is_some() || this.ending.has_failed(value) {
            return;
        }
        if let Some(error) = state.late_error(this.source) {
            let late = outcome.replace(Err(error));
            state.contain_drop(|| drop(late));
        }
    }

    /// Drops the work, and then the source.
    fn end_race(self: Pin<&mut Self>, phase: Phase) {
        let mut this = self.project();
        *this.phase = phase;
        this.work.set(None);
        this.source.set(None);
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
            Phase::Ending => "ending",
            Phase::Stopped => "stopped",
            Phase::Done => "done",
        };
        let operation = self.state.operation();
        f.debug_struct("Cancelable")
            .field("work", &format_args!("{}", type_name::<F>()))
            .field("source", &format_args!("{}", type_name::<S>()))
            .field("state", &format_args!("{state}"))
            .field("operation", &operation)
            .finish()
    }
}
