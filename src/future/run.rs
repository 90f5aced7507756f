//! `RunState`: what some races need besides their work and their source: shields to wait for, the reason for a cancellation,
//! and the operation.
//!
//! * [`cancelling`]: from the cancellation to the end of the work.
//! * [`join`]: waiting for the children. [`after_work`]: clean-up, and the end.

mod after_work;
mod cancelling;
mod join;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
#[cfg(feature = "time")]
use std::time::Duration;

pub(crate) use cancelling::error_of_unstarted;

use super::ending::Ending;
use super::operation_run::{OperationRun, ParentWait, RunEnd};
use super::token_wait::TokenWait;
use crate::clock;
use crate::error::Cancelled;
use crate::frame::dropping;
#[cfg(feature = "time")]
use crate::operation::Inherited;
use crate::operation::{Hook, InPoll, Operation};
use crate::panic::discard;
use crate::poll_context::{self, DropCheck, Protection, Tracer, register_clean_up};
use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::source::{Limit, timeouts_fired};
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;

/// A [`RunState`] that is allocated only when the race becomes an operation, or when the first shield registers in its work.
/// A race without a `RunState` spends only two words on it.
#[derive(Default)]
pub(crate) struct LazyRunState {
    /// The lock is needed because `operation()` takes a shared reference. Polling has exclusive
    /// access and takes no lock.
    state: Mutex<Option<Box<RunState>>>,
}

impl LazyRunState {
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<Box<RunState>> {
        self.state.get_mut()
    }

    /// Returns the operation if the race is one.
    pub(crate) fn operation(&self) -> Option<Operation> {
        let (operation, waker) = self.state.lock().as_deref_mut()?.operation.as_mut()?.new_handle();
        self.listen(&operation, waker);
        Some(operation)
    }

    /// Returns a handle of the operation. If the race is not an operation yet, makes it one. If the work has been `polled`
    /// already, also starts the operation.
    pub(crate) fn handle(&self, polled: bool) -> Operation {
        let (operation, waker) = {
            let mut state = self.state.lock();
            let state = state.get_or_insert_default();
            let made = state.operation_run().new_handle();
            if polled {
                state.start_late();
            }
            made
        };
        self.listen(&operation, waker);
        operation
    }

    /// Begins to wait for the token of an operation that has been private until now, with the waker that was kept. The lock
    /// is released while user code of the waker runs. A poll has exclusive access to the race, so no poll begins a wait
    /// meanwhile.
    fn listen(&self, operation: &Operation, waker: Option<Waker>) {
        let Some(waker) = waker else { return };
        let wait = TokenWait::listen(operation, waker);
        if let Some(run) =
            self.state.lock().as_deref_mut().and_then(|state| state.operation.as_mut())
        {
            run.token_wait = wait;
        }
    }
}

impl Drop for LazyRunState {
    #[inline]
    fn drop(&mut self) {
        if let Some(state) = self.state.get_mut().take() {
            drop_state(state);
        }
    }
}

// Kept out of line, so that dropping a race without state needs no function call.
#[cold]
#[inline(never)]
fn drop_state(state: Box<RunState>) {
    drop(state);
}

#[derive(Default)]
pub(crate) struct RunState {
    /// The shields in the work.
    shields: Vec<Arc<Protection>>,
    /// How many of these shields, from the front, have been notified that this race waits for them.
    notified: usize,
    /// The waker with which the work is polled while the race waits for shields.
    tracer: Option<Arc<Tracer>>,
    /// Finds out whether a race around this one is about to drop this one.
    drop_check: DropCheck,
    /// Why the work is cancelled. Set once only shields or a grace period can keep the work alive.
    cause: Option<Reason>,
    /// Whether the code after this race must not run, because a race around this one is about to drop it (guarantee 10).
    stopped: bool,
    operation: Option<OperationRun>,
}

/// For the builder.
impl RunState {
    /// Sets the operation.
    pub(crate) fn set_operation(&mut self, operation: Operation) {
        self.operation = Some(OperationRun::new(operation));
    }

    /// Returns the operation. Creates it if there is none.
    pub(crate) fn make_operation(&mut self) -> &mut Operation {
        let run = self.operation_run();
        if run.since.is_some() {
            run.leave_privacy();
        }
        &mut run.operation
    }

    fn operation_run(&mut self) -> &mut OperationRun {
        self.operation.get_or_insert_with(|| OperationRun::new(Operation::new()))
    }

    /// Shows the operation to a registry, which may watch it from then on.
    pub(crate) fn show(&mut self, show: impl FnOnce(&Operation)) {
        let run = self.operation_run();
        // A registry refuses an operation that has ended, so the end must be recorded first.
        run.record_end();
        run.operation.prepare_for_watchers();
        show(&run.operation);
        run.watched = run.operation.is_watched();
    }

    /// Sets the function that makes the span of the operation.
    #[cfg(feature = "tracing")]
    pub(crate) fn set_span(
        &mut self,
        make: impl FnOnce(&Operation) -> tracing::Span + Send + 'static,
    ) {
        self.operation_run().span.set(make);
    }

    #[cfg(feature = "time")]
    pub(crate) fn set_grace(&mut self, grace: Countdown) {
        self.operation_run().rare_or_new().grace = Some(grace);
    }

    /// Makes the races around the operation wait for its grace period, and not only for its clean-up. The operation must
    /// have clean-up.
    #[cfg(feature = "process")]
    pub(crate) fn count_grace_as_clean_up(&mut self) {
        self.operation_run().grace_is_clean_up = true;
    }

    /// Polls the work even if the source has fired by the first look, because the work has begun elsewhere.
    #[cfg(feature = "process")]
    pub(crate) fn note_work_has_begun(&mut self) {
        self.operation_run().work_has_begun = true;
    }

    pub(super) fn work_has_begun(&self) -> bool {
        self.operation.as_ref().is_some_and(|run| run.work_has_begun)
    }

    /// Cancels the operation once it has reported no progress for this long.
    #[cfg(feature = "time")]
    pub(crate) fn set_stall(&mut self, length: Duration) {
        let limit = Limit::after(length).named("no progress");
        let moved = limit.clone();
        self.make_operation().on_progress(move |_, _| _ = moved.reset());
        let run = self.operation_run();
        run.rare_or_new().extra_limits.get_or_insert_default().set_stall(limit.reached());
    }

    /// Makes the operation strict: a value that comes after the cancellation is replaced with the error.
    pub(crate) fn set_strict(&mut self) {
        self.operation_run().strict = true;
    }

    /// Makes the operation cancel its children once the work is gone, unless the operation itself has been cancelled.
    pub(crate) fn cancel_children(&mut self) {
        self.operation_run().cancels_children = true;
    }

    pub(crate) fn owe_clean_up(&mut self) {
        self.operation_run().owes_clean_up = true;
    }

    pub(crate) fn on_clean_up_lost(&mut self, hook: Hook) {
        let run = self.operation_run();
        if run.end != RunEnd::NotYet {
            discard(hook)
        } else {
            run.rare_or_new().on_clean_up_lost.push(hook)
        }
    }

    pub(crate) fn operation(&self) -> Option<&Operation> {
        Some(&self.operation.as_ref()?.operation)
    }

    /// Returns the operation if it is watched.
    #[inline]
    fn watched(&self) -> Option<&Operation> {
        self.operation.as_ref().and_then(OperationRun::watched)
    }

    #[inline]
    pub(crate) fn is_operation(&self) -> bool {
        self.operation.is_some()
    }
}

/// From the start to the end of the work.
impl RunState {
    /// Returns whether this is an operation that has not started.
    #[inline]
    pub(crate) fn is_unstarted(&self) -> bool {
        self.operation.as_ref().is_some_and(|run| run.since.is_none())
    }

    /// Starts the operation. If `cleans_up`, the races around it wait for its clean-up from then on.
    ///
    /// `waker` is the waker of the poll in which the operation starts, if it starts in a poll.
    #[inline(never)]
    fn start(&mut self, cleans_up: bool, waker: Option<&Waker>) {
        if let Some(run) = &mut self.operation {
            if cleans_up {
                // If a race is about to drop its work in this poll, that race does not wait for this clean-up. The operation
                // is not part of that work: otherwise the operation would not start now.
                run.cleaning = Some(register_clean_up(dropping()));
            }
            let started = run.operation.start(waker);
            run.since = Some(started.at);
            if let Some(operation) = run.watched() {
                operation.note_first_poll(started.at);
            }
            #[cfg(feature = "time")]
            if started.inherited != Inherited::None {
                run.set_inherited(started.inherited);
            }
            if let Some(parent) = started.undecided_parent {
                run.rare_or_new().parent_wait = Some(ParentWait::new(parent));
            }
        }
    }

    /// Begins to report the operation to `tracing` subscribers and metrics recorders. Called before the operation becomes
    /// the current one.
    #[inline]
    fn observe(&mut self) {
        if let Some(OperationRun { operation, span, watched, since: Some(since), .. }) =
            &mut self.operation
        {
            *watched |= operation.observe(*since, span);
        }
    }

    /// Runs the start hooks. The operation must be the current one already.
    #[inline(never)]
    fn run_start_hooks(&mut self) {
        if let Some(run) = &mut self.operation {
            if run.operation.run_start_hooks(run.watched) {
                // The hooks may have taken a while. The source has not been polled yet, so its time limits can still start
                // after the hooks.
                run.since = Some(clock::now());
            }
        }
    }

    /// Starts an operation that was created after the first poll. It has no start hooks.
    fn start_late(&mut self) {
        if self.is_unstarted() {
            self.start(false, None);
            #[cfg(feature = "time")]
            self.note_deadline();
            // The race may have been cancelled already and be waiting for a shield. In that case, the operation is cancelled
            // too.
            if let (Some(cause), Some(run)) = (self.cause.clone(), &self.operation) {
                self.cause = Some(run.cancel(cause));
            }
        }
    }

    /// Makes the races around the operation wait for its clean-up. Returns true if they did not wait for it before.
    pub(crate) fn hold_clean_up(&mut self) -> bool {
        match &mut self.operation {
            Some(run) if run.cleaning.is_none() => {
                run.cleaning = Some(register_clean_up(0));
                true
            }
            _ => false,
        }
    }

    /// Makes the races around the operation stop waiting for its clean-up.
    pub(crate) fn release_clean_up(&mut self) {
        let cleaning = self.operation.as_mut().and_then(|run| run.cleaning.take());
        if let Some(cleaning) = cleaning {
            cleaning.end();
        }
    }

    /// Notes that the limit of the source will not be the deadline. When the source was first polled, there was no operation to
    /// which it could offer its limit.
    #[cfg(feature = "time")]
    #[cold]
    pub(crate) fn note_deadline(&mut self) {
        self.operation.iter_mut().for_each(OperationRun::note_deadline);
    }

    /// Makes the operation the current one on this thread, until [`leave_poll`](Self::leave_poll). If `starting` is given,
    /// also starts the operation. `cleans_up` means the same as in [`start`](Self::start).
    #[inline(always)]
    pub(crate) fn enter_poll<T, E: Ending<T>>(
        &mut self,
        inside: &mut InPoll,
        starting: Option<Pin<&mut E>>,
        cleans_up: bool,
        waker: &Waker,
    ) {
        let starts = starting.is_some();
        if let Some(ending) = starting {
            ending.note_started();
            self.start(cleans_up, Some(waker));
            self.observe();
        }
        let Some(run) = &mut self.operation else { return };
        // This must happen while the current operation is still the one around this poll.
        run.note_whether_inside_parent();
        let current = match run.current.take() {
            Some(current) => current,
            None => run.operation.clone(),
        };
        inside.enter(current, run.watched(), waker);
        if starts {
            self.run_start_hooks();
        }
    }

    #[inline(always)]
    pub(crate) fn leave_poll(&mut self, inside: InPoll) {
        if let Some(run) = &mut self.operation {
            run.current = inside.leave();
            run.poll_returns();
        }
    }

    /// Polls the source, and then everything else that may cancel the operation, such as its token. If one of these fires,
    /// returns the reason of the operation. At the `first` look, the source also offers its time limit to the operation.
    #[inline(always)]
    pub(crate) fn poll_source<S: Future<Output = Reason>>(
        &mut self,
        first: bool,
        source: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<Reason> {
        let Some(run) = &mut self.operation else { return source.poll(cx) };
        let polled = match run.since.filter(|_| first) {
            Some(since) => {
                let (polled, limit) = poll_context::ask_for_limit(since, || source.poll(cx));
                if let Some(at) = limit {
                    run.has_limit = true;
                    run.operation.set_limit(since, at);
                }
                #[cfg(feature = "time")]
                run.note_deadline();
                polled
            }
            None => {
                #[cfg(feature = "time")]
                let fired = run.has_limit.then(timeouts_fired);
                let polled = source.poll(cx);
                #[cfg(feature = "time")]
                if polled.is_pending() && fired.is_some_and(|before| before != timeouts_fired()) {
                    run.drop_passed_limit();
                }
                polled
            }
        };
        if let Poll::Ready(reason) = polled {
            return Poll::Ready(run.cancel(reason));
        }
        if let Some(reason) = run.poll_others(&mut self.drop_check, cx) {
            return Poll::Ready(run.cancel(reason));
        }
        if run.poll_token(cx) { Poll::Ready(run.operation.cause()) } else { Poll::Pending }
    }

    /// Polls the work. Ready once `outcome` is set. If the race is an operation, a panic of the work is kept until the
    /// operation has ended.
    #[inline(always)]
    pub(crate) fn poll_work<F: Future>(
        &mut self,
        work: Pin<&mut F>,
        outcome: &mut Option<Result<F::Output, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let poll = || match work.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(value) => {
                *outcome = Some(Ok(value));
                Poll::Ready(())
            }
        };
        let Some(run) = &mut self.operation else { return poll() };
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled,
            Err(panic) => {
                *outcome = Some(Err(run.keep_panic(panic)));
                Poll::Ready(())
            }
        }
    }

    /// Returns whether a race around this one is about to drop this one. If so, the code that awaits this race must not
    /// continue.
    pub(crate) fn expects_drop(&mut self, cx: &Context<'_>) -> bool {
        self.drop_check.expects_drop(cx)
    }

    /// Ends the race, once the work is gone. `stopped` is true if the code that awaits the race must not continue,
    /// `cleans_up` if clean-up runs before the operation ends, and `joins` if the operation first waits for its children.
    #[inline]
    pub(crate) fn end_race(&mut self, stopped: bool, cleans_up: bool, joins: bool) {
        self.stopped = stopped;
        self.forget_shields();
        if let Some(operation) = self.watched() {
            operation.note_work_over();
        }
        if !joins {
            self.end_limits(cleans_up);
        }
    }

    /// Stops waiting for a cancellation, and for the end of the grace period.
    #[inline]
    fn end_limits(&mut self, cleans_up: bool) {
        if let Some(run) = &mut self.operation {
            run.token_wait.end();
            if cleans_up {
                run.drop_limit();
            }
            #[cfg(feature = "time")]
            run.end_rare_limits();
        }
    }
}

impl Drop for RunState {
    fn drop(&mut self) {
        self.forget_shields();
    }
}
