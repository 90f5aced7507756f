//! `Observed`: the run of an operation.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

#[cfg(feature = "time")]
use crate::clock;
use crate::frame::dropping;
use crate::operation::{Hook, Operation};
use crate::panic::{contain, message, warn_clean_up_lost};
use crate::poll_context::{DropCheck, Enclosure, Protection};
use crate::source::WaitForCancellationOwned;
use crate::sync::Mutex;
#[cfg(feature = "time")]
use crate::timer::Countdown;
use crate::wait::is_probe;
use crate::{Cancelled, Reason};

// The two locks are never taken: they make a run `Sync` when its parts are.

/// The run of an operation.
pub(super) struct Observed {
    pub(super) operation: Operation,
    /// Whether it has ended.
    pub(super) over: bool,
    /// When it started, once it has.
    pub(super) since: Option<Instant>,
    /// Whether somebody watches the operation. It is here so that asking takes no atomic read.
    pub(super) watched: bool,
    /// Whether its source has a time limit.
    pub(super) has_limit: bool,
    /// What makes it the current operation: taken while it is that, so that no poll clones it.
    pub(super) current: Option<Operation>,
    /// Waits for whoever cancels it by a handle, or from above, while the work is pending.
    pub(super) handles: Option<WaitForCancellationOwned>,
    /// How long the work may go on once it is asked to stop.
    #[cfg(feature = "time")]
    pub(super) grace: Option<Countdown>,
    /// Keeps the races around it while it cleans up.
    pub(super) cleaning: Option<Arc<Protection>>,
    /// What the work panicked with: it goes on once the operation has ended.
    pub(super) panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether clean-up is outstanding that nobody would take over.
    pub(super) owes_clean_up: bool,
    pub(super) on_clean_up_lost: Mutex<Vec<Hook>>,
}

impl Observed {
    pub(super) fn new(operation: Operation) -> Self {
        Observed {
            operation,
            over: false,
            since: None,
            watched: false,
            has_limit: false,
            current: None,
            handles: None,
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
    pub(super) fn watched(&self) -> Option<&Operation> {
        self.watched.then_some(&self.operation)
    }

    /// Cancels the operation. Somebody may have been quicker: tells why it is cancelled.
    pub(super) fn cancel(&self, reason: Reason) -> Reason {
        self.operation.cancel_with(reason);
        self.operation.cause()
    }

    /// Whether it is cancelled. If not, whoever cancels it wakes.
    #[inline]
    pub(super) fn poll_handles(&mut self, cx: &mut Context<'_>) -> bool {
        if is_probe(cx.waker()) {
            return self.operation.is_cancelled();
        }
        let handles = self.handles.get_or_insert_with(|| self.operation.cancelled_owned());
        matches!(Pin::new(handles).poll(cx), Poll::Ready(_))
    }

    /// A timeout in the source has fired, and the source goes on: if it was the limit, there is none.
    #[cfg(feature = "time")]
    #[cold]
    pub(super) fn drop_limit_if_passed(&mut self) {
        self.operation.drop_limit(Some(clock::now()));
    }

    /// The limit of the source does not apply any more.
    #[inline]
    pub(super) fn drop_limit(&mut self) {
        #[cfg(feature = "time")]
        if std::mem::take(&mut self.has_limit) {
            self.operation.drop_limit(None);
        }
    }

    /// Whether a race around it waits for what it cleans up. If not, one that begins to wakes.
    #[inline]
    pub(super) fn is_awaited(&self, drop_check: &mut DropCheck, cx: &Context<'_>) -> bool {
        match &self.cleaning {
            Some(cleaning) if cleaning.poll_awaited(cx) && !is_probe(cx.waker()) => {
                let enclosure = drop_check.enclosure(cx);
                if enclosure == Enclosure::Outside {
                    // The thread of that race was polling this task too: it is not part of the race's work.
                    cleaning.release(dropping());
                }
                enclosure == Enclosure::Inside
            }
            _ => false,
        }
    }

    /// Whether it is within its grace period. The clock starts at the first call.
    #[cfg(feature = "time")]
    pub(super) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let Observed { operation, grace: Some(grace), .. } = self else { return false };
        !grace.is_done()
            && !operation.poll_forced(cx.waker())
            && grace.poll("Cancelable", cx).is_pending()
    }

    /// Keeps a panic, and tells what stands for the outcome meanwhile.
    pub(super) fn keep(&mut self, panic: Box<dyn Any + Send>) -> Cancelled {
        let cancelled = Reason::error(format!("panicked: {}", message(&*panic))).into();
        *self.panic.get_mut() = Some(panic);
        cancelled
    }

    /// Keeps a panic, unless there is one: the first is the one that goes on.
    pub(super) fn keep_first(&mut self, panic: Box<dyn Any + Send>) {
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
            self.operation.drop_hooks();
            self.operation.leave();
        }
        if self.over || self.since.is_none() {
            return;
        }
        self.operation.end_dropped();
        if self.owes_clean_up {
            warn_clean_up_lost(&self.operation.snapshot());
            let hooks = std::mem::take(self.on_clean_up_lost.get_mut());
            for hook in hooks {
                // Its own panic has been printed, and there is nobody else to tell.
                let _ = contain(|| hook(&self.operation));
            }
        }
    }
}
