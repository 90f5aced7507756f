//! `CommandRun`: the work of a command, which runs the child. `StopChild`: the clean-up, which kills the child if necessary.
//!
//! The work starts the child, and asks it to end when the operation is cancelled. During the grace period, the work
//! continues. If the child has not ended when the grace period is over, the race drops the work, and the clean-up kills the
//! child and collects the rest of its output. The work and the clean-up share the child in a mutex. They never poll the
//! child at the same time, so each takes the child out of the mutex for a poll, and holds no lock during the poll.

use std::fmt;
use std::pin::Pin;
use std::process::Output;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::GRACE;
use super::child::Child;
use super::command::Command;
use super::error::CommandError;
use crate::error::Cancelled;
use crate::future::{Cancelable, ErrorOf, TryCancelable, error_of_result, sealed};
use crate::operation::Operation;
use crate::source::Source;
use crate::sync::Mutex;
use crate::wait::polled_after_completion;

type Outcome = Result<Output, CommandError>;
type SharedChild = Arc<Mutex<Option<Box<Child>>>>;
type Race<S> = TryCancelable<CommandRun, <S as Source>::Future, StopChild>;

/// The work of a [`Command`] or a [`RunningChild`](super::RunningChild): a future of the child's output.
pub struct CommandRun {
    /// `None` once the child has started.
    command: Option<Command>,
    child: SharedChild,
}

impl CommandRun {
    /// Races a command against `source`.
    pub(super) fn of_command<S: Source>(command: Command, source: S) -> Race<S> {
        let mut operation = Operation::new();
        operation.set_name(command.program().into());
        Self::race(Some(command), SharedChild::default(), operation, source)
    }

    /// Races a child that is running against `source`.
    pub(super) fn of_child<S: Source>(child: Child, source: S) -> Race<S> {
        let child = Arc::new(Mutex::new(Some(Box::new(child))));
        Self::race(None, child, Operation::new(), source)
    }

    fn race<S: Source>(
        command: Option<Command>,
        child: SharedChild,
        operation: Operation,
        source: S,
    ) -> Race<S> {
        let is_running = command.is_none();
        let ending = StopChild { child: child.clone(), outcome: None };
        let work = CommandRun { command, child };
        let mut race = Cancelable::of_operation(work, source, ending, operation);
        race.run_state().count_grace_as_clean_up();
        if is_running {
            race.run_state().note_work_has_begun();
        }
        TryCancelable::of(race).grace(GRACE)
    }
}

impl Future for CommandRun {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let started = match self.command.take() {
            Some(command) => Some(Box::new(command.spawn()?)),
            None => self.child.lock().take(),
        };
        let Some(mut child) = started else { polled_after_completion("CommandRun") };
        let mut ended = child.poll_end(cx).map_err(CommandError::Failed)?;
        if let Some(operation) = Operation::current().filter(Operation::is_cancelled) {
            if child.has_ended_unasked() {
                // The child has ended, so it is too late to stop it. Its output may still be open, but the operation does
                // not wait for the rest.
                ended = Poll::Ready(());
            } else {
                child.ask(|| operation.cancelled_for(operation.cause(), false));
            }
        }
        if ended.is_pending() {
            *self.child.lock() = Some(child);
            return Poll::Pending;
        }
        Poll::Ready(child.into_outcome())
    }
}

impl fmt::Debug for CommandRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandRun")
            .field("command", &self.command)
            .field("child", &*self.child.lock())
            .finish()
    }
}

/// The clean-up of a [`Command`]: kills a child that has not ended in its grace period, and collects the rest of its output.
pub struct StopChild {
    child: SharedChild,
    /// The outcome, stored here while the clean-up is pending.
    outcome: Option<Result<Outcome, Cancelled>>,
}

impl sealed::Ending<Outcome> for StopChild {
    const CLEANS_UP: bool = true;

    fn set_error_of(&self, _error_of: ErrorOf<Outcome>) {}

    fn error_of(&self) -> Option<ErrorOf<Outcome>> {
        Some(error_of_result)
    }

    fn store_outcome(mut self: Pin<&mut Self>, outcome: &mut Option<Result<Outcome, Cancelled>>) {
        self.outcome = outcome.take();
    }

    fn restore_outcome(mut self: Pin<&mut Self>, outcome: &mut Option<Result<Outcome, Cancelled>>) {
        if let Some(stored) = self.outcome.take() {
            *outcome = Some(stored);
        }
    }

    fn poll_clean_up(
        mut self: Pin<&mut Self>,
        outcome: &mut Option<Result<Outcome, Cancelled>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.as_mut().restore_outcome(outcome);
        let Some(mut child) = self.child.lock().take() else { return Poll::Ready(()) };
        let Some(Err(cancelled)) = &*outcome else { return Poll::Ready(()) };
        child.force(cancelled);
        let ended = match child.poll_end(cx) {
            Poll::Ready(Ok(())) => child.into_outcome(),
            Poll::Ready(Err(error)) => Err(CommandError::Failed(error)),
            Poll::Pending => {
                *self.child.lock() = Some(child);
                self.outcome = outcome.take();
                return Poll::Pending;
            }
        };
        *outcome = Some(Ok(ended));
        Poll::Ready(())
    }
}

impl fmt::Debug for StopChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopChild")
    }
}
