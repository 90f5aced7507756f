//! `Extra`: what only some runs need: shields to wait for, and an operation.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::ending::Ending;
use super::observed::Observed;
use crate::frame::dropping;
use crate::operation::{Hook, InPoll, Operation};
use crate::panic::message;
use crate::poll_context::{self, DropCheck, InShield, Protection, Tracer, register_clean_up};
use crate::{Cancelled, Reason, clock};
#[cfg(feature = "time")]
use crate::{source::timeouts_fired, timer::Countdown};

#[derive(Default)]
pub(crate) struct Extra {
    /// Sections in the work that are to be finished first.
    shields: Vec<Arc<Protection>>,
    /// How many of them know that this race waits for them. They are the first.
    told: usize,
    /// Its waker polls the work while the race waits for shields.
    tracer: Option<Arc<Tracer>>,
    /// Whether a race around this one is about to drop it.
    drop_check: DropCheck,
    /// Why the work goes, once only shields or a grace period keep it.
    cause: Option<Reason>,
    /// Whether the caller must not go on.
    stopped: bool,
    observed: Option<Observed>,
}

impl Extra {
    /// Makes it this operation.
    pub(crate) fn observe_as(&mut self, operation: Operation) {
        self.observed = Some(Observed::new(operation));
    }

    /// The operation; from here on it is one.
    pub(crate) fn make_operation(&mut self) -> &mut Operation {
        &mut self.observed().operation
    }

    fn observed(&mut self) -> &mut Observed {
        self.observed.get_or_insert_with(|| Observed::new(Operation::new()))
    }

    /// Hands the operation to somebody who may watch it from here on.
    pub(crate) fn show(&mut self, show: impl FnOnce(&Operation)) {
        let observed = self.observed();
        show(&observed.operation);
        observed.watched = observed.operation.is_watched();
    }

    #[cfg(feature = "time")]
    pub(crate) fn set_grace(&mut self, grace: Countdown) {
        self.observed().grace = Some(grace);
    }

    pub(crate) fn owe_clean_up(&mut self) {
        self.observed().owes_clean_up = true;
    }

    pub(crate) fn on_clean_up_lost(&mut self, hook: Hook) {
        self.observed().on_clean_up_lost.get_mut().push(hook);
    }

    pub(crate) fn operation(&self) -> Option<&Operation> {
        Some(&self.observed.as_ref()?.operation)
    }

    #[inline]
    pub(crate) fn is_operation(&self) -> bool {
        self.observed.is_some()
    }

    /// Starts the operation. Where it has something to clean up, the races around it are told, and
    /// wait for that.
    #[inline]
    pub(crate) fn start(&mut self, cleans_up: bool) {
        if let Some(observed) = &mut self.observed {
            if cleans_up {
                // It is part of no work that is about to be dropped, or it would not begin.
                observed.cleaning = Some(register_clean_up(dropping()));
            }
            observed.since = Some(observed.operation.start());
        }
    }

    /// Tells the races around it that there is something to clean up, and lets them wait for that.
    /// Tells whether they had not been told.
    pub(crate) fn hold_clean_up(&mut self) -> bool {
        match &mut self.observed {
            Some(observed) if observed.cleaning.is_none() => {
                observed.cleaning = Some(register_clean_up(0));
                true
            }
            _ => false,
        }
    }

    /// Lets the races around it wait no longer.
    pub(crate) fn release_clean_up(&mut self) {
        let cleaning = self.observed.as_mut().and_then(|observed| observed.cleaning.take());
        if let Some(cleaning) = cleaning {
            cleaning.end();
        }
    }

    /// Calls the hooks of the start, where the operation is the current one.
    #[inline]
    pub(crate) fn tell_start(&mut self) {
        if let Some(observed) = &mut self.observed {
            if observed.operation.run_start_hooks(observed.watched) {
                // They may have taken their time: no clock starts before it is looked at.
                observed.since = Some(clock::now());
            }
        }
    }

    /// Starts an operation that nobody had asked for before the first poll: it has no hooks yet.
    pub(super) fn start_late(&mut self) {
        if self.is_unstarted() {
            self.start(false);
            // It may be cancelled already, and wait for a shield.
            if let (Some(cause), Some(observed)) = (self.cause.clone(), &self.observed) {
                self.cause = Some(observed.cancel(cause));
            }
        }
    }

    /// Whether it is an operation that has yet to start.
    #[inline]
    pub(crate) fn is_unstarted(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.since.is_none())
    }

    /// Makes its operation the current one on this thread, until it is to [leave](Self::leave).
    #[inline]
    pub(crate) fn enter(&mut self) -> Option<InPoll> {
        let observed = self.observed.as_mut()?;
        let current = observed.current.take();
        let current = current.unwrap_or_else(|| observed.operation.clone());
        Some(InPoll::enter(current, observed.watched()))
    }

    #[inline]
    pub(crate) fn leave(&mut self, inside: InPoll) {
        let current = inside.leave();
        if let Some(observed) = &mut self.observed {
            observed.current = current;
        }
    }

    /// Whether the source has fired, and something keeps the work.
    #[inline]
    pub(crate) fn is_cancelling(&self) -> bool {
        self.cause.is_some()
    }

    /// Asks the source, then the handles. Whoever fired, the reason is that of the operation. In
    /// the `first` poll the source is asked for its limits too.
    #[inline(always)]
    pub(crate) fn look<S: Future<Output = Reason>>(
        &mut self,
        first: bool,
        source: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<Reason> {
        let Some(observed) = &mut self.observed else { return source.poll(cx) };
        match observed.since.filter(|_| first) {
            None => {
                #[cfg(feature = "time")]
                let fired = observed.has_limit.then(timeouts_fired);
                if let Poll::Ready(reason) = source.poll(cx) {
                    return Poll::Ready(observed.cancel(reason));
                }
                #[cfg(feature = "time")]
                if fired.is_some_and(|before| before != timeouts_fired()) {
                    observed.drop_limit_if_passed();
                }
            }
            Some(since) => {
                let (polled, limit) = poll_context::ask_for_limit(since, || source.poll(cx));
                if let Some(at) = limit {
                    observed.has_limit = true;
                    observed.operation.set_limit(since, at);
                }
                if let Poll::Ready(reason) = polled {
                    return Poll::Ready(observed.cancel(reason));
                }
            }
        }
        if observed.poll_handles(cx) {
            return Poll::Ready(observed.operation.cause());
        }
        // A race around it is about to drop it, and waits for its clean-up first.
        if observed.is_awaited(&mut self.drop_check, cx) {
            let reason = observed.operation.reason_if_dropped();
            return Poll::Ready(observed.cancel(reason));
        }
        Poll::Pending
    }

    /// Polls the work, and is ready when the outcome is. A panic of an operation is kept until the
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
        let Some(observed) = &mut self.observed else { return poll() };
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled,
            Err(panic) => {
                *outcome = Some(Err(observed.keep(panic)));
                Poll::Ready(())
            }
        }
    }

    /// Whether a section in the work is to be finished first.
    #[inline]
    pub(crate) fn is_shielded(&mut self) -> bool {
        // Looks only at the last one, so that shields that end one by one are not looked at over and over.
        while let Some(last) = self.shields.last() {
            let keeps = match &self.tracer {
                Some(tracer) if self.shields.len() <= self.told => last.keeps(tracer),
                _ => last.is_active(),
            };
            if keeps {
                return true;
            }
            self.shields.pop();
            self.told = self.told.min(self.shields.len());
        }
        false
    }

    /// Whether a race around this one is about to drop it, so that its caller must not go on.
    pub(crate) fn expects_drop(&mut self, cx: &Context<'_>) -> bool {
        self.drop_check.expects_drop(cx)
    }

    /// The work is gone: lets go of what has waited. `stopped` says that the caller must not go on.
    #[inline]
    pub(crate) fn race_is_over(&mut self, stopped: bool) {
        self.stopped = stopped;
        self.wait_no_longer();
        self.shields = Vec::new();
        if let Some(observed) = &mut self.observed {
            observed.handles = None;
            observed.drop_limit();
            #[cfg(feature = "time")]
            {
                observed.grace = None;
            }
        }
    }

    /// Hears of shields in the work.
    pub(crate) fn add_shields(&mut self, shields: Vec<Arc<Protection>>) {
        if let Some(operation) = self.observed.as_ref().and_then(Observed::watched) {
            operation.note_shields(&shields);
        }
        if self.shields.len() + shields.len() > self.shields.capacity() {
            // Each is told again, which is no news to those that know.
            self.told = 0;
            self.shields.retain(|shield| shield.is_active());
            let room = self.shields.len() + shields.len();
            self.shields.reserve(room);
        }
        self.shields.extend(shields);
    }

    /// Notes why the work is to go.
    pub(crate) fn cancel(&mut self, reason: Reason) {
        self.cause = Some(reason);
    }

    /// Whether the work is within its grace period. The clock starts at the first call.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(observed) = &mut self.observed else { return false };
        // A race around it that waits for its clean-up does not wait for the grace period.
        let goes_on = observed.poll_grace(cx) && !observed.is_awaited(&mut self.drop_check, cx);
        if observed.grace.is_some() {
            observed.operation.note_grace(goes_on);
        }
        goes_on
    }

    /// Without a clock there is no grace period.
    #[cfg(not(feature = "time"))]
    pub(crate) fn poll_grace(&mut self, _cx: &mut Context<'_>) -> bool {
        false
    }

    /// Tells the shields in the work that this race waits for them. Returns its tracer if there are any.
    pub(crate) fn await_shields(&mut self) -> Option<Arc<Tracer>> {
        if !self.is_shielded() {
            return None;
        }
        let tracer = self.tracer.get_or_insert_with(Tracer::new);
        self.shields[self.told..].iter().for_each(|shield| shield.wait_for(tracer));
        self.told = self.shields.len();
        self.tracer.clone()
    }

    /// Ready, with what to tell, once no shield keeps the work.
    pub(crate) fn wait_for_shields(&mut self) -> Poll<Cancelled> {
        // Those that have registered in this poll are told at once: clean-up begins when it is told.
        match self.await_shields() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(self.why()),
        }
    }

    /// The work is gone: wakes what has expected to be dropped with it and was not.
    fn wait_no_longer(&mut self) {
        if let Some(tracer) = self.tracer.take() {
            self.shields.iter().for_each(|shield| shield.forget(&tracer));
            tracer.race_is_over();
        }
    }

    /// What to tell of a run that was cancelled.
    pub(crate) fn why(&self) -> Cancelled {
        let known = || self.observed.as_ref()?.operation.reason();
        let reason = self.cause.clone().or_else(known).unwrap_or(Reason::Dropped);
        #[cfg(feature = "time")]
        if self.observed.as_ref().is_some_and(|observed| observed.grace.is_some()) {
            return Cancelled::forced(reason);
        }
        reason.into()
    }

    /// Runs what runs afterwards, shielded from everything around.
    #[inline]
    pub(crate) fn clean_up<T, E: Ending<T>>(
        &mut self,
        mut ending: Pin<&mut E>,
        outcome: &mut Option<Result<T, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !E::CLEANS_UP {
            return Poll::Ready(());
        }
        let Some(observed) = &mut self.observed else { return Poll::Ready(()) };
        if let Some(operation) = observed.watched() {
            operation.note_clean_up();
        }
        let _inside = InShield::enter();
        loop {
            match catch_unwind(AssertUnwindSafe(|| ending.as_mut().poll_clean_up(outcome, cx))) {
                Ok(polled) => {
                    if polled.is_pending() {
                        observed.owes_clean_up = ending.owes_clean_up();
                    }
                    return polled;
                }
                // What panicked is not polled again: in the next turn come those after it.
                Err(panic) => observed.keep_first(panic),
            }
        }
    }

    /// Keeps a panic until the operation has ended.
    pub(crate) fn keep_panic(&mut self, panic: Box<dyn Any + Send>) {
        if let Some(observed) = &mut self.observed {
            observed.keep_first(panic);
        }
    }

    /// Ends the operation. Tells whether a race around it waits, so that the caller must not go on.
    pub(crate) fn end<T, E: Ending<T>>(
        &mut self,
        ending: &E,
        outcome: &Result<T, Cancelled>,
    ) -> bool {
        let Some(observed) = &mut self.observed else { return false };
        observed.owes_clean_up = false;
        observed.over = true;
        let operation = &observed.operation;
        let panic = observed.panic.get_mut().take();
        if let Some(panic) = panic {
            operation.end_panicked(&format_args!("panicked: {}", message(&*panic)));
            if let Some(cleaning) = observed.cleaning.take() {
                cleaning.end();
            }
            resume_unwind(panic);
        }
        match outcome {
            Err(cancelled) => operation.end_cancelled(cancelled.reason().clone()),
            Ok(value) => {
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
        let awaited = observed.cleaning.take().is_some_and(|cleaning| {
            cleaning.end();
            cleaning.is_awaited()
        });
        awaited || self.stopped
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.wait_no_longer();
    }
}
