//! `RunState`: what a race needs besides its work and its source: shields to wait for, the cause, and the
//! operation.

mod join;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
#[cfg(feature = "time")]
use std::time::Duration;

use super::ending::Ending;
use super::operation_run::{OperationRun, ParentWait};
use crate::clock;
use crate::error::Cancelled;
use crate::frame::dropping;
use crate::operation::{Hook, InPoll, Operation};
use crate::panic::{contain, discard, message};
use crate::poll_context::{self, DropCheck, InShield, Protection, Tracer, register_clean_up};
use crate::reason::Reason;
#[cfg(feature = "time")]
use crate::source::{Limit, timeouts_fired};
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::visits::visit;
use crate::wait::probe;

/// A [`RunState`] that is allocated when the race becomes an operation, or when the first shield registers in its work.
/// It takes two words in the race.
#[derive(Default)]
pub(crate) struct LazyRunState {
    /// The lock is for a call of `operation()` through a shared reference. Polling has exclusive access and takes no
    /// lock.
    state: Mutex<Option<Box<RunState>>>,
}

impl LazyRunState {
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<Box<RunState>> {
        self.state.get_mut()
    }

    /// Returns the operation, if the race is one.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.state.lock().as_deref()?.operation().cloned()
    }

    /// Returns a handle of the operation. If the race is not an operation yet, makes it one. `polled` is true if the
    /// work has been polled.
    pub(crate) fn handle(&self, polled: bool) -> Operation {
        let mut state = self.state.lock();
        let state = state.get_or_insert_default();
        let operation = state.make_operation().clone();
        if polled {
            state.start_late();
        }
        operation
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

// Not inlined, so that dropping a race without state takes no call.
#[cold]
#[inline(never)]
fn drop_state(state: Box<RunState>) {
    drop(state);
}

#[derive(Default)]
pub(crate) struct RunState {
    /// The shields in the work.
    shields: Vec<Arc<Protection>>,
    /// How many of them, from the front, have been notified that this race waits for them.
    notified: usize,
    /// The waker with which the work is polled while the race waits for shields.
    tracer: Option<Arc<Tracer>>,
    /// Whether a race around this one is about to drop it.
    drop_check: DropCheck,
    /// Why the work is cancelled, once only shields or a grace period keep it.
    cause: Option<Reason>,
    /// Whether the code after the race must not run, because a race around this one is about to drop its work
    /// (guarantee 10).
    stopped: bool,
    operation: Option<OperationRun>,
}

/// For the builder.
impl RunState {
    /// Sets the operation.
    pub(crate) fn set_operation(&mut self, operation: Operation) {
        self.operation = Some(OperationRun::new(operation));
    }

    /// Returns the operation, and makes one if there is none.
    pub(crate) fn make_operation(&mut self) -> &mut Operation {
        &mut self.operation_run().operation
    }

    fn operation_run(&mut self) -> &mut OperationRun {
        self.operation.get_or_insert_with(|| OperationRun::new(Operation::new()))
    }

    /// Shows the operation to a registry, which may watch it from then on.
    pub(crate) fn show(&mut self, show: impl FnOnce(&Operation)) {
        let run = self.operation_run();
        show(&run.operation);
        run.watched = run.operation.is_watched();
    }

    /// Makes the span of the operation with `make`.
    #[cfg(feature = "tracing")]
    pub(crate) fn set_span(
        &mut self,
        make: impl FnOnce(&Operation) -> tracing::Span + Send + 'static,
    ) {
        self.operation_run().span.set(make);
    }

    #[cfg(feature = "time")]
    pub(crate) fn set_grace(&mut self, grace: Countdown) {
        self.operation_run().grace = Some(Box::new(grace));
    }

    /// Makes the races around the operation wait for its grace period, too. It must have clean-up.
    #[cfg(feature = "process")]
    pub(crate) fn count_grace_as_clean_up(&mut self) {
        self.operation_run().grace_is_clean_up = true;
    }

    /// Cancels the operation once it has reported no progress for this long.
    #[cfg(feature = "time")]
    pub(crate) fn set_stall(&mut self, length: Duration) {
        let limit = Limit::after(length).named("no progress");
        let run = self.operation_run();
        let moved = limit.clone();
        run.operation.on_progress(move |_, _| _ = moved.reset());
        run.extra_limits.get_or_insert_default().set_stall(limit.reached());
    }

    /// Replaces a value that comes after the cancellation by the error.
    pub(crate) fn set_strict(&mut self) {
        self.operation_run().strict = true;
    }

    /// Cancels the children once the work is gone, unless the operation is cancelled.
    pub(crate) fn cancel_children(&mut self) {
        self.operation_run().cancels_children = true;
    }

    pub(crate) fn owe_clean_up(&mut self) {
        self.operation_run().owes_clean_up = true;
    }

    pub(crate) fn on_clean_up_lost(&mut self, hook: Hook) {
        let run = self.operation_run();
        if run.has_ended { discard(hook) } else { run.on_clean_up_lost.get_mut().push(hook) }
    }

    pub(crate) fn operation(&self) -> Option<&Operation> {
        Some(&self.operation.as_ref()?.operation)
    }

    /// Returns the operation, if it is watched.
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

    /// Starts the operation. If `cleans_up`, the races around it wait for its clean-up from now on.
    ///
    /// `waker` is the waker of the poll, if it starts in one.
    #[inline(never)]
    fn start(&mut self, cleans_up: bool, waker: Option<&Waker>) {
        if let Some(run) = &mut self.operation {
            if cleans_up {
                // A race that is about to drop its work does not wait for it: if the operation were part of that
                // work, it would not start.
                run.cleaning = Some(register_clean_up(dropping()));
            }
            let started = run.operation.start(waker);
            run.since = Some(started.at);
            #[cfg(feature = "time")]
            if let Some(at) = started.inherited {
                run.extra_limits.get_or_insert_default().set_inherited(at);
            }
            if let Some(parent) = started.undecided_parent {
                run.parent_wait = Some(Box::new(ParentWait::new(parent)));
            }
        }
    }

    /// Begins to report the operation to subscribers of `tracing` and recorders of metrics. The operation is not the
    /// current one yet.
    #[inline]
    fn observe(&mut self) {
        if let Some(OperationRun { operation, span, watched, since: Some(since), .. }) =
            &mut self.operation
        {
            *watched |= operation.observe(*since, span);
        }
    }

    /// Runs the hooks of the start. The operation is the current one by then.
    #[inline(never)]
    fn run_start_hooks(&mut self) {
        if let Some(run) = &mut self.operation {
            if run.operation.run_start_hooks(run.watched) {
                // The hooks may have taken a while. The source has not been polled, so no clock has started yet.
                run.since = Some(clock::now());
            }
        }
    }

    /// Starts an operation that was made after the first poll. It has no start hooks.
    fn start_late(&mut self) {
        if self.is_unstarted() {
            self.start(false, None);
            // It may be cancelled already and wait for a shield.
            if let (Some(cause), Some(run)) = (self.cause.clone(), &self.operation) {
                self.cause = Some(run.cancel(cause));
            }
        }
    }

    /// Makes the races around the operation wait for its clean-up. Returns whether they did not before.
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

    /// Makes the operation the current one on this thread, until [`leave_poll`](Self::leave_poll). If `starting` is
    /// given, also starts the operation. `cleans_up` is as for [`start`](Self::start).
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
        // Checked before this operation becomes the current one.
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

    #[inline]
    pub(crate) fn leave_poll(&mut self, inside: InPoll) {
        if let Some(run) = &mut self.operation {
            run.current = inside.leave();
        }
    }

    /// Polls the source, and then the token of the operation. If one of them fires, returns the reason that the
    /// operation keeps. At the `first` look the source also offers its time limit.
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

    /// Polls the work. Ready once `outcome` is set. A panic of the work of an operation is kept until the
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

    /// Returns whether a race around this one is about to drop it, so that the caller must not continue.
    pub(crate) fn expects_drop(&mut self, cx: &Context<'_>) -> bool {
        self.drop_check.expects_drop(cx)
    }

    /// Ends the race, once the work is gone. `stopped` is true if the caller must not continue, `cleans_up` if
    /// clean-up runs before the operation ends, and `joins` if the operation waits for its children first.
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
            run.token_wait = None;
            if cleans_up {
                run.drop_limit();
            }
            #[cfg(feature = "time")]
            if run.grace.take().is_some() {
                run.operation.end_grace();
            }
        }
    }
}

/// From the cancellation to the end of the work.
impl RunState {
    /// Returns whether the source has fired, and a shield or a grace period keeps the work.
    #[inline]
    pub(crate) fn is_cancelling(&self) -> bool {
        self.cause.is_some()
    }

    pub(crate) fn set_cause(&mut self, reason: Reason) {
        self.cause = Some(reason);
        #[cfg(feature = "time")]
        if let Some(run) = &mut self.operation {
            run.use_grace_of_canceller();
        }
    }

    /// Returns whether the work is within its grace period. Its clock starts at the first call.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(run) = &mut self.operation else { return false };
        // A race around it waits for its clean-up, but usually not for its grace period. It must find out in any case
        // whether the operation is part of its work.
        let goes_on = run.poll_grace(cx)
            && (!run.is_awaited(&mut self.drop_check, cx) || run.grace_is_clean_up);
        if !goes_on && run.grace.is_some() {
            run.operation.end_grace();
        }
        goes_on
    }

    /// Returns false: without a clock there is no grace period.
    #[cfg(not(feature = "time"))]
    pub(crate) fn poll_grace(&mut self, _cx: &mut Context<'_>) -> bool {
        false
    }

    /// Adds shields that have registered in the work.
    pub(crate) fn add_shields(&mut self, shields: Vec<Arc<Protection>>) {
        if let Some(operation) = self.watched() {
            operation.note_shields(&shields);
        }
        if self.shields.len() + shields.len() > self.shields.capacity() {
            // All shields are notified again, which has no effect on shields that were notified before.
            self.notified = 0;
            self.shields.retain(|shield| {
                visit();
                shield.is_active()
            });
            let room = self.shields.len() + shields.len();
            self.shields.reserve(room);
        }
        self.shields.extend(shields);
    }

    /// Returns whether a shield keeps the work.
    #[inline]
    pub(crate) fn is_shielded(&mut self) -> bool {
        // Look only at the last shield. So if many shields end one by one, each is checked only a few times.
        while let Some(last) = self.shields.last() {
            visit();
            let keeps = match &self.tracer {
                Some(tracer) if self.shields.len() <= self.notified => last.keeps(tracer),
                _ => last.is_active(),
            };
            if keeps {
                return true;
            }
            self.shields.pop();
            self.notified = self.notified.min(self.shields.len());
        }
        false
    }

    /// Notifies the shields in the work that this race waits for them. Returns its tracer if there are any.
    pub(crate) fn await_shields(&mut self) -> Option<Arc<Tracer>> {
        if !self.is_shielded() {
            return None;
        }
        let tracer = self.tracer();
        for shield in &self.shields[self.notified..] {
            visit();
            let is_new = shield.wait_for(&tracer);
            if let Some(operation) = self.watched().filter(|_| is_new) {
                operation.note_awaited_shield(shield);
            }
        }
        self.notified = self.shields.len();
        Some(tracer)
    }

    /// Returns the tracer of this race.
    pub(crate) fn tracer(&mut self) -> Arc<Tracer> {
        self.tracer.get_or_insert_with(Tracer::new).clone()
    }

    /// Resolves to the error once no shield keeps the work.
    pub(crate) fn wait_for_shields(&mut self) -> Poll<Cancelled> {
        // Shields that have registered in this poll are notified at once, because clean-up begins when it is notified.
        match self.await_shields() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(self.error()),
        }
    }

    /// Wakes futures that expected to be dropped with the work and were not. Called once the work is gone.
    #[inline]
    fn forget_shields(&mut self) {
        if let Some(tracer) = self.tracer.take() {
            self.end_tracer(&tracer);
        }
        if self.shields.capacity() > 0 {
            self.shields = Vec::new();
        }
    }

    #[cold]
    fn end_tracer(&self, tracer: &Arc<Tracer>) {
        self.shields.iter().for_each(|shield| shield.forget(tracer));
        tracer.race_is_over();
    }

    /// Returns the error of a race that was cancelled.
    pub(crate) fn error(&self) -> Cancelled {
        let of_operation = || self.operation.as_ref()?.operation.reason();
        let reason = self.cause.clone().or_else(of_operation).unwrap_or(Reason::Dropped);
        #[cfg(feature = "time")]
        let forced = self.operation.as_ref().is_some_and(|run| run.grace.is_some());
        #[cfg(not(feature = "time"))]
        let forced = false;
        self.error_for(reason, forced)
    }

    /// Returns the error for this reason, with the name of the operation. `forced` says whether the work did not
    /// end within its grace period.
    fn error_for(&self, reason: Reason, forced: bool) -> Cancelled {
        match self.operation() {
            Some(operation) => operation.cancelled_for(reason, forced),
            None => reason.into(),
        }
    }
}

/// Returns the error of a race whose source had fired by the first poll. There is no grace period then.
pub(crate) fn error_of_unstarted(state: &Option<Box<RunState>>, reason: Reason) -> Cancelled {
    match state {
        Some(state) => state.error_for(reason, false),
        None => reason.into(),
    }
}

/// After the work.
impl RunState {
    /// Runs the clean-up, shielded from everything around it.
    #[inline]
    pub(crate) fn poll_clean_up<T, E: Ending<T>>(
        &mut self,
        mut ending: Pin<&mut E>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !E::CLEANS_UP {
            return Poll::Ready(());
        }
        let Some(run) = &mut self.operation else { return Poll::Ready(()) };
        if let Some(operation) = run.watched() {
            operation.note_clean_up();
        }
        let _inside = InShield::enter();
        loop {
            match catch_unwind(AssertUnwindSafe(|| ending.as_mut().poll_clean_up(outcome, cx))) {
                Ok(polled) => {
                    if polled.is_pending() {
                        run.owes_clean_up = ending.owes_clean_up();
                    }
                    return polled;
                }
                // Clean-up that panicked is not polled again. The next iteration runs the clean-up after it.
                Err(panic) => run.keep_first_panic(panic),
            }
        }
    }

    /// Does what the [function](super::race::contain_drop) of the same name describes.
    #[inline]
    pub(super) fn contain_drop(&mut self, drop: impl FnOnce()) -> bool {
        let dropped = catch_unwind(AssertUnwindSafe(drop));
        let contained = dropped.is_ok();
        if let (Err(panic), Some(run)) = (dropped, &mut self.operation) {
            run.keep_first_panic(panic);
        }
        contained
    }

    /// Polls the source once more, without registering, because the work has returned an error. The work may have seen
    /// in the same poll that the source has fired, for example with `token.check()?`. Then this cancels the operation.
    pub(crate) fn note_cause_of_error<S>(&mut self, source: Pin<&mut Option<S>>)
    where
        S: Future<Output = Reason>,
    {
        let (None, Some(run), Some(source)) = (&self.cause, &self.operation, source.as_pin_mut())
        else {
            // Guarantee 6: a source that has fired is not polled again.
            return;
        };
        // A panic of the source must not take the place of the error.
        let polled = contain(|| source.poll(&mut Context::from_waker(probe())));
        if let Ok(Poll::Ready(reason)) = polled {
            run.operation.cancel_with(reason);
        }
    }

    /// Returns the error that replaces the value of the work, if the operation is strict and its source has fired by now.
    /// Takes one more look at the source, without registering: the poll of the work may have taken long.
    #[cold]
    pub(crate) fn late_error<S>(&mut self, source: Pin<&mut Option<S>>) -> Option<Cancelled>
    where
        S: Future<Output = Reason>,
    {
        // Guarantee 6: a source that has fired is not polled again.
        if let (None, Some(source)) = (&self.cause, source.as_pin_mut()) {
            let mut cx = Context::from_waker(probe());
            // A panic of the source must not take the place of the value.
            let _ = contain(|| self.poll_source(false, source, &mut cx));
        }
        let reason = self.operation.as_ref()?.operation.reason()?;
        Some(self.error_for(reason, false))
    }

    #[inline]
    pub(crate) fn is_strict(&self) -> bool {
        self.operation.as_ref().is_some_and(|run| run.strict)
    }

    /// Ends the operation. Returns whether a race around it is waiting, so that the caller must not continue.
    pub(crate) fn end<T, E: Ending<T>>(
        &mut self,
        ending: &E,
        outcome: &Result<T, Cancelled>,
    ) -> bool {
        let Some(run) = &mut self.operation else { return false };
        run.owes_clean_up = false;
        run.has_ended = true;
        run.discard_clean_up_lost();
        let operation = &run.operation;
        if let Some(panic) = run.panic.get_mut().take() {
            operation.end_failed(&format_args!("panicked: {}", message(&*panic)));
            if let Some(cleaning) = run.cleaning.take() {
                cleaning.end();
            }
            resume_unwind(panic);
        }
        match (ending.failure(), outcome) {
            (Some(failure), _) => operation.end_failed(&failure),
            (None, Err(cancelled)) => operation.end_cancelled(cancelled.reason().clone()),
            (None, Ok(value)) => {
                let mut failed = false;
                if let Some(error_of) = ending.error_of() {
                    error_of(value, &mut |error| {
                        failed = true;
                        operation.end_with_error(error);
                    });
                }
                if !failed {
                    operation.complete();
                }
            }
        }
        let awaited = run.cleaning.take().is_some_and(|cleaning| {
            cleaning.end();
            cleaning.is_awaited()
        });
        awaited || self.stopped
    }
}

impl Drop for RunState {
    fn drop(&mut self) {
        self.forget_shields();
    }
}
