//! `OperationRun`: the part of a race's state that only operations have.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "time")]
use std::task::Poll;
use std::task::{Context, Waker};
use std::time::Instant;

use futures::future::FusedFuture;

#[cfg(feature = "time")]
use super::extra_limits::ExtraLimits;
use super::token_wait::{HANDLES, TokenWait};
use crate::clock;
use crate::error::Cancelled;
use crate::frame::dropping;
#[cfg(feature = "time")]
use crate::operation::Inherited;
use crate::operation::observe::SpanMaker;
use crate::operation::{ChildrenEnded, Hook, Operation};
use crate::panic::{contain, discard, message, warn_clean_up_lost};
use crate::poll_context::{DropCheck, Enclosure, Protection};
use crate::reason::Reason;
use crate::source::{CancellationToken, WaitForCancellationOwned};
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::wait::is_probe;

/// The state of an operation's race.
pub(super) struct OperationRun {
    pub(super) operation: Operation,
    pub(super) end: RunEnd,
    /// When the operation started, if it has.
    pub(super) since: Option<Instant>,
    /// Whether a registry watches the operation, or the operation has a span or metrics. This is a copy, so that a poll
    /// needs no atomic read.
    pub(super) watched: bool,
    /// Creates the span when the operation starts.
    pub(super) span: SpanMaker,
    /// Whether the source has a time limit.
    pub(super) has_limit: bool,
    /// The handle that makes the operation the current one. Every poll reuses this handle, so that no poll has to clone one.
    pub(super) current: Option<Operation>,
    /// How the task is woken if a handle or the parent cancels the operation while the work is pending.
    pub(super) token_wait: TokenWait,
    /// Whether the races around the operation wait not only for its clean-up, but for its grace period too.
    #[cfg(feature = "time")]
    pub(super) grace_is_clean_up: bool,
    /// Whether the work had begun before the operation started. Such work is polled even if the source has fired first.
    pub(super) work_has_begun: bool,
    pub(super) cancels_children: bool,
    /// Whether a value that comes after the cancellation is replaced by the error.
    pub(super) strict: bool,
    /// Makes the races around the operation wait for its clean-up.
    pub(super) cleaning: Option<Arc<Protection>>,
    /// Whether there is unfinished clean-up that has no spawner.
    pub(super) owes_clean_up: bool,
    // The lock is never contended. It is only here to make the race `Sync` if its parts are.
    rare: Mutex<Option<Box<Rare>>>,
}

/// The parts that few operations need. They are together in one box, so that polling and dropping an operation without them
/// takes one check.
#[derive(Default)]
pub(super) struct Rare {
    /// Waits for the cancellation of the parent, as long as it is undecided whether the operation is part of the parent's
    /// work.
    pub(super) parent_wait: Option<ParentWait>,
    #[cfg(feature = "time")]
    pub(super) grace: Option<Countdown>,
    #[cfg(feature = "time")]
    pub(super) extra_limits: Option<ExtraLimits>,
    pub(super) join: Join,
    /// The first panic of the work, of a destructor or of the clean-up. It is resumed once the operation has ended.
    panic: Option<Box<dyn Any + Send>>,
    pub(super) on_clean_up_lost: Vec<Hook>,
}

/// Whether the operation has ended, and whether its end has been recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RunEnd {
    NotYet,
    /// The work returned a value at this time. Only the race could see that, so the end is recorded only if a handle is made
    /// later.
    Unrecorded(Instant),
    Recorded,
}

/// Waits for the cancellation of an undecided parent: it is not known yet whether the operation is part of that parent's
/// work.
pub(super) struct ParentWait {
    cancelled: WaitForCancellationOwned,
    /// Whether this poll is inside a poll of that parent.
    is_inside: bool,
}

impl ParentWait {
    pub(super) fn new(parent: CancellationToken) -> Self {
        ParentWait { cancelled: parent.cancelled_owned(), is_inside: false }
    }
}

/// The state of the wait for the children. Used only if the operation waits for its children.
#[derive(Default)]
pub(super) enum Join {
    #[default]
    Before,
    Waiting(ChildrenEnded),
    Over,
}

impl OperationRun {
    pub(super) fn new(operation: Operation) -> Self {
        OperationRun {
            operation,
            end: RunEnd::NotYet,
            since: None,
            watched: false,
            span: SpanMaker::default(),
            has_limit: false,
            current: None,
            token_wait: TokenWait::None,
            #[cfg(feature = "time")]
            grace_is_clean_up: false,
            work_has_begun: false,
            cancels_children: false,
            strict: false,
            cleaning: None,
            owes_clean_up: false,
            rare: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn rare(&mut self) -> Option<&mut Rare> {
        self.rare.get_mut().as_deref_mut()
    }

    pub(super) fn rare_or_new(&mut self) -> &mut Rare {
        self.rare.get_mut().get_or_insert_default()
    }

    /// Returns the operation if it is watched.
    #[inline]
    pub(super) fn watched(&self) -> Option<&Operation> {
        self.watched.then_some(&self.operation)
    }

    /// Cancels the operation. Returns the reason of the operation, which is a different one if the operation was cancelled
    /// earlier.
    pub(super) fn cancel(&self, reason: Reason) -> Reason {
        self.operation.cancel_with(reason);
        self.operation.cause()
    }

    /// Checks whether something other than the source and the token cancels the operation, and returns the reason. This is
    /// rare.
    #[inline]
    pub(super) fn poll_others(
        &mut self,
        drop_check: &mut DropCheck,
        cx: &mut Context<'_>,
    ) -> Option<Reason> {
        if self.cleaning.is_some() || self.rare().is_some() {
            self.poll_others_slow(drop_check, cx)
        } else {
            None
        }
    }

    #[cold]
    fn poll_others_slow(
        &mut self,
        drop_check: &mut DropCheck,
        cx: &mut Context<'_>,
    ) -> Option<Reason> {
        #[cfg(feature = "time")]
        if let Some(Rare { extra_limits: Some(limits), .. }) = self.rare.get_mut().as_deref_mut() {
            if let Poll::Ready(reason) = limits.poll(&self.operation, cx) {
                return Some(reason);
            }
        }
        if let Some(reason) = self.poll_undecided_parent(drop_check, cx) {
            return Some(reason);
        }
        // A race around this one may be about to drop this one and wait for the clean-up. If so, cancel the operation, so
        // that the clean-up begins.
        self.is_awaited(drop_check, cx).then(|| self.operation.reason_if_dropped())
    }

    /// Returns whether the operation is cancelled. If it is not, makes sure that a cancellation wakes the task.
    #[inline]
    pub(super) fn poll_token(&mut self, cx: &mut Context<'_>) -> bool {
        self.token_wait.poll(&self.operation, cx)
    }

    /// Called after each poll. If a handle was made in the poll, a cancellation through that handle must wake the task. If
    /// the operation has ended, its end must be recorded.
    #[inline(always)]
    pub(super) fn poll_returns(&mut self) {
        if self.token_wait.is_out_of_date(&self.operation) || self.must_record_end(HANDLES) {
            self.leave_privacy();
        }
    }

    /// Returns whether an end that has not been recorded must be recorded now, because code outside of the race can see it.
    /// User code that runs late in the last poll, for example a waker, may have made a handle. `handles` is the number of
    /// handles that the race has.
    #[inline(always)]
    fn must_record_end(&self, handles: usize) -> bool {
        matches!(self.end, RunEnd::Unrecorded(_)) && !self.operation.ends_unseen(handles)
    }

    /// Prepares the operation for code outside of the race, which has a handle now.
    #[cold]
    pub(super) fn leave_privacy(&mut self) {
        let (operation, waker) = self.new_handle();
        if let Some(waker) = waker {
            self.token_wait = TokenWait::listen(&operation, waker);
        }
    }

    /// Returns a handle for code outside of the race, and the waker that was kept while the operation was private. The
    /// caller passes the waker to [`TokenWait::listen`] with no lock held, and stores the result.
    pub(super) fn new_handle(&mut self) -> (Operation, Option<Waker>) {
        if self.since.is_none() {
            self.operation.make_token();
        }
        self.record_end();
        (self.operation.clone(), self.token_wait.take_private())
    }

    /// Records an end that has not been recorded.
    pub(super) fn record_end(&mut self) {
        if let RunEnd::Unrecorded(at) = self.end {
            self.end = RunEnd::Recorded;
            self.operation.complete_at(at);
        }
    }

    /// Ends the operation as completed. If only the race can see that, the end is recorded later, when a handle is made.
    pub(super) fn complete(&mut self) {
        let at = clock::now();
        // A race around the operation is woken at the end of the clean-up, while the operation is still the current one.
        if self.cleaning.is_none() && self.operation.ends_unseen(HANDLES) {
            self.end = RunEnd::Unrecorded(at);
        } else {
            self.operation.complete_at(at);
        }
    }

    /// Drops the limit of the source if it has passed. Called when a timeout in the source has fired and the source is still
    /// pending: such a timeout is not the deadline of the operation.
    #[cfg(feature = "time")]
    #[cold]
    pub(super) fn drop_passed_limit(&mut self) {
        self.operation.drop_limit(Some(clock::now()));
    }

    /// Notes that the source has been polled for the first time, so the limit of the source is known.
    #[cfg(feature = "time")]
    #[inline]
    pub(super) fn note_deadline(&mut self) {
        let limits = self.rare().and_then(|rare| rare.extra_limits.as_ref());
        let awaits = limits.is_some_and(ExtraLimits::awaits_deadline);
        self.operation.note_deadline(!awaits);
    }

    /// Drops the limit of the source, because the race is over.
    #[inline]
    pub(super) fn drop_limit(&mut self) {
        #[cfg(feature = "time")]
        if std::mem::take(&mut self.has_limit) {
            self.operation.drop_limit(None);
        }
    }

    /// Finds out whether the operation is cancelled with its parent, although it is polled with a different waker than the
    /// parent. Until the parent is cancelled, only registers the task to be woken by that cancellation. Returns the reason
    /// if the operation turns out to be part of the parent's work.
    fn poll_undecided_parent(
        &mut self,
        drop_check: &mut DropCheck,
        cx: &mut Context<'_>,
    ) -> Option<Reason> {
        let parent_wait = self.rare.get_mut().as_mut()?.parent_wait.as_mut()?;
        if is_probe(cx.waker()) {
            return None;
        }
        if !parent_wait.is_inside {
            // The operation is polled outside of the parent, so it is not part of the parent's work.
            self.leave_parent();
            return None;
        }
        let cancelled = &mut parent_wait.cancelled;
        if !cancelled.is_terminated() && Pin::new(cancelled).poll(cx).is_pending() {
            return None;
        }
        let reason = self.operation.reason_of_parent()?;
        let enclosure = match drop_check.traced_enclosure(cx) {
            Some(enclosure) => enclosure,
            // The parent has not been polled since its cancellation. When it is polled, it polls its work with a tracer, and
            // the arm above decides. If that poll never comes, the operation is not part of the parent's work: the operation
            // is in a `block_on`, or it outlives that work.
            None if dropping() == 0 => drop_check.untraced_enclosure(cx),
            // The parent drops its work right after this poll. If the operation is part of that work, it is dropped too.
            None => Enclosure::Unknown,
        };
        match enclosure {
            Enclosure::Inside => {
                self.operation.cancel_with_undecided_parent(reason.clone());
                return Some(reason);
            }
            Enclosure::Outside => self.leave_parent(),
            Enclosure::Unknown => {}
        }
        None
    }

    /// Notes whether this poll is inside a poll of the undecided parent. In that case, the parent is the current operation
    /// or an ancestor of it.
    #[inline]
    pub(super) fn note_whether_inside_parent(&mut self) {
        if let Some(Rare { parent_wait: Some(parent_wait), .. }) =
            self.rare.get_mut().as_deref_mut()
        {
            parent_wait.is_inside = self.operation.is_inside_parent();
        }
    }

    fn leave_parent(&mut self) {
        self.operation.leave_parent();
        self.rare_or_new().parent_wait = None;
    }

    /// Returns whether a race around the operation waits for its clean-up. If none does, registers the task to be woken when
    /// a race begins to wait.
    #[inline]
    pub(super) fn is_awaited(&self, drop_check: &mut DropCheck, cx: &Context<'_>) -> bool {
        let Some(cleaning) = &self.cleaning else { return false };
        is_awaited(cleaning, drop_check, cx)
    }

    /// Uses the grace period that was chosen together with the cancellation, if one was chosen. The operation must be
    /// cancelled already.
    #[cfg(feature = "time")]
    pub(super) fn use_grace_of_canceller(&mut self) {
        if let Some(at) = self.operation.grace_end() {
            self.rare_or_new().grace = Some(Countdown::until(at));
        }
    }

    /// Returns whether the work is within its grace period. The clock of the grace period starts at the first call.
    #[cfg(feature = "time")]
    pub(super) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Rare { grace: Some(grace), .. }) = self.rare.get_mut().as_deref_mut() else {
            return false;
        };
        !grace.is_done()
            && !self.operation.poll_forced(cx.waker())
            && grace.poll("Cancelable", cx).is_pending()
    }

    #[cfg(feature = "time")]
    pub(super) fn has_grace(&mut self) -> bool {
        self.rare().is_some_and(|rare| rare.grace.is_some())
    }

    /// Sets the limit that the operation has from its parent.
    #[cfg(feature = "time")]
    pub(super) fn set_inherited(&mut self, inherited: Inherited) {
        let rare = self.rare.get_mut().get_or_insert_default();
        rare.extra_limits.get_or_insert_default().set_inherited(inherited, &self.operation);
    }

    /// Drops the limits that are not in the source, and stops waiting for the end of the grace period.
    #[cfg(feature = "time")]
    #[inline]
    pub(super) fn end_rare_limits(&mut self) {
        let Some(rare) = self.rare() else { return };
        rare.extra_limits = None;
        if rare.grace.take().is_some() {
            self.operation.end_grace();
        }
    }

    /// Keeps a panic, to resume it later. Returns the error that the clean-up sees.
    pub(super) fn keep_panic(&mut self, panic: Box<dyn Any + Send>) -> Cancelled {
        let cancelled = Reason::error(format!("panicked: {}", message(&*panic))).into();
        self.rare_or_new().panic = Some(panic);
        cancelled
    }

    /// Keeps a panic, unless an earlier one has been kept: only the first panic is resumed.
    pub(super) fn keep_first_panic(&mut self, panic: Box<dyn Any + Send>) {
        if self.rare_or_new().panic.is_none() {
            self.keep_panic(panic);
        }
    }

    /// Takes the panic that was kept.
    #[inline]
    pub(super) fn take_panic(&mut self) -> Option<Box<dyn Any + Send>> {
        self.rare()?.panic.take()
    }
}

/// Guarantee 9: dropping an operation after its first poll and before its end is a cancellation.
impl Drop for OperationRun {
    fn drop(&mut self) {
        if let Some(cleaning) = &self.cleaning {
            cleaning.end();
        }
        // Before its first poll, and after a poll that panicked, the race has only one handle.
        let handles = 1 + usize::from(self.current.is_some());
        if self.end == RunEnd::NotYet {
            self.end_dropped(handles);
        } else if self.must_record_end(handles) {
            self.record_end();
        }
        self.token_wait.end();
        self.discard_clean_up_lost();
        if let Some(panic) = self.take_panic() {
            discard(panic);
        }
    }
}

impl OperationRun {
    /// Ends the operation because its race is dropped.
    fn end_dropped(&mut self, handles: usize) {
        if !self.owes_clean_up && self.operation.ends_unseen(handles) {
            return;
        }
        if self.since.is_none() {
            return self.operation.end_unpolled();
        }
        self.operation.end_dropped();
        if self.owes_clean_up {
            self.tell_clean_up_lost();
        }
    }

    /// Drops the `on_clean_up_lost` hooks, which will not run. They are dropped one by one, because the process would abort
    /// if two of them panicked within one drop.
    #[inline]
    pub(super) fn discard_clean_up_lost(&mut self) {
        if let Some(rare) = self.rare() {
            discard_all(std::mem::take(&mut rare.on_clean_up_lost));
        }
    }

    #[cold]
    fn tell_clean_up_lost(&mut self) {
        warn_clean_up_lost(&self.operation.snapshot());
        for hook in std::mem::take(&mut self.rare_or_new().on_clean_up_lost) {
            // If the hook panics, the panic hook of the process prints the panic. There is no caller to pass it on to.
            let _ = contain(|| hook(&self.operation));
        }
    }
}

#[cold]
fn discard_all(hooks: Vec<Hook>) {
    hooks.into_iter().for_each(discard);
}

#[inline(never)]
fn is_awaited(cleaning: &Protection, drop_check: &mut DropCheck, cx: &Context<'_>) -> bool {
    if !cleaning.poll_awaited(cx) || is_probe(cx.waker()) {
        return false;
    }
    let enclosure = drop_check.enclosure(cx);
    if enclosure == Enclosure::Outside {
        // This task is not part of the work of the race that waits, so the race need not wait.
        cleaning.release(dropping());
    }
    enclosure == Enclosure::Inside
}
