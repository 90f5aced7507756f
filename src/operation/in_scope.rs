//! `InScope`: a future that runs within an operation, wherever it is polled.
//!
//! The operation gets a child that stands for the future and ends with the future. So a task that waits for the children of
//! the operation also waits for the future, and the registries of the operation list the child. If a group is dropped, such
//! a child stands for its members until they have ended.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::Operation;
use super::activity::Activity;
use super::current::{PolledBy, TimedPoll};
use super::inner::Inner;
use crate::clock;
use crate::frame::InRace;
use crate::panic::message;
use crate::text::Text;
use crate::wait::polled_after_completion;

/// Future of [`Operation::in_scope`].
#[pin_project]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct InScope<F> {
    // Dropped first, so that the future is gone before the child that stands for it ends.
    /// `None` once the future has returned.
    #[pin]
    future: Option<F>,
    child: ScopedChild,
    operation: Operation,
}

/// The child that stands for the future, or for the members of a group that was dropped. The child ends when this value is
/// dropped, at the latest.
pub(crate) struct ScopedChild {
    operation: Operation,
    started: bool,
    /// Whether a registry lists the child.
    watched: bool,
}

impl ScopedChild {
    fn of(parent: &Operation, name: Option<Text>) -> Self {
        let mut operation = Operation::new();
        name.into_iter().for_each(|name| operation.set_name(name));
        operation.enter_below(parent);
        parent.activity().into_iter().for_each(|activity| activity.add_task(&operation));
        let watched = operation.is_watched();
        ScopedChild { operation, started: false, watched }
    }

    /// Creates a child that stands for the members of a group, with the name of the group's operation. Returns `None` if
    /// no registry lists that operation.
    pub(crate) fn of_members(group: &Operation) -> Option<Self> {
        if !group.activity().is_some_and(Activity::is_listed) {
            return None;
        }
        let mut child = ScopedChild::of(group, group.name_text());
        child.start();
        Some(child)
    }

    #[cold]
    fn start(&mut self) {
        self.started = true;
        Inner::start(&mut self.operation.inner, clock::now(), None);
        self.operation.activity().into_iter().for_each(Activity::tell_started);
    }
}

impl Drop for ScopedChild {
    fn drop(&mut self) {
        if self.started {
            self.operation.end_dropped();
        } else {
            self.operation.end_unpolled();
        }
    }
}

impl<F> InScope<F> {
    pub(super) fn new(operation: Operation, future: F) -> Self {
        InScope { future: Some(future), child: ScopedChild::of(&operation, None), operation }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            polled_after_completion("InScope")
        };
        let child = this.child;
        if !child.started {
            child.start();
        }
        let polled = {
            let _timed = TimedPoll::begin(child.watched.then_some(&child.operation));
            let _inside = this.operation.enter(PolledBy::ANYTHING);
            // Operations that are polled in this future are cancelled with the operation, even if the future itself is polled
            // in a shield.
            let _frame = InRace::enter(0, true);
            catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
        };
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => {
                this.future.set(None);
                child.operation.complete();
                Poll::Ready(value)
            }
            Err(panic) => {
                child.operation.end_failed(&format_args!("panicked: {}", message(&*panic)));
                resume_unwind(panic)
            }
        }
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").field("operation", &self.operation).finish_non_exhaustive()
    }
}
