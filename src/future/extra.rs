//! `Extra`: what only some runs need: shields to wait for, and an operation.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::ending::{Ending, Verdict};
use crate::ambient::{self, InShield, Protection, protect_whatever_waits};
use crate::contain::{contain, message};
use crate::operation::{Hook, InPoll, Operation};
use crate::source::WaitForCancellationOwned;
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::wait::is_probe;
use crate::{Cancelled, Reason, clock, warn};

/// Holds what only some runs have. The lock is taken by who asks for the operation of a run; polling
/// needs none. To drop what is not there takes no call.
#[derive(Default)]
pub(crate) struct Rare {
    extra: Mutex<Option<Box<Extra>>>,
}

impl Rare {
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<Box<Extra>> {
        self.extra.get_mut()
    }

    /// The operation, if it is one. `over` says that all has ended.
    pub(crate) fn shown(&self, over: bool) -> Option<Operation> {
        let rare = self.extra.lock();
        let extra = rare.as_deref()?;
        if over {
            extra.tell_end();
        }
        extra.operation().cloned()
    }

    /// A handle of the operation; from here on it is one. `begun` says that the work has been polled,
    /// `over` that all has ended.
    pub(crate) fn handle(&self, begun: bool, over: bool) -> Operation {
        let mut rare = self.extra.lock();
        let extra = rare.get_or_insert_default();
        let operation = extra.make_operation().clone();
        if begun {
            extra.start_late();
        }
        if over {
            extra.tell_end();
        }
        let waker = extra.take_waker();
        drop(rare);
        if let Some(waker) = waker {
            // Its panic has been printed, and is not that of who asks for a handle.
            let _ = contain(|| waker.wake());
        }
        operation
    }
}

impl Drop for Rare {
    #[inline]
    fn drop(&mut self) {
        if let Some(extra) = self.extra.get_mut().take() {
            discard(extra);
        }
    }
}

#[cold]
#[inline(never)]
fn discard(extra: Box<Extra>) {
    drop(extra);
}

#[derive(Default)]
pub(crate) struct Extra {
    /// Sections in the work that are to be finished first.
    shields: Vec<Arc<Protection>>,
    /// Why the work goes, once only shields or a grace period keep it.
    cause: Option<Reason>,
    /// Whether the caller must not go on.
    stopped: bool,
    observed: Option<Observed>,
}

/// The run of an operation.
struct Observed {
    operation: Operation,
    /// Whether it has ended.
    over: bool,
    /// When it started, once it has.
    since: Option<Instant>,
    /// Whether somebody watches the operation. It is here so that asking takes no atomic read.
    watched: bool,
    /// What makes it the current operation: taken while it is that, so that no poll clones it.
    current: Option<Operation>,
    /// Waits for whoever cancels it by a handle, or from above, while the work is pending.
    handles: Option<WaitForCancellationOwned>,
    /// Whom to wake if somebody asks for a handle. Only while nobody else has one.
    waker: Option<Waker>,
    /// How long the work may go on once it is asked to stop.
    #[cfg(feature = "time")]
    grace: Option<Countdown>,
    /// Keeps the races around it while it cleans up.
    cleaning: Option<Arc<Protection>>,
    /// What the work panicked with: it goes on once the operation has ended.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether clean-up is outstanding that nobody would take over.
    owes_clean_up: bool,
    on_clean_up_lost: Mutex<Vec<Hook>>,
}

/// Its own one, and the one that makes it the current operation.
const OWN_HANDLES: usize = 2;

// The two locks are never taken: they make a run `Sync` when its parts are.

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
                observed.cleaning = Some(protect_whatever_waits());
            }
            observed.since = Some(observed.operation.start());
        }
    }

    /// Tells the races around it that there is something to clean up, and lets them wait for that.
    /// Tells whether they had not been told.
    pub(crate) fn hold_clean_up(&mut self) -> bool {
        match &mut self.observed {
            Some(observed) if observed.cleaning.is_none() => {
                observed.cleaning = Some(protect_whatever_waits());
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
            if observed.operation.tell_start(observed.watched) {
                // They may have taken their time: no clock starts before it is looked at.
                observed.since = Some(clock::now());
            }
        }
    }

    /// Somebody has got a handle in a poll of the work, and might cancel it before the next.
    #[inline]
    pub(crate) fn is_unwatched(&self) -> bool {
        let observed = self.observed.as_ref();
        observed.is_some_and(|observed| {
            observed.handles.is_none() && !observed.operation.is_alone(OWN_HANDLES)
        })
    }

    /// Whom to wake now that somebody gets a handle: it watches for cancellation from then on.
    fn take_waker(&mut self) -> Option<Waker> {
        self.observed.as_mut()?.waker.take()
    }

    /// Writes the ending that was not written while nobody could see it.
    fn tell_end(&self) {
        if let Some(observed) = self.observed.as_ref().filter(|observed| observed.over) {
            observed.operation.complete();
        }
    }

    /// Starts an operation that nobody had asked for before the first poll: it has no hooks yet.
    fn start_late(&mut self) {
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
                if let Poll::Ready(reason) = source.poll(cx) {
                    return Poll::Ready(observed.cancel(reason));
                }
            }
            Some(since) => {
                let (polled, limit) = ambient::ask_for_limit(since, || source.poll(cx));
                if let Some(at) = limit {
                    observed.operation.limit(at);
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
        if observed.is_awaited(cx) {
            let reason = observed.operation.dropped();
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
    pub(crate) fn is_shielded(&self) -> bool {
        self.shields.iter().any(|shield| shield.is_active())
    }

    /// The work is gone: lets go of what has waited. `stopped` says that the caller must not go on.
    #[inline]
    pub(crate) fn race_is_over(&mut self, stopped: bool) {
        self.stopped = stopped;
        self.shields = Vec::new();
        if let Some(observed) = &mut self.observed {
            observed.handles = None;
            observed.waker = None;
            #[cfg(feature = "time")]
            {
                observed.grace = None;
            }
        }
    }

    /// Hears of shields in the work.
    pub(crate) fn protect(&mut self, shields: Vec<Arc<Protection>>) {
        if let Some(operation) = self.observed.as_ref().and_then(Observed::watched) {
            operation.note_shields(&shields);
        }
        if self.shields.len() + shields.len() > self.shields.capacity() {
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

    /// Whether the work may go on for a while, whatever it does. The clock starts at the first call.
    /// When the time is over, what follows its shields must not run.
    #[inline]
    pub(crate) fn in_grace(&mut self, cx: &mut Context<'_>) -> bool {
        #[cfg(feature = "time")]
        if let Some(observed) = &mut self.observed {
            // A race around it that is about to drop it does not wait for that. One that waits for
            // its clean-up does not either, and is to wake it.
            let goes_on =
                !ambient::is_cancelling() && observed.poll_grace(cx) && !observed.is_awaited(cx);
            if observed.grace.is_some() {
                observed.operation.note_grace(goes_on);
            }
            if goes_on {
                return true;
            }
        }
        let _ = cx;
        self.shields.iter().for_each(|shield| shield.wait_for());
        false
    }

    /// Ready, with what to tell, once no shield keeps the work.
    pub(crate) fn wait_for_shields(&mut self) -> Poll<Cancelled> {
        self.shields.retain(|shield| shield.is_active());
        if !self.shields.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(self.why())
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
        let Some(observed) = &mut self.observed else { return Poll::Ready(()) };
        if let Some(operation) = observed.watched() {
            operation.note_clean_up();
        }
        let _inside = InShield::enter();
        loop {
            match catch_unwind(AssertUnwindSafe(|| ending.as_mut().poll_end(outcome, cx))) {
                Ok(polled) => {
                    if polled.is_pending() {
                        observed.owes_clean_up = ending.owes();
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
            operation.fail(&format_args!("panicked: {}", message(&*panic)));
            if let Some(cleaning) = observed.cleaning.take() {
                cleaning.end();
            }
            resume_unwind(panic);
        }
        match outcome {
            Err(cancelled) => operation.end_cancelled(cancelled.reason().clone()),
            Ok(value) => {
                // Nobody can have cancelled what nobody knows of.
                let alone = operation.is_alone(OWN_HANDLES);
                let cause = if alone { None } else { operation.reason() };
                match ending.verdict(value, cause.as_ref()) {
                    // Nobody will ever know: not when, and not that it did.
                    Verdict::Completed if alone => {}
                    Verdict::Completed => operation.complete(),
                    Verdict::Failed(error) => operation.fail(error),
                    Verdict::Cancelled(reason) => operation.end_cancelled(reason),
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

impl Observed {
    fn new(operation: Operation) -> Self {
        Observed {
            operation,
            over: false,
            since: None,
            watched: false,
            current: None,
            handles: None,
            waker: None,
            #[cfg(feature = "time")]
            grace: None,
            cleaning: None,
            panic: Mutex::default(),
            owes_clean_up: false,
            on_clean_up_lost: Mutex::default(),
        }
    }

    /// The operation, if somebody watches it.
    #[inline]
    fn watched(&self) -> Option<&Operation> {
        self.watched.then_some(&self.operation)
    }

    /// Cancels the operation. Somebody may have been quicker: tells why it is cancelled.
    fn cancel(&self, reason: Reason) -> Reason {
        self.operation.cancel_with(reason);
        self.operation.cause()
    }

    /// Whether it is cancelled. If not, whoever cancels it wakes.
    #[inline]
    fn poll_handles(&mut self, cx: &mut Context<'_>) -> bool {
        if self.handles.is_none() && self.operation.is_alone(OWN_HANDLES) {
            self.keep_waker(cx.waker());
            return false;
        }
        if is_probe(cx.waker()) {
            return self.operation.is_cancelled();
        }
        self.waker = None;
        let handles = self.handles.get_or_insert_with(|| self.operation.cancelled_owned());
        matches!(Pin::new(handles).poll(cx), Poll::Ready(_))
    }

    #[inline]
    fn keep_waker(&mut self, waker: &Waker) {
        let known = self.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        if !known && !is_probe(waker) {
            self.waker = Some(waker.clone());
        }
    }

    /// Whether a race around it waits for what it cleans up. If not, one that begins to wakes.
    #[inline]
    fn is_awaited(&self, cx: &mut Context<'_>) -> bool {
        self.cleaning.as_ref().is_some_and(|cleaning| cleaning.poll_awaited(cx))
    }

    /// Whether it is within its grace period. The clock starts at the first call.
    #[cfg(feature = "time")]
    fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Observed { operation, grace: Some(grace), .. } = self else { return false };
        !grace.is_done() && !operation.poll_forced(cx) && grace.poll("Cancelable", cx).is_pending()
    }

    /// Keeps a panic, and tells what stands for the outcome meanwhile.
    fn keep(&mut self, panic: Box<dyn Any + Send>) -> Cancelled {
        let cancelled = Reason::error(format!("panicked: {}", message(&*panic))).into();
        *self.panic.get_mut() = Some(panic);
        cancelled
    }

    /// Keeps a panic, unless there is one: the first is the one that goes on.
    fn keep_first(&mut self, panic: Box<dyn Any + Send>) {
        let kept = self.panic.get_mut().is_some();
        if !kept {
            self.keep(panic);
        }
    }
}

/// Guarantee 9: dropped after its first poll and before its end, it was cancelled.
impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(cleaning) = &self.cleaning {
            cleaning.end();
        }
        if self.since.is_none() {
            // Nobody will ever call its hooks, and they may hold its own handle.
            self.operation.forget_hooks();
            self.operation.leave();
        }
        if self.over || self.since.is_none() {
            return;
        }
        self.operation.end_dropped();
        if self.owes_clean_up {
            warn::clean_up_lost(&self.operation.snapshot());
            let hooks = std::mem::take(self.on_clean_up_lost.get_mut());
            for hook in hooks {
                // Its own panic has been printed, and there is nobody else to tell.
                let _ = contain(|| hook(&self.operation));
            }
        }
    }
}
