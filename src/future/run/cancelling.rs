//! From the cancellation to the end of the work: the grace period, the wait for shields, and the error.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::RunState;
use crate::error::Cancelled;
#[cfg(feature = "time")]
use crate::future::operation_run::OperationRun;
use crate::poll_context::{Protection, Tracer};
use crate::reason::Reason;
use crate::visits::visit;

impl RunState {
    /// Returns whether the source has fired and only a shield or a grace period keeps the work alive.
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

    /// Returns whether the work is within its grace period. The clock of the grace period starts at the first call.
    #[cfg(feature = "time")]
    #[inline]
    pub(crate) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(run) = &mut self.operation else { return false };
        // A race around the operation waits for its clean-up, but usually not for its grace period. So if such a race waits,
        // the grace period ends. `is_awaited` is called even if the result is not needed, because the call also finds out
        // whether the operation is part of the work of that race.
        let goes_on = run.poll_grace(cx)
            && (!run.is_awaited(&mut self.drop_check, cx) || run.grace_is_clean_up);
        if !goes_on && run.has_grace() {
            run.operation.end_grace();
        }
        goes_on
    }

    /// Returns false: without a clock there is no grace period.
    #[cfg(not(feature = "time"))]
    pub(crate) fn poll_grace(&mut self, _cx: &mut Context<'_>) -> bool {
        false
    }

    /// Adds shields that have registered in a poll of the work.
    pub(crate) fn add_shields(&mut self, shields: Vec<Arc<Protection>>) {
        if let Some(operation) = self.watched() {
            operation.note_shields(&shields);
        }
        if self.shields.len() + shields.len() > self.shields.capacity() {
            // Removing shields shifts the list, so `notified` no longer fits. All shields will be notified again, which has
            // no effect on a shield that was notified before.
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

    /// Returns whether a shield keeps the work alive.
    #[inline]
    pub(crate) fn is_shielded(&mut self) -> bool {
        // Look only at the last shield, and remove it if it has ended. So even if many shields end one by one, each is
        // checked only a few times.
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

    /// Notifies the shields in the work that this race waits for them. If there are any such shields, returns the tracer of
    /// the race.
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

    /// Resolves to the error once no shield keeps the work alive.
    pub(crate) fn wait_for_shields(&mut self) -> Poll<Cancelled> {
        // Shields that have registered in this poll are notified at once. If one of them is the clean-up of an operation,
        // the notification makes that clean-up begin.
        match self.await_shields() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(self.error()),
        }
    }

    /// Forgets the shields, and wakes futures that expected to be dropped with the work but were not. Called once the work
    /// is gone.
    #[inline]
    pub(super) fn forget_shields(&mut self) {
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
    pub(crate) fn error(&mut self) -> Cancelled {
        let of_operation = || self.operation.as_ref()?.operation.reason();
        let reason = self.cause.clone().or_else(of_operation).unwrap_or(Reason::Dropped);
        #[cfg(feature = "time")]
        let forced = self.operation.as_mut().is_some_and(OperationRun::has_grace);
        #[cfg(not(feature = "time"))]
        let forced = false;
        self.error_for(reason, forced)
    }

    /// Returns the error for this reason, with the name of the operation. `forced` is true if the work did not
    /// end within its grace period.
    pub(super) fn error_for(&self, reason: Reason, forced: bool) -> Cancelled {
        match self.operation() {
            Some(operation) => operation.cancelled_for(reason, forced),
            None => reason.into(),
        }
    }
}

/// Returns the error of a race whose source had fired by the first poll. Such a race has no grace period.
pub(crate) fn error_of_unstarted(state: &Option<Box<RunState>>, reason: Reason) -> Cancelled {
    match state {
        Some(state) => state.error_for(reason, false),
        None => reason.into(),
    }
}
