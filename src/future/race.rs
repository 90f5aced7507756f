//! The race: the order in which the source and the work are polled, and which of them wins a tie.
//!
//! 1. The first poll begins with the *first look*: it polls the source with the *probe*, a waker that the sources of this
//!    crate do not register. If the source has fired, it wins, and the work is never polled, unless it has begun elsewhere.
//!    Otherwise the work is polled.
//!    If the work is pending, the source is polled again, to register the task's waker. If the source has fired in the
//!    meantime, rule 3 applies.
//! 2. Every later poll polls the source, and then the work.
//! 3. When the source fires after the first look, the work gets one last poll in the same call. If the work is ready in that
//!    poll, its value wins: a finished value is never thrown away. If the work is pending, it is dropped, unless a shield or
//!    a grace period keeps it alive.
//!
//! The trait [`Race`] implements rules 1 and 2 for all races, and [`SlowRace::cancel`] implements rule 3. A race that is not
//! an operation is a [`PlainRace`] until its source fires.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::run::{RunState, error_of_unstarted};
use crate::error::Cancelled;
use crate::frame::{InRace, is_dropping, next_race};
use crate::poll_context::{self, Traced, Tracer};
use crate::reason::Reason;
use crate::wait::probe;

/// The result of a poll of a race.
pub(super) enum Polled<T> {
    Pending,
    /// The work is ready.
    Value(T),
    /// The source had fired by the first look.
    FiredFirst(Reason),
    /// The source fired later, so the work gets a last poll.
    Fired(Reason),
}

pub(super) trait Race {
    type Value;

    /// Polls the source. `first` is true at the first look.
    fn poll_source(&mut self, first: bool, cx: &mut Context<'_>) -> Poll<Reason>;

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Self::Value>;

    /// Polls the source again after the first look, if the work is pending. This registers the task's waker.
    fn register(&mut self, cx: &mut Context<'_>) -> Poll<Reason>;

    // The first poll and the later ones share this function, so that the compiler has only one poll of the source and one of
    // the work to inline into the caller.
    #[inline(always)]
    fn poll(&mut self, first: bool, cx: &mut Context<'_>) -> Polled<Self::Value> {
        let mut probing;
        let source_cx = if first {
            probing = Context::from_waker(probe());
            &mut probing
        } else {
            &mut *cx
        };
        if let Poll::Ready(reason) = self.poll_source(first, source_cx) {
            return if first { Polled::FiredFirst(reason) } else { Polled::Fired(reason) };
        }
        if let Poll::Ready(value) = self.poll_work(cx) {
            return Polled::Value(value);
        }
        if first {
            if let Poll::Ready(reason) = self.register(cx) {
                return Polled::Fired(reason);
            }
        }
        Polled::Pending
    }
}

/// A race that is not an operation and whose source has not fired. Polling it costs two reads of a counter, in
/// addition to the polls of the source and the work.
pub(super) struct PlainRace<'a, F, S> {
    pub(super) work: Pin<&'a mut F>,
    pub(super) source: Pin<&'a mut S>,
    pub(super) state: &'a mut Option<Box<RunState>>,
}

impl<F: Future, S: Future<Output = Reason>> Race for PlainRace<'_, F, S> {
    type Value = F::Output;

    #[inline(always)]
    fn poll_source(&mut self, _first: bool, cx: &mut Context<'_>) -> Poll<Reason> {
        self.source.as_mut().poll(cx)
    }

    #[inline(always)]
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let before = poll_context::registrations();
        let polled = self.work.as_mut().poll(cx);
        if poll_context::registrations() != before {
            collect_shields(self.state, before, 0);
        }
        polled
    }

    #[inline(always)]
    fn register(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        register(self.source.as_mut(), cx)
    }
}

// Not inlined, so that the compiler has only one poll of the source to inline into the poll of a race.
#[inline(never)]
fn register<S: Future<Output = Reason>>(source: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<Reason> {
    source.poll(cx)
}

/// Handles any race, including operations, races with shields, and races whose source has fired.
// The outcome is written through a reference, because an outcome may be large and most polls do not produce one. If
// functions returned it by value, each of them would copy that many bytes on every poll.
pub(super) struct SlowRace<'a, F: Future, S> {
    pub(super) work: Pin<&'a mut F>,
    pub(super) source: Pin<&'a mut Option<S>>,
    pub(super) state: &'a mut Option<Box<RunState>>,
    pub(super) outcome: &'a mut Option<Result<F::Output, Cancelled>>,
}

impl<F: Future, S: Future<Output = Reason>> Race for SlowRace<'_, F, S> {
    type Value = ();

    #[inline(always)]
    fn poll_source(&mut self, first: bool, cx: &mut Context<'_>) -> Poll<Reason> {
        let Some(source) = self.source.as_mut().as_pin_mut() else { return Poll::Pending };
        match self.state {
            Some(state) => state.poll_source(first, source, cx),
            None => source.poll(cx),
        }
    }

    #[inline(always)]
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_work_in(0, cx)
    }

    #[inline(always)]
    fn register(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        self.poll_source(false, cx)
    }
}

impl<F: Future, S: Future<Output = Reason>> SlowRace<'_, F, S> {
    /// Polls the race. Ready once `outcome` is set.
    #[inline(always)]
    pub(super) fn poll_outcome(
        &mut self,
        first: bool,
        fired: &mut Option<Reason>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let polled = match fired.take() {
            Some(reason) => Polled::Fired(reason),
            // Here and below, the argument is a constant, so the compiler leaves out the other case.
            None if first => self.poll(true, cx),
            // The source has fired: only a shield or a grace period still keeps the work alive.
            None if self.state.as_deref().is_some_and(RunState::is_cancelling) => {
                return self.poll_kept_work(cx);
            }
            None => self.poll(false, cx),
        };
        match polled {
            Polled::Pending => Poll::Pending,
            Polled::Value(()) => Poll::Ready(()),
            Polled::FiredFirst(reason)
                if self.state.as_deref().is_some_and(RunState::work_has_begun) =>
            {
                self.cancel(reason, cx)
            }
            Polled::FiredFirst(reason) => {
                let error = error_of_unstarted(self.state, reason);
                self.end(Err(error))
            }
            Polled::Fired(reason) => self.cancel(reason, cx),
        }
    }

    fn end(&mut self, outcome: Result<F::Output, Cancelled>) -> Poll<()> {
        *self.outcome = Some(outcome);
        Poll::Ready(())
    }

    /// Polls the work and collects the shields that register during the poll. If only a shield can keep the work alive after
    /// this poll, `dropping` is the number of this race. Otherwise `dropping` is 0.
    #[inline(always)]
    fn poll_work_in(&mut self, dropping: u64, cx: &mut Context<'_>) -> Poll<()> {
        let before = poll_context::registrations();
        let frame = InRace::enter(dropping, is_operation(self.state));
        let work = self.work.as_mut();
        let polled = match self.state {
            Some(state) => state.poll_work(work, self.outcome, cx),
            None => match work.poll(cx) {
                Poll::Ready(value) => self.end(Ok(value)),
                Poll::Pending => Poll::Pending,
            },
        };
        drop(frame);
        if poll_context::registrations() != before {
            collect_shields(self.state, before, dropping);
        }
        polled
    }

    /// Like `poll_work_in`, for polls after the source has fired, which are rare.
    #[inline(never)]
    fn poll_work_after_fire(&mut self, dropping: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_work_in(dropping, cx)
    }

    /// Gives the work its last poll, because the source has fired.
    #[inline(never)]
    fn cancel(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(state) = self.state {
            state.set_cause(reason);
            return self.poll_kept_work(cx);
        }
        if self.poll_work_after_fire(next_race(), cx).is_ready() {
            return Poll::Ready(());
        }
        match self.state {
            // There is a state now, so a shield has begun in this poll.
            Some(state) => {
                state.set_cause(reason);
                self.wait_for_shields()
            }
            None => self.end(Err(reason.into())),
        }
    }

    /// Polls the work after the source has fired.
    fn poll_kept_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(state) = self.state.as_deref_mut() else { return Poll::Pending };
        if state.poll_grace(cx) {
            // With the tracer, operations inside the work find out that they are part of it, and are cancelled with this
            // operation.
            let tracer = state.tracer();
            return self.poll_traced(&tracer, 0, cx);
        }
        let polled = match state.await_shields() {
            Some(tracer) => self.poll_traced(&tracer, tracer.race(), cx),
            None => self.poll_work_after_fire(next_race(), cx),
        };
        if polled.is_ready() {
            return Poll::Ready(());
        }
        self.wait_for_shields()
    }

    fn poll_traced(
        &mut self,
        tracer: &Arc<Tracer>,
        dropping: u64,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let waker = Waker::from(tracer.clone());
        let _traced = Traced::enter(tracer, cx.waker());
        self.poll_work_after_fire(dropping, &mut Context::from_waker(&waker))
    }

    /// Ends the race once no shield keeps the work alive.
    fn wait_for_shields(&mut self) -> Poll<()> {
        let Some(state) = self.state else { return Poll::Pending };
        let cancelled = ready!(state.wait_for_shields());
        self.end(Err(cancelled))
    }
}

#[inline]
pub(super) fn is_operation(state: &Option<Box<RunState>>) -> bool {
    state.as_deref().is_some_and(RunState::is_operation)
}

/// Returns whether the code after the race must not run (guarantee 10). The code must not run if an enclosing race
/// waits for the shield that kept this race alive, or if this race was cancelled because an enclosing race was.
pub(crate) fn is_stopped<T>(
    outcome: &Result<T, Cancelled>,
    shielded: bool,
    is_operation: bool,
) -> bool {
    let Err(cancelled) = outcome else { return false };
    (shielded || is_operation && cancelled.is_parent()) && is_dropping()
}

/// Calls `drop`, a closure that drops user values. If the race is an operation, a panic of a destructor is kept
/// until the operation has ended (guarantee 13), and the function returns false.
#[inline]
pub(crate) fn contain_drop(state: &mut Option<Box<RunState>>, drop: impl FnOnce()) -> bool {
    match state {
        Some(state) if state.is_operation() => state.contain_drop(drop),
        _ => {
            drop();
            true
        }
    }
}

/// Collects the shields that have registered in a poll of the work. `before` is the number of registrations before that
/// poll. `dropping` is the same number that [`InRace::enter`] got.
#[cold]
pub(crate) fn collect_shields(state: &mut Option<Box<RunState>>, before: usize, dropping: u64) {
    let shields = poll_context::registered_since(before, dropping);
    if !shields.is_empty() {
        state.get_or_insert_default().add_shields(shields);
    }
}
